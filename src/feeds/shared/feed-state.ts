import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { writeFailure } from '#engine/store/disk.ts'
import { replaceFile } from '#engine/store/replace-file.ts'

/** A file of an index as something verified describes it: the file that is fetched, and the text in it. */
export interface TextFile {
  /** As upstream calls it. */
  readonly path: string
  readonly size: number
  readonly sha256: string
  readonly sha512?: string
  /** The text, unpacked, where that is known; else only the packed file is. */
  readonly text?: { readonly size: number; readonly sha256: string }
}

/** SHA-256 of everything that a feed's texts say: one text's own digest, or one over several. */
export function textDigest(files: readonly TextFile[]): string {
  const digests = files.map((file) => file.text?.sha256 ?? file.sha256)
  const [only] = digests
  if (only !== undefined && digests.length === 1) return only
  return createHash('sha256').update(digests.join('\n')).digest('hex')
}

/**
 * What was verified of a feed and may be used without asking again. Local knowledge: whoever can write it can make the
 * feed say anything, so it is never taken from a shared cache.
 */
export interface Accepted {
  /** Of the Release; milliseconds since 1970. */
  readonly date: number
  readonly validUntil: number | undefined
  readonly files: readonly TextFile[]
}

/** Where a feed keeps what it knows, under `$YOE_CACHE/feeds`. */
export interface StatePaths {
  /** Of one declaration, keyring and architecture. */
  readonly accepted: string
  /** The newest date of the suite that was ever accepted, whatever else changed. */
  readonly newest: string
}

/** @param key of what was asked, in hexadecimal: other questions have other accepted states, but the same newest one */
export function statePaths(cacheRoot: string, id: string, suite: string, key: string): StatePaths {
  const folder = join(cacheRoot, 'feeds', id)
  return {
    accepted: join(folder, `${key.slice(0, 32)}.json`),
    newest: join(folder, `${suite.replaceAll('/', '_')}.newest.json`),
  }
}

/** Undefined when nothing was accepted yet, or what is written there can't be made sense of. */
export function readAccepted(path: string): Accepted | undefined {
  return acceptedIn(readJson(path))
}

/** Undefined for what is no {@link Accepted} as JSON gives it. */
export function acceptedIn(data: Readonly<Record<string, unknown>>): Accepted | undefined {
  const [date, validUntil, files] = [data['date'], data['validUntil'], data['files']]
  if (typeof date !== 'number' || !Array.isArray(files) || files.length === 0) return undefined
  const parsed = files.map(packagesFile)
  const good = parsed.filter((file) => file !== undefined)
  if (good.length !== parsed.length) return undefined
  return { date, validUntil: typeof validUntil === 'number' ? validUntil : undefined, files: good }
}

/** Milliseconds since 1970; undefined when no Release of the suite was accepted yet. */
export function readNewest(path: string): number | undefined {
  const { date } = readJson(path)
  return typeof date === 'number' ? date : undefined
}

const digest = /^[0-9a-f]+$/

function packagesFile(value: unknown): TextFile | undefined {
  const { path, size, sha256, sha512, text } = record(value)
  if (typeof path !== 'string' || typeof size !== 'number' || typeof sha256 !== 'string' || !digest.test(sha256))
    return undefined
  const { size: textSize, sha256: textDigest } = record(text)
  return {
    path,
    size,
    sha256,
    ...(typeof sha512 === 'string' ? { sha512 } : {}),
    ...(typeof textSize === 'number' && typeof textDigest === 'string' && digest.test(textDigest)
      ? { text: { size: textSize, sha256: textDigest } }
      : {}),
  }
}

function readJson(path: string): Readonly<Record<string, unknown>> {
  try {
    return jsonFields(readFileSync(path, 'utf8'))
  } catch {
    return {}
  }
}

/** The fields of an object in JSON; none when it is something else. */
export function jsonFields(text: string): Readonly<Record<string, unknown>> {
  try {
    const data: unknown = JSON.parse(text)
    return record(data)
  } catch {
    return {}
  }
}

const record = (value: unknown): Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null ? Object.fromEntries(Object.entries(value)) : {}

/**
 * Writes a file that later runs trust.
 *
 * @throws {YoeError} DISK_FULL, PERMISSION
 */
export async function writeState(path: string, content: string | Uint8Array): Promise<void> {
  try {
    await replaceFile(path, content)
  } catch (failure) {
    throw await writeFailure(failure, path, content.length)
  }
}
