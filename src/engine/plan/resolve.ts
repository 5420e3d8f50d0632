import type { Arch } from '../arch.ts'
import type { Universe as Packages } from '../catalog/candidates.ts'
import { resolveClosure } from '../catalog/closure.ts'
import type { Alternatives, Dependency, Feed, PackageRecord, VersionScheme } from '../catalog/package.ts'
import type { Root } from '../catalog/solver.ts'
import { universe } from '../catalog/universe.ts'
import type { View } from '../catalog/view.ts'
import type { Position } from '../errors.ts'
import { userErrors, YoeError, YoeErrors } from '../errors.ts'
import { didYouMean } from '../nearest.ts'
import type { ImageUnit, Json, PackageUnit, ToolchainUnit, Unit } from '../project/model.ts'
import { digestOf } from './canonical.ts'
import type { ImageNode, Node, PackageNode, ToolchainNode } from './graph.ts'

/** What names mean and what feeds hold: all that resolving needs, none of it I/O. */
export interface Universe {
  readonly view: View
  readonly arch: Arch
  /** The format's spelling of `arch`. */
  readonly packageArch: string
  /** In declaration order: of a package that several have, the newest version wins, then the feed declared first. */
  readonly feeds: readonly Feed[]
  readonly versions: VersionScheme
  /** The version of the package that a unit becomes. @throws {YoeError} */
  readonly packageVersion: (unit: PackageUnit) => string
  /** Closures that were found before, by a key of everything that they depend on; forgetting one only costs time. */
  readonly known?: KnownClosures
}

export interface KnownClosures {
  get(key: string): readonly PackageRecord[] | undefined
  set(key: string, closure: readonly PackageRecord[]): void
}

/**
 * Turns names into a graph: a pure function with a fixed order, so the same declarations always give the same nodes.
 * Every failure is collected before any is thrown.
 * @throws {YoeErrors} UNIT_NOT_FOUND (with who asked), DEP_CYCLE, UNSATISFIABLE
 */
export function resolveGraph(universe: Universe, targets: readonly string[]): readonly Node[] {
  const resolver = new Resolver(universe)
  const nodes = targets.map((name) => resolver.target(name))
  if (resolver.errors.length > 0) throw new YoeErrors(resolver.errors)
  return nodes.filter((node) => node !== undefined)
}

/**
 * An image's closure once its units are built: their packages may depend on more than the units declare, since linked
 * libraries add their owners.
 *
 * @param built what the packages of built units say about themselves, by unit name
 * @returns the closure, and the units in it, dependencies first
 * @throws {YoeErrors} UNSATISFIABLE, UNIT_NOT_FOUND
 */
export function resolveBuiltImage(
  universe: Universe,
  image: ImageNode,
  built: ReadonlyMap<string, PackageRecord>,
): { readonly closure: readonly PackageRecord[]; readonly units: readonly PackageNode[] } {
  const resolver = new Resolver(universe, built)
  const node = resolver.target(image.unit.name)
  if (resolver.errors.length > 0) throw new YoeErrors(resolver.errors)
  if (node?.kind !== 'image') throw new TypeError(`${image.id} is no image any more`)
  return { closure: node.closure, units: node.units }
}

class Resolver {
  readonly errors: YoeError[] = []
  readonly #universe: Universe
  readonly #nodes = new Map<Unit, Node | undefined>()
  readonly #records = new Map<PackageUnit, PackageRecord>()
  #packages: Packages | undefined
  readonly #trail: Unit[] = []
  #unitsDigest: string | undefined
  readonly #built: ReadonlyMap<string, PackageRecord>

  constructor(universe: Universe, built: ReadonlyMap<string, PackageRecord> = new Map()) {
    this.#universe = universe
    this.#built = built
  }

  target(name: string): Node | undefined {
    const unit = this.#universe.view.find(name)
    if (unit !== undefined) return this.#node(unit)
    this.#missing(name, undefined, 'the command line')
    return undefined
  }

