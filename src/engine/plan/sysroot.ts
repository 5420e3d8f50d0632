import { dependencyText, versionHint } from '../catalog/explain.ts'
import type { Alternatives, Dependency, PackageRecord } from '../catalog/package.ts'
import type { Root } from '../catalog/solver.ts'
import { YoeError } from '../errors.ts'
import type { PackageUnit } from '../project/model.ts'
import { titleOf } from './closures.ts'
import type { PackageNode } from './graph.ts'
import { isMet, offerText } from './offers.ts'
import type { Resolving } from './resolving.ts'

/** What the packages of a unit need beside what it was built with: names that feeds answer to, and units. */
interface Needs {
  readonly groups: readonly Alternatives[]
  readonly units: readonly PackageNode[]
}

const needsByNode = new WeakMap<PackageNode, Needs>()

/**
 * What a unit's tasks see of others, while it is being found: the packages of its build dependencies and of all that
 * these need to run. Units come with all packages that they make, so that headers are there.
 */
export class Sysroot {
  readonly #resolving: Resolving
  readonly #unit: PackageUnit
  readonly #units = new Set<PackageNode>()
  readonly #seen = new Set<PackageNode>()
  /** What feeds are asked for, each once. */
  readonly #roots = new Map<string, Root>()

  constructor(resolving: Resolving, unit: PackageUnit) {
    this.#resolving = resolving
    this.#unit = unit
  }

  /** Dependencies first. */
  get units(): readonly PackageNode[] {
    return [...this.#units]
  }

  /** Adds a build dependency of the unit. */
  add(dependency: Dependency): void {
    const { at, name } = this.#unit
    const found = this.#resolving.meaning(dependency.name, at, `unit "${name}"`)
    if (found === undefined) return
    if (found.kind === 'feed') {
      this.#ask([dependency], this.#unit)
      return
    }
    const { universe } = this.#resolving
    if (!isMet(universe, found, dependency) && !isMet(universe, found, dependency, found.unit.version)) {
      this.#resolving.errors.push(
        new YoeError(
          'UNSATISFIABLE',
          `${titleOf(this.#unit)} wants ${dependencyText(dependency)}; ${offerText(universe, found, dependency.name)}`,
          { at, unit: name, hint: versionHint('unit') },
        ),
      )
      return
    }
    const node = this.#resolving.node(found.unit)
    if (node?.kind === 'package') this.#spread(node)
  }

  /** The packages of feeds in it; units that these need are added. Undefined: errors say why. */
  close(): readonly PackageRecord[] | undefined {
    const { view } = this.#resolving.universe
    for (;;) {
      if (this.#roots.size === 0) return []
      const roots = [...this.#roots].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, root]) => root)
      const closure = this.#resolving.closure(this.#unit, roots, {
        units: true,
        without: this.#unit,
        essentials: false,
      })
      if (closure === undefined) return undefined
      const before = this.#seen.size
      for (const { origin } of closure) {
        const unit = origin.kind === 'unit' ? view.real(origin.unit) : undefined
        const node = unit === undefined ? undefined : this.#resolving.node(unit)
        if (unit !== undefined && node === undefined) return undefined
        if (node?.kind === 'package') this.#spread(node)
      }
      if (this.#seen.size === before) return closure.filter((record) => record.origin.kind === 'feed')
    }
  }

  /** Adds a unit and all that it needs, dependencies first. Run-time dependencies may form cycles. */
  #spread(node: PackageNode): void {
    if (this.#seen.has(node)) return
    this.#seen.add(node)
    // A sysroot holds all that its units need already, so it is not gone through again for each of them.
    for (const inner of node.sysroot) {
      if (this.#seen.has(inner)) continue
      this.#seen.add(inner)
      for (const group of this.#needs(inner).groups) this.#ask(group, inner.unit)
      this.#units.add(inner)
    }
    const { groups, units } = this.#needs(node)
    for (const group of groups) this.#ask(group, node.unit)
    for (const unit of units) this.#spread(unit)
    this.#units.add(node)
  }

  #needs(node: PackageNode): Needs {
    const known = needsByNode.get(node)
    if (known !== undefined) return known
    const groups: Alternatives[] = node.sysrootFeed.map(({ name }) => [{ name }])
    const units: PackageNode[] = []
    this.#resolving.within(node.unit, () => {
      for (const group of node.runtimeDeps) {
        const unit = this.#unitFor(group, node.unit)
        if (unit === undefined) groups.push(group)
        else {
          const needed = this.#resolving.node(unit)
          if (needed?.kind === 'package') units.push(needed)
        }
      }
    })
    const needs = { groups, units }
    needsByNode.set(node, needs)
    return needs
  }

  /** The first alternative that is a unit, where no package of a feed comes before it. */
  #unitFor(group: Alternatives, by: PackageUnit): PackageUnit | undefined {
    const { universe } = this.#resolving
    for (const dependency of group) {
      const found = this.#resolving.meaning(dependency.name, by.at, `unit "${by.name}"`)
      if (found === undefined) continue
      if (found.kind === 'feed') return undefined
      if (isMet(universe, found, dependency)) return found.unit
    }
    return undefined
  }

  #ask(dependency: Alternatives, by: PackageUnit): void {
    const key = dependency.map(dependencyText).join(' | ')
    if (!this.#roots.has(key)) this.#roots.set(key, { dependency, by: titleOf(by), at: by.at })
  }
}
