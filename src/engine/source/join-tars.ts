import { createReadStream } from 'node:fs'
import { readTar } from '../image/tar-read.ts'
import { tarEnd, tarHeader, tarPadding } from '../image/tar-write.ts'
import { readBlocks } from '../store/objects.ts'
import { type LfsPointer, longestPointer, parsePointer } from './lfs-pointer.ts'

/** The tar of one repository's commit. */
export interface TarPart {
  readonly path: string
  /** Names in it, as bytes in latin1, that Git LFS is asked for. */
  readonly lfs: ReadonlySet<string>
}

const read = (path: string): AsyncIterable<Uint8Array> => createReadStream(path, { highWaterMark: 2 ** 20 })

/** What the parts need from Git LFS. */
export async function pointersIn(parts: readonly TarPart[], title: string): Promise<readonly LfsPointer[]> {
  const found: LfsPointer[] = []
  for (const part of parts.filter(({ lfs }) => lfs.size > 0)) {
    for await (const { entry, body } of readTar(read(part.path), title, 'any')) {
      if (!part.lfs.has(entry.path) || entry.size > longestPointer) continue
      const pointer = parsePointer((await bytesOf(body())).toString(), entry.path)
      if (pointer !== undefined) found.push(pointer)
    }
  }
  return found
}

/**
 * One tar of all parts, with files in the place of pointers.
 *
 * @param contentOf path of a file by its SHA-256
 */
export async function* joinTars(
  parts: readonly TarPart[],
  title: string,
  contentOf: (oid: string) => Promise<string>,
): AsyncGenerator<Uint8Array> {
  for (const part of parts) {
    for await (const { entry, body } of readTar(read(part.path), title, 'any')) {
      const { path, mode, mtime, size } = entry
      const text = part.lfs.has(path) && size <= longestPointer ? await bytesOf(body()) : undefined
      const pointer = text === undefined ? undefined : parsePointer(text.toString(), path)
      if (pointer !== undefined) {
        yield tarHeader({ path, type: 'file', mode, mtime, size: pointer.size })
        yield* readBlocks(await contentOf(pointer.oid))
        yield tarPadding(pointer.size)
        continue
      }
      yield entry.raw
      if (text !== undefined) yield text
      else yield* body()
      yield tarPadding(size)
    }
  }
  yield tarEnd
}

async function bytesOf(chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = []
  for await (const chunk of chunks) parts.push(chunk)
  return Buffer.concat(parts)
}
