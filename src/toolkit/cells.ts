import { existsSync } from 'node:fs'
import { readFile, stat } from 'node:fs/promises'
import { isAbsolute, join, matchesGlob, relative } from 'node:path'
import type { BootReport } from '#bsp/boot-report.ts'
import type { Arch } from '#engine/arch.ts'
import type { NodeReport } from '#engine/build/executor.ts'
import { foldersOf } from '#engine/build/folders.ts'
import { inertError, inertReason } from '#engine/catalog/inert.ts'
import { packageNames } from '#engine/catalog/subpackages.ts'
import type { Position } from '#engine/errors.ts'
import { YoeError, YoeErrors } from '#engine/errors.ts'
import type { UnitOutcome } from '#engine/events.ts'
import { lockFile } from '#engine/modules/lock.ts'
import { didYouMean } from '#engine/nearest.ts'
import type { Node } from '#engine/plan/graph.ts'
import { inOrder } from '#engine/plan/graph.ts'
import { placesOf } from '#engine/plan/hash.ts'
import type { Machine, Project } from '#engine/project/model.ts'
import type { RemoteStore } from '#engine/store/remote.ts'
import { bootTestPlan } from './booting.ts'
import { BuildMemory, type Elsewhere } from './build-memory.ts'
import { buildPlan, buildTargets, throwFailures } from './building.ts'
import { imageFiles } from './image-files.ts'
import type { Plan } from './planning.ts'
import { defaultJobs, makePlan } from './planning.ts'
import { feedKeyOrThrowaway, plannedEntries, publishEntries, repositoryRoot } from './publishing.ts'
import { servedDistro } from './targets.ts'
import type { Workspace } from './workspace.ts'
import { loadProject } from './workspace.ts'

/** One job of a build matrix: an image of a machine. */
export interface Cell {
  /** `<machine>/<image>[/<distro>]`. */
  readonly cell: string
  readonly machine: string
  readonly image: string
  readonly distro: string
  readonly arch: Arch
}

export interface PlannedCell extends Cell {
  /** Files and folders of the project, relative to it, that the cell's result depends on. */
  readonly inputs: readonly string[]
}

/** How far a cell is taken; each includes those before it. */
export const cellPhases = ['units', 'image', 'boot-test'] as const
export type CellPhase = (typeof cellPhases)[number]

export interface CellOptions {
  readonly through: CellPhase
  /** False: anybody's code (a fork's pull request). */
  readonly trusted: boolean
  readonly remote?: RemoteStore | undefined
  readonly jobs?: number | undefined
  /** For machines without a past: why something is built, compared with builds elsewhere. */
  readonly memory?: Elsewhere | undefined
  /** Milliseconds since 1970. */
  readonly deadline?: number | undefined
  /** Seconds. */
  readonly bootTimeout?: number | undefined
  /** Also write the repository of everything that the image installs. */
  readonly feed: boolean
  /** Whether that may be signed with the project's key, where this machine has it; else a key signs that nobody has afterwards. */
  readonly signs: boolean
}

export interface CellReport extends Cell {
  readonly units: readonly UnitReport[]
  readonly disk?: { readonly path: string; readonly sha256: string; readonly size: number }
  readonly packages?: readonly InstalledPackage[]
  readonly feedDir?: string
  /** Whether the repository is signed by a key that only this run had. */
  readonly throwawayKey?: boolean
  readonly boot?: BootReport
}

/** What is installed in an image. */
export interface InstalledPackage {
  readonly name: string
  readonly version: string
  readonly arch: string
  /** Of the package file: lowercase hex. */
  readonly sha256: string
  /** Bytes as packaged. */
  readonly size: number
  /** Of the project's own: what the unit says. */
  readonly license?: string
}

export interface UnitReport {
  readonly name: string
  readonly outcome: UnitOutcome
  readonly why: string
  readonly ms: number
  readonly at: Position
}

/**
 * The cells of a project: the machines that it declares itself, and its default one, with the images that it declares
 * itself, and its default one; an image for several distros once for each. Patterns choose among all machines and images,
 * those of modules included.
 *
 * @param patterns of cells, where `*` matches within a part; empty: as above
 * @throws {YoeError} USAGE when a pattern matches nothing
 */
