import { explainMissing } from '../catalog/missing.ts'
import { Names } from '../catalog/names.ts'
import type { PackageRecord } from '../catalog/package.ts'
import type { Root } from '../catalog/solver.ts'
import type { Position } from '../errors.ts'
import { userErrors, YoeError } from '../errors.ts'
import type { PackageUnit, Unit } from '../project/model.ts'
import { Closures, type OpenHost, type Scope } from './closures.ts'
import type { Node, ToolchainNode } from './graph.ts'
import { UnitRecords } from './unit-records.ts'
import { HostFeedsNeeded, type Universe } from './universe.ts'

/** What a name in a list of packages means: a unit to build, with the package of it, or a name that feeds answer to. */
export type PackageMeaning =
  | { readonly kind: 'unit'; readonly unit: PackageUnit; readonly name: string; readonly provided?: string | undefined }
  | { readonly kind: 'feed'; readonly name: string }

/** How a unit of each kind becomes a node. Undefined: it can't, and the errors say why. */
export type MakeNode = (resolving: Resolving, unit: Unit, host: OpenHost | undefined) => Node | undefined

/** One resolution: nodes that were made, errors that were found, and what names mean meanwhile. */
export class Resolving {
  readonly universe: Universe
  readonly names: Names
  readonly records: UnitRecords
  readonly errors: YoeError[] = []
  readonly #closures: Closures
  readonly #make: MakeNode
  readonly #nodes = new Map<Unit, Node | undefined>()
  readonly #hostNodes = new Map<Unit, Node | undefined>()
  readonly #trail: Unit[] = []

  /** @param built what packages of built units say about themselves, by package name */
  constructor(universe: Universe, make: MakeNode, built: ReadonlyMap<string, PackageRecord>) {
    this.universe = universe
    this.names = new Names(universe.view, universe.feeds)
    this.records = new UnitRecords(universe, this.names, built)
    this.#closures = new Closures(universe, this.records, built)
    this.#make = make
    this.errors.push(...this.names.pinErrors())
  }

  /** Memoised; undefined when the unit can't be resolved (the errors say why, once). */
  node(unit: Unit, host?: OpenHost): Node | undefined {
    const nodes = host === undefined ? this.#nodes : this.#hostNodes
    if (nodes.has(unit)) return nodes.get(unit)
    if (this.#trail.includes(unit)) {
      this.#cycle(unit)
      return undefined
    }
    const node = this.within(unit, () => this.#make(this, unit, host))
    nodes.set(unit, node)
    return node
  }

  /** Does something for the sake of a unit, which is then part of every cycle that it finds. */
  within<T>(unit: Unit, work: () => T): T {
    this.#trail.push(unit)
    try {
      return work()
    } finally {
      this.#trail.pop()
    }
  }

  /** The root that is called `name`; `host`: for the machine that builds. */
  toolchain(name: string, by: Unit, host: boolean): ToolchainNode | undefined {
    const unit = this.universe.view.find(name)
    if (unit === undefined) {
      this.missing(name, by.at, `unit "${by.name}"`)
      return undefined
    }
    if (unit.kind !== 'toolchain') {
      this.fail(`"${name}" is no container, and unit "${by.name}" runs its tasks in one`, by, {
        hint: 'name a unit that is declared with container(…)',
      })
      return undefined
    }
    const node = this.node(unit, host ? this.#openHost(true) : undefined)
    return node?.kind === 'toolchain' ? node : undefined
  }

  /**
   * The tools in a root of the machine that builds, for working on a root of another architecture: under emulation they
   * are many times slower. Undefined where both are one, or where that machine's feeds have not all of them.
   */
  installer(by: Unit): ToolchainNode | undefined {
    const host = this.universe.host?.unavailable === true ? undefined : this.#openHost(false)
    const unit = host === undefined ? undefined : this.universe.view.find('tools')
    if (host === undefined || unit?.kind !== 'toolchain') return undefined
    const known = (name: string): boolean =>
      host.feeds.some((feed) => feed.lookup(name).length > 0 || feed.providers(name).length > 0)
    return unit.packages.every(known) ? this.toolchain('tools', by, true) : undefined
  }

  /** What a name means where only packages will do. */
  meaning(name: string, at: Position, asker: string): PackageMeaning | undefined {
    const found = this.names.find(name)
    if (found === undefined) {
      this.missing(name, at, asker)
      return undefined
    }
    if (found.kind === 'feed') return found
    const { unit } = found
    if (unit.kind === 'package')
      return {
        kind: 'unit',
        unit,
        name: found.name,
        ...(found.as === undefined ? {} : { provided: found.as.version ?? '' }),
      }
    const kind = unit.kind === 'image' ? 'an image' : 'a container'
    this.errors.push(
      new YoeError('BAD_FIELD', `${asker} needs "${name}", which is ${kind} and no package`, {
        at,
        hint: 'name a unit that makes a package',
      }),
    )
    return undefined
  }

  /** A closure for a unit's sake; its failures are the unit's. */
  closure(by: Unit, roots: readonly Root[], scope: Scope): readonly PackageRecord[] | undefined {
    try {
      return this.#closures.find(roots, scope)
    } catch (failure) {
      const errors = userErrors(failure)
      if (errors === undefined) throw failure
      for (const { code, message, hint, at, unit } of errors)
        this.errors.push(new YoeError(code, message, { hint, at: at ?? by.at, unit: unit ?? by.name }))
      return undefined
    }
  }

  fail(message: string, unit: Unit, { hint, at = unit.at }: { readonly hint: string; readonly at?: Position }): void {
    this.errors.push(new YoeError('BAD_FIELD', message, { at, unit: unit.name, hint }))
  }

  missing(name: string, at: Position | undefined, asker: string): void {
    this.errors.push(explainMissing(this.names, name, at, asker))
  }

  #openHost(must: boolean): OpenHost | undefined {
    const { host, arch } = this.universe
    if (host === undefined || host.arch === arch) return undefined
    if (host.feeds === undefined) throw new HostFeedsNeeded(must)
    return { ...host, feeds: host.feeds }
  }

  /** Told from its first name by alphabet, so that it reads the same wherever the search came in. */
  #cycle(unit: Unit): void {
    const cycle = this.#trail.slice(this.#trail.indexOf(unit))
    const start = cycle.reduce((first, step) => (step.name < first.name ? step : first), unit)
    const turned = [...cycle.slice(cycle.indexOf(start)), ...cycle.slice(0, cycle.indexOf(start)), start]
    const message = `units need each other to be built: ${turned.map(({ name }) => name).join(' → ')}`
    if (this.errors.some((error) => error.message === message)) return
    this.errors.push(
      new YoeError('DEP_CYCLE', message, {
        at: start.at,
        unit: start.name,
        hint: 'take one of these out of the deps (or runtime_deps) of the one before it',
      }),
    )
  }
}
