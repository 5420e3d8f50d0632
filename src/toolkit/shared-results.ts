import { userErrors } from '#engine/errors.ts'
import type { Node } from '#engine/plan/graph.ts'
import { manifestArch } from '#engine/plan/graph.ts'
import { entryName } from '#engine/store/cache.ts'
import type { Plan } from './planning.ts'
import { openRemotes, remoteCachesOf } from './remotes.ts'

/**
 * Which nodes' results shared caches say they have, and which cache, found out without downloading any: whether they can
 * be trusted shows when they are used. A cache that can't be asked is a warning.
 */
export async function sharedResults(plan: Plan, nodes: readonly Node[]): Promise<ReadonlyMap<Node, string>> {
  const found = new Map<Node, string>()
  const { workspace, project } = plan
  const declared = remoteCachesOf(workspace, project)
  if (declared.length === 0 || nodes.length === 0) return found
  const remotes = await openRemotes(declared, workspace, { trusted: false, signs: false, report: workspace.report })
  for (const remote of remotes) {
    const names = new Map<string, Node>()
    for (const node of nodes)
      if (!found.has(node)) names.set(entryName(manifestArch(node), plan.keys.get(node)?.hash ?? ''), node)
    try {
      for (const name of await remote.has([...names.keys()])) {
        const node = names.get(name)
        if (node !== undefined) found.set(node, `${remote}`)
      }
      await remote.close?.()
    } catch (failure) {
      const [error] = userErrors(failure) ?? []
      if (error === undefined) throw failure
      const hint = 'the plan goes on without it'
      workspace.report({ type: 'warning', message: `${remote}: ${error.message}`, hint })
    }
  }
  return found
}
