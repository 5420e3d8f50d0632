import type { Alternatives } from '../catalog/package.ts'
import { declaredPins } from '../catalog/pins.ts'
import { kernelFor, View } from '../catalog/view.ts'
import type { Machine, Project, Unit } from './model.ts'

/**
 * What names mean among the units that are declared so far, before any feed is asked: a name that no unit has stands for
 * itself.
 */
export class DeclaredNames {
  /** Every distro that the project mentions, sorted; one without a name when there is none. */
  readonly distros: readonly string[]
  readonly #project: Project
  readonly #machine: Machine
  readonly #views = new Map<string, View>()

  /** @param machine undefined: a machine that decides nothing */
  constructor(project: Project, machine: Machine | undefined) {
    this.#project = { ...project, pins: declaredPins(project) }
    this.#machine = machine ?? someMachine(project)
    const named = [
      ...project.feeds.map((feed) => feed.distro),
      ...project.units.flatMap((unit) => unit.distros ?? []),
      ...Object.keys(this.#machine.distroKernels),
      ...(project.defaults.distro === undefined ? [] : [project.defaults.distro]),
    ]
    this.distros = named.length === 0 ? [''] : [...new Set(named)].sort()
  }

  /** @throws {YoeErrors} when names of the project can't be told apart at all */
  find(name: string, distro: string): Unit | undefined {
    let view = this.#views.get(distro)
    if (view === undefined) {
      view = new View(this.#project, this.#machine, distro)
      this.#views.set(distro, view)
    }
    return view.find(name)
  }

  /**
   * What each distro means by a virtual name: a unit, or the package that the machine's kernel comes from. Distros that
   * mean nothing by it are left out.
   */
  providers(name: string): ReadonlyMap<string, string> {
    const found = new Map<string, string>()
    for (const distro of this.distros) {
      const kernel = kernelFor(this.#machine, distro)
      const meant = kernel?.provides === name ? kernel.unit : this.find(name, distro)?.name
      if (meant !== undefined) found.set(distro, meant)
    }
    return found
  }

  /**
   * Names and all that they need when they are installed, as far as units go, each once: dependencies come before what
   * needs them, otherwise the order is the one that they were named in. Of alternatives the first that a unit has counts,
   * else the first.
   */
  closure(names: readonly string[], distro: string): readonly string[] {
    const order = new Set<string>()
    const seen = new Set<string>()
    /** What is still to do, the next one last: a name to look at, or one whose dependencies are all there. */
    const work: { readonly name: string; readonly unit?: Unit }[] = names.map((name) => ({ name })).reverse()
    for (let next = work.pop(); next !== undefined; next = work.pop()) {
      if (next.unit !== undefined) {
        order.add(next.name)
        continue
      }
      const unit = this.find(next.name, distro)
      const name = unit?.name ?? next.name
      if (seen.has(name)) continue
      seen.add(name)
      if (unit?.kind !== 'package') {
        order.add(name)
        continue
      }
      work.push({ name, unit })
      const { distroRuntimeDeps: byDistro } = unit
      const ofDistro = Object.hasOwn(byDistro, distro) ? byDistro[distro] : undefined
      const needs = [...unit.runtimeDeps, ...(ofDistro ?? [])]
      for (const group of needs.toReversed()) {
        const chosen = this.#chosen(group, distro)
        if (chosen !== undefined) work.push({ name: chosen })
      }
    }
    return [...order]
  }

  #chosen(group: Alternatives, distro: string): string | undefined {
    return (group.find(({ name }) => this.find(name, distro) !== undefined) ?? group[0])?.name
  }
}

/** Names can be asked about before anybody chose a machine. */
function someMachine({ at }: Project): Machine {
  return {
    name: '',
    module: '',
    at,
    arch: 'x86_64',
    description: '',
    distroKernels: {},
    packages: [],
    distroPackages: {},
    partitions: [],
  }
}
