import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { mkdir, rename, rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { FeedOrigin, PackageRecord } from '#engine/catalog/package.ts'
import { YoeError } from '#engine/errors.ts'
import type { FeedEnvironment } from '#engine/formats.ts'
import type { FeedDeclaration } from '#engine/project/model.ts'
import { offlineHint } from '#engine/source/offline.ts'
import { writeFailure } from '#engine/store/disk.ts'
import { objectPath } from '#engine/store/object-path.ts'
import { tempName } from '#engine/store/temp.ts'
import { noteUse } from '#engine/store/use.ts'
import { writeState } from '../shared/feed-state.ts'
import { verifyApk } from './apk-read.ts'
import { checkData } from './data-check.ts'
import { optionsOf, sitesOf } from './feed-place.ts'
import { apkArch } from './names.ts'
import { hintPath, packageObject } from './package-object.ts'

/** Files that this process has checked, or is fetching: each is looked at once. */
const checked = new Map<string, Promise<string>>()

/**
 * The file of a feed's package in the store, fetched if need be. Every byte but those of its own signature is checked on first
 * use in this process: the control member by the checksum that the signed index has of it, the data by the SHA-256 that the
 * control has of them, all of it by its size. So a package that the index does not list is refused, whoever signed it; and what
 * one that it lists would unpack is looked through when it arrives.
 *
 * @returns an absolute path, of an object of the store
 * @throws {YoeError} FETCH_FAILED, DIGEST_MISMATCH, ARCHIVE_UNSAFE, CANCELLED, DISK_FULL
 */
export function fetchApk(
  declaration: FeedDeclaration,
  record: PackageRecord,
  environment: FeedEnvironment,
): Promise<string> {
  const { origin } = record
  if (origin.kind !== 'feed' || origin.feed !== declaration.id || origin.checksum === undefined)
    throw new Error(`${record.name} is no package of feed ${declaration.id}`)
  const { cacheRoot } = environment
  const key = `${cacheRoot} ${origin.checksum}`
  const known = checked.get(key)
  if (known !== undefined) return known
  const work = fetchOnce(declaration, record, origin, environment).catch(async (failure: unknown) => {
    throw await writeFailure(failure, cacheRoot)
  })
  checked.set(key, work)
  work.catch(() => checked.delete(key))
  return work
}

async function fetchOnce(
  declaration: FeedDeclaration,
  record: PackageRecord,
  origin: FeedOrigin,
  environment: FeedEnvironment,
): Promise<string> {
  const { cacheRoot, fetcher, report, signal } = environment
  const title = `${record.name} ${record.version}`
  const there = packageObject(origin, cacheRoot)
  if (there !== undefined) {
    const path = objectPath(cacheRoot, there)
    const good = await checkApk(path, title, record, origin).then(
      () => true,
      () => false,
    )
    if (good) {
      noteUse(path)
      return path
    }
  }
  const sites = sitesOf(optionsOf(declaration), environment)
  if (sites.length === 0) {
    throw new YoeError(
      'FETCH_FAILED',
      `${title} of feed ${declaration.id} is not in the cache, and yoe works offline`,
      { hint: offlineHint },
    )
  }
  const { sections } = optionsOf(declaration)
  const own = apkArch(environment.arch)
  // apk asks in the folder that a package's own architecture names; an index does not say which section it is of.
  const arches = record.arch === own ? [own] : [record.arch, own]
  const urls = sites.flatMap((site) =>
    sections.flatMap((section) =>
      arches.map((arch) => `${site}/${section}/${arch}/${encodeURIComponent(origin.path)}`),
    ),
  )
  const temp = join(cacheRoot, 'tmp', tempName())
  try {
    await mkdir(dirname(temp), { recursive: true })
    await fetcher
      .fetch({
        urls,
        ...{ located: true, dest: temp, size: origin.size, title, report },
        ...(signal === undefined ? {} : { signal }),
      })
      .catch((failure: unknown) => {
        if (!(failure instanceof YoeError) || failure.code !== 'FETCH_FAILED') throw failure
        throw new YoeError('FETCH_FAILED', failure.message, {
          hint: 'if Alpine has replaced this version, yoe update feeds brings the new index; archives of old ones do not exist',
          at: declaration.at,
          cause: failure,
        })
      })
    const sha256 = await checkNew(temp, title, record, origin)
    const path = objectPath(cacheRoot, sha256)
    await mkdir(dirname(path), { recursive: true })
    await rename(temp, path)
    await writeState(hintPath(cacheRoot, origin.checksum ?? ''), sha256)
    return path
  } finally {
    await rm(temp, { force: true })
  }
}

/** {@link checkApk} of what was never here: its data are looked through once, since what has its digests stays the same. */
async function checkNew(path: string, title: string, record: PackageRecord, origin: FeedOrigin): Promise<string> {
  try {
    const { sha256, size } = await checkApk(path, title, record, origin)
    await checkData(path, size)
    return sha256
  } catch (failure) {
    if (!(failure instanceof YoeError) || failure.code !== 'ARCHIVE_UNSAFE') throw failure
    const why = failure.message.replaceAll(path, 'its file')
    throw new YoeError('ARCHIVE_UNSAFE', `${title} of feed ${origin.feed} is not used: ${why}`, {
      hint: 'nothing of it was unpacked: use another mirror, or leave the package out and tell those who publish the feed',
      cause: failure,
    })
  }
}

/** @returns the file's SHA-256, and bytes that are installed, as its control file has them */
async function checkApk(
  path: string,
  title: string,
  { name, version }: PackageRecord,
  { size, checksum, feed }: FeedOrigin,
): Promise<{ readonly sha256: string; readonly size: number }> {
  const mismatch = (why: string, cause?: unknown): YoeError =>
    new YoeError('DIGEST_MISMATCH', `${title} of feed ${feed} ${why}`, {
      hint: 'the mirror is being updated, or is not to be trusted: try again in a few minutes, or use another mirror',
      cause,
    })
  const found = (await stat(path)).size
  if (found !== size) throw mismatch(`has ${found} bytes, and its index says ${size}`)
  const { info } = await verifyApk(path, checksum).catch((failure: unknown) => {
    if (!(failure instanceof YoeError) || failure.code !== 'DIGEST_MISMATCH') throw failure
    throw mismatch(`is not what its index lists: ${failure.message}`, failure)
  })
  if (info.name !== name || info.version !== version) throw mismatch(`calls itself ${info.name} ${info.version}`)
  const sum = createHash('sha256')
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) sum.update(chunk)
  return { sha256: sum.digest('hex'), size: info.size }
}

