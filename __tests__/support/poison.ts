/**
 * Entries of package indices that are mutated at random, the same way each time.
 * @see faults.md, B13: what an index says must never reach a path, a shell or a terminal but by a strict grammar
 */
import assert from 'node:assert/strict'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import type { Feed } from '#engine/catalog/package.ts'
import type { Event, Reporter } from '#engine/events.ts'
import { type BinaryIndex, encodeIndex, type IndexKind, readIndex, writeIndex } from '#feeds/shared/binary-index.ts'

/** A stream of numbers below what is asked for, the same for a seed. */
function numbers(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
}

/** Fields as the lines of an entry. @param between what stands between a field and its value */
export const render = (fields: Readonly<Record<string, string>>, between: string): string =>
  Object.entries(fields)
    .map(([field, value]) => `${field}${between}${value}\n`)
    .join('')

/** What does harm where nobody looks, in whatever format. */
const harmful = [
  ...['\0', '\x1b[2J', '\r', '\r\n', '\x7f', '\x80', '\u202e', '\n', '\n ', '\t', ':', '|', '(', ')', ' '],
  ...['/', '//host/', '..', '../../', '/../', '.', '\\', '%2e%2e'],
  ...['$(id)', '`id`', ';id;', '&', '"', "'", '*', '?', '#'],
  ...['-', '--rf', '=', '~', '9'.repeat(40), 'A'.repeat(3000), '__proto__', 'constructor', 'é'],
]

/** An entry of which one to three fields have poison in them, lost a part, changed places or are there twice. */
function mutated(
  fields: Readonly<Record<string, string>>,
  { poison, between }: { readonly poison: readonly string[]; readonly between: string },
  next: (below: number) => number,
): string {
  const values: Record<string, string> = { ...fields }
  const names = Object.keys(fields)
  let extra = ''
  for (let count = next(3); count >= 0; count--) {
    const field = names[next(names.length)] ?? ''
    const value = values[field] ?? ''
    const at = next(value.length + 1)
    const bad = poison[next(poison.length)] ?? ''
    const kind = next(6)
    if (kind === 0) values[field] = bad
    else if (kind === 1) values[field] = value.slice(at) + value.slice(0, at)
    else if (kind === 2) delete values[field]
    else if (kind === 3) extra += `${field}${between}${bad}\n`
    else values[field] = value.slice(0, at) + bad + value.slice(at + next(3))
  }
  return render(values, between) + extra
}

/** What of a record could end up in a path, a command line or a message. */
export interface Said {
  readonly name: string
  readonly version: string
  readonly arch: string
  readonly path: string
  readonly others: readonly string[]
}

/** An index format, and how its entries are made and judged. */
export interface Poisoned {
  /** Of a package that is as it should be; the first one is its name. */
  readonly fields: Readonly<Record<string, string>>
  /** What stands between a field and its value. */
  readonly between: string
  /** What does harm in this format alone. */
  readonly poison: readonly string[]
  readonly kind: IndexKind
  readonly scan: (text: Buffer) => Parameters<typeof encodeIndex>[1]
  readonly open: (index: BinaryIndex, rebuild: () => never, report: Reporter) => Feed
  /** Why a record must not have been taken; undefined when it is fine. */
  readonly danger: (said: Said) => string | undefined
  /** How one would read a text at first: split into paragraphs and lines, take what is there. */
  readonly naive: (text: string) => readonly Said[]
}

let files = 0

/** Everything that our feed says about a text. Its warnings are plain text. */
export function saidBy(folder: string, { kind, scan, open }: Poisoned, text: Buffer): readonly Said[] {
  const path = join(folder, `${++files}.index`)
  writeIndex(path, `${path}.temp`, encodeIndex(text, scan(text), kind))
  const index = readIndex(path, kind)
  assert.ok(index !== undefined)
  const events: Event[] = []
  const rebuild = (): never => assert.fail('the index is damaged')
  const feed = open(index, rebuild, (event) => events.push(event))
  const records = [...feed.names()].flatMap((name) => feed.lookup(name))
  for (const event of events) assert.doesNotMatch(JSON.stringify(event), /\\u00[01]|\\u007f/, 'a warning is plain text')
  rmSync(path)
  return records.map((record) => {
    const { name, version, arch, priority, origin, depends, provides, conflicts, installIf = [] } = record
    const relations = [...depends.flat(), ...conflicts, ...installIf]
    return {
      ...{ name, version, arch, path: origin.kind === 'feed' ? origin.path : '' },
      others: [
        priority,
        ...relations.flatMap((one) => [one.name, one.version?.version ?? '']),
        ...provides.flatMap((one) => [one.name, one.version ?? '']),
      ],
    }
  })
}

/**
 * Has 4,000 mutated entries read: none that is taken is dangerous, and their neighbours stay.
 *
 * @returns how many were taken, and how many dangerous ones a naive reader takes
 */
export function readMutated(folder: string, format: Poisoned): { readonly taken: number; readonly harmful: number } {
  const { fields, between, danger, naive } = format
  const [nameField = ''] = Object.keys(fields)
  const poison = [...harmful, ...format.poison]
  const next = numbers(13)
  const neighbour = (name: string): string => `${render({ ...fields, [nameField]: name }, between)}\n`
  const count = { taken: 0, harmful: 0 }
  for (let round = 0; round < 40; round++) {
    const stanzas = Array.from(
      { length: 100 },
      (_, index) => `${mutated({ ...fields, [nameField]: `victim${index}` }, { poison, between }, next)}\n`,
    )
    const text = `${neighbour('before')}${stanzas.join('')}\n${neighbour('after')}`
    const said = saidBy(folder, format, Buffer.from(text))
    for (const one of said) assert.equal(danger(one), undefined)
    const names = said.map(({ name }) => name)
    assert.ok(names.includes('before') && names.includes('after'))
    count.taken += said.length
    count.harmful += naive(text).filter((one) => danger(one) !== undefined).length
  }
  return count
}
