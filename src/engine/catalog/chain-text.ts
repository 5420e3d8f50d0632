import type { Universe } from './candidates.ts'
import type { Alternatives, VersionScheme } from './package.ts'
import type { Root } from './solver.ts'

/** A way from a root down to a package, for messages. */
export interface Chain {
  readonly root: Root
  /** Packages on the way, each with the dependency that leads on. */
  readonly steps: readonly { readonly package: string; readonly group: Alternatives }[]
}

/** Packages looked at before giving up; explanations of hostile feeds must end, too. */
const lookLimit = 20_000

/** A shortest way from one of the roots to a package that is called `target`, by the newest version of each name. */
export function shortestChain(
  known: Universe & { readonly versions: VersionScheme },
  roots: readonly Root[],
  target: string,
): Chain | undefined {
  interface Step {
    readonly name: string
    readonly root: Root
    readonly before: Step | undefined
    readonly group: Alternatives
  }
  const seen = new Set<string>()
  const queue: Step[] = []
  const reach = (group: Alternatives, root: Root, before: Step | undefined): Step | undefined => {
    for (const { name } of group) {
      for (const each of [name, ...known.providers(name).map((record) => record.name)]) {
        if (seen.has(each)) continue
        seen.add(each)
        const step = { name: each, root, before, group }
        if (each === target) return step
        queue.push(step)
      }
    }
    return undefined
  }
  const search = (): Step | undefined => {
    for (const root of roots) {
      const found = reach(root.dependency, root, undefined)
      if (found !== undefined) return found
    }
    for (const step of queue) {
      if (seen.size > lookLimit) return undefined
      const records = known.lookup(step.name)
      const newest = records.reduce<(typeof records)[number] | undefined>(
        (best, one) => (best === undefined || known.versions.compare(one.version, best.version) > 0 ? one : best),
        undefined,
      )
      for (const group of newest?.depends ?? []) {
        const found = reach(group, step.root, step)
        if (found !== undefined) return found
      }
    }
    return undefined
  }
  const end = search()
  if (end === undefined) return undefined
  const steps: { package: string; group: Alternatives }[] = []
  for (let at = end; at.before !== undefined; at = at.before)
    steps.unshift({ package: at.before.name, group: at.group })
  return { root: end.root, steps }
}
