import type { StarlarkFunction } from 'starlark-wasm'
import type { Position, YoeErrorCode, YoeErrorOptions } from '../errors.ts'
import { YoeError } from '../errors.ts'
import type { ModuleReference } from '../modules/reference.ts'
import type { DeclaredNames } from './declared-names.ts'
import type { Addition } from './extensions.ts'
import type { FeedDeclaration, Machine, ModulePin, Step, Unit } from './model.ts'
import type { CacheSettings, ProjectFeed, Sources } from './settings.ts'

/** What a MODULE.star says of itself. */
export interface ModuleDeclaration {
  readonly name: string
  readonly description: string
  readonly deps: readonly ModuleReference[]
  readonly at: Position
}

export interface ProjectDeclaration {
  readonly name: string
  readonly version: string
  readonly description: string
  readonly defaults: { readonly machine?: string; readonly image?: string; readonly distro?: string }
  readonly cache: CacheSettings
  readonly sources: Sources
  readonly feed?: ProjectFeed | undefined
  readonly pins: readonly ModulePin[]
  readonly modules: readonly ModuleReference[]
  readonly at: Position
}

/** Which files are being evaluated; builtins that declare something belong to one phase. */
export type Phase = 'project' | 'module' | 'machines' | 'units' | 'task'

/** Everything that the files of a project declare, and everything that is wrong with it, gathered while they run. */
export class Declarations {
  phase: Phase = 'project'
  /** Every `project(…)` call, in the order of evaluation. */
  readonly projects: ProjectDeclaration[] = []
  /** The one that counts, once all are known. */
  project: ProjectDeclaration | undefined
  /** What names mean, once every unit is declared. */
  names: DeclaredNames | undefined
  moduleInfo: ModuleDeclaration | undefined
  readonly machines: Machine[] = []
  readonly units: Unit[] = []
  readonly additions: Addition[] = []
  /** The functions behind steps that call one; what they are is known when their files are evaluated. */
  readonly functions = new Map<Step, StarlarkFunction>()
  readonly feeds: FeedDeclaration[] = []
  readonly errors: YoeError[] = []
  /** Module and name of what was to be declared, but for errors: what follows from that alone needs no telling. */
  readonly spoilt = new Set<string>()
  /** Units of one module by name, and by what they provide: a project may have ten thousand. */
  readonly #named = new Map<string, Unit[]>()
  readonly #providing = new Map<string, Unit[]>()

  fail(code: YoeErrorCode, message: string, options: YoeErrorOptions): void {
    this.errors.push(new YoeError(code, message, options))
  }

  /** A step that calls a function. */
  functionStep(fn: StarlarkFunction, at: Position): Step {
    const step: Step = { kind: 'call', name: fn.name, digest: '', reads: [], at }
    this.functions.set(step, fn)
    return step
  }

  addMachine(machine: Machine): void {
    const other = this.machines.find((known) => known.name === machine.name && known.module === machine.module)
    if (other === undefined) this.machines.push(machine)
    else this.#duplicate('machine', machine.name, machine.at, other.at)
  }

  /** Within one module a name is declared once (per distro); across modules the higher priority wins. */
  addUnit(unit: Unit): void {
    const inModule = (name: string): string => `${unit.module}//${name}`
    const other = this.#named.get(inModule(unit.name))?.find((known) => overlaps(known, unit))
    if (other !== undefined) {
      this.#duplicate('unit', unit.name, unit.at, other.at)
      return
    }
    for (const name of provided(unit)) {
      const rival = this.#providing.get(inModule(name))?.find((known) => overlaps(known, unit))
      if (rival !== undefined && !this.#isOfKernels(name)) {
        this.fail('DUPLICATE', `"${unit.name}" and "${rival.name}" both provide "${name}"`, {
          at: unit.at,
          unit: unit.name,
          hint: `within one module a virtual name has one provider per distro; the other is at ${rival.at.file}:${rival.at.line}`,
        })
      }
    }
    append(this.#named, inModule(unit.name), unit)
    for (const name of provided(unit)) append(this.#providing, inModule(name), unit)
    this.units.push(unit)
  }

  /** Of kernels a module may bring several: the machine says which one it is. */
  #isOfKernels(name: string): boolean {
    return this.machines.some(({ kernel, distroKernels }) =>
      [kernel, ...Object.values(distroKernels)].some((each) => each?.provides === name),
    )
  }

  addFeed(feed: FeedDeclaration): void {
    const other = this.feeds.find((known) => known.id === feed.id)
    if (other === undefined) this.feeds.push(feed)
    else this.#duplicate('feed', feed.id, feed.at, other.at)
  }

  #duplicate(what: string, name: string, at: Position, first: Position): void {
    this.fail('DUPLICATE', `${what} "${name}" is declared twice`, {
      at,
      hint: `the first is at ${first.file}:${first.line}; rename or remove one`,
    })
  }
}

function overlaps(a: Unit, b: Unit): boolean {
  return a.distros === undefined || b.distros === undefined || a.distros.some((distro) => b.distros?.includes(distro))
}

function provided(unit: Unit): readonly string[] {
  if (unit.kind === 'image') return []
  return unit.kind === 'package' ? unit.provides.map(({ name }) => name) : unit.provides
}

function append(map: Map<string, Unit[]>, key: string, unit: Unit): void {
  const list = map.get(key)
  if (list === undefined) map.set(key, [unit])
  else list.push(unit)
}
