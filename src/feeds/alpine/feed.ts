import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Feed } from '#engine/catalog/package.ts'
import { YoeError } from '#engine/errors.ts'
import { step } from '#engine/events.ts'
import type { FeedEnvironment, LatestIndex, LockedIndex } from '#engine/formats.ts'
import type { FeedDeclaration } from '#engine/project/model.ts'
import { NotThere } from '#engine/source/fetcher.ts'
import { errorCode, writeFailure } from '#engine/store/disk.ts'
import { objectPath } from '#engine/store/object-path.ts'
import { replaceFile } from '#engine/store/replace-file.ts'
import { tempName } from '#engine/store/temp.ts'
import { emptyFeed, notLocked, notReachable } from '../shared/feed-answers.ts'
import { FeedIndices, type OpenIndex } from '../shared/feed-index.ts'
import { readAccepted, type TextFile, writeState } from '../shared/feed-state.ts'
import { firstGood, isFinal } from '../shared/sites.ts'
import { type FeedPlace, feedPlace, newestPath, sitesOf } from './feed-place.ts'
import { feedRecords } from './feed-records.ts'
import { readIndexArchive } from './index-archive.ts'
import { checkIndex, type VerifiedIndex } from './index-check.ts'
import { alpineIndex, scanIndex } from './index-scan.ts'

/** Bytes of an index as it is fetched. */
const archiveLimit = 64 << 20

/**
 * Opens a feed that `alpine_feed(...)` declared. What the project's lock names, or else the index that lies in the module, or what
 * was verified before, serves without asking; otherwise each section's index is fetched and verified.
 *
 * @throws {YoeError} FEED_UNTRUSTED, FEED_EXPIRED, FEED_REPLAYED, FEED_INVALID, FEED_MOVED, FETCH_FAILED, KEY_INVALID,
 *   LOCK_STALE, DISK_FULL
 */
export async function openAlpineFeed(declaration: FeedDeclaration, environment: FeedEnvironment): Promise<Feed> {
  try {
    return await new Opening(declaration, environment).open()
  } catch (failure) {
    throw await writeFailure(failure, environment.cacheRoot)
  }
}

/** The index that a feed has now for an architecture, verified; undefined when it has none. */
export async function latestAlpineIndex(
  declaration: FeedDeclaration,
  environment: FeedEnvironment,
): Promise<LatestIndex | undefined> {
  const opening = new Opening(declaration, environment)
  return step(environment.report, `Ask feed ${declaration.id}`, () => opening.latest()).catch(async (failure) => {
    throw await writeFailure(failure, environment.cacheRoot)
  })
}

/** Fetches and verifies the indices of all sections, in their order, and takes them for the newest that there are. */
export async function fetchIndices(
  declaration: FeedDeclaration,
  environment: FeedEnvironment,
): Promise<readonly VerifiedIndex[]> {
  const found = await new Opening(declaration, environment).fetchAll()
  for (const one of found) await rememberDate(declaration, environment, one)
  return found
}

async function rememberDate(
  { id }: FeedDeclaration,
  { cacheRoot }: FeedEnvironment,
  { branch, path, date }: VerifiedIndex,
): Promise<void> {
  await writeState(newestPath(cacheRoot, id, branch, path), JSON.stringify({ date }))
}

class Opening {
  readonly #declaration: FeedDeclaration
  readonly #environment: FeedEnvironment
  readonly #place: FeedPlace
  readonly #indices: FeedIndices

  constructor(declaration: FeedDeclaration, environment: FeedEnvironment) {
    this.#declaration = declaration
    this.#environment = environment
    this.#place = feedPlace(declaration, environment)
    const reading = { kind: alpineIndex, scan: scanIndex, textIn: (stored: Buffer) => stored }
    this.#indices = new FeedIndices(declaration.id, environment, reading)
  }

