import { foldersOf } from '#engine/build/folders.ts'
import { digestOfPatches, patchesOf, unpackUpstream } from '#engine/build/source-step.ts'
import type { PackageNode } from '#engine/plan/graph.ts'
import { inOrder } from '#engine/plan/graph.ts'
import { readDev } from '#engine/source/work-tree.ts'
import { rebaseTree } from '#engine/source/work-tree-rebase.ts'
import type { Plan } from '../planning.ts'
import { withToolchains } from './prepare.ts'
import { conflict, openTree } from './tree.ts'

/**
 * Moves commits in work trees onto the source that their unit declares by now.
 * @returns whether there was anything to move
 * @throws {YoeError} SOURCE_STATE at a conflict, which then waits in the tree
 */
export async function moveTrees(plan: Plan): Promise<boolean> {
  const { workspace } = plan
  const nodes = inOrder(plan.targets).filter(
    (node): node is PackageNode => node.kind === 'package' && canMove(plan, node),
  )
  if (nodes.length === 0) return false
  await withToolchains(plan, nodes, async (node, { context, source, toolchain, log }) => {
    const tree = openTree(workspace, node.id)
    if (tree === undefined) return
    const { name, version } = node.unit
    const patches = digestOfPatches(patchesOf(context, node.unit))
    const conflicts = await rebaseTree(tree.run, tree, tree.prepared, patches, (dest) =>
      unpackUpstream(context, node, source, toolchain, dest, log),
    )
    if (conflicts.length > 0) throw conflict(tree, name, conflicts)
    const message = `${name}: commits moved from ${tree.prepared.version} onto ${version}`
    workspace.report({ type: 'notice', message })
  })
  return true
}

/** With edits nothing can be moved; what follows a branch is where the user wants it. */
function canMove({ keys, workspace }: Plan, node: PackageNode): boolean {
  const dev = keys.get(node)?.dev
  if (dev?.behind === undefined || dev.edits.length > 0) return false
  return readDev(foldersOf(workspace.buildRoot, node))?.tracking === undefined
}
