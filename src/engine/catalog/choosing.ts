import { YoeError } from '../errors.ts'
import type { Machine, PackageUnit, Project, Unit } from '../project/model.ts'
import { type Definition, type Diagnostic, definition, type Shadow, sorted } from './diagnostics.ts'
import { answersOf, type Pinned, readPins } from './pins.ts'
import { packageNames } from './subpackages.ts'

/** What was chosen for each name. */
export interface Choices {
  readonly pins: ReadonlyMap<string, Pinned>
  /** Units by their own names. */
  readonly units: ReadonlyMap<string, Unit>
  /** Names of packages that units make beside their main one. */
  readonly subpackages: ReadonlyMap<string, PackageUnit>
  readonly virtuals: ReadonlyMap<string, Unit>
  /** Virtual names that outrank even what is called so: a machine's kernel, and pins say them. */
  readonly decided: ReadonlyMap<string, Unit>
  /** Units that other distros see; by name. */
  readonly hidden: ReadonlyMap<string, readonly Unit[]>
  readonly diagnostics: readonly Diagnostic[]
  readonly errors: readonly YoeError[]
}

export const sees = (unit: Unit, distro: string): boolean => unit.distros === undefined || unit.distros.includes(distro)

/**
 * Chooses what names mean among units: the distro decides what is visible; then pins, then the order of modules (the
 * project outranks every module, a later module an earlier one). Does not depend on the order of declarations.
 *
 * @param machine with the kernel for this distro
 */
export function choose(project: Project, machine: Machine, distro: string): Choices {
  return new Chooser(project, machine, distro).choices()
}

class Chooser {
  readonly #project: Project
  readonly #machine: Machine
  readonly #distro: string
  readonly #pins: ReadonlyMap<string, Pinned>
  readonly #visible: readonly Unit[]
  readonly #priority: ReadonlyMap<string, number>
  readonly #units = new Map<string, Unit>()
  readonly #subpackages = new Map<string, PackageUnit>()
  readonly #virtuals = new Map<string, Unit>()
  readonly #decided = new Map<string, Unit>()
  readonly #diagnostics: Diagnostic[] = []
  readonly #errors: YoeError[]

  constructor(project: Project, machine: Machine, distro: string) {
    const { byName, errors } = readPins(project, distro)
    this.#project = project
    this.#machine = machine
    this.#distro = distro
    this.#pins = byName
    this.#errors = [...errors]
    this.#visible = project.units.filter((unit) => sees(unit, distro))
    this.#priority = new Map(project.modules.map(({ name }, index) => [name, index]))
  }

