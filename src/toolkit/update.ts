import { hostArch } from '#engine/arch.ts'
import { userErrors, YoeError } from '#engine/errors.ts'
import type { FeedLock, ImageLock, Lock, LockEntry, ModuleLock, SourceLock } from '#engine/modules/lock.ts'
import { emptyLock, entriesOf, imageEntry, keyOf, moduleEntry, sourceEntry } from '#engine/modules/lock.ts'
import { isCommit } from '#engine/modules/reference.ts'
import { didYouMean } from '#engine/nearest.ts'
import type { Project } from '#engine/project/model.ts'
import { askFeeds } from './asking-feeds.ts'
import { listCells } from './cells.ts'
import { fetcherOf } from './fetching.ts'
import { formatOf } from './formats.ts'
import type { ImageChange } from './image-changes.ts'
import { imageChanges, imageContents } from './image-changes.ts'
import { askImages, movingImage } from './image-pins.ts'
import { editLock, readLock } from './lock-file.ts'
import { moduleAddresses } from './module-sync.ts'
import { syncWith } from './modules.ts'
import { movingSource } from './pins.ts'
import { askSources } from './source-sync.ts'
import type { Workspace } from './workspace.ts'
import { loadProject } from './workspace.ts'

export interface UpdateOptions {
  /** `modules`, `feeds`, `sources`, `images`, or the name of a module, feed or unit; undefined: everything. */
  readonly asked: string | undefined
  /** A machine whose feeds are locked, too, beside those that the project is built for. */
  readonly machine: string | undefined
  /** Take entries out that this project does not use. */
  readonly prune: boolean
}

/** An entry of yoe.lock that is not what it was. */
export type LockChange =
  | {
      readonly kind: 'module' | 'source' | 'image'
      /** Module, units, or containers. */
      readonly name: string
      readonly from: string
      readonly ref: string
      readonly before: string | undefined
      readonly after: string | undefined
      /** A tag that was at another commit before: those are not meant to move. */
      readonly tagMoved: boolean
      /** Commits between both, where that can be told. */
      readonly commits: number | undefined
    }
  | {
      readonly kind: 'feed'
      readonly name: string
      readonly arch: string
      /** Dates of the release; RFC 3339. */
      readonly before: string | undefined
      readonly after: string | undefined
    }

export interface Updated {
  readonly changes: readonly LockChange[]
  /** What images gain and lose by it; those that stay as they are, or that nobody could resolve before, are left out. */
  readonly images: readonly ImageChange[]
}

/**
 * Moves yoe.lock to what refs and feeds mean now, and says what that changes.
 * @throws {YoeErrors} FETCH_FAILED, and everything that is wrong with the project; USAGE for a name that means nothing
 */
