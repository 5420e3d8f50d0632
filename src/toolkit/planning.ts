import { hostArch } from '#engine/arch.ts'
import type { PackageRecord } from '#engine/catalog/package.ts'
import { userErrors, YoeError } from '#engine/errors.ts'
import type { PackageFormat } from '#engine/formats.ts'
import type { Node } from '#engine/plan/graph.ts'
import type { NodeKey } from '#engine/plan/hash.ts'
import { hashNodes, placesOf } from '#engine/plan/hash.ts'
import type { Universe } from '#engine/plan/resolve.ts'
import { resolveGraph } from '#engine/plan/resolve.ts'
import { HostFeedsNeeded } from '#engine/plan/universe.ts'
import type { Machine, Project } from '#engine/project/model.ts'
import type { Catalog, OpenFeed } from './catalog-view.ts'
import { openCatalog, withProject } from './catalog-view.ts'
import { distroChoice, imageChoice } from './choices.ts'
import { readContents } from './contents.ts'
import { devSources } from './dev/sources.ts'
import { type DeviceSide, deviceSideDigest, deviceSideOf } from './device-feed.ts'
import { releaseOf } from './feed-locks.ts'
import { pinImagesNow, unpinnedImages } from './image-pins.ts'
import { knownClosures } from './known-closures.ts'
import { readLock } from './lock-file.ts'
import { pinNow, unpinned } from './pins.ts'
import type { Workspace } from './workspace.ts'
import { loadProject, placeResolver } from './workspace.ts'

export interface PlanOptions {
  readonly machine: string | undefined
  readonly distro: string | undefined
  /** Units and images by name; empty: the default image. */
  readonly targets: readonly string[]
  /** Ask feeds for a newer index. */
  readonly refresh?: boolean
}

/** Everything that is known before any work is done. */
export interface Plan {
  readonly workspace: Workspace
  readonly project: Project
  readonly machine: Machine
  readonly distro: string
  readonly format: PackageFormat
  readonly universe: Universe
  /** The release that packages are published under: the upstream feed's. */
  readonly suite: string
  /** What images get for the project's own feed. */
  readonly devices: DeviceSide
  readonly targets: readonly Node[]
  readonly keys: ReadonlyMap<Node, NodeKey>
  readonly absolute: ReturnType<typeof placeResolver>
  /** The feeds that it was resolved with. */
  readonly feeds: readonly OpenFeed[]
  /** A verified file of a feed package. */
  readonly fetchPackage: (record: PackageRecord) => Promise<string>
}

/**
 * Loads, resolves and hashes: the whole graph, before any work.
 * @throws {YoeErrors} everything that is wrong
 */
export async function makePlan(workspace: Workspace, options: PlanOptions): Promise<Plan> {
  const [group, ...others] = await byDistro(workspace, options)
  if (others.length > 0) {
    const groups = [group, ...others].map((targets) => targets?.join(', '))
    throw new YoeError('USAGE', `this takes targets of one distro; of different ones are: ${groups.join(' and ')}`, {
      hint: 'name those of one distro at a time',
    })
  }
  return planGroup(workspace, options, group ?? [])
}

/**
 * Plans for what `options` names, one for each distro that it is built for, in the order of names. What is built for one
 * distro opens no feed of another.
 * @throws {YoeErrors} everything that is wrong
 */
export async function makePlans(workspace: Workspace, options: PlanOptions): Promise<readonly Plan[]> {
  const plans: Plan[] = []
  for (const targets of await byDistro(workspace, options)) plans.push(await planGroup(workspace, options, targets))
  return plans
}

async function planGroup(workspace: Workspace, options: PlanOptions, targets: readonly string[]): Promise<Plan> {
  const catalog = await openCatalog(workspace, { ...options, targets })
  return planCatalog(catalog, targetNames(catalog, targets))
}

/** Targets by the distro that they are built for; at least one group. */
async function byDistro(opened: Workspace, options: PlanOptions): Promise<readonly (readonly string[])[]> {
  const { targets, distro: asked } = options
  if (targets.length < 2) return [targets]
  const { project, workspace } = await loadProject(opened, options.machine)
  const groups = Map.groupBy(targets, (name) => distroChoice(project, workspace.local, asked, [name]).value)
  return [...groups.values()]
}

/**
 * Resolves and hashes what `names` mean in an open catalog. Writes nothing but what is kept to save time, and yoe.lock
 * where a source names a tag or branch that nothing locked yet.
 * @throws {YoeErrors} everything that is wrong
 */
