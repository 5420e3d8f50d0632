import { availableParallelism } from 'node:os'
import type { PackageRecord } from '#engine/catalog/package.ts'
import { YoeError } from '#engine/errors.ts'
import type { PackageFormat } from '#engine/formats.ts'
import type { Node } from '#engine/plan/graph.ts'
import type { NodeKey } from '#engine/plan/hash.ts'
import { hashNodes, placesOf } from '#engine/plan/hash.ts'
import type { Universe } from '#engine/plan/resolve.ts'
import { resolveGraph } from '#engine/plan/resolve.ts'
import type { Machine, Project } from '#engine/project/model.ts'
import type { Catalog } from './catalog-view.ts'
import { openCatalog } from './catalog-view.ts'
import { imageChoice } from './choices.ts'
import { readContents } from './contents.ts'
import { knownClosures } from './known-closures.ts'
import type { Workspace } from './workspace.ts'
import { placeResolver } from './workspace.ts'

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
  const catalog = await openCatalog(workspace, options)
  return planCatalog(catalog, targetNames(catalog, options.targets))
}

/**
 * Resolves and hashes what `names` mean in an open catalog. Writes nothing but what is kept to save time.
 * @throws {YoeErrors} everything that is wrong
 */
export async function planCatalog(catalog: Catalog, names: readonly string[]): Promise<Plan> {
  const { workspace, project, machine, distro, format } = catalog
  const feeds = await catalog.feeds()
  const universe = await universeOf(catalog)
  const targets = resolveGraph(universe, names)
  const absolute = placeResolver(catalog.evaluated)
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

/** What the names of a catalog and of its feeds mean together. Opens the feeds. */
export async function universeOf({ workspace, machine, distro, format, view, feeds }: Catalog): Promise<Universe> {
  return {
    view,
    arch: machine.arch,
    packageArch: format.archName(machine.arch),
    feeds: (await feeds()).map(({ feed }) => feed),
    versions: format.versions,
    packageVersion: (unit) => format.packageVersion(unit),
    known: knownClosures(workspace.cacheRoot, [workspace.root, machine.name, distro]),
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
    hint: images.length === 0 ? 'add an image(…) under images/' : `yoe build ${images.join(' or ')}`,
  })
}

function suiteOf(project: Project, distro: string): string {
  const suite = project.feeds.find((feed) => feed.distro === distro)?.options['suite']
  return typeof suite === 'string' ? suite : 'stable'
}

/** Units built at the same time when nobody says how many. @see seed, The yoe tool, parallel builds */
export const defaultJobs = 5

/** Jobs of one unit's tasks. */
export function processorCount(): number {
  return availableParallelism()
}
