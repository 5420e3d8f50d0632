import type { Definition, Shadow } from '#engine/catalog/diagnostics.ts'
import { definition } from '#engine/catalog/diagnostics.ts'
import { dependencyText } from '#engine/catalog/explain.ts'
import { inertReason } from '#engine/catalog/inert.ts'
import type { Alternatives, PackageRecord } from '#engine/catalog/package.ts'
import { packageNames } from '#engine/catalog/subpackages.ts'
import type { Position } from '#engine/errors.ts'
import type { Node, PackageNode } from '#engine/plan/graph.ts'
import type { Json, Machine, PublicConfig, Source, Unit } from '#engine/project/model.ts'
import type { Catalog } from '../catalog-view.ts'
import { sizeText } from '../configuration.ts'
import type { NodeState } from '../inspect.ts'
import { inspectPlan } from '../inspect.ts'
import { planCatalog } from '../planning.ts'
import { targetsOf } from '../targets.ts'
import { findName, namesOf, packagesOf } from './naming.ts'
import { classOf, kindOf } from './query.ts'

/** What a name means, and what it could have meant. */
export interface Meaning {
  readonly name: string
  /** Why the winner has it, in a few words. */
  readonly because: string
  readonly losers: readonly Definition[]
}

export interface UnitDescription {
  readonly kind: 'unit' | 'image' | 'container'
  readonly name: string
  /** Set when the name is virtual, or something else lost it. */
  readonly meaning?: Meaning
  readonly class: string
  readonly via: readonly string[]
  readonly module: string
  readonly at: Position
  readonly version: string
  readonly release: number
  readonly description: string
  readonly license: string
  readonly distro: string
  readonly machine: string
  /** Why the machine can't have this image; then nothing of a build is known. */
  readonly inert?: string
  readonly build?: BuildDescription
  /** Fields of the kind, by name. */
  readonly details: Readonly<Record<string, Json>>
}

export interface BuildDescription {
  readonly id: string
  readonly hash: string
  readonly state: NodeState['state']
  readonly why: string
  readonly files: readonly { readonly name: string; readonly size: number }[]
}

export interface FeedDescription {
  readonly kind: 'feed'
  readonly name: string
  /** Packages that are called so; without any, those that provide the name. */
  readonly real: boolean
  /** Units that provide the name and come after what is called so. */
  /** Why it is theirs, when it could have been another's. */
  readonly because?: string
  readonly losers: readonly Definition[]
  readonly packages: readonly {
    readonly name: string
    readonly version: string
    readonly arch: string
    readonly feed: string
    /** Bytes of the package file. */
    readonly size: number
    readonly depends: readonly string[]
    readonly provides: readonly string[]
    readonly conflicts: readonly string[]
  }[]
}

export interface MachineDescription {
  readonly kind: 'machine'
  readonly name: string
  readonly module: string
  readonly at: Position
  readonly arch: string
  readonly description: string
  readonly details: Readonly<Record<string, Json>>
  /** What it can and can't run: what each would be built for, or why it can't be. */
  readonly images: readonly { readonly name: string; readonly distro?: string; readonly inert?: string }[]
}

export type Description = UnitDescription | FeedDescription | MachineDescription

/** Describes whatever a name means: a unit first, then a machine, then packages of feeds. @throws {YoeErrors} */
export async function describeName(catalog: Catalog, name: string): Promise<Description> {
  const { view, project } = catalog
  const machine = view.find(name) === undefined ? project.machines.find((one) => one.name === name) : undefined
  if (machine !== undefined) return describeMachine(catalog, machine)
  const found = await findName(catalog, name)
  if (found.kind === 'unit') return describeUnit(catalog, found.unit, name)
  const names = await namesOf(catalog)
  const real = found.records.some((record) => record.name === name)
  const provider = view.virtual(name)
  const shadow = shadowsOf(catalog, name)[0]
  const losers = shadow !== undefined ? [shadow.loser] : provider === undefined ? [] : [definition(provider)]
  const because = shadow !== undefined ? reasonOf(catalog, shadow) : 'what is called so comes before what provides it'
  return {
    kind: 'feed',
    name,
    real,
    ...(losers.length > 0 && { because }),
    losers,
    packages: packagesOf(names, name).map(describePackage),
  }
}

