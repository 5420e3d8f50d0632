import { mkdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Feed } from '#engine/catalog/package.ts'
import type { Position } from '#engine/errors.ts'
import { YoeError } from '#engine/errors.ts'
import { step } from '#engine/events.ts'
import type { FeedEnvironment, LatestIndex, LockedIndex } from '#engine/formats.ts'
import { inParallel } from '#engine/in-parallel.ts'
import type { FeedDeclaration } from '#engine/project/model.ts'
import { writeFailure } from '#engine/store/disk.ts'
import { objectPath } from '#engine/store/object-path.ts'
import { tempName } from '#engine/store/temp.ts'
import { emptyFeed, notLocked, notReachable } from '../shared/feed-answers.ts'
import { FeedIndices, type OpenIndex } from '../shared/feed-index.ts'
import { type Accepted, readAccepted, readNewest, type StatePaths, writeState } from '../shared/feed-state.ts'
import { firstGood } from '../shared/sites.ts'
import { verifiedFile } from '../shared/verified-file.ts'
import type { AptFeedOptions } from './feed-options.ts'
import { feedPlace, indexAddresses, sitesOf } from './feed-place.ts'
import { feedRecords } from './feed-records.ts'
import { verifyInRelease } from './inrelease.ts'
import { type PackagesFile, packagesFiles, readPackages } from './packages-file.ts'
import { debianIndex, scanPackages } from './packages-scan.ts'
import { checkAge, checkRelease, parseRelease, type Release, remarkableAge } from './release.ts'

/** Bytes of a Release or InRelease file. */
const releaseLimit = 10_000_000
/** Indices that are asked for at a time: of components, each in its own file. */
const filesAtOnce = 4

/**
 * Opens a feed that `apt_feed(...)` declared. What was verified before serves until it expires or `refresh` is set:
 * no network, no signature check, one read of the index file. Otherwise the suite's InRelease is fetched and verified,
 * then the index that it names.
 *
 * @throws {YoeError} FEED_UNTRUSTED, FEED_EXPIRED, FEED_REPLAYED, FEED_INVALID, FETCH_FAILED, KEY_INVALID, TOOL_MISSING,
 *   DISK_FULL
 * @see seed, Trust chain
 */
export async function openAptFeed(declaration: FeedDeclaration, environment: FeedEnvironment): Promise<Feed> {
  const opening = new Opening(declaration, environment)
  try {
    return await opening.open()
  } catch (failure) {
    throw await writeFailure(failure, environment.cacheRoot)
  }
}

/** The index that a feed's archive has now for an architecture, verified; undefined when it has none. */
export async function latestAptIndex(
  declaration: FeedDeclaration,
  environment: FeedEnvironment,
): Promise<LatestIndex | undefined> {
  const opening = new Opening(declaration, environment)
  return step(environment.report, `Ask feed ${declaration.id}`, () => opening.latest()).catch(async (failure) => {
    throw await writeFailure(failure, environment.cacheRoot)
  })
}

class Opening {
  readonly #declaration: FeedDeclaration
  readonly #options: AptFeedOptions
  readonly #environment: FeedEnvironment
  readonly #arch: string
  readonly #keyring: Uint8Array
  readonly #paths: StatePaths
  readonly #indices: FeedIndices

