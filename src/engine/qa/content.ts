import type { DestEntry, TreeFile } from '../build/destdir.ts'
import { inside } from '../build/environment.ts'
import { shown } from '../shown.ts'
import type { Finding } from './finding.ts'
import type { Surroundings } from './package-parts.ts'

/** Files are read in pieces of this size, of which two share a part; so all that is looked for is seen with its neighbours. */
const piece = 1 << 20
const shared = 4096

/** A piece of a file, and where in it something may begin that no other piece shows whole. */
interface Piece {
  readonly bytes: Buffer
  readonly from: number
  readonly until: number
}

/** Tasks see the same folders on every machine; none of them is on a device. */
const buildFolder = Buffer.from('/build/')
const buildNames = [...Object.values(inside).map((path) => path.slice('/build/'.length))]

/** What is looked for in files beside the folders of builds. */
export interface Wanted {
  /** What names this machine. */
  readonly traces: readonly Buffer[]
  /** Today, as programs have it. */
  readonly dates: readonly Buffer[]
  /** Seconds since 1970, which no file may be older or newer than. */
  readonly sourceDateEpoch: number
}

/** @param now milliseconds since 1970 */
export function wantedIn({ traces, now }: Pick<Surroundings, 'traces' | 'now'>, sourceDateEpoch: number): Wanted {
  return {
    traces: traces.map((trace) => Buffer.from(trace)),
    dates: datesOf(now, sourceDateEpoch),
    sourceDateEpoch,
  }
}

const buffer = Buffer.allocUnsafeSlow(piece)

/** One pass over the bytes of a file: what names the build or its machine, what tells the time, and whether it is ELF. */
export function checkContent(
  file: TreeFile,
  entry: DestEntry,
  wanted: Wanted,
): { readonly findings: readonly Finding[]; readonly isElf: boolean } {
  const found = new Map<string, Omit<Finding, 'paths'>>()
  let isElf = false
  for (const part of piecesOf(file, entry.size)) {
    if (part.from === 0) {
      isElf = part.bytes.length >= 52 && part.bytes.readUInt32BE(0) === 0x7f454c46
      const time = timeOf(entry, part.bytes, wanted.sourceDateEpoch)
      if (time !== undefined) found.set('time', { check: 'reproducible', ...time })
    }
    const path = buildPathIn(part)
    if (path !== undefined && !found.has('path')) found.set('path', madeIn(path))
    for (const trace of wanted.traces) {
      if (found.has('trace') || !holdsWord(part, trace)) continue
      found.set('trace', namesMachine(trace.toString()))
    }
    for (const date of isElf ? wanted.dates : []) {
      if (!found.has('date') && part.bytes.includes(date)) found.set('date', tellsDate(date.toString()))
    }
  }
  if (found.size === 0) return { findings: [], isElf }
  const paths = [`/${shown(entry.path)}`]
  return { findings: [...found.values()].map((finding) => ({ ...finding, paths })), isElf }
}

/** Overlapping pieces of a file, in one buffer. */
function* piecesOf(file: TreeFile, size: number): Generator<Piece> {
  const { content } = file
  if (content !== undefined) {
    yield { bytes: content, from: 0, until: content.length }
    return
  }
  let kept = 0
  for (let at = 0; at < size; ) {
    const count = file.read(buffer.subarray(kept, kept + size - at), at)
    if (count === 0) return
    at += count
    const length = kept + count
    const until = at < size ? length - shared / 2 : length
    yield { bytes: buffer.subarray(0, length), from: kept === 0 ? 0 : kept - shared / 2, until }
    kept = Math.min(shared, length)
    buffer.copyWithin(0, length - kept, length)
  }
}

const isWord = (byte: number | undefined): boolean =>
  byte !== undefined &&
  ((byte >= 0x30 && byte <= 0x39) || (byte >= 0x41 && byte <= 0x5a) || (byte >= 0x61 && byte <= 0x7a) || byte === 0x5f)

/** What may stand before `/build/src` in a longer path, of which it is a part then: `./build/src`, `${root}/build/src`. */
const goesOn = (byte: number | undefined): boolean =>
  isWord(byte) || (byte !== undefined && '.~-})]*@%+'.includes(String.fromCharCode(byte)))

