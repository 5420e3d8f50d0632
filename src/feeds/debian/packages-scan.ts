import type { IndexKind, IndexScan } from '../shared/binary-index.ts'
import { ScannedRecords } from '../shared/scanned-records.ts'
import { isVersion } from './version.ts'

/** Index files of Packages texts: apt prefers, where nothing else decides, what was met last. */
export const debianIndex: IndexKind = { magic: 'yoe-deb3', providers: 'last met first' }

/** Fields of a stanza that decide something here; all others are skipped unread. */
const fieldNames = [
  'package',
  'version',
  'architecture',
  'essential',
  'priority',
  'filename',
  'size',
  'sha256',
  // apt meets names in exactly this order, and that order is its last tie-break between providers.
  'pre-depends',
  'depends',
  'conflicts',
  'breaks',
  'recommends',
  'suggests',
  'replaces',
  'enhances',
  'provides',
] as const
type FieldName = (typeof fieldNames)[number]

const slotOf = (name: FieldName): number => fieldNames.indexOf(name)
const PACKAGE = slotOf('package')
const VERSION = slotOf('version')
const ARCHITECTURE = slotOf('architecture')
const ESSENTIAL = slotOf('essential')
const PRIORITY = slotOf('priority')
const FILENAME = slotOf('filename')
const SIZE = slotOf('size')
const SHA256 = slotOf('sha256')
const FIRST_RELATION = slotOf('pre-depends')
const PROVIDES = slotOf('provides')

/** What of a stanza is kept, in this order, one line each; see shared/binary-index.ts. */
const keptSlots = [
  VERSION,
  ARCHITECTURE,
  ESSENTIAL,
  PRIORITY,
  FILENAME,
  SIZE,
  SHA256,
  slotOf('pre-depends'),
  slotOf('depends'),
  slotOf('conflicts'),
  slotOf('breaks'),
  PROVIDES,
]

// Field names are told apart by a hash that is computed while the colon is looked for.
const slotByHash = new Map<number, number>()
for (const [slot, name] of fieldNames.entries()) {
  let hash = 0
  for (let i = 0; i < name.length; i++) hash = (Math.imul(hash, 31) + name.charCodeAt(i)) | 0
  slotByHash.set(hash, slot)
}

const NAME = 1
const FIRST = 2
const PATH = 4
const HEX = 8
const DIGIT = 16
const END = 32
const kind = new Uint8Array(256)
const allow = (characters: string, bits: number): void => {
  for (let i = 0; i < characters.length; i++) {
    const code = characters.charCodeAt(i)
    kind[code] = (kind[code] ?? 0) | bits
  }
}
allow('abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789', NAME | FIRST | PATH)
allow('+._-', NAME | PATH)
allow('~:%@=,/', PATH)
allow('0123456789abcdef', HEX)
allow('0123456789', DIGIT)
allow(' \t\n,|:(', END)

const SPACE = 32
const TAB = 9
const NEWLINE = 10
const COLON = 58

/**
 * Reads a Packages text in one pass. A stanza that breaks the grammar is left out and counted: its name, version or path
 * would reach paths and commands.
 *
 * @param text at most 2 GiB
 * @see deb-control(5), Debian Wiki RepositoryFormat
 */
