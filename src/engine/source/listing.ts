import { createHash } from 'node:crypto'
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { tempName } from '../store/temp.ts'

/** Larger folders are told apart as a whole only. */
const mostEntries = 5000

/** What a folder's digest is the digest of: a line for each entry; see tree.ts. */
export function listingPath(cacheRoot: string, digest: string): string {
  return join(cacheRoot, 'trees', `${digest}.list`)
}

/** Remembers what a folder held, so that later can be said which of its files changed; that it can't is no failure. */
export function saveListing(cacheRoot: string, digest: string, lines: readonly string[]): void {
  if (lines.length > mostEntries) return
  try {
    for (const folder of ['trees', 'tmp']) mkdirSync(join(cacheRoot, folder), { recursive: true, mode: 0o755 })
    const temp = join(cacheRoot, 'tmp', tempName())
    writeFileSync(temp, lines.join('\n'))
    renameSync(temp, listingPath(cacheRoot, digest))
  } catch {
    // Then only the folder is named.
  }
}

/** Path to what it was, for a file or folder that had this digest; undefined when that is not remembered, or damaged. */
export function readListing(cacheRoot: string, digest: string): ReadonlyMap<string, string> | undefined {
  try {
    const text = readFileSync(listingPath(cacheRoot, digest), 'utf8')
    if (createHash('sha256').update(text).digest('hex') !== digest) return undefined
    const entries = new Map<string, string>()
    for (const line of text.split('\n').slice(1)) {
      const [, kind = '', name = '', rest = ''] = /^(\w+) ("(?:[^"\\]|\\.)*")(.*)$/s.exec(line) ?? []
      const path: unknown = JSON.parse(name)
      if (typeof path === 'string') entries.set(path, `${kind}${rest}`)
    }
    return entries
  } catch {
    return undefined
  }
}

/** {@link readListing} of one cache. */
export const listingsIn =
  (cacheRoot: string) =>
  (digest: string): ReadonlyMap<string, string> | undefined =>
    readListing(cacheRoot, digest)
