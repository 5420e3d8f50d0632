import { createHash, type Hash, hash } from 'node:crypto'
import type { DestEntry, ScannedTree, TreeFile } from '#engine/build/destdir.ts'
import { YoeError } from '#engine/errors.ts'
import { shown } from '#engine/shown.ts'
import { fixedOwner } from './accounts.ts'
import { chunkSize } from './compress.ts'
import { tarBlock, tarEnd, tarHeader } from './tar-header.ts'

/**
 * The tree as a tar, in chunks of {@link chunkSize} (the last is shorter), whatever the reads return, so that compressors
 * make the same bytes of them. Memory does not grow with the tree: a chunk is written over by the next but one.
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
  const chunks = new Chunks()
  for (const entry of tree.entries) {
    const owner = entry.permission === undefined ? undefined : fixedOwner(entry.permission)
    yield* chunks.add(tarHeader(owner === undefined ? entry : { ...entry, owner }, mtime))
    if (entry.kind !== 'file') continue
    using file = opened(tree, entry)
    const sum = new Md5(entry.size)
    for (let at = 0; at < entry.size; ) {
      const room = chunks.room(entry.size - at)
      const got = file.read(room, at)
      if (got === 0) throw changed(entry, undefined)
      sum.add(room.subarray(0, got))
      at += got
      const full = chunks.advance(got)
      if (full !== undefined) yield full
    }
    sums.set(entry, sum.digest())
    const full = chunks.align()
    if (full !== undefined) yield full
  }
  yield* chunks.add(tarEnd)
  yield* chunks.end()
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

/** Of `size` bytes: for those that come at once, which are most, there is a quicker way. */
class Md5 {
  readonly #size: number
  #sum: Hash | undefined
  #digest: string | undefined

  constructor(size: number) {
    this.#size = size
  }

  add(bytes: Buffer): void {
    if (this.#sum === undefined && bytes.length === this.#size) {
      this.#digest = hash('md5', bytes)
      return
    }
    this.#sum ??= createHash('md5')
    this.#sum.update(bytes)
  }

  digest(): string {
    return this.#digest ?? (this.#sum ?? createHash('md5')).digest('hex')
  }
}

/** Regroups bytes into chunks of one size, in two buffers by turns. All but a file's content comes in whole blocks. */
class Chunks {
  #buffer: Buffer = Buffer.allocUnsafeSlow(chunkSize)
  #other: Buffer | undefined
  #used = 0

  /** Where the next bytes belong: at most `wanted`, and at least one. */
  room(wanted: number): Buffer {
    return this.#buffer.subarray(this.#used, Math.min(this.#used + wanted, chunkSize))
  }

  /** @returns a chunk that is full now */
  advance(count: number): Buffer | undefined {
    this.#used += count
    if (this.#used < chunkSize) return undefined
    const full = this.#buffer
    this.#buffer = this.#other ?? Buffer.allocUnsafeSlow(chunkSize)
    this.#other = full
    this.#used = 0
    return full
  }

  /** Zeros up to the end of a block. */
  align(): Buffer | undefined {
    const missing = (tarBlock - (this.#used % tarBlock)) % tarBlock
    this.#buffer.fill(0, this.#used, this.#used + missing)
    return this.advance(missing)
  }

  *add(blocks: Buffer): Generator<Buffer, void, undefined> {
    for (let at = 0; at < blocks.length; ) {
      const count = blocks.copy(this.#buffer, this.#used, at)
      at += count
      const full = this.advance(count)
      if (full !== undefined) yield full
    }
  }

  *end(): Generator<Buffer, void, undefined> {
    if (this.#used > 0) yield this.#buffer.subarray(0, this.#used)
  }
}
