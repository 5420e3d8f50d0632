import { createHash, hash } from 'node:crypto'
import type { DestEntry, ScannedTree, TreeFile } from '#engine/build/destdir.ts'
import { Chunks } from '../shared/chunks.ts'
import type { Cut } from '../shared/pack.ts'
import { addContent, changedFile, openedFile } from '../shared/tree-file.ts'
import { ownerOf } from './accounts.ts'
import { capabilityBytes } from './capabilities.ts'
import { chunkSize } from './gzip.ts'
import { apkTarHeader, PlainFileHeads, tarEnd } from './tar.ts'

/** Bytes that are read at a time to be hashed; what is smaller is read once. */
const atOnce = 1 << 20

/**
 * The tree as a tar, in chunks of {@link chunkSize} (the last is shorter). Each file's checksum stands before its content,
 * so that large files are read twice. A chunk's memory is written over by the next but one.
 *
 * @param mtime seconds since 1970, of every member
 * @param batches all entries of the tree
 * @throws {YoeError} PACKAGE_INVALID when a file is not what it was when it was listed
 */
export async function* dataTar(
  tree: Pick<ScannedTree, 'open'>,
  mtime: number,
  batches: Cut['batches'],
): AsyncGenerator<Buffer, void, undefined> {
  const chunks = new Chunks(chunkSize)
  const buffer = Buffer.allocUnsafeSlow(atOnce)
  const plain = new PlainFileHeads(mtime)
  for await (const batch of batches)
    for (const entry of batch) {
      const { kind, path, target, size, mode, permission } = entry
      // There is a root already.
      if (path.length === 0) continue
      if (kind !== 'file') {
        const sha1 = kind === 'symlink' && target !== undefined ? hash('sha1', target) : undefined
        const head = headOf(entry, sha1, mtime)
        if (!chunks.put(head)) yield* chunks.add(head)
        continue
      }
      using file = openedFile(tree, entry)
      const { content } = file
      const sha1 = content === undefined ? digestOf(file, entry, buffer) : hash('sha1', content)
      const head =
        (permission === undefined ? plain.next(path, mode, size, sha1) : undefined) ?? headOf(entry, sha1, mtime)
      if (!chunks.put(head)) yield* chunks.add(head)
      if (size <= atOnce) {
        const bytes = content ?? buffer.subarray(0, size)
        if (!chunks.put(bytes)) yield* chunks.add(bytes)
      } else {
        const sum = createHash('sha1')
        yield* addContent(file, entry, chunks, (bytes) => void sum.update(bytes))
        if (sum.digest('hex') !== sha1) throw changedFile(entry, undefined)
      }
      const full = chunks.align()
      if (full !== undefined) yield full
    }
  yield* chunks.add(tarEnd)
  yield* chunks.end()
}

function headOf(entry: DestEntry, sha1: string | undefined, mtime: number): Buffer {
  const { permission } = entry
  const owner = permission === undefined ? undefined : ownerOf(permission)
  return apkTarHeader({ ...entry, owner, sha1, capabilities: capabilityBytes(permission?.capabilities) }, mtime)
}

/** @param buffer holds all of a file that is no larger than it */
function digestOf(file: TreeFile, entry: DestEntry, buffer: Buffer): string {
  const { size } = entry
  const read = (at: number): Buffer => {
    const wanted = Math.min(size - at, buffer.length)
    if (wanted > 0 && file.read(buffer.subarray(0, wanted), at) !== wanted) throw changedFile(entry, undefined)
    return buffer.subarray(0, wanted)
  }
  if (size <= buffer.length) return hash('sha1', read(0))
  const sum = createHash('sha1')
  for (let at = 0; at < size; at += buffer.length) sum.update(read(at))
  return sum.digest('hex')
}
