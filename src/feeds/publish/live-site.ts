import { readFile, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { YoeError } from '#engine/errors.ts'
import type { SigningKey } from '#engine/formats.ts'
import { inParallel } from '#engine/in-parallel.ts'
import type { Exchange } from '#engine/source/exchange.ts'
import { sha256Of } from '#engine/store/remotes/file-digest.ts'
import { tempName } from '#engine/store/temp.ts'
import { byHashPath, type Generation, verifyGeneration } from '../debian/generation.ts'
import { digestOf, type FileDigest, parseRelease } from '../debian/release-file.ts'
import { type KnownFile, makeFolder, placeFile, putFile } from './atomic.ts'
import { type FeedFolder, feedsOf, type SiteFeeds } from './page.ts'

export interface LiveSite {
  /** `https://acme.github.io/images`, without a slash at its end. */
  readonly url: string
  readonly exchange: Exchange
  /** What no cache on the way has been asked for yet: becomes a part of each address of a file that changes. */
  readonly fresh: string
}

export interface Imported {
  readonly packages: number
  /** Bytes that had to be fetched. */
  readonly fetched: number
}

export interface SiteImport extends LiveSite {
  /** Absolute and empty: becomes what {@link publishDirectory} publishes onto. */
  readonly target: string
  readonly signingKey: SigningKey
  /** Packages that are at hand, by digest: they are not fetched. */
  readonly known: ReadonlyMap<string, KnownFile>
}

const filesAtOnce = 8
const indexFile = /^main\/binary-[a-z0-9-]+\/Packages(?:\.gz|\.xz)?$/

/**
 * Copies the feed that a site serves now, every suite of it, and verifies it like a device: for places where a publish
 * replaces everything. Nothing of it is believed that the project's key did not sign.
 *
 * @returns undefined when the site serves nothing yet
 * @throws {YoeError} PUBLISH_FAILED when the site is something else, signed by somebody else, incomplete or can't be
 *   read: then nothing must replace it
 */
export async function importSite(site: SiteImport): Promise<Imported | undefined> {
  const suites = (await feedsOfSite(site))?.debian
  if (suites === undefined) return undefined
  const root = join(site.target, 'debian')
  const temp = join(root, '.tmp')
  await makeFolder(temp)
  let [packages, fetched] = [0, 0]
  try {
    for (const suite of suites) {
      const imported = await importSuite(site, suite, root, temp)
      packages += imported.packages
      fetched += imported.fetched
    }
  } finally {
    await rm(temp, { recursive: true, force: true })
  }
  return { packages, fetched }
}

/**
 * Tells whether a site still serves what it did: the digest of everything that changes with a publish.
 *
 * @returns '' when it serves nothing
 * @throws {YoeError} PUBLISH_FAILED
 */
export async function siteState(site: LiveSite): Promise<string> {
  const { debian = [], alpine = [] } = (await feedsOfSite(site)) ?? {}
  const paths = [
    ...debian.map((suite) => `debian/dists/${suite}/InRelease`),
    ...alpine.map((arch) => `alpine/${arch}/APKINDEX.tar.gz`),
  ]
  const texts = await Promise.all(paths.map((path) => textOf(site, path)))
  return paths.length === 0 ? '' : digestOf(texts.join('\n')).sha256
}

/** The feeds that a site serves; undefined: nothing yet. @throws {YoeError} PUBLISH_FAILED when it is something else */
export async function feedsOfSite(site: LiveSite): Promise<SiteFeeds | undefined> {
  // Its beginning says it, however long the page is.
  const page = await textOf(site, 'index.html', { range: 'bytes=0-16383' })
  if (page === undefined) return undefined
  const feeds = feedsOf(page)
  if (feeds !== undefined) return feeds
  throw refused(
    `${site.url} serves a site that is no feed, and publishing there would replace all of it`,
    'publish from another repository, or to a bucket: to: s3://bucket/prefix',
  )
}

/** Copies the page of a feed and the site's, by which the next publish knows what else is there. */
export async function importPages(site: LiveSite & Pick<SiteImport, 'target'>, folder: FeedFolder): Promise<void> {
  const temp = join(site.target, '.tmp')
  await makeFolder(temp)
  for (const path of [`${folder}/index.html`, 'index.html']) {
    const html = await textOf(site, path)
    if (html === undefined) continue
    await makeFolder(dirname(join(site.target, path)))
    await putFile(temp, join(site.target, path), html)
  }
  await rm(temp, { recursive: true, force: true })
}

async function importSuite(site: SiteImport, suite: string, root: string, temp: string): Promise<Imported> {
  const dists = `debian/dists/${suite}`
  const inline = await textOf(site, `${dists}/InRelease`)
  if (inline === undefined) throw incomplete(site, `${dists}/InRelease`)
  const words = { place: site.url, afresh: 'unpublish the site (Settings, Pages) to begin a new feed' }
  const indices = new Map<string, Buffer>()
  const index = async (path: string, digest: FileDigest): Promise<Buffer> => {
    const content = await bytesOf(site, `${dists}/${byHashPath(path, digest)}`, temp)
    if (content === undefined || digestOf(content).sha256 !== digest.sha256) throw incomplete(site, path)
    indices.set(path, content)
    return content
  }
  const live = await verifyGeneration(inline, site.signingKey, words, async (path, digest) =>
    (await index(path, digest)).toString('utf8'),
  )
  const { files } = parseRelease(live.release)
  const others = [...files].filter(([path]) => indexFile.test(path) && !indices.has(path))
  await inParallel(filesAtOnce, others, ([path, digest]) => index(path, digest))
  const fetched = await importPackages(site, live, root, temp)
  for (const [path, content] of indices) {
    const digest = digestOf(content)
    for (const name of [byHashPath(path, digest), path]) {
      await makeFolder(join(root, 'dists', suite, dirname(name)))
      await putFile(temp, join(root, 'dists', suite, name), content)
    }
  }
  await putFile(temp, join(root, 'dists', suite, 'Release'), live.release)
  await putFile(temp, join(root, 'dists', suite, 'InRelease'), inline)
  return { packages: [...live.indexes.values()].flat().length, fetched }
}

/** @returns bytes that had to be fetched */
async function importPackages(site: SiteImport, live: Generation, root: string, temp: string): Promise<number> {
  let fetched = 0
  const entries = new Map([...live.indexes.values()].flat().map((entry) => [entry.filename, entry]))
  await inParallel(filesAtOnce, [...entries.values()], async ({ filename, sha256, size }) => {
    const dest = join(root, filename)
    await makeFolder(dirname(dest))
    const here = site.known.get(sha256)
    if (here !== undefined) return placeFile(temp, here, dest, true)
    const into = join(temp, tempName())
    const address = filename.split('/').map(encodeURIComponent).join('/')
    const found = await fetchFromSite(site, `debian/${address}`, into)
    if (!found || (await sha256Of(into)) !== sha256) throw incomplete(site, filename)
    fetched += size
    await placeFile(temp, { path: into, sha256, size }, dest, false)
    await rm(into, { force: true })
  })
  return fetched
}

async function textOf(
  site: LiveSite,
  path: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<string | undefined> {
  const { status, text } = await ask(site, `${path}?${site.fresh}`, undefined, headers)
  if (status === 404) return undefined
  if (status === 200 || status === 206) return text
  throw unreadable(site, path, `HTTP ${status}`)
}

async function bytesOf(site: LiveSite, path: string, temp: string): Promise<Buffer | undefined> {
  const into = join(temp, tempName())
  return (await fetchFromSite(site, path, into)) ? await readFile(into) : undefined
}

/** @returns whether it is there */
export async function fetchFromSite(site: LiveSite, path: string, into: string): Promise<boolean> {
  const { status } = await ask(site, path, into)
  if (status !== 200 && status !== 404) throw unreadable(site, path, `HTTP ${status}`)
  return status === 200
}

async function ask(
  { url, exchange }: LiveSite,
  path: string,
  into: string | undefined,
  more: Readonly<Record<string, string>> = {},
): Promise<{ readonly status: number; readonly text: string }> {
  const headers = { 'cache-control': 'no-cache', ...more }
  try {
    return await exchange.ask({
      ...{ method: 'GET', url: `${url}/${path}`, headers, follow: true },
      ...(into === undefined ? {} : { into }),
    })
  } catch (failure) {
    if (failure instanceof YoeError && failure.code === 'FETCH_FAILED')
      throw unreadable({ url }, path, failure.message, failure)
    throw failure
  }
}

function unreadable({ url }: Pick<LiveSite, 'url'>, path: string, why: string, cause?: unknown): YoeError {
  const message = `the feed that ${url} serves now could not be read (${path.replace(/\?.*$/, '')}: ${why})`
  return refused(message, 'nothing was replaced; re-run this job. A private site can not be read by a job', cause)
}

export function incomplete({ url }: Pick<LiveSite, 'url'>, path: string, cause?: unknown): YoeError {
  return refused(
    `the feed that ${url} serves now is incomplete or changes at this moment: ${path}`,
    'nothing was replaced; re-run this job in some minutes',
    cause,
  )
}

function refused(message: string, hint: string, cause?: unknown): YoeError {
  return new YoeError('PUBLISH_FAILED', message, { hint, cause })
}
