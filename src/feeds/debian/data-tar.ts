import { createHash } from 'node:crypto'
import type { DestEntry, ScannedTree, TreeFile } from '#engine/build/destdir.ts'
import { YoeError } from '#engine/errors.ts'
import { shown } from '#engine/shown.ts'
import { fixedOwner } from './accounts.ts'
import { tarEnd, tarHeader, tarPadding } from './tar-header.ts'

/** Compressors see the same pieces whatever the reads return, so that they make the same bytes of them. */
const piece = 1 << 18

/**
 * The tree as a tar, in pieces of constant size (the last is shorter); memory does not grow with the tree.
 *
 * @param mtime seconds since 1970, of every member
 * @param sums gets the lowercase hex MD5 of every file as it passes
 * @throws {YoeError} PACKAGE_INVALID when a file is not what it was when it was listed
 */
export function* dataTar(
  tree: ScannedTree,
  mtime: number,
  sums: Map<DestEntry, string>,
): Generator<Buffer, void, undefined> {
  const pieces = new Pieces()
  for (const entry of tree.entries) {
    const owner = entry.permission === undefined ? undefined : fixedOwner(entry.permission)
    yield* pieces.add(tarHeader(owner === undefined ? entry : { ...entry, owner }, mtime))
    if (entry.kind !== 'file') continue
    using file = opened(tree, entry)
    const sum = createHash('md5')
    for (let at = 0; at < entry.size; ) {
      const room = pieces.room()
      const got = room.subarray(0, file.read(room.subarray(0, entry.size - at), at))
      if (got.length === 0) throw changed(entry, undefined)
      sum.update(got)
      at += got.length
      yield* pieces.advance(got.length)
    }
    sums.set(entry, sum.digest('hex'))
    yield* pieces.add(tarPadding(entry.size))
  }
  yield* pieces.add(tarEnd)
  yield* pieces.end()
}

function opened(tree: ScannedTree, entry: DestEntry): TreeFile {
  try {
    return tree.open(entry)
  } catch (failure) {
    throw changed(entry, failure)
  }
}

function changed(entry: DestEntry, cause: unknown): YoeError {
  return new YoeError('PACKAGE_INVALID', `/${shown(entry.path)} changed or vanished while it was being packed`, {
    hint: 'a task must leave no process behind that still writes to $DESTDIR',
    cause,
  })
}

/** Regroups bytes into buffers of one size; each is handed out full and never written again. */
class Pieces {
  #buffer = Buffer.allocUnsafe(piece)
  #used = 0

  room(): Buffer {
    return this.#buffer.subarray(this.#used)
  }

  *advance(count: number): Generator<Buffer, void, undefined> {
    this.#used += count
    if (this.#used < piece) return
    yield this.#buffer
    this.#buffer = Buffer.allocUnsafe(piece)
    this.#used = 0
  }

  *add(bytes: Buffer): Generator<Buffer, void, undefined> {
    for (let at = 0; at < bytes.length; ) {
      const count = bytes.copy(this.room(), 0, at)
      at += count
      yield* this.advance(count)
    }
  }

  *end(): Generator<Buffer, void, undefined> {
    if (this.#used > 0) yield this.#buffer.subarray(0, this.#used)
  }
}
