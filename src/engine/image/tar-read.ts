import { YoeError } from '../errors.ts'

export type TarType = 'file' | 'directory' | 'symlink' | 'hardlink' | 'character' | 'block' | 'fifo'

/** One entry of a root file system's tar. */
export interface TarEntry {
  /**
   * From the root, without leading or trailing `/` or `./`; '' is the root folder itself. One character for each byte
   * (latin1), so that names which are no UTF-8 stay what they are.
   */
  readonly path: string
  readonly type: TarType
  /** Permission bits with setuid, setgid and sticky. */
  readonly mode: number
  readonly uid: number
  readonly gid: number
  /** Bytes of content: 0 unless a file. */
  readonly size: number
  /** Whole seconds since 1970. */
  readonly mtime: number
  /** Target of a symbolic link as it is written; path, as above, of the entry that a hard link is another name of. */
  readonly link: string
  readonly xattrs: ReadonlyMap<string, Buffer>
  /** The header blocks as they came, to be passed on untouched. */
  readonly raw: Buffer
}

export interface TarItem {
  readonly entry: TarEntry
  /** The content; may be read once, before the next item is asked for, or not at all. */
  body(): AsyncGenerator<Buffer>
}

const block = 512
/** faults.md, Limits. */
const longestExtension = 2 ** 20
const longestPath = 4096
const mostEntries = 1_000_000
const deepest = 64

const types: Readonly<Record<string, TarType>> = {
  '0': 'file',
  '\0': 'file',
  '1': 'hardlink',
  '2': 'symlink',
  '3': 'character',
  '4': 'block',
  '5': 'directory',
  '6': 'fifo',
}

/**
 * Reads a tar strictly: ustar with pax records, as GNU tar writes `--format=pax`. What readers could disagree about is
 * refused rather than interpreted: names that leave the root, content on folders or links, names that come twice, GNU
 * and global extensions, anything after the end.
 *
 * @param name of the archive, for errors
 * @throws {YoeError} ARCHIVE_UNSAFE
 */
export async function* readTar(source: AsyncIterable<Uint8Array>, name: string): AsyncGenerator<TarItem> {
  const bytes = new Bytes(source, name)
  const seen = new Set<string>()
  for (;;) {
    const headers: Buffer[] = []
    let records: ReadonlyMap<string, Buffer> = new Map()
    let head = await bytes.exactly(block)
    if (isZero(head)) break
    headers.push(head)
    if (typeOf(head) === 'x') {
      checkHeader(head, name)
      const size = numberField(head, 124, 12, name)
      if (size > longestExtension) throw unsafe(name, `an extension header of ${size} bytes`)
      const body = await bytes.exactly(padded(size))
      records = paxRecords(body.subarray(0, size), name)
      head = await bytes.exactly(block)
      headers.push(body, head)
    }
    const entry = entryOf(head, records, Buffer.concat(headers), name)
    if (seen.has(entry.path)) throw unsafe(name, `${shown(entry.path)} comes twice`)
    if (seen.size >= mostEntries) throw unsafe(name, `more than ${mostEntries} entries`)
    seen.add(entry.path)

    let left = entry.size
    const body = async function* (): AsyncGenerator<Buffer> {
      while (left > 0) {
        const chunk = await bytes.some(left)
        left -= chunk.length
        yield chunk
      }
    }
    yield { entry, body }
    while (left > 0) left -= (await bytes.some(left)).length
    const rest = padded(entry.size) - entry.size
    if (rest > 0) await bytes.exactly(rest)
  }
  if (!isZero(await bytes.exactly(block))) throw unsafe(name, 'a lone zero block')
  for await (const chunk of bytes.rest()) if (!isZero(chunk)) throw unsafe(name, 'something after its end')
}

const padded = (size: number): number => Math.ceil(size / block) * block
const typeOf = (head: Buffer): string => head.toString('latin1', 156, 157)
const isZero = (bytes: Buffer): boolean => bytes.equals(Buffer.alloc(bytes.length))

function entryOf(head: Buffer, records: ReadonlyMap<string, Buffer>, raw: Buffer, archive: string): TarEntry {
  checkHeader(head, archive)
  const flag = typeOf(head)
  const type = Object.hasOwn(types, flag) ? types[flag] : undefined
  if (type === undefined) throw unsafe(archive, `an entry of type ${JSON.stringify(flag)}`)
  const prefix = textField(head, 345, 155)
  const short = textField(head, 0, 100)
  const path = cleanPath(text(records, 'path') ?? (prefix === '' ? short : `${prefix}/${short}`), type, archive)
  const declared = numberField(head, 124, 12, archive)
  const size = decimal(records, 'size', archive) ?? declared
  // A size that does not fit in the header is 0 there; any other difference is two answers to one question.
  if (size !== declared && !(declared === 0 && size >= 8 ** 11)) throw unsafe(archive, `${shown(path)} has two sizes`)
  if (type !== 'file' && size !== 0) throw unsafe(archive, `${shown(path)} is no file but has content`)
  const link = text(records, 'linkpath') ?? textField(head, 157, 100)
  const xattrs = new Map<string, Buffer>()
  for (const [key, value] of records)
    if (key.startsWith('SCHILY.xattr.')) xattrs.set(key.slice('SCHILY.xattr.'.length), value)
  return {
    path,
    type,
    mode: numberField(head, 100, 8, archive) & 0o7777,
    uid: decimal(records, 'uid', archive) ?? numberField(head, 108, 8, archive),
    gid: decimal(records, 'gid', archive) ?? numberField(head, 116, 8, archive),
    size,
    mtime: Math.floor(Number(text(records, 'mtime') ?? numberField(head, 136, 12, archive))),
    link: type === 'hardlink' ? cleanPath(link, type, archive) : link,
    xattrs,
    raw,
  }
}

