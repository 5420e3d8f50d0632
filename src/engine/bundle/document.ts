import { canonical } from '../plan/canonical.ts'
import type { Json } from '../project/model.ts'
import type { SealedManifest } from '../store/manifest.ts'
import { decodeManifest, encodeManifest, isDigest } from '../store/manifest.ts'

/** What a bundle was made for: a unit or image, as it is built for a machine. */
export interface BundleTarget {
  readonly name: string
  readonly machine: string
  readonly distro: string
}

/** A commit with all its files and without its history, as a pack of git. */
export interface BundleCommit {
  /** Whether a unit's source or a module is made of it. */
  readonly use: 'source' | 'module'
  /** What people call it. */
  readonly title: string
  /** The folder of the cache that its repository is kept in, without `.git`: 40 hex digits. */
  readonly repository: string
  readonly commit: string
  /** The object that is the pack. */
  readonly pack: string
}

/** An object that is kept as it is: an archive of sources, a file of Git LFS, a package of a feed. */
export interface BundleFile {
  readonly use: 'archive' | 'lfs' | 'package'
  readonly title: string
  readonly sha256: string
}

/** What was verified of a feed; `text` is the format's own. */
export interface BundleList {
  readonly feed: string
  readonly distro: string
  readonly text: string
  /** The objects that it names. */
  readonly files: readonly string[]
}

/** An object, and what of it is not written, being zeros. */
export interface BundleObject {
  readonly sha256: string
  /** Bytes. */
  readonly size: number
  /** Start and length of runs of zeros, in bytes, ascending: whole blocks of {@link holeBytes}. */
  readonly holes: readonly (readonly [number, number])[]
}

/** All that a bundle says, before its objects come. */
export interface BundleIndex {
  readonly project: string
  readonly targets: readonly BundleTarget[]
  /** The project's yoe.lock; '' when it has none. */
  readonly lock: string
  readonly results: readonly SealedManifest[]
  readonly commits: readonly BundleCommit[]
  readonly files: readonly BundleFile[]
  readonly lists: readonly BundleList[]
  /** All that the others name, each once, in the order in which they follow. */
  readonly objects: readonly BundleObject[]
}

export const scheme = 'yoe-bundle/1'
export const holeBytes = 64 * 1024
/** Of the index as text; a thousand images of large projects have less. */
export const maxIndexBytes = 256 * 2 ** 20
const maxObjects = 1_000_000
const maxObjectBytes = 16 * 2 ** 30
const maxBytes = 2 ** 40

/** One text for one index, whatever the order of its parts. */
export function encodeIndex(index: BundleIndex): Buffer {
  return Buffer.from(canonical(plain(index)))
}

/**
 * The only reader of indices, whoever wrote them.
 *
 * @returns what is wrong when the bytes are not exactly what {@link encodeIndex} gives for some index in which every object
 *   is named by something, and everything that is named is an object
 */
