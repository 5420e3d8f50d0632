import type { DestEntry, ScannedTree, TreeFile } from '#engine/build/destdir.ts'
import { YoeError } from '#engine/errors.ts'
import { shown } from '#engine/shown.ts'
import type { Chunks } from './chunks.ts'

/** A file of the tree, to be packed. @throws {YoeError} PACKAGE_INVALID when it is not what it was when it was listed */
export function openedFile(tree: Pick<ScannedTree, 'open'>, entry: DestEntry): TreeFile {
  try {
    return tree.open(entry)
  } catch (failure) {
    throw changedFile(entry, failure)
  }
}

/**
 * Reads a file into a tar, as far as it was listed to reach.
 *
 * @param passed gets its bytes in order, which are written over later
 * @throws {YoeError} PACKAGE_INVALID when it has fewer
 */
export function* addContent(
  file: TreeFile,
  entry: DestEntry,
  chunks: Chunks,
  passed: (bytes: Buffer) => void,
): Generator<Buffer, void, undefined> {
  for (let at = 0; at < entry.size; ) {
    const room = chunks.room(entry.size - at)
    const got = file.read(room, at)
    if (got === 0) throw changedFile(entry, undefined)
    passed(room.subarray(0, got))
    at += got
    const full = chunks.advance(got)
    if (full !== undefined) yield full
  }
}

export function changedFile(entry: DestEntry, cause: unknown): YoeError {
  return new YoeError('PACKAGE_INVALID', `/${shown(entry.path)} changed or vanished while it was being packed`, {
    hint: 'a task must leave no process behind that still writes to $DESTDIR',
    cause,
  })
}
