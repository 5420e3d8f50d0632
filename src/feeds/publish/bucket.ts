import { readFile } from 'node:fs/promises'
import { setTimeout as pause } from 'node:timers/promises'
import { YoeError } from '#engine/errors.ts'
import { inParallel } from '#engine/in-parallel.ts'
import { byHashPath, type Generation, renderGeneration, verifyGeneration } from '../debian/generation.ts'
import { digestOf } from '../debian/release-file.ts'
import { type Addition, checkNames, withAdditions } from '../debian/repository.ts'
import { binaryKeyring } from '../keys/openpgp.ts'
import type { BucketFiles } from './bucket-files.ts'
import { historyFolder, retireInBucket } from './bucket-retire.ts'
import { type PagePlace, putPages } from './site-pages.ts'
import { type FeedPublish, pageOf, readSource } from './source.ts'

export interface BucketPublish extends FeedPublish {
  readonly files: BucketFiles
}

const filesAtOnce = 8
/** Publishers that can be faster, one after the other, before this one gives up. */
const mostAttempts = 50

/**
 * Brings a project's packages to a bucket. Packages come first, then the indices, InRelease last of all; files that are
 * named by their content are never written twice. InRelease is replaced only where it is still the one that was read:
 * of two publishers at once the slower one begins again on top of the other's. Whatever stops this, devices have the
 * old feed, whole.
 *
 * @returns how many packages the feed now offers
 * @throws {YoeError} PUBLISH_FAILED when the project has no repository yet, the feed is signed by somebody else, or the
 *   service refuses; FEED_INVALID for a feed that is damaged
 */
export async function publishBucket(input: BucketPublish): Promise<{ readonly packages: number }> {
  checkNames(input)
  const { files, project, report } = input
  const additions = await readSource(input)
  // Before the index: whoever reads it needs the key.
  await files.put(`${project}.gpg`, await binaryKeyring(input.signingKey), 'always')
  await files.put(`${project}.asc`, input.signingKey.publicKey.replaceAll('\r\n', '\n'), 'always')
  const wasThere = new Set<string>()
  for (let attempt = 1; ; attempt++) {
    const live = await readLive(input, input.suite)
    const made = await advance(input, live, additions, wasThere)
    if (made !== undefined) {
      await makeSure(input, made, additions, wasThere)
      await putPage(input, made)
      await retireInBucket(files, report, async (suite) => (await readLive(input, suite))?.generation)
      return { packages: [...made.indexes.values()].flat().length }
    }
    if (attempt === mostAttempts)
      throw new YoeError('PUBLISH_FAILED', `${files.place}: others published ${attempt} times meanwhile`, {
        hint: 'publish again when there is less going on',
      })
    report({ type: 'notice', message: `another publisher was faster at ${files.place}: adding to what it published` })
    await pause(Math.random() * Math.min(2000, 50 * 2 ** attempt))
  }
}

/** What devices read now. */
interface Live {
  readonly generation: Generation
  /** Of InRelease. */
  readonly version: string
}

async function readLive({ files, signingKey }: BucketPublish, suite: string): Promise<Live | undefined> {
  const dists = `debian/dists/${suite}`
  const text = (local: string): Promise<string> => readFile(local, 'utf8')
  const inline = await files.get(`${dists}/InRelease`, text)
  if (inline === undefined) return undefined
  const words = { place: files.place, afresh: 'publish to another prefix' }
  const generation = await verifyGeneration(inline.value, signingKey, words, async (path, digest) => {
    for (const candidate of [byHashPath(path, digest), path]) {
      const index = await files.get(`${dists}/${candidate}`, text)
      if (index !== undefined && digestOf(index.value).sha256 === digest.sha256) return index.value
    }
    throw new YoeError('FEED_INVALID', `${files.place}: ${path} is not what the signed InRelease says`, {
      hint: `remove ${dists}/InRelease there; then publish everything again`,
    })
  })
  return { generation, version: inline.version }
}

