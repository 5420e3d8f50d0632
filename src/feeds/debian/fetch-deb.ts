import type { PackageRecord } from '#engine/catalog/package.ts'
import { YoeError } from '#engine/errors.ts'
import type { FeedEnvironment } from '#engine/formats.ts'
import type { FeedDeclaration } from '#engine/project/model.ts'
import { offlineHint } from '#engine/source/offline.ts'
import { objectPath } from '#engine/store/object-path.ts'
import { noteUse } from '#engine/store/use.ts'
import { verifiedFile } from '../shared/verified-file.ts'
import { optionsOf, sitesOf } from './feed-place.ts'
import { debianArch } from './names.ts'

/** Files that this process has hashed, or is fetching: each is looked at once. */
const checked = new Map<string, Promise<string>>()

/**
 * The file of a feed's package in the store, fetched if need be. Its size and SHA-256, which come from the signed
 * index, are checked on first use in this process.
 *
 * @returns an absolute path
 * @throws {YoeError} FETCH_FAILED, DIGEST_MISMATCH, CANCELLED, DISK_FULL
 */
export function fetchDeb(
  declaration: FeedDeclaration,
  record: PackageRecord,
  environment: FeedEnvironment,
): Promise<string> {
  const { origin } = record
  if (origin.kind !== 'feed' || origin.feed !== declaration.id) {
    throw new Error(`${record.name} is no package of feed ${declaration.id}`)
  }
  const { sha256 = '', size } = origin
  const path = objectPath(environment.cacheRoot, sha256)
  const known = checked.get(path)
  if (known !== undefined) return known
  const work = (async (): Promise<string> => {
    if (await verifiedFile(path, sha256, size)) {
      noteUse(path)
      return path
    }
    const { fetcher, report, signal } = environment
    const title = `${record.name} ${record.version}`
    const sites = sitesOf(optionsOf(declaration), environment, debianArch(environment.arch))
    const urls = sites.map((site) => `${site}/${quoted(origin.path)}`)
    if (urls.length === 0) {
      throw new YoeError(
        'FETCH_FAILED',
        `${title} of feed ${declaration.id} is not in the cache, and yoe works offline`,
        {
          hint: offlineHint,
        },
      )
    }
    try {
      await fetcher.fetch({
        urls,
        located: true,
        dest: path,
        sha256,
        size,
        title,
        report,
        ...(signal === undefined ? {} : { signal }),
      })
    } catch (failure) {
      if (!(failure instanceof YoeError) || failure.code !== 'FETCH_FAILED') throw failure
      throw new YoeError('FETCH_FAILED', failure.message, {
        hint: `${failure.hint ?? ''}${failure.hint === undefined ? '' : '; '}if the archive has replaced this version, yoe plan --refresh brings the new index`,
        cause: failure,
      })
    }
    return path
  })()
  checked.set(path, work)
  work.catch(() => checked.delete(path))
  return work
}

/** A path as part of an address: `%3a` in a file name is the name's own. */
const quoted = (path: string): string => path.split('/').map(encodeURIComponent).join('/')
