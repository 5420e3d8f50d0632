import { YoeError } from '#engine/errors.ts'
import type { FeedEnvironment, FeedKnowledge } from '#engine/formats.ts'
import type { FeedDeclaration } from '#engine/project/model.ts'
import { objectPath } from '#engine/store/object-path.ts'
import { acceptedIn, jsonFields, readAccepted, readNewest, statePaths, writeState } from '../shared/feed-state.ts'
import { verifiedFile } from '../shared/verified-file.ts'
import { openAlpineFeed } from './feed.ts'
import { feedPlace, newestPath } from './feed-place.ts'
import { knownPackages, learnPackages } from './fetch-apk.ts'

/**
 * What is known of a feed that was opened in this environment.
 * @throws {YoeError} FETCH_FAILED when an index is no longer in the cache, nor elsewhere
 */
export async function knownAlpineFeed(
  declaration: FeedDeclaration,
  environment: FeedEnvironment,
): Promise<FeedKnowledge | undefined> {
  const { options, arch, key, accepted: path } = feedPlace(declaration, environment)
  const { id } = declaration
  const { cacheRoot, index } = environment
  if (options.arches !== undefined && !options.arches.includes(arch)) return undefined
  const accepted = readAccepted(path)
  const files = index?.files ?? accepted?.files
  const packages = knownPackages(cacheRoot)
  const of = { id, branch: options.branch, key, packages }
  // The module has the index: who has the module needs nothing else.
  if (files === undefined && options.index !== undefined)
    return { text: JSON.stringify(of), files: [], until: undefined }
  if (files === undefined) throw new YoeError('FETCH_FAILED', `feed ${id} is not in the cache`, { hint: 'yoe plan' })
  for (const { sha256, size } of files)
    if (!(await verifiedFile(objectPath(cacheRoot, sha256), sha256, size)))
      await openAlpineFeed(declaration, environment)
  if (index !== undefined || accepted === undefined) return { text: JSON.stringify(of), files, until: undefined }
  const { maxAgeDays } = options
  const until = maxAgeDays === undefined ? undefined : accepted.date + maxAgeDays * 86_400_000
  return { text: JSON.stringify({ ...of, date: accepted.date, files: accepted.files }), files, until }
}

const word = /^[A-Za-z0-9][A-Za-z0-9._+~-]{0,199}$/
const indexPath = /^[A-Za-z0-9][A-Za-z0-9._+-]*\/[a-z0-9_]+\/APKINDEX$/

/** Takes over what {@link knownAlpineFeed} of another machine said. @returns why not */
export async function learnAlpineFeed(text: string, cacheRoot: string): Promise<string | undefined> {
  const data = jsonFields(text)
  const { id, branch, key, packages } = data
  const good = typeof id === 'string' && word.test(id) && typeof branch === 'string' && word.test(branch)
  if (!good || typeof key !== 'string' || !/^[0-9a-f]{64}$/.test(key)) return 'it is nothing that a feed is known by'
  if (typeof packages === 'object' && packages !== null)
    await learnPackages(Object.fromEntries(Object.entries(packages)), cacheRoot)
  const accepted = acceptedIn(data)
  if (accepted === undefined) return undefined
  const { date, files } = accepted
  if (!files.every(({ path }) => indexPath.test(path))) return 'it is nothing that a feed is known by'
  for (const { path } of files) {
    const newest = newestPath(cacheRoot, id, branch, path)
    // What was seen here may be newer, and is never taken back.
    if (date < (readNewest(newest) ?? 0)) return undefined
  }
  for (const { path } of files) await writeState(newestPath(cacheRoot, id, branch, path), JSON.stringify({ date }))
  await writeState(statePaths(cacheRoot, id, branch, key).accepted, JSON.stringify({ date, files }))
  return undefined
}