export async function updateLock(opened: Workspace, options: UpdateOptions): Promise<Updated> {
  // It is for writing the lock, wherever it runs.
  const workspace: Workspace = {
    ...opened,
    locked: false,
    env: { ...opened.env, CI: undefined, YOE_LOCKED: undefined },
  }
  const before = readOld(workspace, options)
  const contentsBefore = await imageContents(looking(workspace)).catch(() => undefined)
  const asked = options.asked?.replace(/^@/, '')
  const wants = (kind: 'modules' | 'sources' | 'feeds' | 'images', name: string): boolean =>
    asked === undefined || asked === kind || asked === name

  const state = { lock: before, locked: false, writable: false }
  const { modules, synced } = await syncWith(workspace, { move: (name) => wants('modules', name) }, state)
  const used = synced
    .filter(({ module }) => !isCommit(module.ref))
    .map(({ module, commit, name }) => ({ name, entry: moduleEntry(module, commit) }))
  const moduleEntries = used.map(({ entry }) => entry)
  await editLock(workspace, (lock) => withModules(lock, moduleEntries, options), asked === undefined)

  const loaded = await loadProject(workspace, undefined)
  const { project } = loaded
  const kinds = ['modules', 'feeds', 'sources', 'images']
  const units = project.units.flatMap((unit) => movingSource(unit) ?? [])
  const containers = project.units.flatMap((unit) => movingImage(unit) ?? [])
  const names = [
    ...modules.map(({ name }) => name),
    ...project.feeds.map(({ id }) => id),
    ...[...units, ...containers].map(({ unit }) => unit.name),
  ]
  if (asked !== undefined && ![...kinds, ...names].includes(asked)) {
    throw new YoeError('USAGE', `nothing that yoe.lock keeps is called "${asked}"`, {
      hint:
        didYouMean(asked, [...kinds, ...names]) ?? `yoe update takes ${kinds.join(', ')}, or a module, feed or unit`,
    })
  }
  const known = new Set([...before.sources, ...before.images].map(keyOf))
  const moving = units.filter(
    ({ unit, source }) =>
      wants('sources', unit.name) && (unit.name === asked || known.has(keyOf(sourceEntry(source, '')))),
  )
  const sources = await askSources(loaded.workspace, project, moving)
  const images = await askImages(
    loaded.workspace,
    project,
    containers.filter(
      ({ unit, image }) =>
        wants('images', unit.name) && (unit.name === asked || known.has(keyOf(imageEntry(image, '')))),
    ),
  )
  const feeds = await latestFeeds(loaded.workspace, project, before, options.machine, (id) => wants('feeds', id))
  const declaredSources = units.map(({ source }) => sourceEntry(source, ''))
  const declaredImages = containers.map(({ image }) => imageEntry(image, ''))
  await editLock(workspace, (lock) => {
    const withSources = withRefs(entriesOf(lock), 'source', sources, declaredSources, options)
    return withFeeds(withRefs(withSources, 'image', images, declaredImages, options), feeds)
  })

  // Planning pins what no lock had yet, and fetches the lists that the next build needs anyway; who asks for a module alone,
  // of which nothing can be compared, need not wait for them.
  const compared = contentsBefore !== undefined && contentsBefore.size > 0
  const plans = compared || asked === undefined || ['feeds', 'sources', 'images'].includes(asked)
  const contents = plans ? await imageContents(workspace) : new Map()
  const after = readLock(workspace).lock
  const nameOf = (entry: ModuleLock | SourceLock | ImageLock): string => {
    if (entry.kind === 'module') return used.find((one) => keyOf(one.entry) === keyOf(entry))?.name ?? ''
    const own =
      entry.kind === 'image'
        ? containers.filter(({ image }) => keyOf(imageEntry(image, '')) === keyOf(entry))
        : units.filter(({ source }) => keyOf(sourceEntry(source, '')) === keyOf(entry))
    return own.map(({ unit }) => unit.name).join(', ')
  }
  const tags = new Set(synced.filter((one) => one.asked === 'tag').map(({ name }) => name))
  const changes = await Promise.all(
    changed(before, after).map((change) => told(loaded.workspace, change, nameOf, tags)),
  )
  // A feed of several components has several entries.
  const once = new Map(changes.flat().map((change) => [JSON.stringify(change), change]))
  return {
    changes: [...once.values()],
    images: contentsBefore === undefined ? [] : imageChanges(contentsBefore, contents),
  }
}

/** The workspace of somebody who asks nobody and writes nothing down. */
function looking(workspace: Workspace): Workspace {
  return { ...workspace, offline: true, report: () => {}, env: { ...workspace.env, CI: 'true' } }
}

/** A lock that can't be read is no reason not to write it anew. */
function readOld(workspace: Workspace, { asked }: UpdateOptions): Lock {
  try {
    return readLock(workspace).lock
  } catch (failure) {
    if (asked !== undefined || userErrors(failure)?.every(({ code }) => code === 'LOCK_INVALID') !== true) throw failure
    workspace.report({ type: 'warning', message: 'yoe.lock could not be read, and is written anew' })
    return emptyLock
  }
}

/** The lock with what modules mean now; a module that is used at another ref than before loses the old one. */
function withModules(lock: Lock, used: readonly ModuleLock[], { prune }: UpdateOptions): readonly LockEntry[] {
  const kept = entriesOf(lock).filter((entry) => {
    if (entry.kind !== 'module') return true
    return !prune && !used.some((one) => one.url === entry.url && one.path === entry.path)
  })
  return [...kept, ...used]
}

/** The entries with what refs of one kind mean now; one of the same origin that nothing names any more is lost. */
function withRefs(
  entries: readonly LockEntry[],
  kind: Ref['kind'],
  moved: readonly Ref[],
  declared: readonly Ref[],
  { prune }: UpdateOptions,
): readonly LockEntry[] {
  const now = new Set(moved.map(keyOf))
  const used = new Set(declared.map(keyOf))
  const kept = entries.filter((entry) => {
    if (!isRef(entry) || entry.kind !== kind) return true
    const stale = !used.has(keyOf(entry)) && (prune || declared.some((one) => originOf(one) === originOf(entry)))
    return !now.has(keyOf(entry)) && !stale
  })
  return [...kept, ...moved]
}

type Ref = SourceLock | ImageLock

const isRef = (entry: LockEntry): entry is Ref => entry.kind === 'source' || entry.kind === 'image'

/** The repository, or the image whatever its tag. */
const originOf = (entry: Ref): string => (entry.kind === 'source' ? entry.url : entry.name)

function withFeeds(entries: readonly LockEntry[], feeds: readonly FeedLock[]): readonly LockEntry[] {
  const now = new Set(feeds.map(({ id, arch }) => `${id} ${arch}`))
  return [...entries.filter((entry) => entry.kind !== 'feed' || !now.has(`${entry.id} ${entry.arch}`)), ...feeds]
}

