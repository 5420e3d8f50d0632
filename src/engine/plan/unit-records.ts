import { satisfies } from '../catalog/candidates.ts'
import type { Names } from '../catalog/names.ts'
import type { Alternatives, Dependency, PackageRecord, VersionScheme } from '../catalog/package.ts'
import { companionSuffixes, packageNames } from '../catalog/subpackages.ts'
import type { PackageUnit } from '../project/model.ts'
import type { Universe } from './universe.ts'

/**
 * The packages of units as closures see them: as the units declare them, or, once they are built, as the packages say
 * themselves.
 */
export class UnitRecords {
  readonly #universe: Universe
  readonly #names: Names
  readonly #built: ReadonlyMap<string, PackageRecord>
  readonly #records = new Map<PackageUnit, readonly PackageRecord[]>()

  /** @param built by package name */
  constructor(universe: Universe, names: Names, built: ReadonlyMap<string, PackageRecord>) {
    this.#universe = universe
    this.#names = names
    this.#built = built
  }

  /** The main package first. */
  of(unit: PackageUnit): readonly PackageRecord[] {
    const known = this.#records.get(unit)
    if (known !== undefined) return known
    const version = this.#universe.packageVersion(unit)
    const records = packageNames(unit)
      .filter((name) => this.#universe.view.real(name) === unit)
      .map((name) => this.#built.get(name) ?? this.#declared(unit, name, version))
    this.#records.set(unit, records)
    return records
  }

  all(): readonly PackageRecord[] {
    return this.#universe.view.units().flatMap((unit) => (unit.kind === 'package' ? this.of(unit) : []))
  }

  /** What a unit needs to run, as packages are called: of several alternatives, those that exist. */
  runtimeDeps(unit: PackageUnit): readonly Alternatives[] {
    return runtimeGroups(this.#universe, unit).map((group) => {
      const known = group.length === 1 ? group : group.filter(({ name }) => this.#names.find(name) !== undefined)
      return (known.length === 0 ? group.slice(0, 1) : known).map((one) => this.packageFor(one))
    })
  }

  /**
   * A dependency by the name of the package that it means. A version that the unit which provides the name says it has is
   * met once for all: what is left asks for that unit.
   */
  packageFor(dependency: Dependency): Dependency {
    const found = this.#names.find(dependency.name)
    if (found === undefined || found.name === dependency.name) return dependency
    if (found.kind === 'feed' || found.as === undefined) return { ...dependency, name: found.name }
    return providedMeets(this.#universe.versions, found.as.version, dependency) ? { name: found.name } : dependency
  }

  #declared(unit: PackageUnit, name: string, version: string): PackageRecord {
    const main = name === unit.name
    const suffix = name.slice(unit.name.length + 1)
    const self: Alternatives = [{ name: unit.name, version: { relation: '=', version } }]
    return {
      name,
      version,
      arch: this.#universe.packageArch,
      depends: main ? this.runtimeDeps(unit) : companionSuffixes.has(suffix) ? [self] : [],
      provides: main ? unit.provides : [],
      conflicts: main ? unit.conflicts : [],
      essential: false,
      priority: 'optional',
      origin: { kind: 'unit', unit: unit.name, at: unit.at },
    }
  }
}

/** What a unit declares that it needs to run, for the universe's distro. */
export function runtimeGroups({ view }: Universe, unit: PackageUnit): readonly Alternatives[] {
  return [...unit.runtimeDeps, ...forDistro(unit.distroRuntimeDeps, view.distro)]
}

/** What a table by distro says for one. */
export function forDistro<T>(table: Readonly<Record<string, readonly T[]>>, distro: string): readonly T[] {
  return Object.hasOwn(table, distro) ? (table[distro] ?? []) : []
}

/** Whether a name that is provided in some version (or none) is what a dependency asks for. */
export function providedMeets(versions: VersionScheme, provided: string | undefined, wanted: Dependency): boolean {
  if (wanted.version === undefined) return true
  return provided !== undefined && satisfies(versions, provided, wanted.version)
}