export async function planCatalog(catalog: Catalog, names: readonly string[]): Promise<Plan> {
  const { workspace, project, distro, format, view } = catalog
  const { universe, targets, feeds } = await resolveIn(catalog, names)
  const missing = unpinned(targets)
  if (missing.length > 0) {
    const pinned = await pinNow(workspace, readLock(workspace), project, missing)
    return planCatalog(withProject(catalog, pinned), names)
  }
  const images = unpinnedImages(targets)
  if (images.length > 0) {
    const pinned = await pinImagesNow(workspace, readLock(workspace), project, images)
    return planCatalog(withProject(catalog, pinned), names)
  }
  const absolute = placeResolver(catalog.evaluated)
  const contents = readContents(placesOf(targets), absolute, workspace.cacheRoot)
  const suite = suiteOf(project, distro)
  const hasImages = targets.some(({ kind }) => kind === 'image')
  const devices = hasImages ? deviceSideOf({ project, format, suite }) : { files: [], keys: [] }
  const identity = { ...project, devices: deviceSideDigest(devices) }
  const keys = hashNodes(targets, contents, identity, await devSources(workspace, targets))
  return {
    workspace,
    project,
    machine: view.machine,
    distro,
    format,
    universe,
    suite,
    devices,
    targets,
    keys,
    absolute,
    feeds,
    fetchPackage: (record) => {
      const { origin, arch } = record
      const open = feeds.filter(({ feed }) => origin.kind === 'feed' && feed.id === origin.feed)
      // A feed may be open for two architectures, whose packages may lie at different places.
      const entry = open.find(({ environment }) => format.archName(environment.arch) === arch) ?? open[0]
      if (entry === undefined) throw new TypeError(`${record.name} comes from no open feed`)
      return format.fetchPackage(entry.declaration, record, entry.environment)
    },
  }
}

interface Resolved {
  readonly universe: Universe
  readonly targets: readonly Node[]
  readonly feeds: readonly OpenFeed[]
}

/**
 * Resolves names; feeds for the machine that builds are only opened when something that is reached wants them. Where they
 * can't be, what only would be quicker with them does without.
 */
async function resolveIn(catalog: Catalog, names: readonly string[]): Promise<Resolved> {
  return resolveWith(catalog, await universeOf(catalog), await catalog.feeds(), names)
}

async function resolveWith(
  catalog: Catalog,
  universe: Universe,
  feeds: readonly OpenFeed[],
  names: readonly string[],
): Promise<Resolved> {
  try {
    return { universe, targets: resolveGraph(universe, names), feeds }
  } catch (failure) {
    const { host } = universe
    if (!(failure instanceof HostFeedsNeeded) || host === undefined) throw failure
    const ofHost = await catalog.hostFeeds().catch((problem: unknown) => {
      if (failure.must || userErrors(problem) === undefined) throw problem
      return undefined
    })
    if (ofHost === undefined)
      return resolveWith(catalog, { ...universe, host: { ...host, unavailable: true } }, feeds, names)
    const open = { ...host, feeds: ofHost.map(({ feed }) => feed) }
    return resolveWith(catalog, { ...universe, host: open }, [...feeds, ...ofHost], names)
  }
}

/** What the names of a catalog and of its feeds mean together. Opens the feeds. */
export async function universeOf({ workspace, machine, distro, format, view, feeds }: Catalog): Promise<Universe> {
  const host = hostArch() ?? machine.arch
  return {
    view,
    arch: machine.arch,
    packageArch: format.archName(machine.arch),
    feeds: (await feeds()).map(({ feed }) => feed),
    versions: format.versions,
    resolver: await format.resolver?.(),
    packageVersion: (unit) => format.packageVersion(unit),
    known: knownClosures(workspace.cacheRoot, [workspace.root, machine.name, distro]),
    host: { arch: host, packageArch: format.archName(host), feeds: undefined },
  }
}

/** What a command is about: the names that were given, else the default image. @throws {YoeError} USAGE */
export function targetNames({ project, workspace }: Catalog, asked: readonly string[]): readonly string[] {
  if (asked.length > 0) return asked
  const image = imageChoice(project, workspace.local)
  if (image !== undefined) return [image.value]
  const images = project.units.filter((unit) => unit.kind === 'image').map((unit) => unit.name)
  throw new YoeError('USAGE', 'this project has no default image, so say what to build', {
    at: project.at,
    hint:
      images.length === 0
        ? 'add an image(…) under images/'
        : `add defaults = defaults(image = "${images[0]}"), or name one: ${images.join(', ')}`,
  })
}

/** The release that packages of a distro are published under: the upstream feed's. */
export function suiteOf(project: Project, distro: string): string {
  const feed = project.feeds.find((one) => one.distro === distro)
  return (feed === undefined ? undefined : releaseOf(feed)) ?? 'stable'
}

/** Units built at the same time when nobody says how many. @see seed, The yoe tool, parallel builds */
export const defaultJobs = 5
