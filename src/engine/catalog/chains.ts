import { satisfies } from './candidates.ts'
import type { Dependency, PackageRecord, Provided, VersionScheme } from './package.ts'

/** A closure as a graph: which of its packages meets which dependency of another. */
export class ClosureGraph {
  readonly #byName: ReadonlyMap<string, PackageRecord>
  readonly #providers = new Map<string, PackageRecord[]>()
  readonly #versions: VersionScheme
  #byNeed: ReadonlyMap<string, readonly PackageRecord[]> | undefined

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

  /** Every package that leads to `target`, itself first: the next step of a shortest way, by name. */
  leadingTo(target: string): ReadonlyMap<string, string | undefined> {
    const next = new Map<string, string | undefined>()
    if (!this.#byName.has(target)) return next
    next.set(target, undefined)
    const queue = [target]
    for (const name of queue) {
      const record = this.#byName.get(name)
      if (record === undefined) continue
      for (const asker of this.#askersOf(record)) {
        if (next.has(asker.name)) continue
        next.set(asker.name, name)
        queue.push(asker.name)
      }
    }
    return next
  }

  /** Packages of the closure that need this one of it, in the closure's order for each name that it answers to. */
  *#askersOf(record: PackageRecord): Generator<PackageRecord> {
    for (const name of new Set([record.name, ...record.provides.map((one) => one.name)])) {
      for (const asker of this.#naming().get(name) ?? []) {
        const meets = (one: Dependency): boolean => one.name === name && this.meeting(one).includes(record)
        if (asker.depends.some((group) => group.some(meets))) yield asker
      }
    }
  }

  /** Packages by the names in their dependencies. */
  #naming(): ReadonlyMap<string, readonly PackageRecord[]> {
    if (this.#byNeed !== undefined) return this.#byNeed
    const index = new Map<string, PackageRecord[]>()
    for (const record of this.#byName.values()) {
      for (const group of record.depends) {
        for (const { name } of group) {
          const list = index.get(name)
          if (list === undefined) index.set(name, [record])
          else if (list.at(-1) !== record) list.push(record)
        }
      }
    }
    this.#byNeed = index
    return index
  }
}

/** The way from `name` to the target of {@link ClosureGraph.leadingTo}, both included; undefined when there is none. */
export function wayFrom(leading: ReadonlyMap<string, string | undefined>, name: string): readonly string[] | undefined {
  if (!leading.has(name)) return undefined
  const way: string[] = []
  for (let step: string | undefined = name; step !== undefined; step = leading.get(step)) way.push(step)
  return way
}
