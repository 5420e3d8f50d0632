import { existsSync } from 'node:fs'
import { readdir, rename, rm, stat } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { type Position, userErrors, YoeError, YoeErrors } from '#engine/errors.ts'
import { step } from '#engine/events.ts'
import { inParallel } from '#engine/in-parallel.ts'
import { didYouMean } from '#engine/nearest.ts'
import { inOrder } from '#engine/plan/graph.ts'
import type { PackageUnit, Project, Source } from '#engine/project/model.ts'
import { fetchSource, nameOf, partsOf, type RemoteSource } from '#engine/source/fetch.ts'
import { readTree, repositoryOf, treePath } from '#engine/source/git.ts'
import { GitRepository } from '#engine/source/git-repository.ts'
import { archiveId, isAlive, markedSources, treeId, unmarkSource } from '#engine/source/marks.ts'
import { shownUrl } from '#engine/source/url.ts'
import { objectPath } from '#engine/store/object-path.ts'
import { Store } from '#engine/store/store.ts'
import { treeStatuses } from './dev/status.ts'
import { fetcherOf } from './fetching.ts'
import { readLock } from './lock-file.ts'
import { movingSource, pinNow } from './pins.ts'
import { makePlans } from './planning.ts'
import type { Workspace } from './workspace.ts'
import { loadProject } from './workspace.ts'

/** One unit's source, and whether it is here. */
export interface SourceRow {
  readonly unit: string
  readonly kind: Source['kind']
  /** An address without secrets, or a folder of the project or a module. */
  readonly from: string
  /** Tag, branch or commit of a repository. */
  readonly ref?: string
  readonly sha256?: string
  readonly commit?: string
  /** Bytes of the archive, or of the commit's tree as one. */
  readonly size?: number
  /** `folder`: nothing is fetched for it. `dev`: the unit is built from its work tree. */
  readonly state: 'here' | 'missing' | 'folder' | 'dev'
  readonly at: Position
}

type Sourced = PackageUnit & { readonly source: Source }

const hasSource = (unit: Project['units'][number]): unit is Sourced =>
  unit.kind === 'package' && unit.source !== undefined

interface Question {
  readonly machine: string | undefined
  /** Units by name; empty: all. */
  readonly names: readonly string[]
}

interface FetchQuestion extends Question {
  readonly distro: string | undefined
  /** Of every unit of the project; otherwise no name means the default image. */
  readonly all: boolean
}

/** The sources of units, in the order of their names. Fetches nothing. @throws {YoeError} UNIT_NOT_FOUND */
export async function listSources(opened: Workspace, { machine, names }: Question): Promise<readonly SourceRow[]> {
  const { workspace, project } = await loadProject(opened, machine)
  const inDev = new Set((await treeStatuses(workspace)).filter(({ state }) => state !== 'pin').map(({ unit }) => unit))
  const rows = named(project, names).map((unit) => rowOf(workspace, unit, inDev.has(unit.name)))
  return Promise.all(rows)
}

function named(project: Project, names: readonly string[]): readonly Sourced[] {
  const units = project.units.filter(hasSource)
  for (const name of names) {
    const found = project.units.find((unit) => unit.name === name)
    if (found === undefined) {
      const known = units.map((unit) => unit.name)
      throw new YoeError('UNIT_NOT_FOUND', `there is no unit "${name}"`, {
        hint: didYouMean(name, known) ?? 'yoe source list names those that have a source',
      })
    }
    if (!hasSource(found))
      throw new YoeError('USAGE', `unit "${name}" has no source`, { at: found.at, hint: 'yoe source list' })
  }
  const chosen = names.length === 0 ? units : units.filter(({ name }) => names.includes(name))
  return chosen.toSorted((a, b) => (a.name < b.name ? -1 : 1))
}

async function rowOf(workspace: Workspace, { name, source, at }: Sourced, inDev: boolean): Promise<SourceRow> {
  if (source.kind === 'path') {
    const { module, path } = source.place
    return { unit: name, kind: 'path', from: `${module === '' ? '' : `@${module}`}//${path}`, state: 'folder', at }
  }
  const object = await objectOf(workspace.cacheRoot, source)
  const size = object === undefined ? undefined : await sizeOf(workspace.cacheRoot, object)
  return {
    unit: name,
    kind: source.kind,
    from: shownUrl((source.kind === 'archive' ? source.urls[0] : source.url) ?? ''),
    ...(source.kind === 'archive' ? { sha256: source.sha256 } : { ref: source.ref }),
    ...(source.kind === 'git' && source.commit !== undefined ? { commit: source.commit } : {}),
    ...(size === undefined ? {} : { size }),
    state: inDev ? 'dev' : size === undefined ? 'missing' : 'here',
    at: source.at,
  }
}

