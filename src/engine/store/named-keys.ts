import { type Position, YoeError, YoeErrors } from '../errors.ts'
import type { Trust } from './manifest.ts'
import { parseCacheKey } from './signing.ts'

/** A public key that a project names, and how long what it signed is believed; plain data. */
export interface NamedKey {
  /** `ed25519:` and base64. */
  readonly publicKey: string
  /** As signatures and messages name it. */
  readonly id: string
  /** The last day (UTC, `2026-12-31`) on which it is believed. */
  readonly until?: string
  readonly revoked?: true
  readonly at: Position
}

/** What a key is worth at a moment; the rest is never believed again. */
export type Standing = 'believed' | 'retired' | 'revoked'

/** Nobody shares a cache with more. */
const mostKeys = 1000

/**
 * One line: a public key and, after a blank, `until=YYYY-MM-DD` or `revoked`.
 *
 * @throws {YoeError} KEY_INVALID
 */
export function parseNamedKey(line: string, at: Position): NamedKey {
  const [text = '', ...marks] = line.trim().split(/\s+/)
  const key = readKey(text, at)
  const [mark, ...more] = marks
  if (mark === undefined) return { publicKey: text, id: key.id, at }
  const [, until] = /^until=(\d{4}-\d{2}-\d{2})$/.exec(mark) ?? []
  if (more.length === 0 && mark === 'revoked') return { publicKey: text, id: key.id, revoked: true, at }
  if (more.length === 0 && until !== undefined && isDay(until)) return { publicKey: text, id: key.id, until, at }
  throw new YoeError('KEY_INVALID', `${JSON.stringify(marks.join(' ').slice(0, 100))} says nothing about a key`, {
    at,
    hint: 'a key is followed by nothing, by until=2026-12-31 (its last day) or by revoked',
  })
}

function readKey(text: string, at: Position): ReturnType<typeof parseCacheKey> {
  // Not what it says: whoever wrote it meant to keep it.
  if (text.startsWith('ed25519-private:'))
    throw new YoeError('KEY_INVALID', 'this is a private key, which a project must not have', {
      at,
      hint: 'take it out, also of the history of this repository, and make a new one: yoe key rotate cache',
    })
  try {
    return parseCacheKey(text)
  } catch (failure) {
    if (!(failure instanceof YoeError)) throw failure
    throw new YoeError('KEY_INVALID', failure.message, { at, hint: failure.hint ?? 'yoe key export cache prints one' })
  }
}

/** Whether it is a day of the calendar. */
export function isDay(text: string): boolean {
  const time = Date.parse(`${text}T00:00:00Z`)
  return /^\d{4}-\d{2}-\d{2}$/.test(text) && !Number.isNaN(time) && new Date(time).toISOString().startsWith(text)
}

/**
 * The keys of a file, one a line; empty lines and lines that begin with `#` are for people.
 *
 * @param file as users know it
 * @throws {YoeErrors} KEY_INVALID for every line that is wrong, or when there is no key
 */
export function parseKeyFile(text: string, file: string): readonly NamedKey[] {
  const keys: NamedKey[] = []
  const errors: YoeError[] = []
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    if (line.trim() === '' || line.trimStart().startsWith('#')) continue
    const at = { file, line: index + 1, column: 1 }
    try {
      keys.push(parseNamedKey(line, at))
    } catch (failure) {
      if (!(failure instanceof YoeError)) throw failure
      errors.push(failure)
    }
    if (keys.length + errors.length > mostKeys) break
  }
  if (keys.length + errors.length > mostKeys)
    errors.splice(0, Infinity, invalid(file, `it names more than ${mostKeys} keys`))
  if (keys.length + errors.length === 0) errors.push(invalid(file, 'it names no key'))
  if (errors.length > 0) throw new YoeErrors(errors)
  return keys
}

function invalid(file: string, why: string): YoeError {
  return new YoeError('KEY_INVALID', `${file} is no list of keys: ${why}`, {
    at: { file, line: 1, column: 1 },
    hint: 'it has a public key on each line, as yoe key export cache prints it',
  })
}

/**
 * One entry for each key; who says less of a key than another place does not bring it back.
 *
 * @throws {YoeError} DUPLICATE when two places say different things of a key
 */
export function distinctKeys(keys: readonly NamedKey[]): readonly NamedKey[] {
  const byId = new Map<string, NamedKey>()
  for (const key of keys) {
    const first = byId.get(key.id)
    if (first !== undefined && (first.until !== key.until || first.revoked !== key.revoked))
      throw new YoeError('DUPLICATE', `key ${key.id} is named twice, and differently`, {
        at: key.at,
        hint: `the first is at ${first.at.file}:${first.at.line}; remove one`,
      })
    byId.set(key.id, first ?? key)
  }
  return [...byId.values()]
}

/** @param now milliseconds since 1970 */
export function standingOf({ until, revoked }: NamedKey, now: number): Standing {
  if (revoked === true) return 'revoked'
  if (until === undefined) return 'believed'
  return now < Date.parse(`${until}T00:00:00Z`) + 86_400_000 ? 'believed' : 'retired'
}

/** The ids of revoked keys: on this machine, too, what they signed counts for nothing. */
export function revokedIds(keys: readonly NamedKey[] | undefined): ReadonlySet<string> {
  return new Set((keys ?? []).filter(({ revoked }) => revoked === true).map(({ id }) => id))
}

/** What a run may believe when its project names keys: their signatures, and nothing without one. */
export function trustIn(keys: readonly NamedKey[], now: number): Trust {
  const refused = new Map<string, string>()
  for (const key of keys) {
    const standing = standingOf(key, now)
    if (standing === 'revoked') refused.set(key.id, `key ${key.id} signed it, which is revoked`)
    if (standing === 'retired') refused.set(key.id, `key ${key.id} signed it, which was retired on ${key.until}`)
  }
  const believed = keys.filter(({ id }) => !refused.has(id))
  return {
    keys: believed.map(({ publicKey }) => parseCacheKey(publicKey)),
    refused,
    retiring: new Set(believed.filter(({ until }) => until !== undefined).map(({ id }) => id)),
    unsigned: false,
  }
}