async function describeUnit(catalog: Catalog, unit: Unit, name: string): Promise<UnitDescription> {
  const { project, machine, distro } = catalog
  const inert = unit.kind === 'image' ? inertReason(project, machine, unit, distro) : undefined
  const plan = inert === undefined ? await planCatalog(catalog, [unit.name]) : undefined
  const node = plan?.targets[0]
  const state = plan === undefined ? undefined : (await inspectPlan(plan)).find((one) => one.node === node)
  const meaning = await meaningOf(catalog, unit, name)
  const { module, at, version, release, description, license } = unit
  return {
    kind: kindOf(unit),
    name: unit.name,
    ...(meaning === undefined ? {} : { meaning }),
    class: classOf(unit),
    via: unit.builtVia,
    ...{ module, at, version, release, description, license, distro },
    machine: machine.name,
    ...(inert === undefined ? {} : { inert }),
    ...(state === undefined
      ? {}
      : {
          build: {
            id: state.node.id,
            hash: state.hash,
            state: state.state,
            why: state.why,
            files: (state.manifest?.files ?? []).map((file) => ({ name: file.name, size: file.size })),
          },
        }),
    details: node === undefined ? {} : detailsOf(node),
  }
}

const shadowsOf = ({ view }: Catalog, name: string): readonly Shadow[] =>
  view.diagnostics.filter((one): one is Shadow => one.kind === 'shadow' && one.name === name)

/** Where a name could have meant something else, or is not what the unit is called. */
async function meaningOf(catalog: Catalog, unit: Unit, name: string): Promise<Meaning | undefined> {
  const shadows = shadowsOf(catalog, name)
  const real = unit.kind === 'package' ? packageNames(unit).includes(name) : unit.name === name
  const feeds = (await catalog.feeds()).flatMap(({ feed }): readonly Definition[] => {
    const [record] = feed.lookup(name)
    return record === undefined ? [] : [{ from: feed.id, name: `${record.name} ${record.version}` }]
  })
  const losers = [...shadows.map(({ loser }) => loser), ...othersProviding(catalog, unit, name, shadows), ...feeds]
  if (losers.length === 0 && real) return undefined
  const [shadow] = shadows
  const isKernel = catalog.view.machine.kernel?.provides === name && !real
  const plain = real ? 'units come before packages of feeds' : 'nothing else provides it'
  const kernel = `it is the kernel of machine ${catalog.machine.name}`
  return { name, because: shadow !== undefined ? reasonOf(catalog, shadow) : isKernel ? kernel : plain, losers }
}

/** Kernels of other machines take no part in the choice, so nothing says of them that they lost. */
function othersProviding(
  { view }: Catalog,
  winner: Unit,
  name: string,
  shadows: readonly Shadow[],
): readonly Definition[] {
  const told = new Set(shadows.map(({ loser }) => loser.name))
  return view
    .units()
    .filter((unit) => unit !== winner && unit.kind === 'package' && unit.provides.some((one) => one.name === name))
    .map(definition)
    .filter((one) => !told.has(one.name))
}

function reasonOf({ machine }: Catalog, { why, winner, loser }: Shadow): string {
  switch (why) {
    case 'kernel':
      return `it is the kernel of machine ${machine.name}`
    case 'pin':
      return 'prefer_modules says so'
    case 'real name':
      return 'what is called so comes before what provides it'
    case 'module order':
      return winner.from === ''
        ? 'the project comes before its modules'
        : `module ${winner.from} stands after ${loser.from} in the list, and later ones win`
    default:
      return why satisfies never
  }
}

function detailsOf(node: Node): Readonly<Record<string, Json>> {
  switch (node.kind) {
    case 'package': {
      const { unit } = node
      return {
        extended: unit.extensions.map(({ at, via }) => extensionText(unit, at, via)),
        scope: unit.scope,
        source: unit.source === undefined ? '' : sourceText(unit.source),
        patches: unit.patches.map(({ module, path }) => (module === '' ? `//${path}` : `@${module}//${path}`)),
        container: containersOf(node),
        tasks: unit.tasks.map((task) => task.name),
        sysroot: [...node.sysroot.map((one) => one.unit.name), ...node.sysrootFeed.map((record) => record.name)],
        runtime_deps: node.runtimeDeps.map(alternativesText),
        packages: [...packageNames(unit)],
        provides: unit.provides.map(({ name, version }) => (version === undefined ? name : `${name} (= ${version})`)),
        replaces: unit.replaces.map(dependencyText),
        conflicts: unit.conflicts.map(dependencyText),
        services: unit.services,
        conffiles: unit.conffiles,
      }
    }
    case 'toolchain':
      return { provides: node.unit.provides, packages: node.packages.map((record) => record.name) }
    case 'image':
      return {
        artifacts: node.unit.artifacts,
        hostname: node.unit.hostname ?? node.machine.name,
        units: node.units.map((one) => one.unit.name),
        packages: node.closure.map((record) => record.name),
      }
    default:
      return node satisfies never
  }
}