/** The object that a source is, once it came. */
async function objectOf(cacheRoot: string, source: RemoteSource): Promise<string | undefined> {
  if (source.kind === 'archive') return source.sha256
  if (source.commit === undefined) return undefined
  return (await readTree(treePath(cacheRoot, source.commit, partsOf(source))))?.sha256
}

async function sizeOf(cacheRoot: string, sha256: string): Promise<number | undefined> {
  const info = await stat(objectPath(cacheRoot, sha256)).catch(() => undefined)
  return info?.size
}

/** How many sources are fetched at a time: repositories; of archives the fetcher has a limit of its own. */
const atOnce = 8

/**
 * Fetches the sources of units and images with all that they are built from.
 *
 * @returns what they are then
 * @throws {YoeErrors} all that can't be fetched, each at its declaration
 */
export async function fetchSources(opened: Workspace, question: FetchQuestion): Promise<readonly SourceRow[]> {
  const { workspace, project, units } = await wanted(opened, question)
  const { offline, report, signal, cacheRoot, buildRoot } = workspace
  const store = await Store.open(cacheRoot, { report })
  await store.hold()
  const environment = { store, fetcher: fetcherOf(workspace, project), offline, report, signal, buildRoot }
  const errors: YoeError[] = []
  const remote = units.map(({ source }) => source).filter((source) => source.kind !== 'path')
  const different = new Map(remote.map((source) => [JSON.stringify(source), source]))
  try {
    await inParallel(atOnce, [...different.values()], async (source) => {
      try {
        await fetchSource(source, environment)
      } catch (failure) {
        const found = userErrors(failure)
        if (found === undefined || signal.aborted) throw failure
        errors.push(...found)
      }
    })
    await store.objects.flush()
  } finally {
    await store.release()
  }
  if (errors.length > 0) throw new YoeErrors(errors)
  return Promise.all(units.map((unit) => rowOf(workspace, unit, false)))
}

async function wanted(
  opened: Workspace,
  { machine, names, distro, all }: FetchQuestion,
): Promise<{ readonly workspace: Workspace; readonly project: Project; readonly units: readonly Sourced[] }> {
  const { workspace, project } = await loadProject(opened, machine)
  if (!all) {
    const plans = await makePlans(opened, { machine, distro, targets: names })
    const nodes = plans.flatMap(({ targets }) => inOrder(targets))
    return { workspace, project, units: [...new Set(nodes.map(({ unit }) => unit))].filter(hasSource) }
  }
  const missing = project.units.flatMap((unit) => {
    const moving = movingSource(unit)
    return moving === undefined || moving.source.commit !== undefined ? [] : [moving]
  })
  const pinned = missing.length === 0 ? project : await pinNow(workspace, readLock(workspace), project, missing)
  return { workspace, project, units: named(pinned, []) }
}

/** What was looked at, and what is wrong with it. */
export interface Verified {
  readonly what: string
  /** Those of this project that use it. */
  readonly units: readonly string[]
  readonly state: 'good' | 'damaged'
  /** Of a repository: what git says. */
  readonly why?: string
}

/**
 * Reads every byte of the sources that are here: archives and trees by their digests, repositories by git. What is
 * damaged is set aside, so that it is fetched again when it is needed.
 */
export async function verifySources(opened: Workspace, { machine, names }: Question): Promise<readonly Verified[]> {
  const { workspace, project } = await loadProject(opened, machine)
  const { report, signal, cacheRoot } = workspace
  const store = await Store.open(cacheRoot, { report })
  const units = named(project, names)
  const found: Verified[] = []
  const usersOf = (same: (source: Source) => boolean): readonly string[] =>
    project.units.filter(hasSource).flatMap((unit) => (same(unit.source) ? [unit.name] : []))
  const seen = new Set<string>()
  for (const { source } of units) {
    if (source.kind === 'path') continue
    const object = await objectOf(cacheRoot, source)
    if (object === undefined || seen.has(object) || !(await store.objects.has(object))) continue
    seen.add(object)
    const title = source.kind === 'archive' ? nameOf(source.urls[0] ?? object) : titleOf(source)
    const users = usersOf((other) => JSON.stringify(identityOf(other)) === JSON.stringify(identityOf(source)))
    const good = await step(report, `Verify ${title}`, async () => (await store.objects.path(object)) !== undefined)
    found.push({ what: title, units: users, state: good ? 'good' : 'damaged' })
  }
  const own = new Map(
    units.flatMap(({ source }) =>
      source.kind === 'git' ? [[repositoryOf(store, source.url).folder, source.url]] : [],
    ),
  )
  const all = names.length > 0 ? [] : await readdir(join(cacheRoot, 'git')).catch(() => [])
  const others = all.filter((name) => name.endsWith('.git')).map((name) => join(store.root, 'git', name))
  for (const folder of new Set([...own.keys(), ...others])) {
    if (!existsSync(folder)) continue
    const url = own.get(folder)
    const what = url === undefined ? `repository ${basename(folder)}` : shownUrl(url)
    await using _lock = await store.lock(`git-${basename(folder, '.git')}`, { signal })
    const why = await step(report, `Verify ${what}`, async () => (await GitRepository.open(folder, signal)).fault())
    if (why !== undefined) {
      await rename(folder, store.temp())
      report({ type: 'warning', message: `the copy of ${what} in ${folder} is damaged, and is fetched again: ${why}` })
    }
    const users = usersOf((source) => source.kind === 'git' && source.url === url)
    found.push({
      what,
      units: users,
      state: why === undefined ? 'good' : 'damaged',
      ...(why === undefined ? {} : { why }),
    })
  }
  return found
}

