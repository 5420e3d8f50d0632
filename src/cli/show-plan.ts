import type { NodeState } from '#toolkit/inspect.ts'
import type { Plan } from '#toolkit/planning.ts'
import type { Output, Style } from './output.ts'
import { table } from './output.ts'

const styles: Readonly<Record<NodeState['state'], Style>> = {
  cached: 'green',
  'to restore': 'green',
  'to build': 'yellow',
  unneeded: 'dim',
}

/** A plan, and what a build would find for each of its nodes. */
export interface Shown {
  readonly plan: Plan
  readonly states: readonly NodeState[]
}

/** What a build would do: a line for every unit, dependencies first, and the counts. As JSON: the distro is that of the first plan. */
export function showPlans(plans: readonly Shown[], output: Output): void {
  const all = plans.flatMap(({ states }) => states)
  if (output.json) {
    const [first] = plans
    output.printJson({
      machine: first?.plan.machine.name,
      distro: first?.plan.distro,
      units: all.map(({ node, hash, state, why, target }) => ({
        unit: node.unit.name,
        id: node.id,
        kind: node.kind,
        hash,
        state,
        why,
        target,
        at: node.unit.at,
        ...(node.kind === 'image' ? { packages: node.closure.length } : {}),
      })),
    })
    return
  }
  const rows = all.map(({ node, hash, state, why }) => [
    output.paint(styles[state], state),
    node.id,
    output.paint('dim', hash.slice(0, 12)),
    state === 'cached' ? '' : why,
  ])
  for (const line of table(rows)) output.print(line)
  const count = (state: NodeState['state']): number => all.filter((entry) => entry.state === state).length
  const restored = count('to restore') === 0 ? '' : `${count('to restore')} to restore, `
  output.print(`${count('to build')} to build, ${restored}${count('cached')} cached, ${count('unneeded')} not needed`)
}
