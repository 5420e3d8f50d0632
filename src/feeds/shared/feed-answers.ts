import type { Feed } from '#engine/catalog/package.ts'
import { YoeError } from '#engine/errors.ts'
import type { FeedDeclaration } from '#engine/project/model.ts'
import { offlineHint } from '#engine/source/offline.ts'
import { textDigest } from './feed-state.ts'

/** What a feed is where it has nothing for an architecture: no error, since others may. */
export function emptyFeed({ id, distro }: FeedDeclaration): Feed {
  const none = (): readonly never[] => []
  return { id, distro, digest: textDigest([]), lookup: none, providers: none, essentials: none, names: none }
}

/** @param arch in the distro's spelling */
export function notLocked({ id, at }: FeedDeclaration, arch: string): YoeError {
  return new YoeError('LOCK_STALE', `feed ${id} for ${arch} is not in yoe.lock`, {
    at,
    hint: 'yoe update feeds, with the --machine that is meant; and commit yoe.lock',
  })
}

/** Its index has to be fetched, and there is no site. */
export function notReachable({ id, at }: FeedDeclaration): YoeError {
  return new YoeError('FETCH_FAILED', `feed ${id} is not in the cache, and yoe works offline`, {
    hint: offlineHint,
    at,
  })
}
