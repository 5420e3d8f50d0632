import { createReadStream } from 'node:fs'
import type { FileHandle } from 'node:fs/promises'
import { crc32, createInflateRaw, inflateRawSync } from 'node:zlib'
import { YoeError } from '../errors.ts'
import { cleanPath, shown } from '../image/archive-path.ts'
import type { NewFile } from './write-tree.ts'

export interface ZipItem {
  readonly entry: NewFile
  body(): AsyncGenerator<Uint8Array>
}

/** What the central directory says of one member. */
interface Member {
  /** One character for each byte. */
  readonly name: string
  readonly flags: number
  readonly method: number
  readonly crc: number
  readonly packed: number
  readonly size: number
  /** Where its own header starts. */
  readonly offset: number
  /** As in stat(2); 0 where the writer knew none. */
  readonly mode: number
  readonly mtime: number
}

const endSize = 22
const longestComment = 0xffff
const mostEntries = 1_000_000
/** Members up to this size are unpacked at once. */
const small = 2 ** 20

/**
 * Reads a zip strictly. The directory at its end and the headers before each member have to say the same, members lie
 * one behind the other without gaps, and nothing is encrypted: whatever readers could disagree about is refused.
 *
 * @param title of the archive, for errors
 * @throws {YoeError} ARCHIVE_UNSAFE
 * @see PKWARE, APPNOTE.TXT 6.3
 */
export async function* readZip(path: string, file: FileHandle, title: string): AsyncGenerator<ZipItem> {
  const refuse = (why: string): YoeError => new YoeError('ARCHIVE_UNSAFE', `${title} can't be unpacked: ${why}`)
  const members = await directory(file, refuse)
  for (const member of members.toSorted((a, b) => a.offset - b.offset)) {
    const start = await checkHeader(file, member, refuse)
    const body = () => content(path, file, member, start, refuse)
    yield { entry: await entryOf(member, body, title, refuse), body }
  }
}

type Refuse = (why: string) => YoeError

async function readAt(file: FileHandle, at: number, length: number, refuse: Refuse): Promise<Buffer> {
  const bytes = Buffer.alloc(length)
  const { bytesRead } = await file.read(bytes, 0, length, at)
  if (at < 0 || bytesRead !== length) throw refuse('it is cut off')
  return bytes
}

/** All members, of which the headers, contents and the directory cover the file without a gap. */
async function directory(file: FileHandle, refuse: Refuse): Promise<readonly Member[]> {
  const { size: whole } = await file.stat()
  const tailStart = Math.max(0, whole - endSize - longestComment)
  const tail = await readAt(file, tailStart, whole - tailStart, refuse)
  const ends: number[] = []
  for (let at = tail.indexOf('PK\x05\x06', 0, 'latin1'); at !== -1; at = tail.indexOf('PK\x05\x06', at + 1, 'latin1'))
    if (at + endSize <= tail.length && at + endSize + tail.readUInt16LE(at + 20) === tail.length) ends.push(at)
  const [end, another] = ends
  if (end === undefined) throw refuse('it has no directory at its end')
  if (another !== undefined) throw refuse('it has two directories')
  const record = tail.subarray(end, end + endSize)
  let [count, size, start] = [record.readUInt16LE(10), record.readUInt32LE(12), record.readUInt32LE(16)]
  let stop = tailStart + end
  if (record.readUInt16LE(4) !== 0 || record.readUInt16LE(6) !== 0 || record.readUInt16LE(8) !== count)
    throw refuse('it is one of several parts')
  if (count === 0xffff || size === 0xffffffff || start === 0xffffffff) {
    const large = await largeEnd(file, stop, refuse)
    const agrees = (few: number, all: number, most: number): boolean => few === all || few === most
    if (
      !agrees(count, large.count, 0xffff) ||
      !agrees(size, large.size, 0xffffffff) ||
      !agrees(start, large.start, 0xffffffff)
    )
      throw refuse('its two ends disagree')
    ;({ count, size, start, stop } = large)
  }
  if (start + size !== stop) throw refuse('its directory is not where its end says')
  if (count > mostEntries || size > 2 ** 28) throw refuse(`it has more than ${mostEntries} entries`)
  const members = parseDirectory(await readAt(file, start, size, refuse), count, refuse)
  await requireCover(file, members, start, refuse)
  return members
}

/** The end of an archive with more than 65,535 members or 4 GiB. */
async function largeEnd(
  file: FileHandle,
  stop: number,
  refuse: Refuse,
): Promise<{ count: number; size: number; start: number; stop: number }> {
  const locator = await readAt(file, stop - 20, 20, refuse)
  const at = number64(locator, 8, refuse)
  if (locator.readUInt32LE(0) !== 0x07064b50 || at + 56 !== stop - 20)
    throw refuse('its directory is not where its end says')
  const end = await readAt(file, at, 56, refuse)
  const count = number64(end, 32, refuse)
  if (end.readUInt32LE(0) !== 0x06064b50 || number64(end, 4, refuse) !== 44 || number64(end, 24, refuse) !== count)
    throw refuse('its end is damaged')
  return { count, size: number64(end, 40, refuse), start: number64(end, 48, refuse), stop: at }
}