export async function listCells(workspace: Workspace, patterns: readonly string[]): Promise<readonly Cell[]> {
  const { project } = await loadProject(workspace, undefined)
  const all = project.machines.flatMap((machine) => cellsOf(project, machine))
  if (patterns.length === 0) {
    const { defaults, machines, units } = project
    const ours = (all: readonly { readonly name: string; readonly module: string }[], usual?: string) =>
      new Set([
        ...all.flatMap(({ name, module }) => (module === '' ? [name] : [])),
        ...(usual === undefined ? [] : [usual]),
      ])
    const [ourMachines, ourImages] = [ours(machines, defaults.machine), ours(units, defaults.image)]
    return all
      .filter(({ isUsual, cell: { machine, image } }) => isUsual && ourMachines.has(machine) && ourImages.has(image))
      .map(({ cell }) => cell)
  }
  const chosen = new Set<Cell>()
  for (const pattern of patterns) {
    const matching = all.filter(({ cell: { machine, image, distro }, isUsual }) => {
      const name = `${machine}/${image}`
      const full = `${name}/${distro}`
      return isUsual ? matchesGlob(name, pattern) || matchesGlob(full, pattern) : full === pattern
    })
    if (matching.length === 0) {
      throwInert(project, pattern)
      const names = all.flatMap(({ cell: { cell }, isUsual }) => (isUsual ? [cell] : []))
      throw new YoeError('USAGE', `no cell matches "${pattern}"`, {
        hint: didYouMean(pattern, names) ?? `cells are MACHINE/IMAGE, such as ${names[0] ?? 'qemu-x86_64/my-image'}`,
      })
    }
    for (const { cell } of matching) chosen.add(cell)
  }
  return [...chosen]
}

/** @throws {YoeErrors} when the pattern means images that their machine can't serve */
function throwInert(project: Project, pattern: string): void {
  const errors = project.machines.flatMap((machine) =>
    project.units.flatMap((image) => {
      if (image.kind !== 'image' || !matchesGlob(`${machine.name}/${image.name}`, pattern)) return []
      const reason = inertReason(project, machine, image, project.defaults.distro)
      return reason === undefined ? [] : [inertError(machine, image, reason)]
    }),
  )
  if (errors.length > 0) throw new YoeErrors(errors)
}

interface Served {
  readonly cell: Cell
  /** Whether it is what its image is built for where nobody says for which distro: otherwise it is a cell by its full name only. */
  readonly isUsual: boolean
}

/** An image that this machine can't serve is no cell. Those that are built for several distros are called by them. */
function cellsOf(project: Project, on: Machine): readonly Served[] {
  const { name: machine, arch } = on
  const known = [...new Set(project.feeds.map(({ distro }) => distro))]
  const usual = new Map<string, Set<string>>()
  const others = new Map<string, Set<string>>()
  const add = (to: typeof usual, image: string, distro: string): void => {
    to.set(image, (to.get(image) ?? new Set()).add(distro))
  }
  for (const image of project.units) {
    if (image.kind !== 'image') continue
    const first = servedDistro(project, on, image)
    if (first === undefined) continue
    for (const distro of image.distros ?? known) {
      const only = { ...image, distros: [distro] }
      if (inertReason(project, on, only) !== undefined) continue
      add(image.distros !== undefined || distro === first ? usual : others, image.name, distro)
    }
  }
  return [...usual].flatMap(([image, distros]) =>
    [...new Set([...distros, ...(others.get(image) ?? [])])].map((distro) => {
      const isUsual = distros.has(distro)
      const cell = isUsual && distros.size === 1 ? `${machine}/${image}` : `${machine}/${image}/${distro}`
      return { cell: { cell, machine, image, distro, arch }, isUsual }
    }),
  )
}

/** Cells with what each depends on, resolved and checked. @throws {YoeErrors} */
export async function planCells(workspace: Workspace, patterns: readonly string[]): Promise<readonly PlannedCell[]> {
  const planned: PlannedCell[] = []
  for (const cell of await listCells(workspace, patterns)) {
    const plan = await planOf(workspace, cell)
    const { facts } = await loadProject(workspace, cell.machine)
    const lock = join(workspace.root, lockFile)
    const files = [
      ...Object.keys(facts),
      ...placesOf(plan.targets).map(plan.absolute),
      ...(existsSync(lock) ? [lock] : []),
    ]
      .map((path) => relative(workspace.root, path))
      .filter((path) => path !== '' && !path.startsWith('..') && !isAbsolute(path))
    // Folders that were only listed for .star files change with those files, which are in here by themselves.
    const listed = new Set(['machines', 'units', 'images', 'containers'])
    planned.push({ ...cell, inputs: [...new Set(files)].filter((path) => !listed.has(path)).sort() })
  }
  return planned
}