export function decodeIndex(bytes: Uint8Array): BundleIndex | string {
  let document: Json
  try {
    document = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch {
    return 'its index is not JSON'
  }
  const index = readIndex(document)
  if (typeof index === 'string') return index
  // Covers unknown fields, order, doubles and other spellings in one comparison.
  if (!encodeIndex(index).equals(bytes)) return 'its index is not spelled as yoe spells it'
  return unnamed(index) ?? index
}

/** The objects that something in an index names, with their sizes where it says them. */
export function namedObjects(
  index: Pick<BundleIndex, 'results' | 'commits' | 'files' | 'lists'>,
): ReadonlyMap<string, number | undefined> {
  const named = new Map<string, number | undefined>()
  const add = (sha256: string): void => {
    if (!named.has(sha256)) named.set(sha256, undefined)
  }
  for (const { pack } of index.commits) add(pack)
  for (const { sha256 } of index.files) add(sha256)
  for (const { files } of index.lists) for (const sha256 of files) add(sha256)
  for (const { manifest } of index.results) for (const { sha256, size } of manifest.files) named.set(sha256, size)
  return named
}

function unnamed(index: BundleIndex): string | undefined {
  const named = new Map(namedObjects(index))
  for (const { sha256, size } of index.objects) {
    const said = named.get(sha256)
    if (!named.has(sha256)) return `it holds object ${sha256}, which nothing in it names`
    if (said !== undefined && said !== size) return `it says two sizes of object ${sha256}`
    named.delete(sha256)
  }
  const [missing] = named.keys()
  return missing === undefined ? undefined : `it names object ${missing}, which it does not hold`
}

function readIndex(document: Json): BundleIndex | string {
  const { format, project, targets, lock, results, commits, files, lists, objects } = fields(document)
  if (format !== scheme) return `it is not of format ${scheme}`
  if (!isWord(project)) return 'the name of its project is not one'
  if (typeof lock !== 'string') return 'its lock is no text'
  const read: SealedManifest[] = []
  for (const one of itemsOf(results)) {
    const { arch, hash } = fields(fields(one)['manifest'])
    if (!isWord(arch) || !isDigest(hash)) return 'a result in it has no key'
    const sealed = decodeManifest(Buffer.from(`${canonical(one)}\n`), arch, hash)
    if (typeof sealed === 'string') return `the manifest of ${arch}/${hash}: ${sealed}`
    read.push(sealed)
  }
  const [names, pins] = [each(targets, readTarget), each(commits, readCommit)]
  const [kept, known, held] = [each(files, readFile), each(lists, readList), each(objects, readObject)]
  if (names === undefined) return 'its targets are not such'
  if (pins === undefined) return 'its commits are not such'
  if (kept === undefined) return 'its files are not such'
  if (known === undefined) return 'its lists of feeds are not such'
  if (held === undefined || held.length > maxObjects) return `its objects are not a list of at most ${maxObjects}`
  if (held.reduce((sum, { size }) => sum + size, 0) > maxBytes) return `it holds more than ${maxBytes} bytes`
  return { project, lock, results: read, targets: names, commits: pins, files: kept, lists: known, objects: held }
}

function readTarget(value: Json): BundleTarget | undefined {
  const { name, machine, distro } = fields(value)
  return isTitle(name) && isWord(machine) && isWord(distro) ? { name, machine, distro } : undefined
}

function readCommit(value: Json): BundleCommit | undefined {
  const { use, title, repository, commit, pack } = fields(value)
  if ((use !== 'source' && use !== 'module') || !isTitle(title)) return undefined
  if (!isId(repository) || !isId(commit) || !isDigest(pack)) return undefined
  return { use, title, repository, commit, pack }
}

function readFile(value: Json): BundleFile | undefined {
  const { use, title, sha256 } = fields(value)
  if ((use !== 'archive' && use !== 'lfs' && use !== 'package') || !isTitle(title)) return undefined
  return isDigest(sha256) ? { use, title, sha256 } : undefined
}

function readList(value: Json): BundleList | undefined {
  const { feed, distro, text, files } = fields(value)
  if (!isWord(feed) || !isWord(distro) || typeof text !== 'string') return undefined
  const digests = each(files, (file) => (isDigest(file) ? file : undefined))
  return digests === undefined ? undefined : { feed, distro, text, files: digests }
}

function readObject(value: Json): BundleObject | undefined {
  const { sha256, size, holes } = fields(value)
  if (!isDigest(sha256) || !isCount(size) || size > maxObjectBytes) return undefined
  let end = -1
  const runs = each(holes, (hole): readonly [number, number] | undefined => {
    const [start, length, ...more] = itemsOf(hole)
    if (!isCount(start) || !isCount(length) || more.length > 0) return undefined
    // Two runs that touch would be one.
    const good = start > end && length > 0 && start % holeBytes === 0 && length % holeBytes === 0
    if (!good || start + length > size) return undefined
    end = start + length
    return [start, length]
  })
  return runs === undefined ? undefined : { sha256, size, holes: runs }
}

/** Undefined when one of them is not what it should be. */
function each<T>(value: Json | undefined, read: (item: Json) => T | undefined): readonly T[] | undefined {
  if (!isList(value)) return undefined
  const items: T[] = []
  for (const item of value) {
    const one = read(item)
    if (one === undefined) return undefined
    items.push(one)
  }
  return items
}

const isCount = (value: Json | undefined): value is number =>
  typeof value === 'number' && Number.isSafeInteger(value) && value >= 0

const isId = (value: Json | undefined): value is string => typeof value === 'string' && /^[0-9a-f]{40}$/.test(value)

const isWord = (value: Json | undefined): value is string =>
  typeof value === 'string' && /^[A-Za-z0-9][A-Za-z0-9._+:-]{0,199}$/.test(value)

const isTitle = (value: Json | undefined): value is string =>
  typeof value === 'string' && value.length > 0 && value.length <= 1000 && !/[\u0000-\u001f\u007f]/.test(value)

function isList(value: Json | undefined): value is readonly Json[] {
  return Array.isArray(value)
}

const itemsOf = (value: Json | undefined): readonly Json[] => (isList(value) ? value : [])

function fields(value: Json | undefined): Readonly<Record<string, Json | undefined>> {
  return typeof value === 'object' && value !== null && !isList(value) ? value : {}
}

/** The index as plain data; names each field, so that a new one can't be left out of what is signed. */
function plain(index: BundleIndex): Json {
  return {
    format: scheme,
    project: index.project,
    lock: index.lock,
    targets: distinct(index.targets.map(({ name, machine, distro }) => ({ name, machine, distro }))),
    results: distinct(index.results.map((sealed): Json => JSON.parse(encodeManifest(sealed).toString()))),
    commits: distinct(
      index.commits.map(({ use, title, repository, commit, pack }) => ({ use, title, repository, commit, pack })),
    ),
    files: distinct(index.files.map(({ use, title, sha256 }) => ({ use, title, sha256 }))),
    lists: distinct(index.lists.map(({ feed, distro, text, files }) => ({ feed, distro, text, files: [...files] }))),
    objects: distinct(
      index.objects.map(({ sha256, size, holes }) => ({ sha256, size, holes: holes.map(([...run]) => run) })),
      ({ sha256 }) => sha256,
    ),
  }
}

/** Sorted by their texts, each once. */
function distinct<T extends Json>(items: readonly T[], textOf: (item: T) => string = canonical): readonly T[] {
  const known = new Map(items.map((item) => [textOf(item), item]))
  return [...known].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, item]) => item)
}