function number64(bytes: Buffer, at: number, refuse: Refuse): number {
  const value = Number(bytes.readBigUInt64LE(at))
  if (!Number.isSafeInteger(value)) throw refuse('it has a number that is too large')
  return value
}

function parseDirectory(bytes: Buffer, count: number, refuse: Refuse): readonly Member[] {
  const members: Member[] = []
  let at = 0
  while (at < bytes.length) {
    if (at + 46 > bytes.length || bytes.readUInt32LE(at) !== 0x02014b50) throw refuse('its directory is damaged')
    const nameEnd = at + 46 + bytes.readUInt16LE(at + 28)
    const extraEnd = nameEnd + bytes.readUInt16LE(at + 30)
    const next = extraEnd + bytes.readUInt16LE(at + 32)
    if (next > bytes.length) throw refuse('its directory is damaged')
    const name = bytes.toString('latin1', at + 46, nameEnd)
    const extra = extraFields(bytes.subarray(nameEnd, extraEnd), name, refuse)
    const large = new Large(extra.get(1), refuse)
    const size = large.or(bytes.readUInt32LE(at + 24))
    const packed = large.or(bytes.readUInt32LE(at + 20))
    const offset = large.or(bytes.readUInt32LE(at + 42))
    const madeBy = bytes.readUInt16LE(at + 4) >> 8
    const mode = madeBy === 3 || madeBy === 19 ? bytes.readUInt32LE(at + 38) >>> 16 : 0
    const flags = bytes.readUInt16LE(at + 8)
    const method = bytes.readUInt16LE(at + 10)
    // Encrypted; patches; with a hidden directory.
    if ((flags & 0x2061) !== 0) throw refuse(`${shown(name)} is encrypted`)
    if (method !== 0 && method !== 8) throw refuse(`${shown(name)} is packed by a method that is not known (${method})`)
    if (method === 0 && packed !== size) throw refuse(`${shown(name)} has two sizes`)
    if (bytes.readUInt16LE(at + 34) !== 0) throw refuse('it is one of several parts')
    const [time, date] = [bytes.readUInt16LE(at + 12), bytes.readUInt16LE(at + 14)]
    members.push({
      name,
      flags,
      method,
      crc: bytes.readUInt32LE(at + 16),
      packed,
      size,
      offset,
      mode,
      mtime: secondsOf(date, time),
    })
    at = next
  }
  if (members.length !== count) throw refuse('its directory has other entries than its end says')
  return members
}

/** Fields by their number. Refused: damaged ones, twice the same, and a second name. */
function extraFields(bytes: Buffer, name: string, refuse: Refuse): ReadonlyMap<number, Buffer> {
  const fields = new Map<number, Buffer>()
  for (let at = 0; at < bytes.length; ) {
    // Some writers fill up to a round offset.
    if (bytes.subarray(at).every((byte) => byte === 0)) break
    const end = at + 4 + (at + 4 <= bytes.length ? bytes.readUInt16LE(at + 2) : bytes.length)
    const id = at + 4 <= bytes.length ? bytes.readUInt16LE(at) : 0
    if (end > bytes.length || fields.has(id)) throw refuse(`what is said of ${shown(name)} is damaged`)
    fields.set(id, bytes.subarray(at + 4, end))
    at = end
  }
  const other = fields.get(0x7075)
  if (other !== undefined && other.toString('latin1', 5) !== name) throw refuse(`${shown(name)} has two names`)
  return fields
}

/** Numbers that do not fit into their 32 bits, in the order in which they are needed. */
class Large {
  readonly #field: Buffer | undefined
  readonly #refuse: Refuse
  #at = 0

  constructor(field: Buffer | undefined, refuse: Refuse) {
    this.#field = field
    this.#refuse = refuse
  }

