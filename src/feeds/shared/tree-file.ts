import type { DestEntry, ScannedTree, TreeFile } from '#engine/build/destdir.ts'
import { YoeError } from '#engine/errors.ts'
import { shown } from '#engine/shown.ts'

/** A file of the tree, to be packed. @throws {YoeError} PACKAGE_INVALID when it is not what it was when it was listed */
export function openedFile(tree: Pick<ScannedTree, 'open'>, entry: DestEntry): TreeFile {
  try {
    return tree.open(entry)
  } catch (failure) {
    throw changedFile(entry, failure)
  }
}

export function changedFile(entry: DestEntry, cause: unknown): YoeError {
  return new YoeError('PACKAGE_INVALID', `/${shown(entry.path)} changed or vanished while it was being packed`, {
    hint: 'a task must leave no process behind that still writes to $DESTDIR',
    cause,
  })
}
