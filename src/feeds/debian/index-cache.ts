import {
  type BinaryIndex,
  encodeIndex as encode,
  type IndexKind,
  type IndexScan,
  readIndex as read,
} from '../shared/binary-index.ts'

export { type BinaryIndex, IndexDamaged, writeIndex } from '../shared/binary-index.ts'

const kind: IndexKind = { magic: 'yoe-deb3', providers: 'last met first' }

/** Lays out a scan of Packages files as an index file. */
export function encodeIndex(text: Buffer, scan: IndexScan): Buffer {
  return encode(text, scan, kind)
}

/** Opens an index file; undefined when it has to be made anew. */
export function readIndex(path: string): BinaryIndex | undefined {
  return read(path, kind)
}
