import type { IndexKind, IndexScan } from '../shared/binary-index.ts'
import { ScannedRecords } from '../shared/scanned-records.ts'

/** Index files of APKINDEX texts: apk prefers, where nothing else decides, what an index lists first. */
export const alpineIndex: IndexKind = { magic: 'yoe-apk1', providers: 'in order' }

/** What of a paragraph is kept, in this order, one line each: by the letters of its lines. */
const keptFields = ['V', 'A', 'S', 'C', 'k', 'D', 'p', 'i'] as const
const letters: readonly string[] = ['P', ...keptFields]
const slotOf = (letter: string): number => letters.indexOf(letter)
const NAME = slotOf('P')
const VERSION = slotOf('V')
const ARCH = slotOf('A')
const SIZE = slotOf('S')
const CHECKSUM = slotOf('C')
const PRIORITY = slotOf('k')
const PROVIDES = slotOf('p')
const JOINS = slotOf('i')

const slotByCode = new Int8Array(256).fill(-1)
for (const [slot, letter] of letters.entries()) slotByCode[letter.charCodeAt(0)] = slot

/** Most bytes of one line; the longest of a real index has some 30,000. */
const longestLine = 1 << 20
const NEWLINE = 10
const SPACE = 32
const COLON = 58
/** What ends the name in a relation: a space, or the beginning of an operator. */
const ends = new Uint8Array(256)
for (const character of ' =<>~') ends[character.charCodeAt(0)] = 1

const nameGrammar = /^(?!.*\.\.)[A-Za-z0-9_][A-Za-z0-9+._-]{0,254}$/
const versionGrammar = /^[0-9][0-9A-Za-z._+~-]{0,254}$/
const archGrammar = /^[a-z0-9_]{1,32}$/
const checksumGrammar = /^Q1[A-Za-z0-9+/]{27}=$/
const sizeGrammar = /^\d{1,15}$/
const priorityGrammar = /^\d{1,5}$/

/**
 * Reads APKINDEX texts in one pass. A paragraph that breaks the grammar is left out and counted: its name and version would
 * become part of paths and addresses.
 *
 * @param text of all sections, one after the other with an empty line between
 * @see apk-index(5), apk-package(5)
 */
export function scanIndex(text: Buffer): IndexScan {
  const records = new ScannedRecords(text, 'a paragraph')
  const { names, provides } = records
  const joins: number[] = []
  const starts = new Int32Array(letters.length).fill(-1)
  const stops = new Int32Array(letters.length)
  let fault = ''
  let any = false

  const value = (slot: number): string =>
    starts[slot] === -1 ? '' : text.toString('latin1', starts[slot], stops[slot])

  const check = (): string => {
    if (fault !== '') return fault
    if (!nameGrammar.test(value(NAME))) return 'bad name'
    if (!versionGrammar.test(value(VERSION))) return 'bad version'
    if (!archGrammar.test(value(ARCH))) return 'bad architecture'
    if (!sizeGrammar.test(value(SIZE))) return 'bad size'
    if (!checksumGrammar.test(value(CHECKSUM))) return 'bad checksum'
    if (starts[PRIORITY] !== -1 && !priorityGrammar.test(value(PRIORITY))) return 'bad priority'
    return ''
  }

  /** Interns the names of a line of relations for `record`. */
  const mention = (slot: number, record: number, pairs: number[]): void => {
    const end = stops[slot] ?? 0
    for (let at = starts[slot] ?? 0; at < end; ) {
      let stop = at
      while (stop < end && ends[text[stop] ?? 0] === 0) stop++
      // A package may join others as long as one is not there.
      const from = text[at] === 33 ? at + 1 : at
      if (stop > from) pairs.push(names.add(from, stop), record)
      while (stop < end && text[stop] !== SPACE) stop++
      at = stop + 1
    }
  }

  const finish = (): void => {
    const reason = check()
    if (reason !== '') {
      records.refuse(value(NAME), reason)
      return
    }
    const record = records.begin(starts[NAME] ?? 0, stops[NAME] ?? 0)
    if (starts[PROVIDES] !== -1) mention(PROVIDES, record, provides)
    if (starts[JOINS] !== -1) mention(JOINS, record, joins)
    let need = letters.length
    for (let slot = NAME + 1; slot < letters.length; slot++)
      if (starts[slot] !== -1) need += (stops[slot] ?? 0) - (starts[slot] ?? 0)
    let at = records.room(need)
    const { bytes } = records
    for (let slot = NAME + 1; slot < letters.length; slot++) {
      if (slot > NAME + 1) bytes[at++] = NEWLINE
      const from = starts[slot] ?? -1
      if (from !== -1) at += text.copy(bytes, at, from, stops[slot])
    }
    records.end(at)
  }

  for (let at = 0; at <= text.length; ) {
    let end = at < text.length ? text.indexOf(NEWLINE, at) : text.length
    if (end === -1) end = text.length
    if (end === at) {
      if (any) finish()
      starts.fill(-1)
      fault = ''
      any = false
    } else {
      any = true
      const slot = text[at + 1] === COLON ? (slotByCode[text[at] ?? 0] ?? -1) : -1
      if (end - at > longestLine) fault = 'a line that is too long'
      else if (slot !== -1) {
        if (starts[slot] !== -1) fault = `${letters[slot]}: is given twice`
        starts[slot] = at + 2
        stops[slot] = end
      }
    }
    at = end + 1
  }
  if (any) finish()

  return records.scan({ joins, essential: [], required: [] })
}
