import type { NodeState } from '#toolkit/inspect.ts'
import type { Plan } from '#toolkit/planning.ts'
import type { Output, Style } from './output.ts'
import { table } from './output.ts'

const styles: Readonly<Record<NodeState['state'], Style>> = { cached: 'green', 'to build': 'yellow', unneeded: 'dim' }

/** What a build would do: a line for every unit, dependencies first, and the counts. */
export function showPlan(plan: Plan, states: readonly NodeState[], output: Output): void {
  if (output.json) {
    output.printJson({
      machine: plan.machine.name,
      distro: plan.distro,
      units: states.map(({ node, hash, state, why, target }) => ({
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
  const rows = states.map(({ node, hash, state, why }) => [
    output.paint(styles[state], state),
    node.id,
    output.paint('dim', hash.slice(0, 12)),
    state === 'cached' ? '' : why,
  ])
  for (const line of table(rows)) output.print(line)
  const count = (state: NodeState['state']): number => states.filter((entry) => entry.state === state).length
  output.print(`${count('to build')} to build, ${count('cached')} cached, ${count('unneeded')} not needed`)
}
