import type { PackageUnit, Unit } from '../project/model.ts'
import { imageNames } from './image-names.ts'
import type { Names } from './names.ts'
import type { Alternatives, Dependency } from './package.ts'
import type { View } from './view.ts'

/** How one thing names another: to be built, to run, as the root that its tasks run in, or as what an image installs. */
export type Relation = 'build' | 'runtime' | 'container' | 'artifact' | 'machine'

/** A name in a declaration, and what it means. */
export interface Need {
  readonly relation: Relation
  /** As it is declared: may be virtual. */
  readonly name: string
  /** Undefined: no unit has that name, so a feed must. */
  readonly unit: Unit | undefined
  /** `unit` only provides the name, so that a package of a feed which is called so comes before it. */
  readonly virtual: boolean
}

/**
 * What a unit's own declaration names, in declared order and each name once for each relation: known without any feed.
 * An image needs what its machine brings, too.
 *
 * @param find what a name means; as the view says it, which knows no feed
 */
export function needsOf(view: View, unit: Unit, find: Find = (name) => view.find(name)): readonly Need[] {
  return [...collect(view, unit, find, { containers: true })]
}

type Find = (name: string) => Unit | undefined

/** @param containers with the roots that tasks run in: tasks of a kept project are read only where they are looked at */
function collect(
  view: View,
  unit: Unit,
  find: Find,
  { containers }: { readonly containers: boolean },
): IteratorObject<Need> {
  const needs = new Map<string, Need>()
  const add = (relation: Relation, name: string): void => {
    const key = `${relation} ${name}`
    if (needs.has(key)) return
    const found = find(name)
    const virtual =
      relation !== 'container' &&
      found !== undefined &&
      found === view.virtual(name) &&
      found !== (view.decided(name) ?? view.real(name))
    needs.set(key, { relation, name, unit: found, virtual })
  }
  switch (unit.kind) {
    case 'toolchain':
      if (unit.packages.length > 0 && !unit.provides.includes('tools')) add('container', 'tools')
      for (const { container } of unit.dockerfile?.bases ?? []) add('container', container)
      // Units take no part in what compiles them.
      for (const name of unit.packages)
        needs.set(`runtime ${name}`, { relation: 'runtime', name, unit: undefined, virtual: false })
      break
    case 'package':
      if (containers) for (const name of containersOf(unit)) add('container', name)
      for (const { name } of buildDeps(view, unit)) add('build', name)
      for (const { name } of runtimeGroups(view, unit).flat()) add('runtime', name)
      break
    case 'image': {
      const names = imageNames(view, unit)
      for (const name of names.image) add('artifact', name)
      for (const name of names.machine) add('machine', name)
      add('container', 'tools')
      break
    }
    default:
      return unit satisfies never
  }
  return needs.values()
}

/** The roots that a unit's tasks run in; none for a unit that runs nothing. */
function containersOf(unit: PackageUnit): readonly string[] {
  return [...new Set(unit.tasks.map((task) => task.container ?? unit.container))]
}

function buildDeps(view: View, unit: PackageUnit): readonly Dependency[] {
  return [...unit.deps, ...forDistro(unit.distroDeps, view.distro)]
}

function runtimeGroups(view: View, unit: PackageUnit): readonly Alternatives[] {
  return [...unit.runtimeDeps, ...forDistro(unit.distroRuntimeDeps, view.distro)]
}

/** Who names a unit or a feed package: in declaration order, but for those whose tasks run in it, who come last. */
export interface Asked {
  readonly by: Unit
  readonly need: Need
}

/** All that is declared, backwards: answers who needs a name without going through all units again. */
export class DeclaredGraph {
  #doubtful = false
  #hasContainers = false
  readonly #view: View
  readonly #find: Find
  readonly #certain: boolean
  readonly #ofUnit = new Map<Unit, Asked[]>()
  readonly #ofName = new Map<string, Asked[]>()

  /** @param names what names mean where feeds are open; without it, as far as units go */
  constructor(view: View, names?: Names) {
    this.#certain = names !== undefined
    this.#view = view
    this.#find = names === undefined ? (name) => view.find(name) : (name) => unitOf(names, name)
    for (const unit of view.units()) {
      for (const need of collect(view, unit, this.#find, { containers: false })) this.#add(unit, need)
    }
  }

  #add(by: Unit, need: Need): void {
    if (need.unit === undefined) append(this.#ofName, need.name, { by, need })
    else append(this.#ofUnit, need.unit, { by, need })
  }

  /** What runs in which container: only questions about containers need it. */
  #addContainers(): void {
    if (this.#hasContainers) return
    this.#hasContainers = true
    for (const by of this.#view.units()) {
      if (by.kind !== 'package') continue
      for (const name of containersOf(by)) {
        const unit = this.#find(name)
        if (unit !== undefined) this.#add(by, { relation: 'container', name, unit, virtual: false })
      }
    }
  }

  /** Whether it told something, since it was made, that feeds could contradict. */
  get doubtful(): boolean {
    return this.#doubtful
  }

  needs(unit: Unit): readonly Need[] {
    const found = needsOf(this.#view, unit, this.#find)
    this.#doubt(found)
    return found
  }

  #doubt(needs: readonly Need[]): void {
    this.#doubtful ||= !this.#certain && needs.some((need) => need.virtual)
  }

  /** Who names it; a text is the name of a feed package. */
  askers(target: Unit | string): readonly Asked[] {
    if (typeof target !== 'string' && target.kind === 'toolchain') this.#addContainers()
    const found = (typeof target === 'string' ? this.#ofName.get(target) : this.#ofUnit.get(target)) ?? []
    this.#doubtful ||= !this.#certain && found.some(({ need }) => need.virtual)
    return found
  }
}

/** A name of a distro may be any: `constructor`. */
function forDistro<T>(table: Readonly<Record<string, readonly T[]>>, distro: string): readonly T[] {
  return Object.hasOwn(table, distro) ? (table[distro] ?? []) : []
}

function unitOf(names: Names, name: string): Unit | undefined {
  const found = names.find(name)
  return found?.kind === 'unit' ? found.unit : undefined
}

function append<K, V>(map: Map<K, V[]>, key: K, value: V): void {
  const list = map.get(key)
  if (list === undefined) map.set(key, [value])
  else list.push(value)
}
