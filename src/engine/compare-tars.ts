import { createHash } from 'node:crypto'
import { Readable } from 'node:stream'
import { extract, type Header } from 'tar-stream'

/** What two archives that should be equal disagree about. */
export interface Difference {
  /** Absolute, as on the device; bytes that are no UTF-8 are escaped. */
  readonly path: string
  /** `content: line 3: "built Monday" and "built Tuesday"`, `mode: 644 and 640`, `only in the second`. */
  readonly what: string
}

/** How much of a file is looked at for the first byte that differs. */
const looked = 64 << 20

/**
 * Compares two tars entry by entry. The order counts: it is part of the bytes.
 *
 * @param open starts to read one of the two, from its beginning; called twice for each when there is a difference
 */
export async function compareTars(
  open: readonly [() => AsyncIterable<Uint8Array>, () => AsyncIterable<Uint8Array>],
): Promise<readonly Difference[]> {
  const [first, second] = [await entriesOf(open[0]()), await entriesOf(open[1]())]
  const found: Difference[] = []
  const contents: string[] = []
  for (const [path, { entry, digest }] of first) {
    const other = second.get(path)
    if (other === undefined) {
      found.push({ path: shownPath(path), what: 'only in the first' })
      continue
    }
    for (const [field, one, two] of fieldsOf(entry, other.entry))
      if (one !== two) found.push({ path: shownPath(path), what: `${field}: ${one} and ${two}` })
    if (digest !== other.digest) contents.push(path)
  }
  for (const path of second.keys())
    if (!first.has(path)) found.push({ path: shownPath(path), what: 'only in the second' })
  if (contents.length > 0) {
    const [one, two] = [await contentsOf(open[0](), contents), await contentsOf(open[1](), contents)]
    for (const path of contents)
      found.push({ path: shownPath(path), what: `content: ${firstDifference(one.get(path), two.get(path))}` })
  }
  if (found.length === 0 && [...first.keys()].join('\0') !== [...second.keys()].join('\0'))
    found.push({ path: '/', what: 'the same files in another order' })
  return found
}

interface Seen {
  readonly entry: Header
  readonly digest: string
}

async function entriesOf(tar: AsyncIterable<Uint8Array>): Promise<ReadonlyMap<string, Seen>> {
  const entries = new Map<string, Seen>()
  for await (const { header, body } of itemsOf(tar)) {
    const sum = createHash('sha256')
    for await (const chunk of body) sum.update(bytesOf(chunk))
    entries.set(header.name, { entry: header, digest: sum.digest('hex') })
  }
  return entries
}

interface Item {
  readonly header: Header
  /** Read before the next item is asked for. */
  readonly body: AsyncIterable<unknown>
}

/** The library's types leave open what its streams give. */
function bytesOf(chunk: unknown): Buffer {
  if (Buffer.isBuffer(chunk)) return chunk
  throw new TypeError('a tar entry gave something that is no bytes')
}

async function* itemsOf(tar: AsyncIterable<Uint8Array>): AsyncGenerator<Item> {
  const entries = extract()
  const source = Readable.from(tar, { objectMode: false })
  source.on('error', (failure) => entries.destroy(failure))
  source.pipe(entries)
  for await (const entry of entries) {
    yield { header: entry.header, body: entry }
    entry.resume()
  }
}

function fieldsOf(one: Header, two: Header): readonly (readonly [string, string, string])[] {
  const owner = ({ uid = 0, gid = 0, uname = '', gname = '' }: Header): string => `${uname}(${uid}):${gname}(${gid})`
  const time = ({ mtime }: Header): string => mtime?.toISOString() ?? ''
  return [
    ['kind', one.type ?? '', two.type ?? ''],
    ['mode', (one.mode ?? 0).toString(8), (two.mode ?? 0).toString(8)],
    ['owner', owner(one), owner(two)],
    ['time', time(one), time(two)],
    ['target', one.linkname ?? '', two.linkname ?? ''],
  ]
}

async function contentsOf(
  tar: AsyncIterable<Uint8Array>,
  wanted: readonly string[],
): Promise<ReadonlyMap<string, Buffer>> {
  const contents = new Map<string, Buffer>()
  for await (const { header, body } of itemsOf(tar)) {
    if (!wanted.includes(header.name)) continue
    const chunks: Buffer[] = []
    let size = 0
    for await (const chunk of body) {
      const bytes = bytesOf(chunk)
      if (size < looked) chunks.push(bytes)
      size += bytes.length
    }
    contents.set(header.name, Buffer.concat(chunks))
  }
  return contents
}

/** Where two contents part, and what stands there in both, for people. */
function firstDifference(one: Buffer = Buffer.alloc(0), two: Buffer = Buffer.alloc(0)): string {
  const end = Math.min(one.length, two.length)
  let at = 0
  while (at < end && one[at] === two[at]) at++
  if (at === one.length && at === two.length) return `beyond the first ${looked >> 20} MiB`
  if (at === end) return `${one.length} bytes and ${two.length} bytes, the same up to the shorter one's end`
  if (isText(one) && isText(two)) {
    const line = one.subarray(0, at).toString('latin1').split('\n').length
    return `line ${line}: ${quote(lineAt(one, at))} and ${quote(lineAt(two, at))}`
  }
  return `byte ${at}: ${quote(printableAt(one, at))} and ${quote(printableAt(two, at))}`
}

const isText = (bytes: Buffer): boolean => !bytes.subarray(0, 1 << 16).includes(0)

function lineAt(bytes: Buffer, at: number): string {
  const start = bytes.lastIndexOf(0x0a, at - 1) + 1
  const end = bytes.indexOf(0x0a, at)
  return bytes.toString('utf8', at === 0 ? 0 : start, end === -1 ? bytes.length : end)
}

/** The printable text around a byte; where there is none, some bytes as hex. */
function printableAt(bytes: Buffer, at: number): string {
  const printable = (index: number): boolean => {
    const byte = bytes[index] ?? 0
    return byte >= 0x20 && byte < 0x7f
  }
  let [start, end] = [at, at]
  while (start > 0 && at - start < 100 && printable(start - 1)) start--
  while (end < bytes.length && end - at < 100 && printable(end)) end++
  return end - start >= 4 ? bytes.toString('latin1', start, end) : bytes.subarray(at, at + 8).toString('hex')
}

const quote = (text: string): string => JSON.stringify(text.length > 160 ? `${text.slice(0, 160)}…` : text)

const shownPath = (path: string): string => `/${path.replace(/^\.?\/|\/$/g, '')}`