  or(short: number): number {
    if (short !== 0xffffffff) return short
    if (this.#field === undefined || this.#at + 8 > this.#field.length) throw this.#refuse('it lacks a size')
    this.#at += 8
    return number64(this.#field, this.#at - 8, this.#refuse)
  }
}

/** Times in a zip have no zone, and two seconds' resolution. */
function secondsOf(date: number, time: number): number {
  const [year, month, day] = [1980 + (date >> 9), ((date >> 5) & 15) - 1, date & 31]
  const seconds = Date.UTC(year, month, day, time >> 11, (time >> 5) & 63, (time & 31) * 2) / 1000
  return Math.max(seconds, Date.UTC(1980, 0, 1) / 1000)
}

/** Between two members lies nothing but what some writers put behind the content: its sizes once more. */
async function requireCover(file: FileHandle, members: readonly Member[], stop: number, refuse: Refuse): Promise<void> {
  const ordered = members.toSorted((a, b) => a.offset - b.offset)
  if ((ordered[0]?.offset ?? stop) !== 0) throw refuse('something comes before its first member')
  for (const [index, member] of ordered.entries()) {
    const start = await checkHeader(file, member, refuse)
    const gap = (ordered[index + 1]?.offset ?? stop) - (start + member.packed)
    const allowed = (member.flags & 8) === 0 ? [0] : [12, 16, 20, 24]
    if (gap < 0) throw refuse(`${shown(member.name)} overlaps with another`)
    if (!allowed.includes(gap)) throw refuse(`something is hidden behind ${shown(member.name)}`)
  }
}

/** Where the content starts, behind a header that says what the directory does. */
async function checkHeader(file: FileHandle, member: Member, refuse: Refuse): Promise<number> {
  const { name, flags, method, crc, packed, size, offset } = member
  const head = await readAt(file, offset, 30, refuse)
  const nameLength = head.readUInt16LE(26)
  const rest = await readAt(file, offset + 30, nameLength + head.readUInt16LE(28), refuse)
  const differs = (what: string): YoeError => refuse(`the two places that say the ${what} of ${shown(name)} disagree`)
  if (head.readUInt32LE(0) !== 0x04034b50) throw refuse(`${shown(name)} is not where the directory says`)
  if (rest.toString('latin1', 0, nameLength) !== name) throw differs('name')
  if (head.readUInt16LE(6) !== flags) throw differs('flags')
  if (head.readUInt16LE(8) !== method) throw differs('method')
  const large = new Large(extraFields(rest.subarray(nameLength), name, refuse).get(1), refuse)
  const said = {
    size: large.or(head.readUInt32LE(22)),
    packed: large.or(head.readUInt32LE(18)),
    crc: head.readUInt32LE(14),
  }
  // Behind the content, when it was not known before.
  const unknown = (flags & 8) !== 0
  const agrees = (a: number, b: number): boolean => a === b || (unknown && a === 0)
  if (!agrees(said.size, size) || !agrees(said.packed, packed)) throw differs('size')
  if (!agrees(said.crc, crc)) throw differs('checksum')
  return offset + 30 + rest.length
}

/** By the format bits of stat(2). */
const kinds: ReadonlyMap<number, 'file' | 'directory' | 'symlink'> = new Map([
  [0, 'file'],
  [0o100000, 'file'],
  [0o040000, 'directory'],
  [0o120000, 'symlink'],
])

async function entryOf(
  member: Member,
  body: () => AsyncGenerator<Uint8Array>,
  title: string,
  refuse: Refuse,
): Promise<NewFile> {
  const { name, size, mode, mtime } = member
  if (name.includes('\\')) throw refuse(`it has the name ${shown(name)}, which some would take for a path`)
  const format = mode & 0o170000
  const said = kinds.get(format)
  if (said === undefined) throw refuse(`${shown(name)} is no file, folder or link`)
  const type = name.endsWith('/') && (format === 0 || said === 'directory') ? 'directory' : said
  const path = cleanPath(name, type === 'directory', title)
  if (type === 'directory' && size !== 0) throw refuse(`${shown(name)} is a folder with content`)
  if (type !== 'symlink') return { path, type, mode, mtime, size, link: '' }
  if (size === 0 || size >= 4096) throw refuse(`${shown(name)} is a link to nowhere`)
  const parts: Uint8Array[] = []
  for await (const chunk of body()) parts.push(chunk)
  const link = Buffer.concat(parts).toString('latin1')
  if (link.includes('\0')) throw refuse(`${shown(name)} is a link to nowhere`)
  return { path, type, mode, mtime, size: 0, link }
}

async function* content(
  path: string,
  file: FileHandle,
  { name, method, packed, size, crc }: Member,
  start: number,
  refuse: Refuse,
): AsyncGenerator<Uint8Array> {
  const damaged = (): YoeError => refuse(`${shown(name)} is damaged`)
  let sum = 0
  let got = 0
  for await (const chunk of unpackedChunks()) {
    got += chunk.length
    if (got > size) throw damaged()
    sum = crc32(chunk, sum)
    yield chunk
  }
  if (got !== size || sum !== crc) throw damaged()

  async function* unpackedChunks(): AsyncGenerator<Uint8Array> {
    if (packed === 0) return
    if (size <= small && packed <= small) {
      const bytes = await readAt(file, start, packed, refuse)
      yield method === 0 ? bytes : inflated(bytes)
      return
    }
    const source = createReadStream(path, { start, end: start + packed - 1, highWaterMark: small })
    if (method === 0) return yield* source
    const stream = createInflateRaw({ chunkSize: small })
    source.on('error', (failure) => stream.destroy(failure))
    source.pipe(stream)
    try {
      for await (const chunk of stream) yield chunk
    } catch {
      throw damaged()
    } finally {
      source.destroy()
      stream.destroy()
    }
  }

  function inflated(bytes: Buffer): Buffer {
    try {
      // One more, to see whether there is.
      return inflateRawSync(bytes, { maxOutputLength: size + 1 })
    } catch {
      throw damaged()
    }
  }
}
