import { TooTangled, type Universe } from '#engine/catalog/candidates.ts'
import type { Dependency, PackageRecord } from '#engine/catalog/package.ts'
import { Candidate, Name, type NameLoader, type Need, type Provider } from './solver-state.ts'

const nobody: readonly Name[] = []

/** About two seconds of looking. */
const lookLimit = 20_000_000

/** All that a search has met: names, the packages behind them, and what those ask for; each is made once. */
export class Names implements NameLoader {
  readonly #universe: Universe
  readonly #arch: string
  readonly #excluded: ReadonlySet<string>
  readonly #names = new Map<string, Name>()
  readonly #needs = new Map<Dependency, Need>()
  readonly #conflicts = new Map<Dependency, Need>()
  readonly #candidates = new Map<PackageRecord, Candidate>()
  #looks = 0

  constructor(universe: Universe, arch: string, excluded: ReadonlySet<string>) {
    this.#universe = universe
    this.#arch = arch
    this.#excluded = excluded
  }

  name(text: string): Name {
    let name = this.#names.get(text)
    if (name === undefined) {
      name = new Name(text, this)
      this.#names.set(text, name)
    }
    return name
  }

  /** Undefined when it was never met. */
  known(text: string): Name | undefined {
    return this.#names.get(text)
  }

  get candidates(): Iterable<Candidate> {
    return this.#candidates.values()
  }

  need(dependency: Dependency): Need {
    return this.#needOf(this.#needs, dependency, false)
  }

  conflict(dependency: Dependency): Need {
    return this.#needOf(this.#conflicts, dependency, true)
  }

  providersOf(text: string): readonly Provider[] {
    const found: Provider[] = []
    for (const record of this.#universe.lookup(text))
      if (this.#isOffered(record)) found.push({ candidate: this.#candidate(record), version: record.version })
    for (const record of this.#universe.providers(text)) {
      if (record.name === text || !this.#isOffered(record)) continue
      this.glance(record.provides.length)
      for (const { name, version } of record.provides)
        if (name === text) found.push({ candidate: this.#candidate(record), version })
    }
    this.spend(found.length + 1)
    return found
  }

  joining(text: string): readonly Name[] {
    const records = this.#universe.joining?.(text) ?? []
    if (records.length === 0) return nobody
    const found = new Set<Name>()
    for (const record of records) {
      this.spend(record.provides.length + 1)
      found.add(this.name(record.name))
      for (const { name } of record.provides) found.add(this.name(name))
    }
    return [...found]
  }

  /** @throws {TooTangled} after too many looks */
  spend(looks: number): void {
    this.#looks += looks
    if (this.#looks > lookLimit) throw new TooTangled()
  }

  /** As {@link spend}, for steps that are hardly any work each: one package can provide 100,000 names. */
  glance(count: number): void {
    this.spend(count >> 1)
  }

  #needOf(known: Map<Dependency, Need>, dependency: Dependency, isConflict: boolean): Need {
    let need = known.get(dependency)
    if (need === undefined) {
      need = { name: this.name(dependency.name), dependency, isConflict }
      known.set(dependency, need)
    }
    return need
  }

  #isOffered({ arch, name }: PackageRecord): boolean {
    return (arch === this.#arch || arch === 'noarch') && !this.#excluded.has(name)
  }

  #candidate(record: PackageRecord): Candidate {
    let candidate = this.#candidates.get(record)
    if (candidate === undefined) {
      candidate = new Candidate(record, this)
      this.#candidates.set(record, candidate)
    }
    return candidate
  }
}