const titleOf = (source: Extract<Source, { kind: 'git' }>): string =>
  `${nameOf(source.url)} at ${source.commit?.slice(0, 12) ?? source.ref}`

function identityOf(source: Source): unknown {
  if (source.kind === 'path') return source.place
  return source.kind === 'archive' ? source.sha256 : [source.commit, partsOf(source)]
}

/** What is or would be removed. */
export interface Removed {
  readonly title: string
  /** Bytes. */
  readonly size: number
}

/**
 * Removes sources that neither this project nor another one on this machine uses any more, also of projects whose folders
 * are gone. What another project uses stays.
 */
export async function cleanSources(
  opened: Workspace,
  { machine, dryRun }: { readonly machine: string | undefined; readonly dryRun: boolean },
): Promise<readonly Removed[]> {
  const { workspace, project } = await loadProject(opened, machine)
  const { report, cacheRoot, buildRoot } = workspace
  const store = await Store.open(cacheRoot, { report })
  const used = new Set(project.units.filter(hasSource).flatMap(({ source }) => markOf(source)))
  const marked = await markedSources(store.root)
  const going = marked.filter(({ id, users }) => {
    const others = users.filter((user) => user !== buildRoot && isAlive(user))
    return !used.has(id) && others.length === 0
  })
  await using _alone = dryRun ? undefined : await store.lock('in-use')
  const removed: Removed[] = []
  const repositories = new Set<string>()
  for (const { id, title, users } of going) {
    const name = id.slice(id.indexOf('-') + 1)
    const path = join(store.root, 'git', 'trees', name)
    const tree = id.startsWith('tree-') ? await readTree(path) : undefined
    for (const folder of tree?.repositories ?? []) repositories.add(folder)
    const object = id.startsWith('archive-') ? name : tree?.sha256
    removed.push({ title, size: object === undefined ? 0 : ((await sizeOf(store.root, object)) ?? 0) })
    if (dryRun) continue
    if (object !== undefined) await store.objects.remove(object)
    if (tree !== undefined) await rm(path, { force: true })
    for (const user of users) await unmarkSource(store.root, id, user)
  }
  for (const name of marked.filter((one) => !used.has(one.id) && !going.includes(one)).map(({ id }) => id))
    if (!dryRun) await unmarkSource(store.root, name, buildRoot)
  const needed = await repositoriesInUse(store, project, new Set(going.map(({ id }) => id)))
  for (const name of repositories) {
    const folder = join(store.root, 'git', name)
    if (needed.has(name) || !existsSync(folder)) continue
    removed.push({ title: `repository ${name}`, size: await folderSize(folder) })
    if (!dryRun) await rm(folder, { recursive: true, force: true })
  }
  return removed
}

/** Under which names the cache notes that a source is used. */
export function markOf(source: Source): readonly string[] {
  if (source.kind === 'archive') return [archiveId(source.sha256)]
  return source.kind === 'git' && source.commit !== undefined ? [treeId(source.commit, partsOf(source))] : []
}

/** Of this project's units, and of the trees that stay. */
async function repositoriesInUse(
  store: Store,
  project: Project,
  going: ReadonlySet<string>,
): Promise<ReadonlySet<string>> {
  const own = project.units
    .filter(hasSource)
    .flatMap(({ source }) => (source.kind === 'git' ? [basename(repositoryOf(store, source.url).folder)] : []))
  const folder = join(store.root, 'git', 'trees')
  const staying = (await readdir(folder).catch(() => [])).filter((name) => !going.has(`tree-${name}`))
  const trees = await Promise.all(staying.map((name) => readTree(join(folder, name))))
  return new Set([...own, ...trees.flatMap((tree) => tree?.repositories ?? [])])
}

async function folderSize(folder: string): Promise<number> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  const sizes = await Promise.all(
    entries.filter((entry) => entry.isFile()).map((entry) => stat(join(entry.parentPath, entry.name))),
  )
  return sizes.reduce((total, { size }) => total + size, 0)
}