  /** Memoised; undefined when the unit can't be resolved (the errors say why, once). */
  #node(unit: Unit): Node | undefined {
    if (this.#nodes.has(unit)) return this.#nodes.get(unit)
    if (this.#trail.includes(unit)) {
      const cycle = [...this.#trail.slice(this.#trail.indexOf(unit)), unit].map((step) => step.name)
      this.errors.push(
        new YoeError('DEP_CYCLE', `units need each other to be built: ${cycle.join(' → ')}`, {
          at: unit.at,
          unit: unit.name,
          hint: 'take one of these out of the deps (or runtime_deps) of the one before it',
        }),
      )
      return undefined
    }
    this.#trail.push(unit)
    const node = this.#make(unit)
    this.#trail.pop()
    this.#nodes.set(unit, node)
    return node
  }

  #make(unit: Unit): Node | undefined {
    switch (unit.kind) {
      case 'toolchain':
        return this.#toolchain(unit)
      case 'package':
        return this.#package(unit)
      case 'image':
        return this.#image(unit)
      default:
        return unit satisfies never
    }
  }

  #toolchain(unit: ToolchainUnit): ToolchainNode | undefined {
    const tools = unit.provides.includes('tools') ? undefined : this.#toolchainNamed('tools', unit)
    const packages = this.#closure(unit, unit.packages)
    if (packages === undefined) return undefined
    const { arch, view } = this.#universe
    return {
      kind: 'toolchain',
      id: `${view.distro}/${unit.name}.${arch}`,
      unit,
      arch,
      distro: view.distro,
      packages,
      tools,
    }
  }

  #toolchainNamed(name: string, by: Unit): ToolchainNode | undefined {
    const unit = this.#universe.view.find(name)
    if (unit === undefined) {
      this.#missing(name, by.at, `unit "${by.name}"`)
      return undefined
    }
    if (unit.kind !== 'toolchain') {
      this.errors.push(
        new YoeError('BAD_FIELD', `"${name}" is no container, and unit "${by.name}" runs its tasks in one`, {
          at: by.at,
          unit: by.name,
          hint: 'name a unit that is declared with container(…)',
        }),
      )
      return undefined
    }
    const node = this.#node(unit)
    return node?.kind === 'toolchain' ? node : undefined
  }

  #package(unit: PackageUnit): PackageNode | undefined {
    const { arch, view } = this.#universe
    const before = this.errors.length
    const asker = `unit "${unit.name}"`
    const toolchain = unit.tasks.length === 0 ? undefined : this.#toolchainNamed(unit.container, unit)
    const sysroot = new Set<PackageNode>()
    const seen = new Set<PackageNode>()
    const feedNames = new Set<string>()
    for (const { name } of [...unit.deps, ...(unit.distroDeps[view.distro] ?? [])]) {
      const found = this.#dependency(name, unit.at, asker)
      if (found === undefined) continue
      if (typeof found === 'string') feedNames.add(found)
      else this.#spread(found, sysroot, feedNames, seen)
    }
    const runtimeDeps: Alternatives[] = []
    for (const group of [...unit.runtimeDeps, ...(unit.distroRuntimeDeps[view.distro] ?? [])]) {
      const known = group.length === 1 ? group : group.filter(({ name }) => this.#isKnown(name))
      for (const { name } of known.length === 0 ? group.slice(0, 1) : known) this.#lookup(name, unit.at, asker)
      runtimeDeps.push(known.map((one) => ({ ...one, name: this.#packageName(one.name) })))
    }
    const inToolchain = new Set(toolchain?.packages.map(identity))
    const closure = feedNames.size === 0 ? [] : this.#closure(unit, [...feedNames])
    const failed =
      this.errors.length > before || closure === undefined || (unit.tasks.length > 0 && toolchain === undefined)
    if (failed) return undefined
    const machine = unit.scope === 'machine' ? view.machine : undefined
    const label = machine?.name ?? (unit.scope === 'noarch' ? 'noarch' : arch)
    return {
      kind: 'package',
      id: `${view.distro}/${unit.name}.${label}`,
      unit,
      arch,
      distro: view.distro,
      toolchain,
      sysroot: [...sysroot],
      sysrootFeed: closure.filter((record) => record.origin.kind === 'feed' && !inToolchain.has(identity(record))),
      runtimeDeps,
      machine,
    }
  }

  /**
   * Adds a build dependency and all that it needs, dependencies first. Run-time dependencies may form cycles.
   *
   * @param seen what was gone into already, done or not
   */
  #spread(node: PackageNode, sysroot: Set<PackageNode>, feedNames: Set<string>, seen: Set<PackageNode>): void {
    if (seen.has(node)) return
    seen.add(node)
    for (const inner of node.sysroot) this.#spread(inner, sysroot, feedNames, seen)
    for (const record of node.sysrootFeed) feedNames.add(record.name)
    this.#trail.push(node.unit)
    for (const [first] of node.runtimeDeps) {
      if (first === undefined) continue
      const { name } = first
      const found = this.#dependency(name, node.unit.at, `unit "${node.unit.name}"`)
      if (typeof found === 'string') feedNames.add(found)
      else if (found !== undefined) this.#spread(found, sysroot, feedNames, seen)
    }
    this.#trail.pop()
    sysroot.add(node)
  }

  /** What a name in `deps` means: a node to build, or the name of a feed package. */
  #dependency(name: string, at: Position, asker: string): PackageNode | string | undefined {
    const found = this.#lookup(name, at, asker)
    if (found === undefined || typeof found === 'string') return found
    const node = this.#node(found)
    return node?.kind === 'package' ? node : undefined
  }

  #isKnown(name: string): boolean {
    const { view, feeds } = this.#universe
    return (
      view.find(name) !== undefined ||
      feeds.some((feed) => feed.lookup(name).length > 0 || feed.providers(name).length > 0)
    )
  }

  #lookup(name: string, at: Position, asker: string): PackageUnit | string | undefined {
    const unit = this.#universe.view.find(name)
    if (unit?.kind === 'package') return unit
    if (
      unit === undefined &&
      this.#universe.feeds.some((feed) => feed.lookup(name).length > 0 || feed.providers(name).length > 0)
    ) {
      return name
    }
    if (unit === undefined) this.#missing(name, at, asker)
    else {
      const kind = unit.kind === 'image' ? 'an image' : 'a container'
      this.errors.push(
        new YoeError('BAD_FIELD', `${asker} needs "${name}", which is ${kind} and no package`, {
          at,
          hint: 'name a unit that makes a package',
        }),
      )
    }
    return undefined
  }

  #image(unit: ImageUnit): ImageNode | undefined {
    const { view, arch } = this.#universe
    const { machine } = view
    const before = this.errors.length
    const asker = `image "${unit.name}"`
    const names = [...unit.artifacts, ...(unit.distroArtifacts[view.distro] ?? [])].filter(
      (name) => !unit.exclude.includes(name),
    )
    const ofMachine = [
      ...(machine.kernel === undefined ? [] : [machine.kernel.unit]),
      ...machine.packages,
      ...(machine.distroPackages[view.distro] ?? []),
    ]
    for (const name of names) this.#lookup(name, unit.at, asker)
    for (const name of ofMachine) this.#lookup(name, machine.at, `machine "${machine.name}"`)
    const tools = this.#toolchainNamed('tools', unit)
    if (this.errors.length > before || tools === undefined) return undefined
    const closure = this.#closure(unit, [...ofMachine, ...names])
    if (closure === undefined) return undefined
    const units: PackageNode[] = []
    for (const record of closure) {
      if (record.origin.kind !== 'unit') continue
      const found = view.find(record.origin.unit)
      const node = found === undefined ? undefined : this.#node(found)
      if (node?.kind === 'package') units.push(node)
    }
    if (this.errors.length > before) return undefined
    return {
      kind: 'image',
      id: `${view.distro}/${unit.name}.${machine.name}`,
      unit,
      arch,
      distro: view.distro,
      machine,
      units,
      feedPackages: closure.filter((record) => record.origin.kind === 'feed'),
      closure,
      tools,
    }
  }

  /** The run-time closure of `names` and of what every installation has. */
  #closure(by: Unit, names: readonly string[]): readonly PackageRecord[] | undefined {
    const { feeds, versions, packageArch } = this.#universe
    const title =
      by.kind === 'image' ? `image ${by.name}` : by.kind === 'toolchain' ? `container ${by.name}` : `unit ${by.name}`
    const base = by.kind === 'package' ? [] : feeds.flatMap((feed) => feed.essentials())
    const roots: Root[] = [
      ...base.map((name) => ({ dependency: [{ name }], by: 'every installation' })),
      ...names.map((name) => ({ dependency: [{ name: this.#packageName(name) }], by: title })),
    ]
    const known = this.#universe.known
    const key = known === undefined ? '' : this.#closureKey(by.kind, roots)
    const before = known?.get(key)
    if (before !== undefined) return before
    try {
      const closure = resolveClosure({
        roots,
        versions,
        arch: packageArch,
        ...this.#everything(),
      }).packages
      known?.set(key, closure)
      return closure
    } catch (failure) {
      const errors = userErrors(failure)
      if (errors === undefined) throw failure
      for (const { code, message, hint } of errors)
        this.errors.push(new YoeError(code, message, { hint, at: by.at, unit: by.name }))
      return undefined
    }
  }

  /** Everything that a closure depends on: what feeds say, what units say, and what is asked for. */
  #closureKey(kind: Unit['kind'], roots: readonly Root[]): string {
    const { view, feeds, packageArch } = this.#universe
    this.#unitsDigest ??= digestOf(
      'yoe-records/1',
      [...view.units()].flatMap((unit) => (unit.kind === 'package' ? [recordJson(this.#record(unit))] : [])),
    )
    return digestOf('yoe-closure/1', {
      kind,
      feeds: feeds.map((feed) => [feed.id, feed.digest]),
      arch: packageArch,
      units: this.#unitsDigest,
      roots: roots.map(({ dependency, by }) => [by, ...dependency.map(dependencyJson)]),
    })
  }

  /** Made once, and only when a closure has to be solved. */
  #everything(): Packages {
    const { view, feeds } = this.#universe
    this.#packages ??= universe(
      feeds,
      [...view.units()].flatMap((unit) => (unit.kind === 'package' ? [this.#record(unit)] : [])),
    )
    return this.#packages
  }

  #packageName(name: string): string {
    const unit = this.#universe.view.find(name)
    return unit?.kind === 'package' ? unit.name : name
  }

  #record(unit: PackageUnit): PackageRecord {
    const known = this.#built.get(unit.name) ?? this.#records.get(unit)
    if (known !== undefined) return known
    const { view, packageArch } = this.#universe
    const groups = [...unit.runtimeDeps, ...(unit.distroRuntimeDeps[view.distro] ?? [])]
    const record: PackageRecord = {
      name: unit.name,
      version: this.#universe.packageVersion(unit),
      arch: packageArch,
      depends: groups.map((group) => group.map((one) => ({ ...one, name: this.#packageName(one.name) }))),
      provides: unit.provides,
      conflicts: unit.conflicts,
      essential: false,
      priority: 'optional',
      origin: { kind: 'unit', unit: unit.name, at: unit.at },
    }
    this.#records.set(unit, record)
    return record
  }

  #missing(name: string, at: Position | undefined, asker: string): void {
    const { view, feeds } = this.#universe
    const places = ['units of this project and its modules', ...feeds.map((feed) => feed.id)]
    const near =
      didYouMean(name, view.names()) ??
      didYouMean(
        name,
        feeds.flatMap((feed) => [...feed.names()]),
        1,
      )
    this.errors.push(
      new YoeError('UNIT_NOT_FOUND', `nothing is called or provides "${name}", asked for by ${asker}`, {
        at,
        hint: near ?? `looked in: ${places.join(', ')}`,
      }),
    )
  }
}

function dependencyJson({ name, version }: Dependency): Json {
  return version === undefined ? name : [name, version.relation, version.version]
}

function recordJson(record: PackageRecord): Json {
  return {
    name: record.name,
    version: record.version,
    depends: record.depends.map((group) => group.map(dependencyJson)),
    provides: record.provides.map(({ name, version }) => [name, version ?? '']),
    conflicts: record.conflicts.map(dependencyJson),
    at: [record.origin.kind === 'unit' ? `${record.origin.at.file}:${record.origin.at.line}` : ''],
  }
}

/** Tells packages of one closure apart. */
function identity(record: PackageRecord): string {
  return `${record.name}=${record.version}`
}
