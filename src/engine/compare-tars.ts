import { createHash } from 'node:crypto'
import { readTar, type TarEntry } from './image/tar-read.ts'
import { shown } from './shown.ts'

/** What two archives that should be equal disagree about. */
export interface Difference {
  /** Absolute, as on the device; bytes that are no UTF-8 are escaped. */
  readonly path: string
  /** `content: line 3: "built Monday" and "built Tuesday"`, `mode: 644 and 640`, `only in the second`. */
  readonly what: string
}

/** How much of a file is looked at for the first byte that differs. */
const looked = 64 << 20

/** One of two tars. */
export interface ComparedTar {
  /** For errors. */
  readonly name: string
  /** Starts to read it, from its beginning; called twice when there is a difference. */
  open(): AsyncIterable<Uint8Array>
}

/**
 * Compares two tars entry by entry. The order counts: it is part of the bytes.
 *
 * @throws {YoeError} ARCHIVE_UNSAFE for one that readers could disagree about
 */
export async function compareTars(one: ComparedTar, other: ComparedTar): Promise<readonly Difference[]> {
  const [first, second] = [await entriesOf(one), await entriesOf(other)]
  const found: Difference[] = []
  const contents: string[] = []
  for (const [path, { entry, digest }] of first) {
    const there = second.get(path)
    if (there === undefined) {
      found.push({ path: shownPath(path), what: 'only in the first' })
      continue
    }
    for (const [field, here, other] of fieldsOf(entry, there.entry))
      if (here !== other) found.push({ path: shownPath(path), what: `${field}: ${here} and ${other}` })
    if (digest !== there.digest) contents.push(path)
  }
  for (const path of second.keys())
    if (!first.has(path)) found.push({ path: shownPath(path), what: 'only in the second' })
  if (contents.length > 0) {
    const [here, there] = [await contentsOf(one, contents), await contentsOf(other, contents)]
    for (const path of contents)
      found.push({ path: shownPath(path), what: `content: ${firstDifference(here.get(path), there.get(path))}` })
  }
  if (found.length === 0 && [...first.keys()].join('\0') !== [...second.keys()].join('\0'))
    found.push({ path: '/', what: 'the same files in another order' })
  return found
}

interface Seen {
  readonly entry: TarEntry
  readonly digest: string
}

async function entriesOf({ open, name }: ComparedTar): Promise<ReadonlyMap<string, Seen>> {
  const entries = new Map<string, Seen>()
  for await (const { entry, body } of readTar(open(), name, 'layer')) {
    const sum = createHash('sha256')
    for await (const chunk of body()) sum.update(chunk)
    entries.set(entry.path, { entry, digest: sum.digest('hex') })
  }
  return entries
}

function fieldsOf(one: TarEntry, two: TarEntry): readonly (readonly [string, string, string])[] {
  const owner = ({ uid, gid, raw }: TarEntry): string => `${nameAt(raw, 265)}(${uid}):${nameAt(raw, 297)}(${gid})`
  const attributes = ({ xattrs }: TarEntry): string =>
    [...xattrs].map(([name, value]) => `${name}=${value.toString('hex')}`).join(' ') || 'none'
  return [
    ['kind', one.type, two.type],
    ['mode', one.mode.toString(8), two.mode.toString(8)],
    ['owner', owner(one), owner(two)],
    ['time', timeOf(one), timeOf(two)],
    ['target', one.link, two.link],
    ['attributes', attributes(one), attributes(two)],
  ]
}

const timeOf = ({ mtime }: TarEntry): string => new Date(mtime * 1000).toISOString()

/** A user's or group's name in the header that stands right before an entry's content. */
function nameAt(raw: Buffer, at: number): string {
  const field = raw.subarray(raw.length - 512).toString('latin1', at, at + 32)
  return field.slice(0, field.indexOf('\0'))
}

async function contentsOf(
  { open, name }: ComparedTar,
  wanted: readonly string[],
): Promise<ReadonlyMap<string, Buffer>> {
  const contents = new Map<string, Buffer>()
  for await (const { entry, body } of readTar(open(), name, 'layer')) {
    if (!wanted.includes(entry.path)) continue
    const chunks: Buffer[] = []
    let size = 0
    for await (const chunk of body()) {
      if (size < looked) chunks.push(chunk)
      size += chunk.length
    }
    contents.set(entry.path, Buffer.concat(chunks))
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

const shownPath = (path: string): string => `/${shown(Buffer.from(path, 'latin1'))}`
