import { crc32, deflateRawSync } from 'node:zlib'

/** A member as somebody hostile would write it: what the two headers say, and what is there. */
export interface ZipEntry {
  readonly name: string
  readonly content?: string
  /** In the header before the content, where that is another. */
  readonly localName?: string
  readonly flags?: number
  readonly method?: number
  readonly mode?: number
  /** Said instead of the truth, in the directory. */
  readonly size?: number
  readonly packed?: number
  readonly crc?: number
  readonly offset?: number
  /** Extra field of the directory. */
  readonly extra?: Buffer
}

export interface ZipForm {
  readonly before?: Buffer
  readonly between?: Buffer
  readonly after?: Buffer
  readonly count?: number
  readonly comment?: string
}

function u16(...values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 2)
  for (const [index, value] of values.entries()) bytes.writeUInt16LE(value, index * 2)
  return bytes
}

function u32(...values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 4)
  for (const [index, value] of values.entries()) bytes.writeUInt32LE(value >>> 0, index * 4)
  return bytes
}

export function zip(entries: readonly ZipEntry[], form: ZipForm = {}): Buffer {
  const { before = Buffer.alloc(0), between = Buffer.alloc(0), after = Buffer.alloc(0), comment = '' } = form
  const parts: Buffer[] = [before]
  const directory: Buffer[] = []
  let at = before.length
  for (const entry of entries) {
    const { name, content = '', flags = 0, method = 8, mode = 0o100644, extra = Buffer.alloc(0) } = entry
    const plain = Buffer.from(content, 'latin1')
    const packed = method === 8 ? deflateRawSync(plain) : plain
    const crc = entry.crc ?? crc32(plain)
    const localName = Buffer.from(entry.localName ?? name, 'latin1')
    const dated = u16(0, 0x21)
    const local = Buffer.concat([
      ...[u32(0x04034b50), u16(20, flags, method), dated, u32(crc, packed.length, plain.length)],
      ...[u16(localName.length, 0), localName, packed],
    ])
    parts.push(local)
    const bytes = Buffer.from(name, 'latin1')
    directory.push(
      ...[u32(0x02014b50), u16(0x031e, 20, flags, method), dated],
      ...[
        u32(crc, entry.packed ?? packed.length, entry.size ?? plain.length),
        u16(bytes.length, extra.length, 0, 0, 0),
      ],
      ...[u32((mode << 16) >>> 0, entry.offset ?? at), bytes, extra],
    )
    at += local.length
  }
  const central = Buffer.concat(directory)
  const count = form.count ?? entries.length
  const end = [u32(0x06054b50), u16(0, 0, count, count), u32(central.length, at + between.length), u16(comment.length)]
  return Buffer.concat([...parts, between, central, ...end, Buffer.from(comment, 'latin1'), after])
}

/** The extra field for what does not fit into 32 bits. */
export function zip64(...values: readonly bigint[]): Buffer {
  const body = Buffer.alloc(values.length * 8)
  for (const [index, value] of values.entries()) body.writeBigUInt64LE(value, index * 8)
  return Buffer.concat([u16(1, body.length), body])
}
