import type { Position } from '../errors.ts'
import type { Machine, Project, Unit } from '../project/model.ts'

/** A unit that lost its name to one of a module with higher priority. */
export interface Shadow {
  readonly name: string
  readonly winner: Position
  readonly loser: Position
}

/**
 * What every name means for one machine and one distro: a pure function of the project, built once.
 * The distro decides what is visible, the module what wins (the project outranks every module, a later module an
 * earlier one). Feeds rank below all of it and are not in here.
 * @see seed, Catalog and Materialization
 */
export class View {
  readonly machine: Machine
  readonly distro: string
  readonly shadows: readonly Shadow[]
  readonly #units = new Map<string, Unit>()
  readonly #virtuals = new Map<string, Unit>()

  constructor(project: Project, machine: Machine, distro: string) {
    this.machine = machine
    this.distro = distro
    const priority = new Map(project.modules.map((module, index) => [module.name, index]))
    const rank = (unit: Unit): number =>
      unit.module === '' ? Number.POSITIVE_INFINITY : (priority.get(unit.module) ?? -1)
    const shadows: Shadow[] = []
    const visible = project.units.filter((unit) => unit.distros === undefined || unit.distros.includes(distro))
    for (const unit of visible) {
      const other = this.#units.get(unit.name)
      if (other === undefined || rank(unit) > rank(other)) this.#units.set(unit.name, unit)
      if (other !== undefined) {
        const [winner, loser] = rank(unit) > rank(other) ? [unit, other] : [other, unit]
        shadows.push({ name: unit.name, winner: winner.at, loser: loser.at })
      }
    }
    for (const unit of this.#units.values()) {
      if (unit.kind === 'image') continue
      for (const name of unit.kind === 'package' ? unit.provides.map((one) => one.name) : unit.provides) {
        const other = this.#virtuals.get(name)
        if (other === undefined || rank(unit) > rank(other)) this.#virtuals.set(name, unit)
      }
    }
    const { kernel } = machine
    if (kernel?.provides !== undefined) {
      const unit = this.#units.get(kernel.unit)
      if (unit !== undefined) this.#virtuals.set(kernel.provides, unit)
    }
    this.shadows = shadows
  }

  /** The unit that a name means: one of that name, else the one that provides it. */
  find(name: string): Unit | undefined {
    return this.#units.get(name) ?? this.#virtuals.get(name)
  }

  /** All visible units, in declaration order. */
  units(): Iterable<Unit> {
    return this.#units.values()
  }

  /** Every name that `find` answers, for suggestions. */
  *names(): Iterable<string> {
    yield* this.#units.keys()
    yield* this.#virtuals.keys()
  }
}
