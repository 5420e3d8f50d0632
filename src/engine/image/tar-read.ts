import { cleanPath, longestPath, shown, unsafe } from './archive-path.ts'

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
/** Bytes of a header that only describes the next one. */
const longestExtension = 2 ** 20
const mostEntries = 1_000_000

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
 * Who wrote a tar. `own`: this project, or GNU tar with `--format=pax`; owners and extended attributes are believed.
 * `any`: also GNU's, V7's and git's; folders may come twice, owners and attributes are not read. `layer`, of an image: as
 * `any`, but owners and attributes are.
 */
export type TarDialect = 'own' | 'any' | 'layer'

/**
 * Reads a tar strictly: ustar with pax records. What readers could disagree about is refused rather than interpreted:
 * names that leave the root, content on folders or links, names that come twice, several extensions about one entry,
 * sparse files, anything after the end.
 *
 * @param name of the archive, for errors
 * @throws {YoeError} ARCHIVE_UNSAFE
 */
export async function* readTar(
  source: AsyncIterable<Uint8Array>,
  name: string,
  dialect: TarDialect = 'own',
): AsyncGenerator<TarItem> {
  const bytes = new Bytes(source, name)
  const seen = new Map<string, TarType>()
  for (;;) {
    const headers: Buffer[] = []
    const records = new Map<string, Buffer>()
    let flags = ''
    let head = await bytes.exactly(block)
    for (; extensions[dialect].test(flags + typeOf(head)); head = await bytes.exactly(block)) {
      checkHeader(head, name, dialect)
      const flag = typeOf(head)
      const size = numberField(head, 124, 12, name, dialect)
      if (size > longestExtension) throw unsafe(name, `an extension header of ${size} bytes`)
      const body = await bytes.exactly(padded(size))
      const said = extensionRecords(flag, body.subarray(0, size), name, dialect)
      // What is said about the whole archive is about no entry.
      if (flag === 'g') continue
      for (const [key, value] of said) records.set(key, value)
      headers.push(head, body)
      flags += flag
    }
    if (isZero(head)) {
      if (flags !== '') throw unsafe(name, 'an extension header about nothing')
      break
    }
    headers.push(head)
    const entry = entryOf(head, records, Buffer.concat(headers), name, dialect)
    const before = seen.get(entry.path)
    if (before !== undefined && !(dialect !== 'own' && before === 'directory' && entry.type === 'directory'))
      throw unsafe(name, `${shown(entry.path)} comes twice`)
    if (seen.size >= mostEntries) throw unsafe(name, `more than ${mostEntries} entries`)
    seen.set(entry.path, entry.type)

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

/** Where owners, time and device numbers are. */
const otherNumbers = [
  [108, 8],
  [116, 8],
  [136, 12],
  [329, 8],
  [337, 8],
] as const

const padded = (size: number): number => Math.ceil(size / block) * block
const typeOf = (head: Buffer): string => head.toString('latin1', 156, 157)
const isZero = (bytes: Buffer): boolean => bytes.equals(Buffer.alloc(bytes.length))

function entryOf(
  head: Buffer,
  records: ReadonlyMap<string, Buffer>,
  raw: Buffer,
  archive: string,
  dialect: TarDialect,
): TarEntry {
  checkHeader(head, archive, dialect)
  const flag = typeOf(head)
  // GNU keeps times where ustar has the rest of a name, and V7 has nothing there.
  const prefix = magicOf(head) === 'ustar\0' ? textField(head, 345, 155) : ''
  const short = textField(head, 0, 100)
  const name = text(records, 'path') ?? (prefix === '' ? short : `${prefix}/${short}`)
  // V7 has no type for folders.
  const isOldFolder = dialect !== 'own' && flag === '\0' && name.endsWith('/')
  const type = isOldFolder ? 'directory' : Object.hasOwn(types, flag) ? types[flag] : undefined
  if (type === undefined) throw unsafe(archive, `an entry of type ${JSON.stringify(flag)}`)
  const path = cleanPath(name, type === 'directory', archive)
  const declared = numberField(head, 124, 12, archive, dialect)
  const size = decimal(records, 'size', archive) ?? declared
  // A size that does not fit in the header is 0 there; any other difference is two answers to one question.
  if (size !== declared && !(declared === 0 && size >= 8 ** 11)) throw unsafe(archive, `${shown(path)} has two sizes`)
  if (type !== 'file' && size !== 0) throw unsafe(archive, `${shown(path)} is no file but has content`)
  const link = text(records, 'linkpath') ?? textField(head, 157, 100)
  if (type === 'symlink' && (link === '' || link.length >= longestPath || link.includes('\0')))
    throw unsafe(archive, `${shown(path)}, a link to nowhere`)
  const xattrs = new Map<string, Buffer>()
  const mtime = Math.floor(Number(text(records, 'mtime') ?? Number.parseInt(textField(head, 136, 12), 8)))
  const time = mtime > 0 && mtime < 2 ** 33 ? mtime : 0
  if (dialect === 'any') {
    // Not needed here; but some readers take a header with a wrong number for the end of the archive.
    for (const [at, length] of otherNumbers) {
      if ((head[at] ?? 0) < 0x80) numberField(head, at, length, archive)
    }
    return {
      path,
      type,
      mode: numberField(head, 100, 8, archive) & 0o7777,
      uid: 0,
      gid: 0,
      size,
      mtime: time,
      link: type === 'hardlink' ? cleanPath(link, false, archive) : link,
      xattrs,
      raw,
    }
  }
  for (const [key, value] of records)
    if (key.startsWith('SCHILY.xattr.')) xattrs.set(key.slice('SCHILY.xattr.'.length), value)
  return {
    path,
    type,
    mode: numberField(head, 100, 8, archive) & 0o7777,
    uid: decimal(records, 'uid', archive) ?? numberField(head, 108, 8, archive, dialect),
    gid: decimal(records, 'gid', archive) ?? numberField(head, 116, 8, archive, dialect),
    size,
    mtime: dialect === 'own' ? Math.floor(Number(text(records, 'mtime') ?? numberField(head, 136, 12, archive))) : time,
    link: type === 'hardlink' ? cleanPath(link, false, archive) : link,
    xattrs,
    raw,
  }
}

/** Types of headers that say more about what follows, in the order in which they may come before one entry. */
const foreign = /^(g|x|L|K|LK|KL)$/
const extensions = { own: /^x$/, any: foreign, layer: foreign } as const satisfies Record<TarDialect, RegExp>

function extensionRecords(
  flag: string,
  body: Buffer,
  archive: string,
  dialect: TarDialect,
): ReadonlyMap<string, Buffer> {
  if (flag === 'L' || flag === 'K') {
    // Some read on until a zero byte comes, whatever the size says.
    if (body.at(-1) !== 0) throw unsafe(archive, 'a long name without an end')
    const value = body.subarray(0, -1)
    return new Map([[flag === 'L' ? 'path' : 'linkpath', value]])
  }
  const records = paxRecords(body, archive, dialect)
  if (flag === 'x') return records
  const harmful = ['path', 'linkpath', 'size'].find((key) => records.has(key))
  if (harmful !== undefined) throw unsafe(archive, `one ${harmful} for all of its entries`)
  return new Map()
}

/** Whether a tar may begin like this: with a header whose checksum is right. */
export function isTarHeader(head: Buffer): boolean {
  if (head.length < block || isZero(head)) return false
  const field = textField(head, 148, 8).trim()
  return /^[0-7]+$/.test(field) && Number.parseInt(field, 8) === sumOf(head)
}

const magicOf = (head: Buffer): string => head.toString('latin1', 257, 263)

/** Of all bytes of a header, its own field taken for spaces. */
function sumOf(head: Buffer): number {
  let sum = 8 * 32
  for (let at = 0; at < block; at++) if (at < 148 || at >= 156) sum += head[at] ?? 0
  return sum
}

function checkHeader(head: Buffer, archive: string, dialect: TarDialect): void {
  if (numberField(head, 148, 8, archive) !== sumOf(head)) throw unsafe(archive, 'a header whose checksum is wrong')
  if (dialect === 'own' && head.toString('latin1', 257, 265) !== 'ustar\x0000')
    throw unsafe(archive, 'a header that is not ustar')
}

/** Records are `LENGTH KEY=VALUE\n`, LENGTH counting all of it. */
function paxRecords(bytes: Buffer, archive: string, dialect: TarDialect): ReadonlyMap<string, Buffer> {
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
    const ignored = dialect !== 'own' && !key.startsWith('GNU.sparse.')
    if (!known.includes(key) && !key.startsWith('SCHILY.xattr.') && !ignored)
      throw unsafe(archive, `the extension ${shown(key)}`)
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

function numberField(head: Buffer, at: number, length: number, archive: string, dialect: TarDialect = 'own'): number {
  // GNU writes what does not fit as a binary number, marked by its first bit.
  if (dialect !== 'own' && head[at] === 0x80) {
    const value = Number(BigInt(`0x${head.toString('hex', at + 1, at + length)}`))
    if (!Number.isSafeInteger(value)) throw unsafe(archive, 'a number that is too large')
    return value
  }
  const field = textField(head, at, length).trim()
  if (!/^[0-7]*$/.test(field)) throw unsafe(archive, `the number ${shown(field)}`)
  return field === '' ? 0 : Number.parseInt(field, 8)
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