/**
 * Makes the next generation of `live`.
 *
 * @param wasThere gets the packages that need not be sent
 * @returns undefined when somebody else was faster
 */
async function advance(
  input: BucketPublish,
  live: Live | undefined,
  additions: ReadonlyMap<string, readonly Addition[]>,
  wasThere: Set<string>,
): Promise<Generation | undefined> {
  const { files, project, suite, signingKey: key, validDays = 30 } = input
  const old = live?.generation
  const indexes = withAdditions(old, additions, input.keep)
  const wanted = new Set([...indexes.values()].flat().map(({ filename }) => filename))
  const packages = new Map([...additions.values()].flat().map((each) => [each.entry.filename, each]))
  const sent = [...packages.values()].filter(({ entry }) => wanted.has(entry.filename))
  await inParallel(filesAtOnce, sent, async (each) => {
    if (!(await putPackage(files, each))) wasThere.add(each.entry.filename)
  })
  // Devices refuse an index that is dated before the one they have.
  const date = Math.max(input.date, old?.date ?? 0)
  const next = await renderGeneration({ project, suite, date, validDays, indexes, key }, false)
  const dists = `debian/dists/${suite}`
  const rendered = [...next.files]
  await inParallel(filesAtOnce, rendered, ([path, { content, digest }]) =>
    files.put(`${dists}/${byHashPath(path, digest)}`, content, 'new'),
  )
  // The time of this file says from when on nobody begins to read what it names.
  if (old !== undefined && old.release !== next.release)
    await files.put(`${historyFolder(suite)}/${digestOf(old.release).sha256}`, old.release, 'always')
  await inParallel(filesAtOnce, rendered, ([path, { content }]) => files.put(`${dists}/${path}`, content, 'always'))
  await files.put(`${dists}/Release`, next.release, 'always')
  await files.put(`${dists}/Release.gpg`, next.signed.detached, 'always')
  const condition = live === undefined ? 'new' : { version: live.version }
  const won = await files.put(`${dists}/InRelease`, next.signed.inline, condition)
  return won ? { release: next.release, date, indexes } : undefined
}

/** @returns whether it had to be sent */
async function putPackage(files: BucketFiles, { entry, file }: Addition): Promise<boolean> {
  const path = `debian/${entry.filename}`
  const there = await files.size(path)
  if (there === undefined && (await files.putFile(path, file, 'new'))) return true
  const size = there ?? (await files.size(path))
  if (size === entry.size) return false
  throw new YoeError('PUBLISH_FAILED', `${files.place}: ${path} has ${size} bytes instead of ${entry.size}`, {
    hint: 'nothing there is overwritten; remove that file and publish again',
  })
}

/** What nobody named for long may have been removed between the look and the commit: then it is sent again. */
async function makeSure(
  { files }: BucketPublish,
  { indexes }: Generation,
  additions: ReadonlyMap<string, readonly Addition[]>,
  wasThere: ReadonlySet<string>,
): Promise<void> {
  const offered = new Set([...indexes.values()].flat().map(({ filename }) => filename))
  const doubtful = [...additions.values()]
    .flat()
    .filter(({ entry }) => wasThere.has(entry.filename) && offered.has(entry.filename))
  await inParallel(filesAtOnce, doubtful, (each) => putPackage(files, each))
}

/** Puts the page; until it is that of what devices read, whoever else writes it. */
async function putPage(input: BucketPublish, made: Generation): Promise<void> {
  for (let shown = made, tries = 0; tries < 5; tries++) {
    await putPages(pagesInBucket(input.files), pageOf(input, shown), [input.suite])
    const live = await readLive(input, input.suite)
    if (live === undefined || live.generation.release === shown.release) return
    shown = live.generation
  }
}

export const pagesInBucket = (files: BucketFiles): PagePlace => ({
  read: async (path) => (await files.get(path, (local) => readFile(local, 'utf8')))?.value,
  write: async (path, html) => {
    await files.put(path, html, 'always')
  },
})
