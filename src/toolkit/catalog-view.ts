import type { Arch } from '#engine/arch.ts'
import { hostArch } from '#engine/arch.ts'
import type { Feed } from '#engine/catalog/package.ts'
import { View } from '#engine/catalog/view.ts'
import { YoeError } from '#engine/errors.ts'
import type { FeedEnvironment, PackageFormat } from '#engine/formats.ts'
import type { Evaluated } from '#engine/project/evaluate.ts'
import type { FeedDeclaration, Machine, Project } from '#engine/project/model.ts'
import { distroChoice, imageChoice } from './choices.ts'
import { feedLocks } from './feed-locks.ts'
import { fetcherOf } from './fetching.ts'
import { formatOf } from './formats.ts'
import type { Loaded, Workspace } from './workspace.ts'
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
  /** The same feeds for the architecture of this machine, opened only when something is built in a root of it. */
  hostFeeds(): Promise<readonly OpenFeed[]>
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
export async function openCatalog(opened: Workspace, options: CatalogOptions, open?: OpenOne): Promise<Catalog> {
  return openLoaded(await loadProject(opened, options.machine), options, open)
}

/** The same of a project that is loaded already, for the machine of the options. */
export function openLoaded(loaded: Loaded, options: Omit<CatalogOptions, 'machine'>, open?: OpenOne): Catalog {
  const { project, machine, workspace } = loaded
  if (machine === undefined) {
    throw new YoeError('MACHINE_NOT_FOUND', 'this project names no machine', {
      at: project.at,
      hint: `add defaults = defaults(machine = "…"), or say --machine; there are: ${project.machines.map(({ name }) => name).join(', ') || 'none'}`,
    })
  }
  const { targets = [], refresh = false } = options
  const image = targets.length > 0 ? undefined : imageChoice(project, workspace.local)
  const names = image === undefined ? targets : [image.value]
  const distro = distroChoice(project, workspace.local, options.distro, names).value
  return catalogOf(workspace, loaded, machine, distro, refresh, open)
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
  const opened = new Map<Arch, Promise<readonly OpenFeed[]>>()
  const openAll = async (arch: Arch): Promise<readonly OpenFeed[]> => {
    const { cacheRoot, offline, report, signal } = workspace
    const fetcher = fetcherOf(workspace, project)
    const locks = feedLocks(workspace, refresh)
    const all: OpenFeed[] = []
    for (const declaration of project.feeds.filter((feed) => feed.distro === distro)) {
      const moduleRoot = project.modules.find((module) => module.name === declaration.module)?.root ?? project.root
      const locked = { index: locks.indexOf(declaration, format.archName(arch)), mustBeLocked: locks.mustBeLocked }
      const base = { arch, moduleRoot, cacheRoot, fetcher, offline, refresh, now: Date.now, report, signal }
      const environment = { ...base, ...locked }
      all.push({ feed: await open(format, declaration, environment), declaration, environment })
    }
    return all
  }
  const openFor = (arch: Arch): Promise<readonly OpenFeed[]> => {
    const opening = opened.get(arch) ?? openAll(arch)
    opened.set(arch, opening)
    return opening
  }
  return {
    workspace,
    evaluated,
    project,
    machine,
    distro,
    format,
    view,
    feeds: () => openFor(machine.arch),
    hostFeeds: () => openFor(hostArch() ?? machine.arch),
  }
}
