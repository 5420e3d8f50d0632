import { rename, rm } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { type Arch, architectures } from '#engine/arch.ts'
import { type Emulation, emulationOf } from '#engine/build/binfmt.ts'
import type { NodeReport } from '#engine/build/executor.ts'
import { imageText } from '#engine/containers/reference.ts'
import { YoeError } from '#engine/errors.ts'
import type { ToolchainNode } from '#engine/plan/graph.ts'
import { inOrder } from '#engine/plan/graph.ts'
import type { ToolchainUnit, Unit } from '#engine/project/model.ts'
import { placeLabel } from '#engine/project/place.ts'
import { makeFolder, writeFailure } from '#engine/store/disk.ts'
import { Store } from '#engine/store/store.ts'
import { tempName } from '#engine/store/temp.ts'
import { openCatalog } from './catalog-view.ts'
import type { Plan } from './planning.ts'
import { defaultJobs, makePlan } from './planning.ts'
import type { Workspace } from './workspace.ts'

interface Chosen {
  readonly machine: string | undefined
  readonly distro: string | undefined
}

/** A container of a project, as it is declared. */
export interface ContainerInfo {
  readonly name: string
  readonly provides: readonly string[]
  readonly from: 'packages' | 'image' | 'dockerfile'
  /** Names of packages, or one image, or one Dockerfile. */
  readonly of: readonly string[]
  readonly module: string
  readonly file: string
  readonly line: number
}

/** Every container that a machine's units can name. */
export async function listContainers(workspace: Workspace, chosen: Chosen): Promise<readonly ContainerInfo[]> {
  const { view } = await openCatalog(workspace, chosen)
  return view.units().filter(isContainer).map(infoOf)
}

const isContainer = (unit: Unit): unit is ToolchainUnit => unit.kind === 'toolchain'

function infoOf(unit: ToolchainUnit): ContainerInfo {
  const { name, provides, module, at, image, dockerfile, packages } = unit
  const common = { name, provides, module, file: at.file, line: at.line }
  if (image !== undefined) return { ...common, from: 'image', of: [imageText(image)] }
  if (dockerfile === undefined) return { ...common, from: 'packages', of: packages }
  const { context, file } = dockerfile
  return { ...common, from: 'dockerfile', of: [placeLabel({ ...context, path: `${context.path}/${file}` })] }
}

/** A container of one architecture. */
export interface ContainerState {
  readonly name: string
  readonly arch: Arch
  readonly key: string
  readonly state: 'built' | 'to build'
  /** Of what is stored; bytes. */
  readonly size?: number
}

/** How programs of an architecture run here. */
export type ArchState = { readonly arch: Arch } & Emulation

/** For each architecture, whether its programs run on this machine. */
export async function archStates(): Promise<readonly ArchState[]> {
  return Promise.all(architectures.map(async (arch) => ({ arch, ...(await emulationOf(arch)) })))
}

/** Whether containers are there already: the named ones, or those that the default image is built in. */
export async function containerStates(
  workspace: Workspace,
  chosen: Chosen,
  names: readonly string[],
): Promise<readonly ContainerState[]> {
  const plan = await makePlan(workspace, { ...chosen, targets: names })
  const store = await Store.open(plan.workspace.cacheRoot)
  return Promise.all(
    containersOf(plan, names).map(async (node): Promise<ContainerState> => {
      const key = plan.keys.get(node)?.hash ?? ''
      const sealed = await store.manifest(node.arch, key)
      const common = { name: node.unit.name, arch: node.arch, key }
      if (sealed === undefined) return { ...common, state: 'to build' }
      return { ...common, state: 'built', size: sealed.manifest.files.reduce((sum, { size }) => sum + size, 0) }
    }),
  )
}

/** Makes containers: the named ones, or those that the default image is built in. @throws {YoeErrors} what failed */
export async function buildContainers(
  workspace: Workspace,
  chosen: Chosen,
  names: readonly string[],
  force: boolean,
): Promise<readonly NodeReport[]> {
  const plan = await makePlan(workspace, { ...chosen, targets: names })
  const { buildPlan, throwFailures } = await import('./building.ts')
  const targets = containersOf(plan, names)
  const outcome = await buildPlan(plan, { jobs: defaultJobs, keepGoing: false, force, targets })
  throwFailures(outcome)
  return outcome.reports
}

function containersOf(plan: Plan, names: readonly string[]): readonly ToolchainNode[] {
  const nodes = names.length === 0 ? inOrder(plan.targets) : plan.targets
  const other = names.length === 0 ? undefined : nodes.find(({ kind }) => kind !== 'toolchain')
  if (other !== undefined)
    throw new YoeError('USAGE', `${other.unit.name} is no container`, {
      hint: 'yoe container list shows those there are',
    })
  return nodes.filter((node) => node.kind === 'toolchain')
}

export interface Exported {
  /** Absolute. */
  readonly path: string
  /** What the image is called where it is loaded. */
  readonly name: string
  readonly arch: Arch
}

/**
 * Builds a container and writes it as an image that Docker and other runtimes load.
 * @throws {YoeErrors} what failed
 */
export async function exportContainer(
  workspace: Workspace,
  chosen: Chosen,
  name: string,
  out: string,
): Promise<Exported> {
  const plan = await makePlan(workspace, { ...chosen, targets: [name] })
  const [node] = containersOf(plan, [name])
  if (node === undefined) throw new TypeError(`nothing is planned for ${name}`)
  const [{ buildPlan, throwFailures }, { archiveOf, settingsOfRoot }, { exportImage }] = await Promise.all([
    import('./building.ts'),
    import('#engine/build/made-roots.ts'),
    import('#engine/containers/oci-layout.ts'),
  ])
  const path = resolve(workspace.cwd, out)
  const called = `yoe/${safe(node.unit.name)}:${safe(node.unit.version)}`
  const outcome = await buildPlan(plan, {
    jobs: defaultJobs,
    keepGoing: false,
    force: false,
    finish: async ({ store, sourceDateEpoch, signal }, results) => {
      const manifest = await results.manifestOf(node)
      const temp = join(dirname(path), tempName())
      try {
        await makeFolder(dirname(path))
        await exportImage({
          root: await archiveOf(store, manifest),
          settings: await settingsOfRoot(store, manifest),
          arch: node.arch,
          name: called,
          sourceDateEpoch,
          output: temp,
          signal,
        })
        await rename(temp, path)
      } catch (failure) {
        if (signal.aborted) throw new YoeError('CANCELLED', `the export of ${name} was cancelled`)
        throw await writeFailure(failure, path)
      } finally {
        await rm(temp, { force: true })
      }
    },
  })
  throwFailures(outcome)
  return { path, name: called, arch: node.arch }
}

/** As image names and tags may be written. */
const safe = (text: string): string => text.replaceAll(/[^a-z0-9._-]+/gi, '-').toLowerCase()
