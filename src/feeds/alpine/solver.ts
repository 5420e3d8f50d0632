import { TooTangled, type Universe } from '#engine/catalog/candidates.ts'
import type { Dependency, PackageRecord } from '#engine/catalog/package.ts'
import type { Obstacle, Root } from '#engine/catalog/solver.ts'
import { Candidate, firstOf, isBetter, isProvided, Name, type Need, type Provider } from './solver-state.ts'

/** About two seconds of looking. */
const lookLimit = 20_000_000

/**
 * Chooses packages as `apk add` does on an empty system. Everything that could matter is discovered first, then what is certain
 * is propagated: needs of what must be there, and of all candidates for a name together; packages that a need rules out
 * are out, and with them those that need them. When nothing is certain any more, one name is decided, and so on.
 * Nothing is ever taken back.
 *
 * Where the order of things decides, apk goes by a hash table of names in memory and we by feeds: each name's askers in the
 * order in which they are met from the roots. Between a package of a name and another that provides it in the same
 * version, with the same priority, the package wins; apk takes what its first repository lists first.
 *
 * @see apk-tools src/solver.c; apk-world(5); Alpine wiki, "Apk spec"
 */
export class Solver {
  readonly #universe: Universe
  readonly #arches: ReadonlySet<string>
  readonly #excluded: ReadonlySet<string>
  readonly #names = new Map<string, Name>()
  readonly #candidates = new Map<PackageRecord, Candidate>()
  readonly #dirty: Name[] = []
  /** The last one is the first to be looked at. */
  readonly #unresolved: Name[] = []
  #looks = 0
  errors = 0

  constructor(universe: Universe, arch: string, excluded: ReadonlySet<string>) {
    this.#universe = universe
    this.#arches = new Set([arch, 'noarch'])
    this.#excluded = excluded
  }

  /** What roots ask for, ordered by name: apk keeps its world so. */
  world(roots: readonly Root[]): readonly Need[] {
    const needs = roots.flatMap(({ dependency }) => firstOf(dependency, (text) => this.name(text)) ?? [])
    return needs.sort((a, b) => (a.name.text < b.name.text ? -1 : a.name.text > b.name.text ? 1 : 0))
  }

  /** @throws {TooTangled} */
  solve(world: readonly Need[]): void {
    for (const { name } of world) this.#discover(name)
    for (const need of world) this.#apply(undefined, need)
    for (;;) {
      for (let name = this.#dirty.shift(); name !== undefined; name = this.#dirty.shift()) {
        name.isDirty = false
        this.#reconsider(name)
      }
      const next = this.#nextUnresolved()
      if (next === undefined) break
      this.#decide(next)
    }
  }

  isInstalled(dependency: Dependency): boolean {
    const name = this.#names.get(dependency.name)
    return name?.chosen !== undefined && isProvided({ name, dependency, isConflict: false }, name.chosen)
  }

  /** By package name, why it can't be had. */
  get obstacles(): ReadonlyMap<string, Obstacle> {
    const found = new Map<string, Obstacle>()
    for (const { name, obstacle } of this.#candidates.values())
      if (obstacle !== undefined && !found.has(name.text)) found.set(name.text, obstacle)
    return found
  }

  name(text: string): Name {
    const known = this.#names.get(text)
    if (known !== undefined) return known
    const name = new Name(text)
    this.#names.set(text, name)
    const own = this.#universe.lookup(text).filter((record) => this.#isOffered(record))
    const others = this.#universe.providers(text).filter((record) => record.name !== text && this.#isOffered(record))
    this.#spend(own.length + others.length + 1)
    const providers: Provider[] = own.map((record) => ({ candidate: this.#candidate(record), version: record.version }))
    for (const record of others) {
      const candidate = this.#candidate(record)
      for (const one of record.provides) if (one.name === text) providers.push({ candidate, version: one.version })
    }
    name.providers = providers
    name.kind = others.length === 0 ? 0 : own.length === 0 ? 2 : 1
    return name
  }

  #isOffered({ arch, name }: PackageRecord): boolean {
    return this.#arches.has(arch) && !this.#excluded.has(name)
  }

  /** Names are made when the search comes to them: a package knows its relations only then. */
  #candidate(record: PackageRecord): Candidate {
    const known = this.#candidates.get(record)
    if (known !== undefined) return known
    const candidate = new Candidate(record, (text) => this.name(text))
    this.#candidates.set(record, candidate)
    return candidate
  }
}