  async open(): Promise<Feed> {
    const { index, mustBeLocked = false, refresh } = this.#environment
    if (!this.#serves()) return emptyFeed(this.#declaration)
    if (index !== undefined && !refresh) return this.#openLocked(index)
    const committed = refresh ? undefined : this.#committed()
    if (committed !== undefined) return this.#keep(committed)
    if (mustBeLocked) throw notLocked(this.#declaration, this.#place.arch)
    const accepted = refresh ? undefined : readAccepted(this.#place.accepted)
    const known =
      accepted === undefined || this.#isStale(accepted.date) ? undefined : this.#indices.open(accepted.files)
    if (known !== undefined) return this.#feed(known)
    return step(this.#environment.report, `Read feed ${this.#declaration.id}`, () => this.#fetch())
  }

  async latest(): Promise<LatestIndex | undefined> {
    if (!this.#serves()) return undefined
    const committed = this.#committed()
    const found = committed ?? (await this.fetchAll())
    // What is locked now is opened next.
    for (const one of found) await this.#store(one)
    // Whoever opens a locked index asks for no date: an older one must be noticed when the lock is renewed.
    if (committed === undefined) for (const one of found) await rememberDate(this.#declaration, this.#environment, one)
    const date = Math.max(...found.map((one) => one.date))
    return { suite: this.#place.options.branch, date, files: found.map(fileOf) }
  }

  /**
   * Asks for all sections at once.
   *
   * @param locked the only texts that will do, in the sections' order, however old they are
   * @throws {YoeError} one error, whatever is wrong with however many of them
   */
  async fetchAll(locked?: LockedIndex): Promise<readonly VerifiedIndex[]> {
    const { sections } = this.#place.options
    const { report } = this.#environment
    const sites = sitesOf(this.#place.options, this.#environment)
    const told = new Set<string>()
    const answers = await Promise.allSettled(
      sections.map((section, at) =>
        firstGood(sites, { report, told }, async (site) => {
          const found = await this.#fetchFrom(site, section)
          if (locked === undefined) this.#check(found)
          else if (found.index.sha256 !== locked.files[at]?.sha256) throw this.#moved(locked)
          return found.index
        }),
      ),
    )
    const failures: YoeError[] = []
    const found: VerifiedIndex[] = []
    for (const answer of answers) {
      if (answer.status === 'fulfilled') {
        if (answer.value === undefined) throw notReachable(this.#declaration)
        found.push(answer.value.value)
      } else if (answer.reason instanceof YoeError) failures.push(answer.reason)
      else throw answer.reason
    }
    if (failures.length === 0) return found
    throw failures.find(isFinal) ?? failures.find(({ code }) => code !== 'FETCH_FAILED') ?? this.#unfetched(failures)
  }

  #unfetched(failures: readonly YoeError[]): YoeError {
    const { id, at } = this.#declaration
    const { options, arch } = this.#place
    const [first] = failures
    const reasons = failures.flatMap(({ message }) => message.split('\n').slice(1)).join('\n')
    const isAbsent = failures.every((failure) => failure instanceof NotThere)
    const all = options.sections.length
    const some = failures.length === all ? '' : ` in ${failures.length} of ${all} sections`
    const wrong = isAbsent ? 'has no' : "can't fetch the"
    const what = failures.length > 1 ? 'indices' : 'index'
    const message = `feed ${id} ${wrong} ${what} for ${arch}${some}, branch ${options.branch}\n${reasons}`
    const absent =
      failures.length === all
        ? 'check branch and url; arches = [...] in alpine_feed(...) names the architectures that it has packages for'
        : 'sections = [...] in alpine_feed(...) names those that it has'
    return new YoeError('FETCH_FAILED', message, { at, hint: isAbsent ? absent : first?.hint, cause: first })
  }

  #serves(): boolean {
    const { options, arch } = this.#place
    return options.arches === undefined || options.arches.includes(arch)
  }

  /** Texts that are known by their digests: neither their age nor who serves them matters any more. */
  async #openLocked(locked: LockedIndex): Promise<Feed> {
    const { files } = locked
    const known = this.#indices.open(files)
    if (known !== undefined) return this.#feed(known)
    return step(this.#environment.report, `Read feed ${this.#declaration.id}`, async () => {
      const found = this.#committed() ?? (await this.fetchAll(locked))
      const same = found.length === files.length && found.every(({ sha256 }, index) => sha256 === files[index]?.sha256)
      if (same) return this.#keep(found)
      throw this.#moved(locked)
    })
  }

  #moved({ at }: LockedIndex): YoeError {
    const { id } = this.#declaration
    return new YoeError('FEED_MOVED', `feed ${id}: its repository no longer has the index that is locked`, {
      at,
      hint: 'yoe update feeds locks the one that it has now; with index = "feeds/…" in alpine_feed(...) a module keeps its own',
    })
  }

  /** The indices that lie in the module; undefined when it has none for the architecture. */
  #committed(): readonly VerifiedIndex[] | undefined {
    const { options, arch } = this.#place
    const { index, sections, branch } = options
    if (index === undefined) return undefined
    const found: VerifiedIndex[] = []
    for (const section of sections) {
      const path = join(this.#environment.moduleRoot, committedPath(index, sections, section, arch))
      try {
        const bytes = readFileSync(path)
        found.push({
          branch,
          path: `${section}/${arch}/APKINDEX`,
          bytes,
          sha256: digestOf(bytes),
          date: newestBuild(bytes),
        })
      } catch (failure) {
        if (errorCode(failure) === 'ENOENT') return undefined
        throw failure
      }
    }
    return found
  }

  #isStale(date: number): boolean {
    const { maxAgeDays } = this.#place.options
    const { now, offline } = this.#environment
    return !offline && maxAgeDays !== undefined && date + maxAgeDays * 86_400_000 < now()
  }

  #feed(opened: OpenIndex): Feed {
    return feedRecords({ id: this.#declaration.id, report: this.#environment.report, ...opened })
  }

  async #store({ sha256, bytes }: VerifiedIndex): Promise<void> {
    const path = objectPath(this.#environment.cacheRoot, sha256)
    const there = await readFile(path).catch(() => undefined)
    if (there === undefined || !there.equals(bytes)) await replaceFile(path, bytes)
  }

  async #keep(found: readonly VerifiedIndex[]): Promise<Feed> {
    const files = found.map(fileOf)
    const known = this.#indices.open(files)
    if (known !== undefined) return this.#feed(known)
    for (const one of found) await this.#store(one)
    const texts = found.map(({ bytes }) => bytes)
    return this.#feed(this.#indices.make(files, texts))
  }

  async #fetch(): Promise<Feed> {
    const found = await this.fetchAll()
    const feed = await this.#keep(found)
    for (const one of found) await rememberDate(this.#declaration, this.#environment, one)
    const date = Math.min(...found.map((one) => one.date))
    await writeState(this.#place.accepted, JSON.stringify({ date, files: found.map(fileOf) }))
    return feed
  }

  async #fetchFrom(site: string, section: string): Promise<Fetched> {
    const { id } = this.#declaration
    const { options, arch, keys } = this.#place
    const { cacheRoot, fetcher, report, signal } = this.#environment
    const temp = join(cacheRoot, 'tmp', tempName())
    const path = `${section}/${arch}/APKINDEX`
    let archive: Buffer
    try {
      await fetcher.fetch({
        urls: [`${site}/${path}.tar.gz`],
        ...{ located: true, dest: temp, maxSize: archiveLimit, title: `${id}: ${path}.tar.gz`, report },
        ...(signal === undefined ? {} : { signal }),
      })
      archive = await readFile(temp)
    } finally {
      await rm(temp, { force: true })
    }
    const { bytes, date, description } = readIndexArchive(archive, `feed ${id}: ${path}.tar.gz`, keys)
    const made = date > 0 ? date * 1000 : newestBuild(bytes)
    return { index: { branch: options.branch, path, bytes, sha256: digestOf(bytes), date: made }, description }
  }

  /** @throws {YoeError} as {@link checkIndex} */
  #check({ index, description }: Fetched): void {
    const { id } = this.#declaration
    const { options, arch } = this.#place
    const { cacheRoot, now } = this.#environment
    const newest = newestPath(cacheRoot, id, options.branch, index.path)
    checkIndex(index, { id, arch, description, now: now(), newest, maxAgeDays: options.maxAgeDays })
  }
}

/** An index whose signature held, and what its archive says of its repository. */
interface Fetched {
  readonly index: VerifiedIndex
  readonly description: string
}

/** Where a module keeps the index of a section, relative to its folder. */
export function committedPath(index: string, sections: readonly string[], section: string, arch: string): string {
  return join(index, ...(sections.length > 1 ? [section] : []), arch, 'APKINDEX')
}

const fileOf = ({ path, bytes, sha256 }: VerifiedIndex): TextFile => ({ path, size: bytes.length, sha256 })

const digestOf = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex')

/** When the newest of its packages was built, for indices that say nothing of their own time; milliseconds since 1970. */
function newestBuild(text: Buffer): number {
  let newest = 0
  for (let at = text.indexOf('\nt:'); at !== -1; at = text.indexOf('\nt:', at + 3)) {
    const seconds = Number.parseInt(text.toString('latin1', at + 3, at + 15), 10)
    if (seconds > newest) newest = seconds
  }
  return newest * 1000
}