function checkHeader(head: Buffer, archive: string): void {
  let sum = 8 * 32
  for (let at = 0; at < block; at++) if (at < 148 || at >= 156) sum += head[at] ?? 0
  if (numberField(head, 148, 8, archive) !== sum) throw unsafe(archive, 'a header whose checksum is wrong')
  if (head.toString('latin1', 257, 265) !== 'ustar\x0000') throw unsafe(archive, 'a header that is not ustar')
}

/** Names as tar writes them: `./usr/bin/`. Anything but a plain path below the root is refused, not cleaned up. */
function cleanPath(name: string, type: TarType, archive: string): string {
  const refuse = (why: string): YoeError => unsafe(archive, `the name ${shown(name)}, which ${why}`)
  if (name.includes('\0')) throw refuse('holds a zero byte')
  if (name.length >= longestPath) throw refuse('is too long')
  let path = name === '.' ? './' : name
  if (path.startsWith('./')) path = path.slice(2)
  if (path.endsWith('/') && type === 'directory') path = path.slice(0, -1)
  if (path === '') {
    if (type !== 'directory' || !name.startsWith('.')) throw refuse('is empty')
    return path
  }
  const parts = path.split('/')
  if (parts.length > deepest) throw refuse('is too deep')
  for (const part of parts) {
    if (part === '' || part === '.' || part === '..') throw refuse('is no plain path below the root')
    if (part.length > 255) throw refuse('has a part of more than 255 bytes')
  }
  return path
}

/** Records are `LENGTH KEY=VALUE\n`, LENGTH counting all of it. */
function paxRecords(bytes: Buffer, archive: string): ReadonlyMap<string, Buffer> {
  const records = new Map<string, Buffer>()
  for (let at = 0; at < bytes.length; ) {
    const space = bytes.indexOf(0x20, at)
    const digits = space < 0 ? '' : bytes.toString('latin1', at, space)
    const length = /^[1-9]\d{0,6}$/.test(digits) ? Number(digits) : 0
    const record = bytes.subarray(space + 1, at + length)
    const equals = record.indexOf(0x3d)
    if (length === 0 || at + length > bytes.length || equals < 1 || record.at(-1) !== 0x0a)
      throw unsafe(archive, 'a damaged extension header')
    const key = record.toString('latin1', 0, equals)
    const known = ['path', 'linkpath', 'size', 'uid', 'gid', 'uname', 'gname', 'mtime', 'atime', 'ctime']
    if (!known.includes(key) && !key.startsWith('SCHILY.xattr.')) throw unsafe(archive, `the extension ${shown(key)}`)
    if (records.has(key)) throw unsafe(archive, `the extension ${shown(key)} twice in one header`)
    records.set(key, record.subarray(equals + 1, -1))
    at += length
  }
  return records
}

const text = (records: ReadonlyMap<string, Buffer>, key: string): string | undefined =>
  records.get(key)?.toString('latin1')

function decimal(records: ReadonlyMap<string, Buffer>, key: string, archive: string): number | undefined {
  const value = text(records, key)
  if (value === undefined) return undefined
  if (!/^\d{1,15}$/.test(value)) throw unsafe(archive, `the ${key} ${shown(value)}`)
  return Number(value)
}

function textField(head: Buffer, at: number, length: number): string {
  const field = head.toString('latin1', at, at + length)
  const end = field.indexOf('\0')
  return end < 0 ? field : field.slice(0, end)
}

function numberField(head: Buffer, at: number, length: number, archive: string): number {
  const field = textField(head, at, length).trim()
  if (!/^[0-7]*$/.test(field)) throw unsafe(archive, `the number ${shown(field)}`)
  return field === '' ? 0 : Number.parseInt(field, 8)
}

/** A name or value from an archive, safe to print. */
export const shown = (name: string): string => JSON.stringify(Buffer.from(name, 'latin1').toString('utf8'))

function unsafe(archive: string, what: string): YoeError {
  return new YoeError('ARCHIVE_UNSAFE', `${archive} holds ${what}`, {
    hint: 'it is damaged, or made to harm; it was not used',
  })
}

/** Bytes of a stream, in the amounts that are asked for. */
class Bytes {
  readonly #source: AsyncIterator<Uint8Array>
  readonly #name: string
  #chunk: Buffer = Buffer.alloc(0)

  constructor(source: AsyncIterable<Uint8Array>, name: string) {
    this.#source = source[Symbol.asyncIterator]()
    this.#name = name
  }

  /** Between 1 and `most` bytes. */
  async some(most: number): Promise<Buffer> {
    await this.#fill()
    const taken = this.#chunk.subarray(0, most)
    this.#chunk = this.#chunk.subarray(taken.length)
    return taken
  }

  async exactly(length: number): Promise<Buffer> {
    if (this.#chunk.length >= length && length > 0) return this.some(length)
    const parts: Buffer[] = []
    for (let left = length; left > 0; ) {
      const part = await this.some(left)
      parts.push(part)
      left -= part.length
    }
    return Buffer.concat(parts)
  }

  async *rest(): AsyncGenerator<Buffer> {
    if (this.#chunk.length > 0) yield this.#chunk
    for (;;) {
      const next = await this.#source.next()
      if (next.done === true) return
      yield Buffer.from(next.value.buffer, next.value.byteOffset, next.value.length)
    }
  }

  async #fill(): Promise<void> {
    while (this.#chunk.length === 0) {
      const next = await this.#source.next()
      if (next.done === true) throw unsafe(this.#name, 'no end: it was cut off')
      this.#chunk = Buffer.from(next.value.buffer, next.value.byteOffset, next.value.length)
    }
  }
}
