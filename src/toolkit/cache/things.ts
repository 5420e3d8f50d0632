import { statSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { readTree } from '#engine/source/git.ts'
import { archiveId, isAlive, markedSources } from '#engine/source/marks.ts'
import type { UnitManifest } from '#engine/store/manifest.ts'
import { isDigest } from '#engine/store/manifest.ts'
import { objectPath } from '#engine/store/object-path.ts'
import type { Store } from '#engine/store/store.ts'
import { sizesOf } from './kept-sizes.ts'
import { lastBuilds } from './last-build.ts'

/** What lies in a cache, in the order in which people are told. */
export const thingKinds = [
  'results',
  'sources',
  'downloads',
  'roots',
  'unpacked',
  'folders',
  'git',
  'modules',
  'feeds',
  'memory',
  'damaged',
  'other',
] as const
export type ThingKind = (typeof thingKinds)[number]

/** One thing in the cache that is kept or removed as a whole. */
export interface Thing {
  readonly kind: ThingKind
  /** Of a result `<arch>/<hash>`, of a source its mark, of others the name of their file or folder. */
  readonly id: string
  readonly title: string
  /** Milliseconds since 1970. */
  readonly usedAt: number
  /** A project on this machine wants it, whenever it was used. */
  readonly wanted: boolean
  /** What it takes on the disk beside its objects. */
  readonly bytes: number
  readonly objects: readonly string[]
  /** Absolute; what is removed with it. */
  readonly paths: readonly string[]
  /** Who changes it holds this lock of the store. */
  readonly lock?: string
  /** Of a result. */
  readonly manifest?: UnitManifest
}

export interface ObjectState {
  /** On the disk, without holes. */
  readonly bytes: number
  readonly usedAt: number
  /** It has another name elsewhere, such as in a build folder: removing this one frees nothing. */
  readonly linked: boolean
}

export interface Contents {
  readonly things: readonly Thing[]
  readonly objects: ReadonlyMap<string, ObjectState>
}

/**
 * All that is in a cache. Another process may change it meanwhile, unless this one is alone with it.
 *
 * @param how `measured`: sizes are as they are; `kept`: those of unpacked things and cache folders as they were when they
 *   were measured last, which takes a fraction of the time
 */
export async function contentsOf(store: Store, how: 'measured' | 'kept'): Promise<Contents> {
  const objects = await objectStates(store)
  const results = await resultsIn(store)
  const { sources, repositories } = await sourcesIn(store, objects)
  const owned = new Set([...results, ...sources].flatMap((thing) => thing.objects))
  const downloads = [...objects].flatMap(([sha256, { usedAt }]): Thing[] =>
    owned.has(sha256)
      ? []
      : [{ ...plain('downloads', sha256, usedAt), title: sha256.slice(0, 12), objects: [sha256], paths: [] }],
  )
  const folders = await foldersIn(store, repositories, how)
  return { things: [...results, ...sources, ...downloads, ...folders], objects }
}

const plain = (kind: ThingKind, id: string, usedAt: number) => ({
  ...{ kind, id, title: id, usedAt, wanted: false, bytes: 0, objects: [] },
})

async function objectStates(store: Store): Promise<ReadonlyMap<string, ObjectState>> {
  const states = new Map<string, ObjectState>()
  for await (const sha256 of store.objects.list()) {
    // Thousands that are asked one after another: waiting for each takes longer than asking.
    const info = statSync(objectPath(store.root, sha256), { throwIfNoEntry: false })
    if (info?.isFile() !== true || !isDigest(sha256)) continue
    states.set(sha256, { bytes: info.blocks * 512, usedAt: info.mtimeMs, linked: info.nlink > 1 })
  }
  return states
}

/** The results of a cache. */
export async function resultsIn(store: Store): Promise<readonly Thing[]> {
  const things: Thing[] = []
  for await (const { arch, hash, path, usedAt, sealed } of store.entries()) {
    const manifest = typeof sealed === 'string' ? undefined : sealed.manifest
    things.push({
      ...plain('results', `${arch}/${hash}`, usedAt),
      title: manifest?.unit ?? `${arch}/${hash}`,
      bytes: 4096,
      objects: manifest?.files.map(({ sha256 }) => sha256) ?? [],
      paths: [path],
      ...(manifest === undefined ? {} : { manifest }),
    })
  }
  return things
}

/** Sources that were noted, and remembered trees of commits that were not; repositories by when their trees were used. */
async function sourcesIn(
  store: Store,
  objects: ReadonlyMap<string, ObjectState>,
): Promise<{ readonly sources: readonly Thing[]; readonly repositories: ReadonlyMap<string, Thing> }> {
  const trees = join(store.root, 'git', 'trees')
  const marked = await markedSources(store.root)
  const known = new Set(marked.map(({ id }) => id))
  const others = (await names(trees)).map((name) => `tree-${name}`).filter((id) => !known.has(id))
  const sources: Thing[] = []
  const repositories = new Map<string, Thing>()
  for (const { id, title, users } of [...marked, ...others.map((id) => ({ id, title: id, users: [] }))]) {
    const name = id.slice(id.indexOf('-') + 1)
    const tree = id.startsWith('tree-') ? await readTree(join(trees, name)) : undefined
    const object = id === archiveId(name) ? name : tree?.sha256
    const paths = [join(store.root, 'sources', id), ...(id.startsWith('tree-') ? [join(trees, name)] : [])]
    const used = Math.max(
      objects.get(object ?? '')?.usedAt ?? 0,
      ...[...paths, ...(await marksIn(join(store.root, 'sources', id)))].map(timeOf),
    )
    const source: Thing = {
      ...plain('sources', id, used),
      title,
      wanted: users.some(isAlive),
      bytes: 4096 * paths.length,
      objects: object === undefined ? [] : [object],
      paths,
    }
    sources.push(source)
    for (const repository of tree?.repositories ?? []) {
      const last = repositories.get(repository)
      if (last === undefined || last.usedAt < used || source.wanted) repositories.set(repository, source)
    }
  }
  return { sources, repositories }
}

const marksIn = async (folder: string): Promise<readonly string[]> =>
  (await names(folder)).map((name) => join(folder, name))

async function foldersIn(
  store: Store,
  repositories: ReadonlyMap<string, Thing>,
  how: 'measured' | 'kept',
): Promise<readonly Thing[]> {
  const inside = (...path: readonly string[]): string => join(store.root, ...path)
  const things: Thing[] = []
  const add = async (
    kind: ThingKind,
    path: string,
    more: Partial<Thing> & { readonly clock?: string } = {},
  ): Promise<void> => {
    const { clock = path, ...rest } = more
    const id = path.slice(path.lastIndexOf('/') + 1)
    const usedAt = Math.max(timeOf(clock), clock === path ? 0 : timeOf(clock) || timeOf(path))
    things.push({ ...plain(kind, id, usedAt), paths: [path], ...rest })
  }
  for (const name of await names(inside('roots')))
    if (isDigest(name)) {
      const path = inside('roots', name)
      await add('roots', path, { clock: `${path}.tree`, paths: [path, `${path}.tree`, `${path}.json`] })
    }
  for (const name of await names(inside('unpacked')))
    await add('unpacked', inside('unpacked', name), { clock: inside('unpacked', name, 'tree.sum') })
  for (const name of await names(inside('dirs'))) await add('folders', inside('dirs', name))
  for (const name of await names(inside('git'))) {
    if (!name.endsWith('.git')) continue
    const tree = repositories.get(name)
    const usedAt = Math.max(timeOf(inside('git', name)), tree?.usedAt ?? 0)
    const lock = `git-${name.slice(0, -'.git'.length)}`
    await add('git', inside('git', name), { usedAt, wanted: tree?.wanted === true, lock })
  }
  const builds = await lastBuilds(store.root)
  const modules = new Map(builds.flatMap(({ modules: used, endedAt }) => used.map((name) => [name, endedAt])))
  for (const name of await names(inside('modules'))) {
    const usedAt = Math.max(timeOf(inside('modules', name)), modules.get(name) ?? 0)
    const lock = name.endsWith('.git') ? { lock: `module-${name.slice(0, -'.git'.length)}` } : {}
    await add('modules', inside('modules', name), { usedAt, ...lock })
  }
  // What says which lists were believed, and how new the newest was, is no list: it keeps older ones out.
  for (const name of await names(inside('feeds')))
    await add(name.endsWith('.index') ? 'feeds' : 'other', inside('feeds', name))
  for (const folder of ['closures', 'trees'])
    for (const name of await names(inside(folder))) await add('memory', inside(folder, name))
  for (const name of await names(inside('damaged'))) await add('damaged', inside('damaged', name), { usedAt: 0 })
  const known = ['objects', 'units', 'sources', 'roots', 'unpacked', 'dirs', 'git', 'modules', 'feeds', 'closures']
  for (const name of await names(store.root))
    if (![...known, 'trees', 'damaged', 'tmp', 'locks'].includes(name)) await add('other', inside(name))
  const parts = things.flatMap(({ kind, paths, usedAt }) =>
    paths.map((path) => ({ path, stamp: stampOf(kind, usedAt) })),
  )
  const usage = await sizesOf(store.root, [...new Map(parts.map((part) => [part.path, part])).values()], how !== 'kept')
  return things.map((thing) => ({
    ...thing,
    bytes: thing.paths.reduce((sum, path) => sum + (usage.get(path) ?? 0), 0),
  }))
}

/** Trees that were unpacked stay as they are; cache folders change when a build uses them, which is noted. */
function stampOf(kind: ThingKind, usedAt: number): string | undefined {
  if (kind === 'roots' || kind === 'unpacked') return ''
  return kind === 'folders' ? String(usedAt) : undefined
}

const names = (folder: string): Promise<readonly string[]> => readdir(folder).catch(() => [])

/** When a file or folder was last changed, milliseconds since 1970; 0 where there is none. */
function timeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0
}
