import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { foldersOf } from '#engine/build/folders.ts'
import { YoeError, YoeErrors } from '#engine/errors.ts'
import type { DevSource } from '#engine/plan/dev-source.ts'
import type { Node, PackageNode } from '#engine/plan/graph.ts'
import { inOrder } from '#engine/plan/graph.ts'
import type { Workspace } from '../workspace.ts'

/** A unit whose source comes from elsewhere, and has a work tree here. */
export function hasTree(node: Node): node is PackageNode {
  return node.kind === 'package' && node.unit.source !== undefined && node.unit.source.kind !== 'path'
}

/**
 * The units among `targets` and all below them that are built from their work trees: those in dev state, and those in
 * whose trees somebody committed, which are put into it. A unit without a tree costs one question to the file system.
 *
 * @throws {YoeErrors} SOURCE_STATE for trees that can't be read, and for all of them under CI
 */
export async function devSources(
  workspace: Workspace,
  targets: readonly Node[],
): Promise<ReadonlyMap<Node, DevSource>> {
  const { buildRoot } = workspace
  const found = inOrder(targets).filter(
    (node): node is PackageNode => hasTree(node) && existsSync(join(foldersOf(buildRoot, node).git, 'yoe.json')),
  )
  if (found.length === 0) return new Map()
  const { readTree } = await import('./tree.ts')
  const sources = new Map<Node, DevSource>()
  for (const node of found) {
    const source = await readTree(workspace, node)
    if (source !== undefined) sources.set(node, source)
  }
  refuseInCi(workspace, [...sources.keys()])
  return sources
}

/** What a job builds is what is committed to the project; a tree that somebody edited is on that machine alone. */
function refuseInCi({ env }: Workspace, nodes: readonly Node[]): void {
  if ((env['CI'] ?? '') === '' || nodes.length === 0) return
  throw new YoeErrors(
    nodes.map(
      ({ unit }) =>
        new YoeError('SOURCE_STATE', `unit "${unit.name}" is in dev mode, and CI builds what the project declares`, {
          at: unit.at,
          unit: unit.name,
          hint: `yoe dev extract ${unit.name}, and yoe dev pin ${unit.name}; or start from a fresh checkout`,
        }),
    ),
  )
}
