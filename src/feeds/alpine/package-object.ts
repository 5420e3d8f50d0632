import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { FeedOrigin } from '#engine/catalog/package.ts'

/** Which object a package was: only ever a hint, since what is there is checked all the same. */
export function hintPath(cacheRoot: string, checksum: string): string {
  return join(cacheRoot, 'feeds', 'apk', Buffer.from(checksum.slice(2), 'base64').toString('hex'))
}

/** Digest of the object that a package of a feed was fetched as; undefined when it was not. */
export function packageObject({ checksum = '' }: FeedOrigin, cacheRoot: string): string | undefined {
  try {
    const text = readFileSync(hintPath(cacheRoot, checksum), 'utf8').trim()
    return /^[0-9a-f]{64}$/.test(text) ? text : undefined
  } catch {
    return undefined
  }
}