  choices(): Choices {
    this.#chooseUnits()
    this.#chooseSubpackages()
    this.#chooseVirtuals()
    this.#decideKernel()
    this.#findUnusedPins()
    return {
      pins: this.#pins,
      units: this.#units,
      subpackages: this.#subpackages,
      virtuals: this.#virtuals,
      decided: this.#decided,
      hidden: grouped(
        this.#project.units.filter((unit) => !sees(unit, this.#distro)).map((unit) => [unit.name, unit] as const),
      ),
      diagnostics: sorted(this.#diagnostics),
      errors: this.#errors,
    }
  }

  #chooseUnits(): void {
    for (const [name, units] of grouped(this.#visible.map((unit) => [unit.name, unit]))) {
      const feed = this.#feedFor(name)
      if (feed === undefined) this.#units.set(name, this.#best(name, units))
      else for (const loser of this.#ranked(units)) this.#shadow(name, { from: feed, name }, definition(loser), 'pin')
    }
  }

  /** Packages that units make beside their main one: such a name is as real as a unit's. */
  #chooseSubpackages(): void {
    for (const unit of [...this.#units.values()].filter(isSplit).sort(byName)) {
      if (this.#units.get(unit.name) !== unit) continue
      for (const name of packageNames(unit).slice(1)) {
        const other = this.#real(name)
        if (other?.module === unit.module) {
          this.#twice(name, unit, other, 'make a package called')
          continue
        }
        const feed = this.#feedFor(name)
        if (feed !== undefined) this.#shadow(name, { from: feed, name }, definition(unit), 'pin')
        if (feed !== undefined || (other !== undefined && this.#best(name, [unit, other]) !== unit)) continue
        this.#units.delete(name)
        this.#subpackages.set(name, unit)
      }
    }
  }

  #chooseVirtuals(): void {
    const { kernel } = this.#machine
    const absent = kernelsOfOthers(this.#project, this.#machine)
    const providing = [...this.#units.values()].flatMap((unit) => provided(unit).map((name) => [name, unit] as const))
    const groups = grouped(providing.filter(([name, unit]) => name !== unit.name))
    for (const [name, all] of [...groups].sort(([a], [b]) => (a < b ? -1 : 1))) {
      const here = all.filter((unit) => !absent.has(unit.name))
      const units = here.length === 0 ? all : here
      const [first, second] = this.#ranked(units)
      if (kernel?.provides === name && first !== undefined) {
        this.#virtuals.set(name, first)
        continue
      }
      const real = this.#real(name)
      const pinned = this.#pinnedAmong(name, units)
      const open = real === undefined && pinned === undefined
      if (open && first !== undefined && second?.module === first.module) this.#twice(name, second, first, 'provide')
      const winner = this.#best(name, units)
      this.#virtuals.set(name, winner)
      if (pinned !== undefined) this.#decided.set(name, pinned)
      if (real === undefined) continue
      if (pinned === undefined) this.#shadow(name, definition(real), definition(winner), 'real name')
      else this.#shadow(name, definition(pinned), definition(real), 'pin')
    }
  }

  /** What the machine says is its kernel is it, whatever else is called so or provides it. */
  #decideKernel(): void {
    const { kernel } = this.#machine
    if (kernel?.provides === undefined || kernel.provides === kernel.unit) return
    const name = kernel.provides
    const unit = this.#real(kernel.unit) ?? this.#virtuals.get(kernel.unit)
    if (unit === undefined) return
    for (const loser of [this.#real(name), this.#virtuals.get(name)]) {
      if (loser === undefined || loser === unit) continue
      this.#shadow(name, definition(unit), definition(loser), 'kernel')
    }
    this.#decided.set(name, unit)
  }

  #findUnusedPins(): void {
    const distros = new Map(this.#project.feeds.map((feed) => [feed.id, feed.distro]))
    for (const [name, { pin, target }] of this.#pins) {
      const used =
        target.kind === 'feed'
          ? distros.get(target.id) === this.#distro
          : this.#visible.some((unit) => unit.module === target.name && answersOf(unit).includes(name))
      if (!used) this.#diagnostics.push({ kind: 'unused pin', name, distro: this.#distro, pin })
    }
  }

  #real(name: string): Unit | undefined {
    return this.#units.get(name) ?? this.#subpackages.get(name)
  }

  /** The feed of this distro that a name is pinned to. */
  #feedFor(name: string): string | undefined {
    const target = this.#pins.get(name)?.target
    if (target?.kind !== 'feed') return undefined
    return this.#project.feeds.some((feed) => feed.id === target.id && feed.distro === this.#distro)
      ? target.id
      : undefined
  }

  #pinnedAmong(name: string, units: readonly Unit[]): Unit | undefined {
    const target = this.#pins.get(name)?.target
    return target?.kind === 'module' ? this.#ranked(units).find((unit) => unit.module === target.name) : undefined
  }

  /** The pinned one, else the one of the highest module; the others are recorded. */
  #best(name: string, units: readonly Unit[]): Unit {
    const ranked = this.#ranked(units)
    const [highest] = ranked
    const winner = this.#pinnedAmong(name, units) ?? highest
    if (winner === undefined) throw new TypeError(`there is nothing called ${name}`)
    const why = winner === highest ? 'module order' : 'pin'
    for (const loser of ranked) if (loser !== winner) this.#shadow(name, definition(winner), definition(loser), why)
    return winner
  }

  /** Highest module first. */
  #ranked(units: readonly Unit[]): readonly Unit[] {
    const rank = ({ module }: Unit): number =>
      module === '' ? Number.POSITIVE_INFINITY : (this.#priority.get(module) ?? -1)
    return units.length < 2 ? units : units.toSorted((a, b) => (rank(a) === rank(b) ? byName(a, b) : rank(b) - rank(a)))
  }

  #shadow(name: string, winner: Definition, loser: Definition, why: Shadow['why']): void {
    this.#diagnostics.push({ kind: 'shadow', name, distro: this.#distro, winner, loser, why })
  }

  #twice(name: string, unit: Unit, other: Unit, verb: string): void {
    this.#errors.push(
      new YoeError('DUPLICATE', `"${unit.name}" and "${other.name}" both ${verb} "${name}"`, {
        at: unit.at,
        unit: unit.name,
        hint: `within one module a name means one thing for each distro; the other is at ${other.at.file}:${other.at.line}`,
      }),
    )
  }
}

const isSplit = (unit: Unit): unit is PackageUnit => unit.kind === 'package' && packageNames(unit).length > 1

const byName = (a: Unit, b: Unit): number => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0)

function grouped(entries: Iterable<readonly [string, Unit]>): Map<string, Unit[]> {
  const groups = new Map<string, Unit[]>()
  for (const [name, unit] of entries) {
    const group = groups.get(name)
    if (group === undefined) groups.set(name, [unit])
    else group.push(unit)
  }
  return groups
}

function provided(unit: Unit): readonly string[] {
  if (unit.kind === 'image') return []
  return unit.kind === 'package' ? unit.provides.map(({ name }) => name) : unit.provides
}

/** Kernels of machines that are not chosen take no part in virtual names. @see seed, ctx.provides duplicates */
function kernelsOfOthers(project: Project, machine: Machine): ReadonlySet<string> {
  const kernels = (one: Machine): readonly string[] =>
    [one.kernel, ...Object.values(one.distroKernels)].flatMap((kernel) => (kernel === undefined ? [] : [kernel.unit]))
  const others = new Set(project.machines.flatMap(kernels))
  for (const unit of kernels(machine)) others.delete(unit)
  return others
}
