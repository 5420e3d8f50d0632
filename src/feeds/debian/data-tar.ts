import { createHash, type Hash, hash } from 'node:crypto'
import type { DestEntry, ScannedTree } from '#engine/build/destdir.ts'
import { Chunks } from '../shared/chunks.ts'
import type { Cut } from '../shared/pack.ts'
import { addContent, openedFile } from '../shared/tree-file.ts'
import { fixedOwner } from './accounts.ts'
import { chunkSize } from './compress.ts'
import { tarEnd, tarHeader } from './tar-header.ts'

/**
 * The tree as a tar, in chunks of {@link chunkSize} (the last is shorter), whatever the reads return, so that compressors
 * make the same bytes of them. Memory does not grow with the tree: a chunk is written over by the next but one.
 *
 * @param mtime seconds since 1970, of every member
 * @param batches all entries of the tree
 * @param sums gets the lowercase hex MD5 of every file as it passes
 * @throws {YoeError} PACKAGE_INVALID when a file is not what it was when it was listed
 */
export async function* dataTar(
  tree: Pick<ScannedTree, 'open'>,
  mtime: number,
  batches: Cut['batches'],
  sums: Map<DestEntry, string>,
): AsyncGenerator<Buffer, void, undefined> {
  const chunks = new Chunks(chunkSize)
  for await (const batch of batches)
    for (const entry of batch) {
      const owner = entry.permission === undefined ? undefined : fixedOwner(entry.permission)
      const head = tarHeader(owner === undefined ? entry : { ...entry, owner }, mtime)
      if (!chunks.put(head)) yield* chunks.add(head)
      if (entry.kind !== 'file') continue
      using file = openedFile(tree, entry)
      const { content } = file
      if (content !== undefined) {
        sums.set(entry, hash('md5', content))
        if (!chunks.put(content)) yield* chunks.add(content)
      } else {
        const sum = new Md5(entry.size)
        yield* addContent(file, entry, chunks, (bytes) => sum.add(bytes))
        sums.set(entry, sum.digest())
      }
      const full = chunks.align()
      if (full !== undefined) yield full
    }
  yield* chunks.add(tarEnd)
  yield* chunks.end()
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
