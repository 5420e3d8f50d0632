import type { PackageNode } from '../plan/graph.ts'
import { placeLabel } from '../project/place.ts'
import { fetchSource } from '../source/fetch.ts'
import { applyPatches } from '../source/patch.ts'
import { copyTree } from '../source/tree.ts'
import { unpackArchive } from '../source/unpack.ts'
import type { BuildContext } from './context.ts'
import type { UnitLog } from './unit-log.ts'

/**
 * Puts a unit's source into `dest`: a copy of a folder of the project, or what an archive or a commit holds, with the
 * unit's patches applied. Whatever came from elsewhere is unpacked in the sandbox.
 *
 * @param toolchain root whose tar, unzip and patch do the work
 */
export async function prepareSource(
  context: BuildContext,
  node: PackageNode,
  toolchain: string,
  dest: string,
  log: UnitLog,
): Promise<void> {
  const { source, patches } = node.unit
  const { worker, signal } = context
  if (source === undefined) return
  if (source.kind === 'path') await copyTree(context.absolute(source.place), dest, context.sourceDateEpoch)
  else {
    const { archive, title } = await fetchSource(source, context)
    log.note(`unpack ${title}`)
    // A commit's tree has no folder around it.
    await unpackArchive({
      worker,
      root: toolchain,
      archive,
      title,
      dest,
      strip: source.kind === 'archive',
      log: log.write,
      signal,
    })
  }
  if (patches.length === 0) return
  log.note(patches.length === 1 ? 'one patch' : `${patches.length} patches`)
  const files = patches.map((place) => ({ path: context.absolute(place), label: placeLabel(place) }))
  await applyPatches({ worker, root: toolchain, patches: files, dest, log: log.write, signal })
}
