import type { Feed } from '#engine/catalog/package.ts'
import { View } from '#engine/catalog/view.ts'
import { YoeError } from '#engine/errors.ts'
import type { FeedEnvironment, PackageFormat } from '#engine/formats.ts'
import { didYouMean } from '#engine/nearest.ts'
import type { Evaluated } from '#engine/project/evaluate.ts'
import type { FeedDeclaration, Machine, Project } from '#engine/project/model.ts'
import { fetcherOf } from './fetching.ts'
import { formatOf } from './formats.ts'
import type { Workspace } from './workspace.ts'
import { loadProject } from './workspace.ts'

/** A feed that is open, and what it was opened with. */
export interface OpenFeed {
  readonly feed: Feed
  readonly declaration: FeedDeclaration
  readonly environment: FeedEnvironment
}

export interface CatalogOptions {
  readonly machine: string | undefined
  readonly distro: string | undefined
  /** What the command is about: an image that names a distro decides about it. Empty: the default image. */
  readonly targets?: readonly string[]
  /** Ask feeds for a newer index. */
  readonly refresh?: boolean
}

/** A project seen for one machine and one distro. No feed is open until {@link Catalog.feeds} is called. */
export interface Catalog {
  readonly workspace: Workspace
  readonly evaluated: Evaluated
  readonly project: Project
  readonly machine: Machine
  readonly distro: string
  readonly format: PackageFormat
  readonly view: View
  /** The distro's feeds, opened once; feeds of other distros are never. */
  feeds(): Promise<readonly OpenFeed[]>
}

/** Opens one declared feed. */
export type OpenOne = (format: PackageFormat, declaration: FeedDeclaration, with_: FeedEnvironment) => Promise<Feed>

/**
 * Loads a project and says what its names mean for one machine and distro: all that most questions need, without
 * touching a feed.
 *
 * @param open how a feed is opened; tests pass one that refuses
 * @throws {YoeErrors} everything that is wrong with the project; MACHINE_NOT_FOUND, PROJECT_INVALID (no such distro)
 */
export async function openCatalog(workspace: Workspace, options: CatalogOptions, open?: OpenOne): Promise<Catalog> {
  const evaluated = await loadProject(workspace, options.machine)
  const { project, machine } = evaluated
  if (machine === undefined) {
    throw new YoeError('MACHINE_NOT_FOUND', 'this project names no machine', {
      at: project.at,
      hint: `add defaults = defaults(machine = "…"), or say --machine; there are: ${project.machines.map(({ name }) => name).join(', ')}`,
    })
  }
  const { targets = [], refresh = false } = options
  const { image } = project.defaults
  const names = targets.length > 0 ? targets : image === undefined ? [] : [image]
  const distro = distroOf(project, options.distro, names)
  return catalogOf(workspace, evaluated, machine, distro, refresh, open)
}

/** The same catalog over other declarations, with the same feeds: what would be if. */
export function withProject(catalog: Catalog, project: Project): Catalog {
  const machine = project.machines.find(({ name }) => name === catalog.machine.name) ?? catalog.machine
  const evaluated = { ...catalog.evaluated, project, machine }
  const view = new View(project, machine, catalog.distro)
  return { ...catalog, evaluated, project, machine, view }
}

function catalogOf(
  workspace: Workspace,
  evaluated: Evaluated,
  machine: Machine,
  distro: string,
  refresh: boolean,
  open: OpenOne = (format, declaration, environment) => format.openFeed(declaration, environment),
): Catalog {
  const { project } = evaluated
  const format = formatOf(distro)
  const view = new View(project, machine, distro)
  let opened: Promise<readonly OpenFeed[]> | undefined
  const openAll = async (): Promise<readonly OpenFeed[]> => {
    const { cacheRoot, offline, report, signal } = workspace
    const fetcher = fetcherOf(workspace, project)
    const all: OpenFeed[] = []
    for (const declaration of project.feeds.filter((feed) => feed.distro === distro)) {
      const moduleRoot = project.modules.find((module) => module.name === declaration.module)?.root ?? project.root
      const { arch } = machine
      const environment = { arch, moduleRoot, cacheRoot, fetcher, offline, refresh, now: Date.now, report, signal }
      all.push({ feed: await open(format, declaration, environment), declaration, environment })
    }
    return all
  }
  return {
    workspace,
    evaluated,
    project,
    machine,
    distro,
    format,
    view,
    feeds() {
      opened ??= openAll()
      return opened
    },
  }
}

/**
 * The distro cascade: the command line, the image's own, the project's default.
 * @throws {YoeError} PROJECT_INVALID
 * @see seed, Distros
 */
export function distroOf(project: Project, asked: string | undefined, names: readonly string[]): string {
  const own = project.units
    .filter((unit) => names.includes(unit.name) && unit.distros?.length === 1)
    .map((unit) => unit.distros?.[0])
  const distro = asked ?? (new Set(own).size === 1 ? own[0] : undefined) ?? project.defaults.distro
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