function planOf(workspace: Workspace, cell: Cell): Promise<Plan> {
  return makePlan(workspace, { machine: cell.machine, distro: cell.distro, targets: [cell.image] })
}

/** A cell by its name. @throws {YoeError} USAGE */
export async function findCell(workspace: Workspace, name: string): Promise<Cell> {
  const [cell, ...others] = await listCells(workspace, [name])
  if (cell !== undefined && others.length === 0) return cell
  const names = [cell, ...others].flatMap((each) => each?.cell ?? [])
  throw new YoeError('USAGE', `"${name}" is not one cell, but ${names.length}`, {
    hint: `name one: ${names.slice(0, 8).join(', ')}${names.length > 8 ? ', …' : ''}`,
  })
}

/**
 * Restores, builds and tests one cell. A boot test that fails is a result, not an exception.
 * @throws {YoeErrors} of every unit that failed, when all that could still finish has
 */
export async function runCell(workspace: Workspace, cell: Cell, options: CellOptions): Promise<CellReport> {
  const plan = await planOf(workspace, cell)
  const memory = options.memory === undefined ? undefined : new BuildMemory(plan.workspace, options.memory)
  const build = {
    jobs: options.jobs ?? defaultJobs,
    keepGoing: true,
    force: false,
    deadline: options.deadline,
    lastOf: memory?.lastOf,
    remotes: options.remote === undefined ? [] : [options.remote],
    scope: options.trusted ? 'trusted' : 'untrusted',
  } as const
  if (options.through === 'units') {
    const targets = plan.targets.flatMap((node): readonly Node[] => (node.kind === 'image' ? node.units : [node]))
    const outcome = await buildPlan(plan, { ...build, targets })
    throwFailures(outcome)
    await memory?.keep()
    return { ...cell, units: unitReports(plan, outcome.reports) }
  }
  const signing = options.feed ? await feedKeyOrThrowaway(plan, options.signs) : undefined
  const { reports } = await buildTargets(plan, {
    ...build,
    finish: async (context, results) => {
      if (signing === undefined) return
      const entries = await plannedEntries(plan, context, results)
      await publishEntries(plan, plan.machine.arch, signing.key, repositoryRoot(plan), entries)
    },
  })
  await memory?.keep()
  const report: CellReport = {
    ...cell,
    units: unitReports(plan, reports),
    ...(await imageFacts(plan, reports)),
    ...(signing === undefined ? {} : { feedDir: repositoryRoot(plan), throwawayKey: signing.throwaway }),
  }
  if (options.through === 'image') return report
  const timeout = options.bootTimeout === undefined ? undefined : options.bootTimeout * 1000
  const { report: boot } = await bootTestPlan(plan, { timeout })
  return { ...report, boot }
}

/** Dependencies first, as the plan has them; what the frontier made unnecessary is not in it. */
function unitReports(plan: Plan, reports: readonly NodeReport[]): readonly UnitReport[] {
  const order = new Map(inOrder(plan.targets).map((node, index) => [node, index]))
  return reports
    .toSorted((a, b) => (order.get(a.node) ?? 0) - (order.get(b.node) ?? 0))
    .map(({ node, outcome, why, ms }) => ({ name: node.unit.name, outcome, why, ms: Math.round(ms), at: node.unit.at }))
}

async function imageFacts(plan: Plan, reports: readonly NodeReport[]): Promise<Pick<CellReport, 'disk' | 'packages'>> {
  const [image] = plan.targets
  const manifest = reports.find(({ node }) => node === image)?.manifest
  const disk = manifest?.files.find(({ name }) => name === imageFiles.disk)
  if (image === undefined || disk === undefined) return {}
  const { root } = foldersOf(plan.workspace.buildRoot, image)
  const path = join(root, `${image.unit.name}.img`)
  const { blocks } = await stat(path)
  // Written by the build of this very image, whose file is hashed on its way out of the store.
  const packages: readonly InstalledPackage[] = JSON.parse(await readFile(join(root, imageFiles.contents), 'utf8'))
  const own = new Map(
    inOrder(plan.targets).flatMap(({ kind, unit }) =>
      kind === 'package' ? packageNames(unit).map((name) => [name, unit.license] as const) : [],
    ),
  )
  return {
    disk: { path, sha256: disk.sha256, size: blocks * 512 },
    packages: packages.map((one) => {
      const license = own.get(one.name)
      return license === undefined ? one : { ...one, license }
    }),
  }
}