function sourceText(source: Source): string {
  switch (source.kind) {
    case 'path':
      return `${source.place.module === '' ? '' : `@${source.place.module}`}//${source.place.path}`
    case 'archive':
      return source.urls[0] ?? ''
    case 'git':
      return `${source.url} ${source.ref}`
    default:
      return source satisfies never
  }
}

/** The one of its tasks, and those that single tasks run in instead. */
function containersOf({ unit, toolchain, containers }: PackageNode): readonly string[] {
  const own = unit.tasks.flatMap(({ name, container }) => {
    const found = container === undefined ? undefined : containers.get(container)
    return found === undefined ? [] : [`${found.unit.name} (task ${name})`]
  })
  return [...(toolchain === undefined ? [] : [toolchain.unit.name]), ...own]
}

/** The place is left out where it is the unit's own. */
function extensionText({ at }: Unit, place: Position, via: readonly string[]): string {
  const same = place.file === at.file && place.line === at.line
  return [via.join(' → ') || 'extend', ...(same ? [] : [`(${place.file}:${place.line})`])].join(' ')
}

const alternativesText = (group: Alternatives): string => group.map(dependencyText).join(' | ')

function describePackage({ name, version, arch, origin, depends, provides, conflicts }: PackageRecord) {
  return {
    ...{ name, version, arch },
    feed: origin.kind === 'feed' ? origin.feed : '',
    size: origin.kind === 'feed' ? origin.size : 0,
    depends: depends.map(alternativesText),
    provides: provides.map((one) => (one.version === undefined ? one.name : `${one.name} (= ${one.version})`)),
    conflicts: conflicts.map(dependencyText),
  }
}

function describeMachine({ project, distro }: Catalog, machine: Machine): MachineDescription {
  const { name, module, at, arch, description, kernel, bootloader, qemu } = machine
  return {
    kind: 'machine',
    ...{ name, module, at, arch, description },
    details: {
      kernel: kernel?.unit ?? '',
      cmdline: kernel?.cmdline ?? '',
      distro_kernels: Object.entries(machine.distroKernels).map(([one, { unit }]) => `${one}: ${unit}`),
      bootloader: bootloader === undefined ? '' : (bootloader.unit ?? bootloader.kind),
      packages: machine.packages,
      distro_packages: Object.entries(machine.distroPackages).map(([one, names]) => `${one}: ${names.join(', ')}`),
      partitions: machine.partitions.map(
        ({ label, type, size }) => `${label} ${type} ${size === 'fill' ? size : sizeText(size)}`,
      ),
      qemu: qemu === undefined ? '' : `${qemu.machine}, ${qemu.cpu}`,
    },
    images: targetsOf({ ...project, machines: [machine] }, distro).map(({ image, arch: _, machine: __, ...one }) => ({
      name: image,
      ...one,
    })),
  }
}

/** What flows to a unit, and from where; a machine's own for a machine. @throws {YoeErrors} */
export async function configOf(
  catalog: Catalog,
  name: string,
): Promise<readonly { readonly setting: string; readonly value: string; readonly from: string }[]> {
  const { view, project } = catalog
  const machine = view.find(name) === undefined ? project.machines.find((one) => one.name === name) : undefined
  if (machine !== undefined) return ofMachine(machine.publicConfig, `machine ${machine.name}`)
  const found = await findName(catalog, name)
  const [node] = found.kind === 'unit' ? (await planCatalog(catalog, [found.unit.name])).targets : []
  if (node?.kind !== 'package') return []
  const { environment, ...lists } = node.config
  const flags = Object.entries(lists).flatMap(([setting, values]) =>
    values.map(({ value, from }) => ({ setting: settingNames[setting] ?? setting, value, from })),
  )
  return [...flags, ...Object.entries(environment).map(([setting, { value, from }]) => ({ setting, value, from }))]
}

/** As `public_config` spells them. */
const settingNames: Readonly<Record<string, string>> = {
  ...{ cflags: 'CFLAGS', cxxflags: 'CXXFLAGS', cppflags: 'CPPFLAGS', ldflags: 'LDFLAGS' },
  includePaths: 'include_paths',
}

function ofMachine(config: PublicConfig | undefined, from: string) {
  if (config === undefined) return []
  const { environment, ...lists } = config
  return [
    ...Object.entries(lists).flatMap(([setting, values]) =>
      values.map((value) => ({ setting: settingNames[setting] ?? setting, value, from })),
    ),
    ...Object.entries(environment).map(([setting, value]) => ({ setting, value, from })),
  ]
}
