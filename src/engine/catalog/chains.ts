import { satisfies } from './candidates.ts'
import type { Dependency, PackageRecord, Provided, VersionScheme } from './package.ts'

/** A closure as a graph: which of its packages meets which dependency of another. */
export class ClosureGraph {
  readonly #byName: ReadonlyMap<string, PackageRecord>
  readonly #providers = new Map<string, PackageRecord[]>()
  readonly #versions: VersionScheme

  constructor(closure: readonly PackageRecord[], versions: VersionScheme) {
    this.#byName = new Map(closure.map((record) => [record.name, record]))
    this.#versions = versions
    for (const record of closure) {
      for (const { name } of record.provides) {
        const list = this.#providers.get(name)
        if (list === undefined) this.#providers.set(name, [record])
        else list.push(record)
      }
    }
  }

  find(name: string): PackageRecord | undefined {
    return this.#byName.get(name)
  }

  /** Packages of the closure that meet a dependency: the one of that very name, else those that provide it. */
  meeting({ name, version }: Dependency): readonly PackageRecord[] {
    const own = this.#byName.get(name)
    if (own !== undefined && satisfies(this.#versions, own.version, version)) return [own]
    const meets = (one: Provided): boolean =>
      one.name === name &&
      (version === undefined || (one.version !== undefined && satisfies(this.#versions, one.version, version)))
    return (this.#providers.get(name) ?? []).filter((record) => record.provides.some(meets))
  }

  /** What a package of the closure needs of it. */
  needs(record: PackageRecord): readonly PackageRecord[] {
    return [...new Set(record.depends.flatMap((group) => group.flatMap((one) => this.meeting(one))))]
  }

  /** Every package that leads to `target`, itself first: the next step of a shortest way, by name. */
  leadingTo(target: string): ReadonlyMap<string, string | undefined> {
    const next = new Map<string, string | undefined>()
    if (!this.#byName.has(target)) return next
    const askers = new Map<PackageRecord, PackageRecord[]>()
    for (const record of this.#byName.values()) {
      for (const needed of this.needs(record)) {
        const list = askers.get(needed)
        if (list === undefined) askers.set(needed, [record])
        else list.push(record)
      }
    }
    next.set(target, undefined)
    const queue = [target]
    for (const name of queue) {
      const record = this.#byName.get(name)
      for (const asker of record === undefined ? [] : (askers.get(record) ?? [])) {
        if (next.has(asker.name)) continue
        next.set(asker.name, name)
        queue.push(asker.name)
      }
    }
    return next
  }
}

/** The way from `name` to the target of {@link ClosureGraph.leadingTo}, both included; undefined when there is none. */
export function wayFrom(leading: ReadonlyMap<string, string | undefined>, name: string): readonly string[] | undefined {
  if (!leading.has(name)) return undefined
  const way: string[] = []
  for (let step: string | undefined = name; step !== undefined; step = leading.get(step)) way.push(step)
  return way
}
