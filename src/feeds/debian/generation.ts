import { spawn } from 'node:child_process'
import { readdir, readFile, rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { YoeError } from '#engine/errors.ts'
import type { SigningKey } from '#engine/formats.ts'
import { errorCode } from '#engine/store/disk.ts'
import { type SignedText, signText, verifiedText } from '../keys/openpgp.ts'
import { makeFolder, putFile, syncFolder } from '../publish/atomic.ts'
import { digestOf, type FileDigest, parseRelease, type ReleaseFacts, renderRelease } from './release-file.ts'
import { type IndexEntry, parseIndex, renderIndex } from './stanza.ts'

/** What a repository's signed index says at one moment, by Debian architecture. */
export interface Generation {
  readonly release: string
  /** Seconds since 1970. */
  readonly date: number
  readonly indexes: ReadonlyMap<string, readonly IndexEntry[]>
}

/** Superseded indices stay readable this long (milliseconds): a reader that is between two requests finishes. */
const grace = 15 * 60 * 1000
const history = '.history'

/**
 * The present generation of a repository, verified: what is merged into the next one gets this key's signature again.
 *
 * @param root absolute
 * @returns undefined when nothing was published there yet
 * @throws {YoeError} PUBLISH_FAILED when the index is not signed by this key, FEED_INVALID when it is damaged
 */
export async function readGeneration(root: string, suite: string, key: SigningKey): Promise<Generation | undefined> {
  const dists = join(root, 'dists', suite)
  const inline = await readFile(join(dists, 'InRelease'), 'utf8').catch((failure: unknown) => {
    if (errorCode(failure) === 'ENOENT') return undefined
    throw failure
  })
  if (inline === undefined) return undefined
  const afresh = `start afresh: mv ${root} ${root}.old`
  return verifyGeneration(inline, key, { place: root, afresh }, (path, digest) => readIndexText(dists, path, digest))
}

/** How errors name a repository, and what its owner types to begin a new one there. */
export interface RepositoryWords {
  readonly place: string
  readonly afresh: string
}

/**
 * The generation that an InRelease text names.
 *
 * @param index reads an index file by its path relative to the Release file, and checks it against its digest
 * @throws {YoeError} PUBLISH_FAILED when it is not signed by this key, FEED_INVALID when it is damaged
 */
export async function verifyGeneration(
  inline: string,
  key: SigningKey,
  { place, afresh }: RepositoryWords,
  index: (path: string, digest: FileDigest) => Promise<string>,
): Promise<Generation> {
  const release = await verifiedText(inline, key)
  if (release === undefined) {
    throw new YoeError(
      'PUBLISH_FAILED',
      `the feed at ${place} is not signed by this project's key (${key.fingerprint})`,
      { hint: `publish with the key that signed it (YOE_SIGNING_KEY), or ${afresh}` },
    )
  }
  const { date, architectures, files } = parseRelease(release)
  const indexes = new Map<string, readonly IndexEntry[]>()
  for (const arch of architectures) {
    const path = `main/binary-${arch}/Packages`
    const digest = files.get(path)
    indexes.set(arch, digest === undefined ? [] : parseIndex(await index(path, digest), `${place}: ${path}`))
  }
  return { release, date, indexes }
}

async function readIndex(
  dists: string,
  path: string,
  files: ReadonlyMap<string, FileDigest>,
): Promise<readonly IndexEntry[]> {
  const digest = files.get(path)
  return digest === undefined ? [] : parseIndex(await readIndexText(dists, path, digest), join(dists, path))
}

async function readIndexText(dists: string, path: string, digest: FileDigest): Promise<string> {
  for (const candidate of [byHashPath(path, digest), path]) {
    const text = await readFile(join(dists, candidate)).catch(() => undefined)
    if (text !== undefined && digestOf(text).sha256 === digest.sha256) return text.toString('utf8')
  }
  throw new YoeError('FEED_INVALID', `${join(dists, path)} is not what its signed Release file says`, {
    hint: 'remove the repository folder; the next build publishes it again',
  })
}

export interface GenerationFacts extends Omit<ReleaseFacts, 'files' | 'architectures' | 'byHash'> {
  readonly indexes: ReadonlyMap<string, readonly IndexEntry[]>
  readonly key: SigningKey
}

/** All files of a generation but the packages. */
export interface RenderedGeneration {
  /** The Release text. */
  readonly release: string
  readonly signed: SignedText
  /** Index files by their path relative to the Release file. */
  readonly files: ReadonlyMap<string, { readonly content: Buffer; readonly digest: FileDigest }>
}

/** @param quick only what an installer on this machine reads: no compressed copies, no by-hash */
export async function renderGeneration(facts: GenerationFacts, quick: boolean): Promise<RenderedGeneration> {
  const files = new Map<string, { readonly content: Buffer; readonly digest: FileDigest }>()
  for (const [arch, entries] of facts.indexes)
    for (const [name, content] of await copies(renderIndex(entries), quick))
      files.set(`main/binary-${arch}/${name}`, { content, digest: digestOf(content) })
  const digests = new Map([...files].map(([path, { digest }]) => [path, digest]))
  const architectures = [...facts.indexes.keys()]
  const release = renderRelease({ ...facts, byHash: !quick, files: digests, architectures })
  return { release, signed: await signText(release, facts.key, facts.date), files }
}

/** Where an index file lies under its digest, relative to the Release file. */
export function byHashPath(path: string, { sha256 }: FileDigest): string {
  return `${dirname(path)}/by-hash/SHA256/${sha256}`
}

export interface Commit extends GenerationFacts {
  /** Absolute. */
  readonly root: string
  /** Absolute folder for unfinished files, on the same file system. */
  readonly temp: string
  /** Only what an installer on this machine reads: no compressed copies, no by-hash. */
  readonly quick: boolean
}

/**
 * Makes `indexes` the repository's present generation. Every file is put in place whole, those that name others after
 * them, InRelease last: until then readers see the old generation, from then on the new one.
 *
 * @returns the Release text
 */
export async function commitGeneration(commit: Commit, old: Generation | undefined): Promise<string> {
  const dists = join(commit.root, 'dists', commit.suite)
  const { release, signed, files } = await renderGeneration(commit, commit.quick)
  for (const [path, { content, digest }] of files) {
    const byHash = join(dists, byHashPath(path, digest))
    await makeFolder(dirname(commit.quick ? join(dists, path) : byHash))
    if (!commit.quick) await putFile(commit.temp, byHash, content)
  }
  if (old !== undefined && old.release !== release) await remember(commit, dists, old.release)
  for (const [path, { content }] of files) await putFile(commit.temp, join(dists, path), content)
  await putFile(commit.temp, join(dists, 'Release'), release)
  await putFile(commit.temp, join(dists, 'Release.gpg'), signed.detached)
  await putFile(commit.temp, join(dists, 'InRelease'), signed.inline)
  await syncFolder(dists)
  return release
}

async function copies(text: string, quick: boolean): Promise<readonly (readonly [string, Buffer])[]> {
  const plain = Buffer.from(text)
  if (quick) return [['Packages', plain]]
  const xz = await compressXz(plain)
  return [
    ['Packages', plain],
    ['Packages.gz', gzipSync(plain, { level: 9 })],
    ...(xz === undefined ? [] : [['Packages.xz', xz] as const]),
  ]
}

/** Node has no xz; a host without one publishes gzip alone, which every reader takes as well. */
function compressXz(content: Buffer): Promise<Buffer | undefined> {
  return new Promise((resolve, reject) => {
    const xz = spawn('xz', ['--compress', '--stdout', '-6', '--threads=1'], { stdio: ['pipe', 'pipe', 'ignore'] })
    const chunks: Buffer[] = []
    xz.stdout.on('data', (chunk: Buffer) => chunks.push(chunk))
    xz.stdin.on('error', () => {})
    xz.on('error', (failure) => (errorCode(failure) === 'ENOENT' ? resolve(undefined) : reject(failure)))
    xz.on('close', (code) => {
      if (code === 0) resolve(Buffer.concat(chunks))
      else reject(new YoeError('PUBLISH_FAILED', `xz failed on the index (exit ${code})`, { hint: 'xz --version' }))
    })
    xz.stdin.end(content)
  })
}

/** Keeps a Release text that is about to be superseded; the time of its file says when. */
async function remember(commit: Commit, dists: string, release: string): Promise<void> {
  await makeFolder(join(dists, history))
  await putFile(commit.temp, join(dists, history, digestOf(release).sha256), release)
}

/**
 * Removes what no reader can be on its way to any more: files that neither the present generation of a suite names, nor
 * the one before it, nor any that was superseded within the grace time. Run under the repository's lock, after a commit.
 */
export async function retire(root: string): Promise<void> {
  const pool = new Set<string>()
  for (const suite of await readdir(join(root, 'dists'))) {
    const dists = join(root, 'dists', suite)
    const kept = [await readFile(join(dists, 'Release'), 'utf8')]
    for (const [index, { path, text, age }] of (await releasesIn(join(dists, history))).entries()) {
      if (index === 0 || age < grace) kept.push(text)
      else await rm(path, { force: true })
    }
    const hashes = new Set<string>()
    for (const { architectures, files } of kept.map(parseRelease)) {
      for (const { sha256 } of files.values()) hashes.add(sha256)
      for (const arch of architectures) {
        const entries = await readIndex(dists, `main/binary-${arch}/Packages`, files)
        for (const { filename } of entries) pool.add(filename)
      }
    }
    for (const path of await filesBelow(join(dists, 'main'))) {
      const [, hash] = /\/by-hash\/SHA256\/(.+)$/.exec(path) ?? []
      if (hash !== undefined && !hashes.has(hash)) await rm(join(dists, 'main', path), { force: true })
    }
  }
  for (const path of await filesBelow(join(root, 'pool'))) {
    // Each package has a folder of its own, named by its digest.
    if (!pool.has(`pool/${path}`)) await rm(join(root, 'pool', dirname(path)), { recursive: true, force: true })
  }
}

/** Newest first; `age` in milliseconds. */
async function releasesIn(
  folder: string,
): Promise<readonly { readonly path: string; readonly text: string; readonly age: number }[]> {
  const names = await readdir(folder).catch(() => [])
  const found = await Promise.all(
    names.map(async (name) => {
      const path = join(folder, name)
      return { path, text: await readFile(path, 'utf8'), age: Date.now() - (await stat(path)).mtimeMs }
    }),
  )
  return found.sort((a, b) => a.age - b.age)
}

async function filesBelow(folder: string): Promise<readonly string[]> {
  const found = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => [])
  return found
    .filter((each) => !each.isDirectory())
    .map((each) => join(each.parentPath, each.name).slice(folder.length + 1))
}
