import { closeSync, fstatSync, mkdirSync, openSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { crc32 } from 'node:zlib'
import { type Counts, counts, HEADER_WORDS, locate, type TableName } from './index-layout.ts'
import { fill, Pages } from './pages.ts'

/** What one pass over an index's text finds. Offsets and ids are indices into the other arrays. */
export interface IndexScan {
  /** Every name met, in the order in which that happened: `[start, end)` in the text, and its FNV-1a. */
  readonly nameStart: Uint32Array
  readonly nameEnd: Uint32Array
  readonly nameHash: Uint32Array
  readonly nameCount: number
  /** Name id of each record. */
  readonly recordName: Uint32Array
  /** `recordStart[i]` to `recordStart[i + 1]` in `records`: the kept fields, `\n` after each but the last. */
  readonly recordStart: Uint32Array
  readonly recordCount: number
  readonly records: Buffer
  /** Pairs of provided name id and record id. */
  readonly provides: readonly number[]
  /** Pairs of name id and the id of a record that joins it. */
  readonly joins?: readonly number[]
  /** Record ids. */
  readonly essential: readonly number[]
  readonly required: readonly number[]
  /** Stanzas left out because they break the grammar, each with its reason (only the first few). */
  readonly refused: { readonly count: number; readonly first: readonly string[] }
}

/** What kind of index a file holds. */
export interface IndexKind {
  /** Eight characters; another making of a kind has another. */
  readonly magic: string
  /** Of several that provide a name, the one whose own name was met last comes first (as apt has it), or index order. */
  readonly providers: 'last met first' | 'in order'
}

/** An index file's content, ready for look-ups; holds one buffer and makes strings only for what is asked. */
export interface BinaryIndex {
  readonly records: number
  /** How many stanzas the grammar refused. */
  readonly refused: number
  /** Record ids of a name, in index order. */
  own(name: string): Uint32Array
  /** Record ids of the packages that provide a name, in order of preference. */
  providers(name: string): Uint32Array
  /** Record ids of the packages that join others which include a name, in index order. */
  joining(name: string): Uint32Array
  /** Name of a record. */
  nameOf(record: number): string
  /**
   * The kept fields of a record, in the order of its scan; '' for those it lacks.
   *
   * @throws {IndexDamaged}
   */
  fieldsOf(record: number): readonly string[]
  readonly essential: Uint32Array
  readonly required: Uint32Array
  /** Every name that a record is called. */
  names(): Generator<string>
}

/** Lays out a scan as an index file; only names that are called or provided stay. */
export function encodeIndex(text: Buffer, scan: IndexScan, kind: IndexKind): Buffer {
  const { joins = [] } = scan
  const ownCount = new Uint32Array(scan.nameCount)
  const providerCount = new Uint32Array(scan.nameCount)
  for (const name of scan.recordName) ownCount[name] = (ownCount[name] ?? 0) + 1
  for (let i = 0; i < scan.provides.length; i += 2) {
    const name = scan.provides[i] ?? 0
    providerCount[name] = (providerCount[name] ?? 0) + 1
  }
  const joinCount = new Uint32Array(scan.nameCount)
  for (let i = 0; i < joins.length; i += 2) {
    const name = joins[i] ?? 0
    joinCount[name] = (joinCount[name] ?? 0) + 1
  }
  // Ids keep the order of first mention, which is the order of preference between providers.
  const newId = new Int32Array(scan.nameCount).fill(-1)
  let names = 0
  let nameBytes = 0
  for (let id = 0; id < scan.nameCount; id++) {
    if (ownCount[id] === 0 && providerCount[id] === 0 && joinCount[id] === 0) continue
    newId[id] = names++
    nameBytes += (scan.nameEnd[id] ?? 0) - (scan.nameStart[id] ?? 0)
  }
  let tableSize = 1024
  while (tableSize < names * 2) tableSize *= 2
  const count: Counts = {
    names,
    records: scan.recordCount,
    table: tableSize,
    provides: scan.provides.length / 2,
    joins: joins.length / 2,
    essential: scan.essential.length,
    required: scan.required.length,
    nameBytes,
    recordBytes: scan.records.length,
    refused: scan.refused.count,
  }
  const layout = locate(count)
  const file = Buffer.from(new ArrayBuffer(layout.size))
  const words = new Uint32Array(file.buffer, 0, layout.bytes / 4)
  const table = (name: TableName): Uint32Array => {
    const { from, length } = layout.tables[name]
    return words.subarray(from, from + length)
  }
  file.write(kind.magic, 'latin1')
  for (const [index, name] of counts.entries()) words[3 + index] = count[name]

  const nameStart = table('nameStart')
  const hashTable = table('table')
  const ownStart = table('ownStart')
  const providerStart = table('providerStart')
  const joinStart = table('joinStart')
  let at = 0
  let own = 0
  let provider = 0
  let join = 0
  for (let id = 0; id < scan.nameCount; id++) {
    const name = newId[id] ?? -1
    if (name === -1) continue
    nameStart[name] = at
    ownStart[name] = own
    providerStart[name] = provider
    joinStart[name] = join
    own += ownCount[id] ?? 0
    provider += providerCount[id] ?? 0
    join += joinCount[id] ?? 0
    const start = scan.nameStart[id] ?? 0
    const end = scan.nameEnd[id] ?? 0
    text.copy(file, layout.bytes + at, start, end)
    at += end - start
    let slot = spread(scan.nameHash[id] ?? 0) & (tableSize - 1)
    while (hashTable[slot] !== 0) slot = (slot + 1) & (tableSize - 1)
    hashTable[slot] = name + 1
  }
  nameStart[names] = at
  ownStart[names] = own
  providerStart[names] = provider
  joinStart[names] = join

  const owned = table('own')
  const recordName = table('recordName')
  const next = Uint32Array.from(ownStart)
  for (let record = 0; record < scan.recordCount; record++) {
    const name = newId[scan.recordName[record] ?? 0] ?? 0
    recordName[record] = name
    const slot = next[name] ?? 0
    owned[slot] = record
    next[name] = slot + 1
  }
  const spreadPairs = (target: Uint32Array, start: Uint32Array, pairs: readonly number[]): void => {
    const nextSlot = Uint32Array.from(start)
    for (let i = 0; i < pairs.length; i += 2) {
      const name = newId[pairs[i] ?? 0] ?? 0
      const slot = nextSlot[name] ?? 0
      target[slot] = pairs[i + 1] ?? 0
      nextSlot[name] = slot + 1
    }
  }
  const providers = table('provider')
  spreadPairs(providers, providerStart, scan.provides)
  spreadPairs(table('join'), joinStart, joins)
  for (let name = 0; kind.providers === 'last met first' && name < names; name++) {
    const range = providers.subarray(providerStart[name], providerStart[name + 1])
    if (range.length > 1) {
      range.set(Array.from(range).sort((a, b) => (recordName[b] ?? 0) - (recordName[a] ?? 0) || a - b))
    }
  }
  table('recordStart').set(scan.recordStart)
  table('essential').set(scan.essential)
  table('required').set(scan.required)
  scan.records.copy(file, layout.head)
  const recordSum = table('recordSum')
  for (let record = 0; record < scan.recordCount; record++) {
    recordSum[record] = crc32(scan.records.subarray(scan.recordStart[record], scan.recordStart[record + 1]))
  }
  words[2] = crc32(file.subarray(3 * 4, layout.head))
  return file
}

/**
 * Writes an index file. It is not flushed to disk: its checksums tell a torn one, and it can always be made anew.
 *
 * @param temp a fresh path on the same file system
 */
export function writeIndex(path: string, temp: string, file: Buffer): void {
  try {
    mkdirSync(dirname(path), { recursive: true })
    mkdirSync(dirname(temp), { recursive: true })
    writeFileSync(temp, file, { flag: 'wx' })
    renameSync(temp, path)
  } finally {
    rmSync(temp, { force: true })
  }
}

/** A record's text is not what was written; the file is of no use any more. */
export class IndexDamaged extends Error {
  override readonly name = 'IndexDamaged'
}

/**
 * Opens an index file, and keeps it open as long as the process lives; undefined when there is none, or it is damaged
 * or of another making: then it is made anew.
 */
export function readIndex(path: string, kind: IndexKind): BinaryIndex | undefined {
  let fd: number
  try {
    fd = openSync(path, 'r')
  } catch {
    return undefined
  }
  const index = decode(fd, kind)
  if (index === undefined) closeSync(fd)
  return index
}

function decode(fd: number, { magic }: IndexKind): BinaryIndex | undefined {
  const start = Buffer.from(new ArrayBuffer(HEADER_WORDS * 4))
  if (!fill(fd, start, 0) || start.toString('latin1', 0, magic.length) !== magic) return undefined
  const header = new Uint32Array(start.buffer)
  const count: Counts = {
    names: 0,
    records: 0,
    table: 0,
    provides: 0,
    joins: 0,
    essential: 0,
    required: 0,
    nameBytes: 0,
    recordBytes: 0,
    refused: 0,
  }
  for (const [index, name] of counts.entries()) count[name] = header[3 + index] ?? 0
  const layout = locate(count)
  if (layout.size !== fstatSync(fd).size) return undefined
  const file = Buffer.from(new ArrayBuffer(layout.head))
  if (!fill(fd, file, 0) || crc32(file.subarray(3 * 4)) !== header[2]) return undefined
  const words = new Uint32Array(file.buffer, 0, layout.bytes / 4)
  const table = (name: TableName): Uint32Array => {
    const { from, length } = layout.tables[name]
    return words.subarray(from, from + length)
  }
  const nameStart = table('nameStart')
  const ownStart = table('ownStart')
  const own = table('own')
  const providerStart = table('providerStart')
  const provider = table('provider')
  const joinStart = table('joinStart')
  const join = table('join')
  const recordStart = table('recordStart')
  const recordName = table('recordName')
  const recordSum = table('recordSum')
  const hashTable = table('table')
  const nameBase = layout.bytes
  const none = new Uint32Array(0)

  const nameText = (id: number): string =>
    file.toString('latin1', nameBase + (nameStart[id] ?? 0), nameBase + (nameStart[id + 1] ?? 0))

  const isName = (id: number, name: string): boolean => {
    const from = nameStart[id] ?? 0
    if ((nameStart[id + 1] ?? 0) - from !== name.length) return false
    for (let i = 0; i < name.length; i++) if (file[nameBase + from + i] !== name.charCodeAt(i)) return false
    return true
  }

  const pages = new Pages(fd, layout.head, count.recordBytes)

  /** Callers ask several things about a name in a row. */
  let lastName: string | undefined
  let lastId = -1
  const find = (name: string): number => {
    if (name !== lastName) {
      lastId = search(name)
      lastName = name
    }
    return lastId
  }

  const search = (name: string): number => {
    let hash = 0x811c9dc5
    for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 0x01000193)
    const mask = hashTable.length - 1
    for (let slot = spread(hash >>> 0) & mask; ; slot = (slot + 1) & mask) {
      const id = (hashTable[slot] ?? 0) - 1
      if (id === -1) return -1
      if (isName(id, name)) return id
    }
  }

  return {
    records: count.records,
    refused: count.refused,
    own(name) {
      const id = find(name)
      return id === -1 ? none : own.subarray(ownStart[id], ownStart[id + 1])
    },
    providers(name) {
      const id = find(name)
      return id === -1 ? none : provider.subarray(providerStart[id], providerStart[id + 1])
    },
    joining(name) {
      const id = find(name)
      return id === -1 ? none : join.subarray(joinStart[id], joinStart[id + 1])
    },
    nameOf: (record) => nameText(recordName[record] ?? 0),
    fieldsOf(record) {
      const from = recordStart[record] ?? 0
      const text = pages.read(from, recordStart[record + 1] ?? 0)
      if (text === undefined || crc32(text) !== recordSum[record]) throw new IndexDamaged()
      return text.toString('latin1').split('\n')
    },
    essential: table('essential'),
    required: table('required'),
    *names() {
      for (let id = 0; id < count.names; id++) if (ownStart[id] !== ownStart[id + 1]) yield nameText(id)
    },
  }
}

const spread = (hash: number): number => hash ^ (hash >>> 15)
