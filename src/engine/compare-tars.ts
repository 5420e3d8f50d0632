import { createHash } from 'node:crypto'
import { readTar, type TarEntry } from './image/tar-read.ts'

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
 * @param name of what is compared, for errors
 * @throws {YoeError} ARCHIVE_UNSAFE
 */
export async function compareTars(
  open: readonly [() => AsyncIterable<Uint8Array>, () => AsyncIterable<Uint8Array>],
  name: string,
): Promise<readonly Difference[]> {
  const [first, second] = [await entriesOf(open[0](), name), await entriesOf(open[1](), name)]
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
    const [one, two] = [await contentsOf(open[0](), contents, name), await contentsOf(open[1](), contents, name)]
    for (const path of contents)
      found.push({ path: shownPath(path), what: `content: ${firstDifference(one.get(path), two.get(path))}` })
  }
  if (found.length === 0 && [...first.keys()].join('\0') !== [...second.keys()].join('\0'))
    found.push({ path: '/', what: 'the same files in another order' })
  return found
}

interface Seen {
  readonly entry: TarEntry
  readonly digest: string
}

async function entriesOf(tar: AsyncIterable<Uint8Array>, name: string): Promise<ReadonlyMap<string, Seen>> {
  const entries = new Map<string, Seen>()
  for await (const { entry, body } of readTar(tar, name)) {
    const sum = createHash('sha256')
    for await (const chunk of body()) sum.update(chunk)
    entries.set(entry.path, { entry, digest: sum.digest('hex') })
  }
  return entries
}

function fieldsOf(one: TarEntry, two: TarEntry): readonly (readonly [string, string, string])[] {
  const owner = ({ uid, gid }: TarEntry): string => `${uid}:${gid}`
  const attributes = ({ xattrs }: TarEntry): string =>
    [...xattrs].map(([key, value]) => `${key}=${value.toString('hex')}`).join(' ')
  return [
    ['kind', one.type, two.type],
    ['mode', one.mode.toString(8), two.mode.toString(8)],
    ['owner', owner(one), owner(two)],
    ['time', String(one.mtime), String(two.mtime)],
    ['target', one.link, two.link],
    ['attributes', attributes(one), attributes(two)],
  ]
}

async function contentsOf(
  tar: AsyncIterable<Uint8Array>,
  wanted: readonly string[],
  name: string,
): Promise<ReadonlyMap<string, Buffer>> {
  const contents = new Map<string, Buffer>()
  for await (const { entry, body } of readTar(tar, name)) {
    if (!wanted.includes(entry.path)) continue
    const chunks: Buffer[] = []
    let size = 0
    for await (const chunk of body()) {
      if (size < looked) chunks.push(Buffer.from(chunk))
      size += chunk.length
    }
    contents.set(entry.path, Buffer.concat(chunks))
  }
  return contents
}

/** Where two contents part, and what stands there in both, for people. */
export function firstDifference(one: Buffer = Buffer.alloc(0), two: Buffer = Buffer.alloc(0)): string {
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

const shownPath = (path: string): string => `/${Buffer.from(path, 'latin1').toString('utf8')}`
