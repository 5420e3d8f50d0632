import { YoeError } from '#engine/errors.ts'
import type { FeedEnvironment, FeedKnowledge } from '#engine/formats.ts'
import type { FeedDeclaration } from '#engine/project/model.ts'
import { offlineHint } from '#engine/source/offline.ts'
import { objectPath } from '#engine/store/object-path.ts'
import { acceptedIn, jsonFields, readAccepted, readNewest, statePaths, writeState } from '../shared/feed-state.ts'
import { verifiedFile } from '../shared/verified-file.ts'
import { feedPlace, indexAddresses, optionsOf, sitesOf } from './feed-place.ts'
import type { PackagesFile } from './packages-file.ts'

/**
 * What is known of a feed that was opened in this environment.
 * @throws {YoeError} FETCH_FAILED when an index is no longer in the cache, nor elsewhere
 */
export async function knownAptFeed(
  declaration: FeedDeclaration,
  environment: FeedEnvironment,
): Promise<FeedKnowledge | undefined> {
  const { options, arch, key, paths } = feedPlace(declaration, environment)
  const { id } = declaration
  if (options.arches !== undefined && !options.arches.includes(arch)) return undefined
  const { index } = environment
  const accepted = index === undefined ? readAccepted(paths.accepted) : undefined
  const files = index?.files ?? accepted?.files
  if (files === undefined) throw new YoeError('FETCH_FAILED', `feed ${id} is not in the cache`, { hint: 'yoe plan' })
  for (const file of files) await bringIndex(declaration, environment, options.suite, arch, file)
  if (accepted === undefined) return { text: '', files, until: undefined }
  const { date, validUntil } = accepted
  const text = JSON.stringify({ id, suite: options.suite, key, date, validUntil, files: accepted.files })
  return { text, files, until: validUntil }
}

async function bringIndex(
  declaration: FeedDeclaration,
  environment: FeedEnvironment,
  suite: string,
  arch: string,
  file: Pick<PackagesFile, 'path' | 'sha256' | 'size'>,
): Promise<void> {
  const { cacheRoot, fetcher, report, signal } = environment
  const { sha256, size, path } = file
  const dest = objectPath(cacheRoot, sha256)
  if (await verifiedFile(dest, sha256, size)) return
  const sites = sitesOf(optionsOf(declaration), environment, arch)
  if (sites.length === 0) {
    throw new YoeError('FETCH_FAILED', `${path} of feed ${declaration.id} is not in the cache, and yoe works offline`, {
      hint: offlineHint,
    })
  }
  await fetcher.fetch({
    urls: indexAddresses(sites, suite, file, true),
    ...{ located: true, dest, sha256, size, title: `${declaration.id}: ${path}`, report },
    ...(signal === undefined ? {} : { signal }),
  })
}

const word = /^[A-Za-z0-9][A-Za-z0-9._+~/-]{0,199}$/

/** Takes over what {@link knownAptFeed} of another machine said. @returns why not */
export async function learnAptFeed(text: string, cacheRoot: string): Promise<string | undefined> {
  const data = jsonFields(text)
  const { id, suite, key } = data
  const accepted = acceptedIn(data)
  const good =
    typeof id === 'string' && word.test(id) && !id.includes('/') && typeof suite === 'string' && word.test(suite)
  if (!good || typeof key !== 'string' || !/^[0-9a-f]{64}$/.test(key) || accepted === undefined)
    return 'it is nothing that a feed is known by'
  const paths = statePaths(cacheRoot, id, suite, key)
  const newest = readNewest(paths.newest)
  // What was seen here may be newer, and is never taken back.
  if (newest !== undefined && accepted.date < newest) return undefined
  const { date, validUntil, files } = accepted
  await writeState(paths.newest, JSON.stringify({ date }))
  await writeState(paths.accepted, JSON.stringify({ date, validUntil, files }))
  return undefined
}