/** The indices that the feeds of what the project is built for have now. */
async function latestFeeds(
  workspace: Workspace,
  project: Project,
  before: Lock,
  machine: string | undefined,
  wanted: (id: string) => boolean,
): Promise<readonly FeedLock[]> {
  const cells = await listCells(workspace, [])
  const distros = new Set(cells.map(({ distro }) => distro))
  const own = project.machines.find(({ name }) => name === machine)?.arch
  const targets = new Set([...cells.map(({ arch }) => arch), ...[own].flatMap((arch) => arch ?? [])])
  // What this machine builds for others, its own programs install.
  const host = hostArch()
  const foreign = [...targets].some((arch) => arch !== host)
  const hosted = project.units.some((unit) => unit.kind === 'package' && unit.containerArch === 'host')
  const arches = new Set([...targets, ...(host !== undefined && (foreign || hosted) ? [host] : [])])
  const { cacheRoot, offline, report, signal } = workspace
  const asked = project.feeds.flatMap((feed) => {
    const locked = before.feeds.some(({ id }) => id === feed.id)
    if (!wanted(feed.id) || !(locked || distros.size === 0 || distros.has(feed.distro))) return []
    return [...arches].map((arch) => ({ feed, arch }))
  })
  const fetcher = fetcherOf(workspace, project)
  const found = await askFeeds(asked, signal, async ({ feed, arch }): Promise<readonly FeedLock[]> => {
    const format = formatOf(feed.distro)
    const moduleRoot = project.modules.find(({ name }) => name === feed.module)?.root ?? project.root
    const base = { arch, moduleRoot, cacheRoot, fetcher, offline, refresh: true, now: Date.now, report, signal }
    const latest = await format.latestIndex(feed, base)
    if (latest === undefined) return []
    const date = new Date(latest.date).toISOString().replace(/\.\d+Z$/, 'Z')
    const entry = { kind: 'feed', id: feed.id, arch: format.archName(arch), suite: latest.suite, date } as const
    return latest.files.map((file) => ({ ...entry, ...file }))
  })
  return found.flat()
}

interface Difference {
  readonly before: LockEntry | undefined
  readonly after: LockEntry | undefined
}

function changed(before: Lock, after: Lock): readonly Difference[] {
  const old = new Map(entriesOf(before).map((entry) => [keyOf(entry), entry]))
  const now = new Map(entriesOf(after).map((entry) => [keyOf(entry), entry]))
  const said = (entry: LockEntry | undefined): string | undefined =>
    entry?.kind === 'feed' || entry?.kind === 'image' ? entry.sha256 : entry?.commit
  return [...new Set([...old.keys(), ...now.keys()])]
    .sort()
    .map((key) => ({ before: old.get(key), after: now.get(key) }))
    .filter((one) => said(one.before) !== said(one.after))
}

async function told(
  workspace: Workspace,
  { before, after }: Difference,
  nameOf: (entry: ModuleLock | SourceLock | ImageLock) => string,
  tags: ReadonlySet<string>,
): Promise<readonly LockChange[]> {
  const entry = after ?? before
  if (entry === undefined) return []
  if (entry.kind === 'feed') {
    const [was, is] = [before, after].map((one) => (one?.kind === 'feed' ? one.date : undefined))
    return [{ kind: 'feed', name: entry.id, arch: entry.arch, before: was, after: is }]
  }
  const name = nameOf(entry)
  if (entry.kind === 'image') {
    const [was, is] = [before, after].map((one) => (one?.kind === 'image' ? one.sha256 : undefined))
    const { name: from, tag: ref } = entry
    return [{ kind: 'image', name, from, ref, tagMoved: false, before: was, after: is, commits: undefined }]
  }
  const [was, is] = [before, after].map((one) =>
    one === undefined || one.kind === 'feed' || one.kind === 'image' ? undefined : one.commit,
  )
  const isTag = entry.kind === 'source' ? entry.refKind === 'tag' : tags.has(name)
  const moved = was !== undefined && is !== undefined
  const commits = entry.kind === 'module' && moved ? await countBetween(workspace, entry, was, is) : undefined
  const from = entry.kind === 'module' && entry.path !== '' ? `${entry.url}//${entry.path}` : entry.url
  return [
    {
      kind: entry.kind,
      name,
      from,
      ref: entry.ref,
      tagMoved: isTag && moved,
      before: was,
      after: is,
      commits,
    },
  ]
}

async function countBetween(
  workspace: Workspace,
  { url }: ModuleLock,
  since: string,
  commit: string,
): Promise<number | undefined> {
  const [{ countCommits }, { Store }] = await Promise.all([
    import('#engine/modules/checkout.ts'),
    import('#engine/store/store.ts'),
  ])
  const { cacheRoot, offline, signal } = workspace
  const store = await Store.open(cacheRoot)
  return countCommits({ store, url, candidates: moduleAddresses(workspace, url), commit, since, offline, signal })
}