/** Programs that tell how they were compiled name the folders that our own flags take out of them. */
const mapsIt = /-prefix-map=$/

/** `-L/build/…`, where the letter belongs to no path. */
const isFlag = (before: string): boolean => /(^|[^\w-])-[LIBF]$/.test(before)

function* placesOf({ bytes, from, until }: Piece, text: Buffer): Generator<number> {
  for (let at = bytes.indexOf(text, from); at >= 0 && at < until; at = bytes.indexOf(text, at + 1)) yield at
}

function buildPathIn(part: Piece): string | undefined {
  const { bytes } = part
  for (const at of placesOf(part, buildFolder)) {
    if (at > 0 && goesOn(bytes[at - 1]) && !isFlag(bytes.toString('latin1', Math.max(0, at - 3), at))) continue
    const start = at + buildFolder.length
    if (mapsIt.test(bytes.toString('latin1', Math.max(0, at - 20), at))) continue
    const name = buildNames.find((each) => bytes.toString('latin1', start, start + each.length) === each)
    const next = bytes[start + (name?.length ?? 0)]
    if (name === undefined || isWord(next) || next === 0x2d) continue
    const [path = ''] = /^[^\s"'<>:;,|()\0]*/.exec(bytes.toString('latin1', at, at + 100)) ?? []
    return path
  }
  return undefined
}

function holdsWord(part: Piece, word: Buffer): boolean {
  const { bytes } = part
  for (const at of placesOf(part, word)) {
    if (!isWord(bytes[at + word.length]) && !(at > 0 && isWord(bytes[at - 1]))) return true
  }
  return false
}

const madeIn = (path: string): Finding => ({
  check: 'buildpaths',
  message: `names a folder of the build: ${shown(path)}`,
  hint: 'configure with the paths of the device ($PREFIX, never $DESTDIR or $SYSROOT), and compile with $CFLAGS, which map them; or mend the file in a task with sed',
})

const namesMachine = (trace: string): Finding => ({
  check: 'buildpaths',
  message: `names the machine that built it: ${shown(trace)}`,
  hint: 'take it out of what the build writes, or mend the file in a task with sed',
})

const tellsDate = (date: string): Finding => ({
  check: 'reproducible',
  message: `holds the date of the build: ${date}`,
  hint: 'use $SOURCE_DATE_EPOCH where the build asks for the time; compilers do so for __DATE__',
})

const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']

/** As __DATE__ has it. Where packages are dated today, today's date says nothing. */
function datesOf(now: number, sourceDateEpoch: number): readonly Buffer[] {
  const text = (ms: number): string => {
    const date = new Date(ms)
    return `${months[date.getUTCMonth()]} ${String(date.getUTCDate()).padStart(2)} ${date.getUTCFullYear()}`
  }
  const today = text(now)
  return today === text(sourceDateEpoch * 1000) ? [] : [Buffer.from(today)]
}

/** Times in the headers of formats that have one. */
function timeOf(entry: DestEntry, head: Buffer, epoch: number): Pick<Finding, 'message' | 'hint'> | undefined {
  const name = entry.path.toString('latin1')
  const known = (time: number): boolean => time === 0 || time === epoch
  if (head.length >= 10 && head.readUInt32BE(0) >>> 8 === 0x1f8b08 && !known(head.readUInt32LE(4)))
    return { message: 'was compressed with a time in it', hint: 'gzip -n leaves it out' }
  if (head.length >= 68 && head.toString('latin1', 0, 8) === '!<arch>\n') {
    const time = Number(head.toString('latin1', 24, 36))
    if (!known(time))
      return { message: 'holds the time at which it was made', hint: 'ar with the modifier D leaves it out' }
  }
  if (name.endsWith('.pyc') && head.length >= 16 && head.readUInt32LE(4) === 0 && head.readUInt32LE(8) !== epoch)
    return {
      message: 'is for a file with another time than the package gives it, so Python does not use it',
      hint: 'python3 -m compileall --invalidation-mode unchecked-hash',
    }
  return undefined
}