/** What this process has fetched or checked of packages: checksum to object. */
export function knownPackages(cacheRoot: string): Readonly<Record<string, string>> {
  const found: Record<string, string> = {}
  for (const key of checked.keys()) {
    const [root = '', checksum = ''] = [key.slice(0, key.lastIndexOf(' ')), key.slice(key.lastIndexOf(' ') + 1)]
    const sha256 = root === cacheRoot ? hinted(checksum, cacheRoot) : undefined
    if (sha256 !== undefined) found[checksum] = sha256
  }
  return found
}

const hinted = (checksum: string, cacheRoot: string): string | undefined =>
  packageObject({ kind: 'feed', feed: '', path: '', size: 0, checksum }, cacheRoot)

/** Takes over what another machine says about packages; whatever is wrong about it is fetched. */
export async function learnPackages(packages: Readonly<Record<string, unknown>>, cacheRoot: string): Promise<void> {
  for (const [checksum, sha256] of Object.entries(packages)) {
    if (!/^Q1[A-Za-z0-9+/]{27}=$/.test(checksum) || typeof sha256 !== 'string' || !/^[0-9a-f]{64}$/.test(sha256))
      continue
    if (hinted(checksum, cacheRoot) === undefined) await writeState(hintPath(cacheRoot, checksum), sha256)
  }
}