  constructor(declaration: FeedDeclaration, environment: FeedEnvironment) {
    this.#declaration = declaration
    this.#environment = environment
    const { options, arch, keyring, paths } = feedPlace(declaration, environment)
    this.#options = options
    this.#arch = arch
    this.#keyring = keyring
    this.#paths = paths
    this.#indices = new FeedIndices(declaration.id, environment, {
      kind: debianIndex,
      scan: scanPackages,
      textIn: (stored, file) => readPackages(stored, file, declaration.id),
    })
  }

  async open(): Promise<Feed> {
    if (!this.#serves()) return emptyFeed(this.#declaration)
    const { index, mustBeLocked = false } = this.#environment
    if (index !== undefined && !this.#environment.refresh) return this.#openLocked(index)
    if (mustBeLocked) throw notLocked(this.#declaration, this.#arch)
    const accepted = this.#environment.refresh ? undefined : this.#usable()
    const known = accepted === undefined ? undefined : this.#indices.open(accepted.files)
    return known === undefined ? this.#fetch() : this.#feed(known)
  }

  async latest(): Promise<LatestIndex | undefined> {
    if (!this.#serves()) return undefined
    const { release } = await this.#release()
    const files = packagesFiles(release, this.#options.components, this.#arch, this.#declaration.id)
    await this.#remember(release)
    return {
      suite: this.#options.suite,
      date: release.date,
      files: files.map(({ path, size, sha256 }) => ({ path, size, sha256 })),
    }
  }

  #serves(): boolean {
    const { arches } = this.#options
    return arches === undefined || arches.includes(this.#arch)
  }

  /** A verified index that is known by its digests: neither its age nor who serves it matters any more. */
  async #openLocked({ files, at }: LockedIndex): Promise<Feed> {
    const accepted = readAccepted(this.#paths.accepted)?.files ?? []
    const same = accepted.length === files.length && accepted.every((one, index) => one.sha256 === files[index]?.sha256)
    // What is known of the texts in them makes it the index that is here already.
    const wanted = same ? accepted : files
    const known = this.#indices.open(wanted)
    if (known !== undefined) return this.#feed(known)
    const { id } = this.#declaration
    return step(this.#environment.report, `Read feed ${id}`, async () => {
      const texts = await inParallel(filesAtOnce, wanted, (file) =>
        this.#packages(true, undefined, file).catch((failure: unknown) => this.#moved(failure, at)),
      )
      return this.#feed(this.#indices.make(wanted, texts))
    })
  }

  #moved(failure: unknown, at: Position): never {
    const gone = failure instanceof YoeError && ['FETCH_FAILED', 'DIGEST_MISMATCH'].includes(failure.code)
    if (!gone || this.#environment.offline) throw failure
    const { id } = this.#declaration
    throw new YoeError(
      'FEED_MOVED',
      `feed ${id}: its archive no longer has the index that is locked\n  ${failure.message}`,
      {
        at,
        hint: 'yoe update feeds locks the one that it has now',
        cause: failure,
      },
    )
  }

  /** What was accepted before, when it still counts. */
  #usable(): Accepted | undefined {
    const accepted = readAccepted(this.#paths.accepted)
    if (accepted === undefined) return undefined
    try {
      this.#checkAge(accepted)
      return accepted
    } catch (failure) {
      if (!(failure instanceof YoeError) || this.#environment.offline) throw failure
      return undefined
    }
  }

  #checkAge(accepted: Pick<Release, 'date' | 'validUntil'>): void {
    const now = this.#environment.now()
    checkAge(accepted, { feed: this.#declaration.id, now, maxAgeDays: this.#options.maxAgeDays })
    const days = this.#options.maxAgeDays === undefined ? remarkableAge(accepted, now) : undefined
    if (days !== undefined) {
      this.#environment.report({
        type: 'warning',
        message: `feed ${this.#declaration.id}: its index is ${days} days old, and nothing says when it is too old`,
        hint: 'yoe plan --refresh asks for a newer one; max_age_days = N in apt_feed(...) sets a limit',
      })
    }
  }

  #feed(opened: OpenIndex): Feed {
    const { id, distro } = this.#declaration
    return feedRecords({ id, distro, arch: this.#arch, report: this.#environment.report, ...opened })
  }

  async #fetch(): Promise<Feed> {
    const { id } = this.#declaration
    const { report } = this.#environment
    return step(report, `Read feed ${id}`, async () => {
      const { release, site } = await this.#release()
      const files = packagesFiles(release, this.#options.components, this.#arch, id)
      const texts = await inParallel(filesAtOnce, files, (file) => this.#packages(release.byHash, site, file))
      const opened = this.#indices.make(files, texts)
      const { date, validUntil } = release
      await this.#remember(release)
      await writeState(this.#paths.accepted, JSON.stringify({ date, validUntil, files }))
      return this.#feed(opened)
    })
  }

  /** From now on an older Release is noticed: also by who opens only what is locked, and asks when the lock is renewed. */
  async #remember({ date }: Release): Promise<void> {
    await writeState(this.#paths.newest, JSON.stringify({ date }))
  }

  /** A verified Release from the first site that has an acceptable one. */
  async #release(): Promise<{ readonly release: Release; readonly site: string }> {
    const { report } = this.#environment
    const sites = sitesOf(this.#options, this.#environment)
    const found = await firstGood(sites, { report, told: new Set() }, (site) => this.#releaseFrom(site))
    if (found === undefined) throw notReachable(this.#declaration)
    return { release: found.value, site: found.site }
  }

  async #releaseFrom(site: string): Promise<Release> {
    const { id } = this.#declaration
    const { cacheRoot, now } = this.#environment
    const { suite, components, keyring, maxAgeDays } = this.#options
    const temp = join(cacheRoot, 'tmp', tempName())
    let bytes: Uint8Array
    try {
      await this.#get([`${site}/dists/${suite}/InRelease`], temp, `${id}: InRelease`, { maxSize: releaseLimit })
      bytes = await readFile(temp)
    } finally {
      await rm(temp, { force: true })
    }
    const time = now()
    const verified = await verifyInRelease({ bytes, keyring: this.#keyring, keyringName: keyring, feed: id, now: time })
    const release = parseRelease(verified.text, id)
    const { newest } = this.#paths
    checkRelease(release, {
      feed: id,
      suite,
      components,
      maxAgeDays,
      now: time,
      lastDate: readNewest(newest),
      override: `rm ${newest}`,
    })
    this.#checkAge(release)
    return release
  }

  /**
   * Fetches one Packages file, by its digest where the archive offers that, and unpacks it.
   *
   * @param site the one that named it comes first
   */
  async #packages(byHash: boolean, site: string | undefined, file: PackagesFile): Promise<Buffer> {
    const { id } = this.#declaration
    const { cacheRoot } = this.#environment
    const sites = sitesOf(this.#options, this.#environment, this.#arch)
    const bases = site !== undefined && sites.includes(site) ? [...new Set([site, ...sites])] : sites
    const urls = indexAddresses(bases, this.#options.suite, file, byHash)
    const path = objectPath(cacheRoot, file.sha256)
    if (!(await verifiedFile(path, file.sha256, file.size))) {
      await this.#get(urls, path, `${id}: ${file.path}`, { sha256: file.sha256, size: file.size })
    }
    return readPackages(await readFile(path), file, id)
  }

  async #get(
    urls: readonly string[],
    dest: string,
    title: string,
    expected: { readonly maxSize: number } | { readonly sha256: string; readonly size: number },
  ): Promise<void> {
    const { fetcher, report, signal } = this.#environment
    if (urls.length === 0) throw notReachable(this.#declaration)
    await mkdir(join(this.#environment.cacheRoot, 'tmp'), { recursive: true })
    const more = { ...expected, ...(signal === undefined ? {} : { signal }) }
    try {
      await fetcher.fetch({ urls, located: true, dest, title, report, ...more })
    } catch (failure) {
      if (!(failure instanceof YoeError) || failure.code !== 'DIGEST_MISMATCH') throw failure
      throw new YoeError('DIGEST_MISMATCH', failure.message, {
        hint: 'the mirror is being updated, or is damaged: try again in a few minutes, or use another mirror',
        at: this.#declaration.at,
        cause: failure,
      })
    }
  }
}
