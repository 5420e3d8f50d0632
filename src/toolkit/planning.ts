import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import type { Feed, PackageRecord } from '#engine/catalog/package.ts'
import { View } from '#engine/catalog/view.ts'
import { YoeError } from '#engine/errors.ts'
import type { FeedEnvironment, PackageFormat } from '#engine/formats.ts'
import { didYouMean } from '#engine/nearest.ts'
import type { Node } from '#engine/plan/graph.ts'
import type { NodeKey } from '#engine/plan/hash.ts'
import { hashNodes, placesOf } from '#engine/plan/hash.ts'
import type { Universe } from '#engine/plan/resolve.ts'
import { resolveGraph } from '#engine/plan/resolve.ts'
import type { FeedDeclaration, Machine, Project } from '#engine/project/model.ts'
import type { Fetcher } from '#engine/source/fetcher.ts'
import type { Mirrors } from '#engine/source/mirrors.ts'
import { candidates, parseMirrors } from '#engine/source/mirrors.ts'
import { hostMirrors } from '#feeds/debian/host-mirror.ts'
import { readContents } from './contents.ts'
import { formatOf } from './formats.ts'
import { knownClosures } from './known-closures.ts'
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
  readonly targets: readonly Node[]
  readonly keys: ReadonlyMap<Node, NodeKey>
  readonly absolute: ReturnType<typeof placeResolver>
  /** A verified file of a feed package. */
  readonly fetchPackage: (record: PackageRecord) => Promise<string>
}

/**
 * Loads, resolves and hashes: the whole graph, before any work.
 * @throws {YoeErrors} everything that is wrong
 */
export async function makePlan(workspace: Workspace, options: PlanOptions): Promise<Plan> {
  const evaluated = await loadProject(workspace, options.machine)
  const { project, machine } = evaluated
  if (machine === undefined) {
    throw new YoeError('MACHINE_NOT_FOUND', 'this project names no machine', {
      at: project.at,
      hint: `add defaults = defaults(machine = "…"), or say --machine; there are: ${project.machines.map(({ name }) => name).join(', ')}`,
    })
  }
  const names = targetNames(project, options.targets)
  const distro = distroOf(project, options, names)
  const format = formatOf(distro)
  const view = new View(project, machine, distro)
  const feeds = await openFeeds(workspace, project, machine, distro, format, options.refresh === true)
  const universe: Universe = {
    view,
    arch: machine.arch,
    packageArch: format.archName(machine.arch),
    feeds: feeds.map(({ feed }) => feed),
    versions: format.versions,
    packageVersion: (unit) => format.packageVersion(unit),
    known: knownClosures(workspace.cacheRoot),
  }
  const targets = resolveGraph(universe, names)
  const absolute = placeResolver(evaluated)
  const contents = readContents(placesOf(targets), absolute, workspace.cacheRoot)
  const keys = hashNodes(targets, contents, project.name)
  const byId = new Map(feeds.map((entry) => [entry.feed.id, entry]))
  return {
    workspace,
    project,
    machine,
    distro,
    format,
    universe,
    suite: suiteOf(project, distro),
    targets,
    keys,
    absolute,
    fetchPackage: (record) => {
      const entry = record.origin.kind === 'feed' ? byId.get(record.origin.feed) : undefined
      if (entry === undefined) throw new TypeError(`${record.name} comes from no open feed`)
      return format.fetchPackage(entry.declaration, record, entry.environment)
    },
  }
}

function targetNames(project: Project, asked: readonly string[]): readonly string[] {
  if (asked.length > 0) return asked
  const { image } = project.defaults
  if (image !== undefined) return [image]
  const images = project.units.filter((unit) => unit.kind === 'image').map((unit) => unit.name)
  throw new YoeError('USAGE', 'this project has no default image, so say what to build', {
    at: project.at,
    hint: images.length === 0 ? 'add an image(…) under images/' : `yoe build ${images.join(' or ')}`,
  })
}

/** The distro cascade: the command line, the image's own, the project's default. @see seed, Distros */
function distroOf(project: Project, options: PlanOptions, names: readonly string[]): string {
  const own = project.units
    .filter((unit) => names.includes(unit.name) && unit.distros?.length === 1)
    .map((unit) => unit.distros?.[0])
  const distro = options.distro ?? (new Set(own).size === 1 ? own[0] : undefined) ?? project.defaults.distro
  const known = [...new Set(project.feeds.map((feed) => feed.distro))]
  if (distro === undefined && known.length === 1 && known[0] !== undefined) return known[0]
  if (distro === undefined) {
    throw new YoeError('PROJECT_INVALID', 'this project names no distro', {
      at: project.at,
      hint: `add defaults = defaults(distro = "…")`,
    })
  }
  if (!known.includes(distro)) {
    throw new YoeError('PROJECT_INVALID', `no module of this project has a feed for distro "${distro}"`, {
      at: project.at,
      hint: didYouMean(distro, known) ?? `there are feeds for: ${known.join(', ') || 'none'}`,
    })
  }
  return distro
}

function suiteOf(project: Project, distro: string): string {
  const suite = project.feeds.find((feed) => feed.distro === distro)?.options['suite']
  return typeof suite === 'string' ? suite : 'stable'
}

interface OpenFeed {
  readonly feed: Feed
  readonly declaration: FeedDeclaration
  readonly environment: FeedEnvironment
}

async function openFeeds(
  workspace: Workspace,
  project: Project,
  machine: Machine,
  distro: string,
  format: PackageFormat,
  refresh: boolean,
): Promise<readonly OpenFeed[]> {
  const { cacheRoot, offline, report, signal } = workspace
  const fetcher = fetcherOf(workspace, project)
  const opened: OpenFeed[] = []
  for (const declaration of project.feeds.filter((feed) => feed.distro === distro)) {
    const moduleRoot = project.modules.find((module) => module.name === declaration.module)?.root ?? project.root
    const environment: FeedEnvironment = {
      arch: machine.arch,
      moduleRoot,
      cacheRoot,
      fetcher,
      offline,
      refresh,
      now: Date.now,
      report,
      signal,
    }
    opened.push({ feed: await format.openFeed(declaration, environment), declaration, environment })
  }
  return opened
}

/** The way to the network; what it is made of is loaded when something is fetched, which a warm command never does. */
export function fetcherOf(workspace: Workspace, project: Project): Fetcher {
  const mirrors = mirrorsOf(workspace, project)
  let loading: Promise<Fetcher> | undefined
  return {
    async fetch(request) {
      loading ??= import('#engine/source/download.ts').then(({ createFetcher }) =>
        createFetcher({ mirrors, offline: workspace.offline, temp: join(workspace.cacheRoot, 'tmp') }),
      )
      return (await loading).fetch(request)
    },
    locate: (url) => candidates([url], mirrors),
  }
}

/**
 * Where addresses are really asked for: YOE_MIRRORS, then what this machine's own apt uses for a feed's distribution
 * (whose sources lie there, too).
 */
function mirrorsOf(workspace: Workspace, project: Project): Mirrors {
  const declared = parseMirrors(workspace.env['YOE_MIRRORS'])
  const ofHost = project.feeds.flatMap(({ distro, options }) => {
    const { url } = options
    return typeof url === 'string' ? hostMirrors(url, distro).map((to) => ({ from: url, to })) : []
  })
  return { ...declared, rules: [...declared.rules, ...ofHost] }
}

/** Units built at the same time when nobody says how many. @see seed, The yoe tool, parallel builds */
export const defaultJobs = 5

/** Jobs of one unit's tasks. */
export function processorCount(): number {
  return availableParallelism()
}