export function scanPackages(text: Buffer): IndexScan {
  const records = new ScannedRecords(text, 'a stanza')
  const { names, provides } = records
  const essential: number[] = []
  const required: number[] = []

  const starts = new Int32Array(fieldNames.length).fill(-1)
  const ends = new Int32Array(fieldNames.length)
  const folded = new Uint8Array(fieldNames.length)
  let fault = ''
  let any = false

  const value = (slot: number): string => text.toString('latin1', starts[slot], ends[slot])

  const check = (): string => {
    if (fault !== '') return fault
    for (const slot of [PACKAGE, VERSION, ARCHITECTURE, FILENAME, SIZE, SHA256]) {
      if (starts[slot] === -1) return `no ${fieldNames[slot]}`
    }
    if (!goodName(text, starts[PACKAGE] ?? 0, ends[PACKAGE] ?? 0)) return 'bad name'
    if ((ends[VERSION] ?? 0) - (starts[VERSION] ?? 0) > 512 || !isVersion(value(VERSION))) return 'bad version'
    if (!goodName(text, starts[ARCHITECTURE] ?? 0, ends[ARCHITECTURE] ?? 0)) return 'bad architecture'
    if (!goodPath(text, starts[FILENAME] ?? 0, ends[FILENAME] ?? 0)) return 'bad file name'
    if (!all(text, starts[SIZE] ?? 0, ends[SIZE] ?? 0, DIGIT, 1, 15)) return 'bad size'
    if (!all(text, starts[SHA256] ?? 0, ends[SHA256] ?? 0, HEX, 64, 64)) return 'bad sha256'
    return ''
  }

  /** Interns the names of a relation field; those of Provides belong to `record`. */
  const mention = (start: number, end: number, record: number): void => {
    let at = start
    while (at < end) {
      // A name starts here; what follows it up to the next comma or bar is its version.
      let stop = at
      while (stop < end && ((kind[text[stop] ?? 0] ?? 0) & END) === 0) stop++
      // "name:any" is another name to apt; that it does not count as a mention of "name" matters for the order.
      if (stop > at && text[stop] !== COLON) {
        const id = names.add(at, stop)
        if (record !== -1) provides.push(id, record)
      }
      while (stop < end && text[stop] !== 44 && text[stop] !== 124) stop++
      at = stop + 1
      while (at < end && (text[at] === SPACE || text[at] === TAB || text[at] === NEWLINE)) at++
    }
  }

  const finish = (): void => {
    const reason = check()
    if (reason !== '') {
      records.refuse(starts[PACKAGE] === -1 ? '' : value(PACKAGE), reason)
      return
    }
    const record = records.begin(starts[PACKAGE] ?? 0, ends[PACKAGE] ?? 0)
    for (let slot = FIRST_RELATION; slot <= PROVIDES; slot++) {
      const start = starts[slot] ?? -1
      if (start !== -1) mention(start, ends[slot] ?? 0, slot === PROVIDES ? record : -1)
    }
    if (starts[ESSENTIAL] !== -1 && value(ESSENTIAL) === 'yes') essential.push(record)
    if (starts[PRIORITY] !== -1 && value(PRIORITY) === 'required') required.push(record)
    let need = keptSlots.length
    for (const slot of keptSlots) if (starts[slot] !== -1) need += (ends[slot] ?? 0) - (starts[slot] ?? 0)
    let at = records.room(need)
    const { bytes } = records
    for (let i = 0; i < keptSlots.length; i++) {
      const slot = keptSlots[i] ?? 0
      if (i > 0) bytes[at++] = NEWLINE
      const from = starts[slot] ?? -1
      if (from !== -1) at = copyLine(text, from, ends[slot] ?? 0, bytes, at, folded[slot] === 1)
    }
    records.end(at)
  }

  const length = text.length
  let at = 0
  let slot = -1
  while (at <= length) {
    let end = at < length ? text.indexOf(NEWLINE, at) : length
    if (end === -1) end = length
    const first = text[at]
    if (end === at) {
      if (any) {
        finish()
        starts.fill(-1)
        folded.fill(0)
        fault = ''
        any = false
      }
      slot = -1
    } else if (first === SPACE || first === TAB) {
      if (slot !== -1) {
        ends[slot] = end
        folded[slot] = 1
      }
    } else {
      any = true
      slot = -1
      let hash = 0
      let colon = at
      const limit = Math.min(end, at + 20)
      while (colon < limit) {
        const byte = text[colon] ?? 0
        if (byte === COLON) break
        // ASCII letters in lower case; what this does to other bytes only makes them no field of ours.
        hash = (Math.imul(hash, 31) + (byte | 32)) | 0
        colon++
      }
      if (text[colon] === COLON) {
        const known = slotByHash.get(hash)
        if (known !== undefined && fieldNames[known]?.length === colon - at) {
          if (starts[known] !== -1) fault = `${fieldNames[known]} is given twice`
          slot = known
          let from = colon + 1
          while (from < end && (text[from] === SPACE || text[from] === TAB)) from++
          let to = end
          while (to > from && (text[to - 1] === SPACE || text[to - 1] === TAB)) to--
          starts[known] = from
          ends[known] = to
        }
      }
    }
    at = end + 1
  }
  if (any) finish()

  return records.scan({ essential, required })
}

/** Copies a value onto one line; returns the end of what was written. `folded`: it stands on several. */
function copyLine(text: Buffer, from: number, to: number, out: Buffer, at: number, folded: boolean): number {
  if (!folded && to - from > 40) return at + text.copy(out, at, from, to)
  let target = at
  for (let i = from; i < to; i++) {
    const byte = text[i] ?? 0
    out[target++] = byte === NEWLINE ? SPACE : byte
  }
  return target
}

function all(text: Uint8Array, start: number, end: number, bits: number, min: number, max: number): boolean {
  if (end - start < min || end - start > max) return false
  for (let i = start; i < end; i++) if (((kind[text[i] ?? 0] ?? 0) & bits) === 0) return false
  return true
}

function goodName(text: Uint8Array, start: number, end: number): boolean {
  if (((kind[text[start] ?? 0] ?? 0) & FIRST) === 0 || !all(text, start, end, NAME, 1, 255)) return false
  for (let i = start + 1; i < end; i++) if (text[i] === 46 && text[i - 1] === 46) return false
  return true
}

/** A relative path of plain characters, none of whose components is empty or starts with a dot or a dash. */
function goodPath(text: Uint8Array, start: number, end: number): boolean {
  if (!all(text, start, end, PATH, 1, 1024)) return false
  let component = start
  for (let i = start; i <= end; i++) {
    if (i < end && text[i] !== 47) continue
    if (i === component || text[component] === 46 || text[component] === 45 || i - component > 255) return false
    component = i + 1
  }
  return true
}
