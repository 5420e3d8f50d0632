import type { Universe as Packages } from '../catalog/candidates.ts'
import { resolveClosure } from '../catalog/closure.ts'
import type { Dependency, Feed, PackageRecord } from '../catalog/package.ts'
import type { Root } from '../catalog/solver.ts'
import { packageNames } from '../catalog/subpackages.ts'
import { universe } from '../catalog/universe.ts'
import type { Json, PackageUnit, Unit } from '../project/model.ts'
import { digestOf } from './canonical.ts'
import type { UnitRecords } from './unit-records.ts'
import type { HostSide, Universe } from './universe.ts'

/** The machine that builds, with its feeds. */
export type OpenHost = HostSide & { readonly feeds: readonly Feed[] }

/** Which packages a closure may be made of. */
export interface Scope {
  /** Packages of units, too, but for those of `without`: what is being built is not there yet. */
  readonly units: boolean
  readonly without?: PackageUnit
  /** Every installation's essential packages come first. */
  readonly essentials: boolean
  /** Feeds of the machine that builds instead of the target's. */
  readonly host?: OpenHost | undefined
}

/** Finds closures of packages, and remembers them by everything that they depend on. */
export class Closures {
  readonly #universe: Universe
  readonly #records: UnitRecords
  readonly #built: ReadonlyMap<string, PackageRecord>
  #packages: Packages | undefined
  #feedPackages: Packages | undefined
  #unitsDigest: string | undefined

  constructor(universe: Universe, records: UnitRecords, built: ReadonlyMap<string, PackageRecord>) {
    this.#universe = universe
    this.#records = records
    this.#built = built
  }

  /** @throws as {@link resolveClosure} */
  find(roots: readonly Root[], scope: Scope): readonly PackageRecord[] {
    const { known, versions } = this.#universe
    const { feeds, packageArch } = scope.host ?? this.#universe
    const names = scope.essentials ? [...new Set(feeds.flatMap((feed) => feed.essentials()))] : []
    const all = [...names.map((name): Root => ({ dependency: [{ name }], by: 'every installation' })), ...roots]
    const key = known === undefined ? '' : this.#key(all, scope, feeds, packageArch)
    const before = known?.get(key)
    if (before !== undefined) return before
    const resolve = this.#universe.resolver ?? resolveClosure
    const { packages } = resolve({
      roots: all,
      versions,
      arch: packageArch,
      ...this.#packagesOf(scope),
      remark: (name) => this.#remark(name),
    })
    known?.set(key, packages)
    return packages
  }

  #packagesOf({ units, without, host }: Scope): Packages {
    const pinned = (name: string): string | undefined => this.#pinnedFeed(name)
    if (host !== undefined) return universe(host.feeds, [], pinned)
    const { feeds } = this.#universe
    if (!units) {
      this.#feedPackages ??= universe(feeds, [], pinned)
      return this.#feedPackages
    }
    // Made once, and only when a closure has to be solved.
    if (
      without !== undefined &&
      packageNames(without).some((name) => feeds.some((feed) => feed.lookup(name).length > 0))
    )
      return universe(
        feeds,
        this.#records.all().filter(({ origin }) => origin.kind !== 'unit' || origin.unit !== without.name),
        pinned,
      )
    this.#packages ??= universe(feeds, this.#records.all(), pinned)
    return this.#packages
  }

  #pinnedFeed(name: string): string | undefined {
    const target = this.#universe.view.pins.get(name)?.target
    return target?.kind === 'feed' ? target.id : undefined
  }

  /** What an explanation says about a name beside what there is of it: who was left out, and by whose word. */
  #remark(name: string): string | undefined {
    const { view, feeds } = this.#universe
    const pinned = view.pins.get(name)
    const versions = feeds.flatMap((feed) => feed.lookup(name).map(({ version }) => `${feed.id} has ${version}`))
    if (pinned?.target.kind === 'feed') {
      const others = feeds.flatMap((feed) =>
        feed.id === pinned.pin.module ? [] : feed.lookup(name).map(({ version }) => `${feed.id} has ${version}`),
      )
      return [`${place(pinned.pin.at)} takes ${name} from ${pinned.pin.module}`, ...others].join('; ')
    }
    const unit = view.real(name)
    if (unit === undefined || versions.length === 0) return undefined
    const how = pinned === undefined ? 'outranks' : `is taken by ${place(pinned.pin.at)} and outranks`
    return `the unit ${how} feeds, where ${versions.join(', ')}`
  }

  /** Everything that a closure depends on: what feeds say, what units and pins say, and what is asked for. */
  #key(roots: readonly Root[], scope: Scope, feeds: readonly Feed[], arch: string): string {
    return digestOf('yoe-closure/2', {
      feeds: feeds.map((feed) => [feed.id, feed.digest]),
      arch,
      pins: [...this.#universe.view.pins].flatMap(([name, { target }]) =>
        target.kind === 'feed' ? [[name, target.id]] : [],
      ),
      units: scope.units ? this.#digestUnits() : '',
      without: scope.without?.name ?? '',
      roots: roots.map(({ dependency, by }) => [by, ...dependency.map(dependencyJson)]),
    })
  }

  /** What decides about the records of units: who has which name, and what each declares; feeds are in the key already. */
  #digestUnits(): string {
    const { view } = this.#universe
    this.#unitsDigest ??= digestOf(
      'yoe-records/2',
      JSON.stringify([
        view.distro,
        view.units().map((unit) => (unit.kind === 'package' ? declaredJson(unit, view.distro) : unit.name)),
        [...view.aliases()].map(([name, unit]) => `${name} ${unit.name}`).sort(),
        view.machine.kernel?.provides ?? '',
        view.machine.kernel?.unit ?? '',
        [...this.#built.values()],
      ]),
    )
    return this.#unitsDigest
  }
}

const place = ({ file, line }: { readonly file: string; readonly line: number }): string => `${file}:${line}`

function declaredJson(unit: PackageUnit, distro: string): unknown {
  const { name, version, release, runtimeDeps, distroRuntimeDeps, provides, conflicts, subpackages, at } = unit
  return [
    ...[name, version, release, at.file, at.line, runtimeDeps, provides, conflicts, subpackages],
    Object.hasOwn(distroRuntimeDeps, distro) ? distroRuntimeDeps[distro] : [],
    Object.keys(unit.extraSubpackages),
  ]
}

function dependencyJson({ name, version }: Dependency): Json {
  return version === undefined ? name : [name, version.relation, version.version]
}

/** How messages call who asks. */
export function titleOf(unit: Unit): string {
  switch (unit.kind) {
    case 'image':
      return `image ${unit.name}`
    case 'toolchain':
      return `container ${unit.name}`
    case 'package':
      return `unit ${unit.name}`
    default:
      return unit satisfies never
  }
}
