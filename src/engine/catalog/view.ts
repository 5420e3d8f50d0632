import { YoeErrors } from '../errors.ts'
import type { Kernel, Machine, Project, Unit } from '../project/model.ts'
import { type Choices, choose } from './choosing.ts'
import type { Diagnostic } from './diagnostics.ts'
import type { Pinned } from './pins.ts'

/** The kernel that a machine boots images of a distro with. */
export function kernelFor(machine: Machine, distro: string): Kernel | undefined {
  return Object.hasOwn(machine.distroKernels, distro) ? machine.distroKernels[distro] : machine.kernel
}

/**
 * What the names of units mean for one machine and one distro: a pure function of the project, built once. Feeds rank
 * below all of it; {@link Names} knows what they have.
 * @see seed, Catalog and Materialization
 */
export class View {
  /** Its `kernel` is the one for this distro. */
  readonly machine: Machine
  readonly distro: string
  /** What lost its name, and pins that came to nothing; by name. */
  readonly diagnostics: readonly Diagnostic[]
  readonly #choices: Choices
  #units: readonly Unit[] | undefined

  /** @throws {YoeErrors} of `prefer_modules`, and of names that two things of one module have */
  constructor(project: Project, machine: Machine, distro: string) {
    const { kernel: _, ...rest } = machine
    const kernel = kernelFor(machine, distro)
    this.machine = kernel === undefined ? rest : { ...rest, kernel }
    this.distro = distro
    this.#choices = choose(project, this.machine, distro)
    this.diagnostics = this.#choices.diagnostics
    const { errors } = this.#choices
    if (errors.length > 0) throw new YoeErrors(errors)
  }

  /** The unit that a name means, as far as units go: the decided one, one that is called so, one that provides it. */
  find(name: string): Unit | undefined {
    return this.decided(name) ?? this.real(name) ?? this.virtual(name)
  }

  /** The unit that a name means whatever is called so: the machine's kernel, or what `prefer_modules` names. */
  decided(name: string): Unit | undefined {
    return this.#choices.decided.get(name)
  }

  /** The unit that is called so, or that makes a package which is. */
  real(name: string): Unit | undefined {
    return this.#choices.units.get(name) ?? this.#choices.subpackages.get(name)
  }

  /** The unit that provides a name. */
  virtual(name: string): Unit | undefined {
    return this.#choices.virtuals.get(name)
  }

  /** Other distros that see a unit of this name. */
  hidden(name: string): readonly string[] {
    const units = this.#choices.hidden.get(name) ?? []
    return [...new Set(units.flatMap(({ distros = [] }) => distros))].sort()
  }

  /** What `prefer_modules` says about names, for this distro. */
  get pins(): ReadonlyMap<string, Pinned> {
    return this.#choices.pins
  }

  /** Every unit that has its name, by name. */
  units(): readonly Unit[] {
    this.#units ??= [...this.#choices.units.values()].sort((a, b) => (a.name < b.name ? -1 : 1))
    return this.#units
  }

  /** Names that units are meant by without being called so, each with its unit; in no order. */
  *aliases(): Iterable<readonly [string, Unit]> {
    yield* this.#choices.decided
    yield* this.#choices.virtuals
  }

  /** Every name that `find` answers, for suggestions. */
  *names(): Iterable<string> {
    const { units, subpackages, virtuals, decided } = this.#choices
    for (const map of [units, subpackages, virtuals, decided]) yield* map.keys()
  }
}
