import type { Position } from '../errors.ts'
import { YoeError } from '../errors.ts'
import { didYouMean } from '../nearest.ts'
import type { Extension, PackageUnit, Task, Unit } from './model.ts'

/** What one `extend(…)` adds to a unit. */
export interface Addition
  extends Pick<PackageUnit, 'deps' | 'runtimeDeps' | 'services' | 'conffiles' | 'environment' | 'tasks'> {
  readonly name: string
  /** Only units of this module are extended: another module's belong to it. */
  readonly module: string
  /** The distros that get it; undefined: all that see the unit. */
  readonly distros?: readonly string[]
  readonly at: Position
  readonly via: readonly string[]
}

/**
 * Units with everything that was added to them. Additions may have been declared before their unit; several are applied
 * in the order in which they were declared. A unit that gets more in one distro than in another becomes several units of
 * its name, each for some of the distros.
 * @param distros all that the project has; what is added for others is left out
 * @param spoilt module and name of units that are not there since their declaration is wrong
 * @returns units in their order; errors for additions to nothing, and for what two say differently
 */
export function extendUnits(
  units: readonly Unit[],
  additions: readonly Addition[],
  distros: readonly string[],
  spoilt: ReadonlySet<string> = new Set(),
): { readonly units: readonly Unit[]; readonly errors: readonly YoeError[] } {
  const errors: YoeError[] = []
  const waiting = new Map<string, Addition[]>()
  for (const addition of additions) {
    const key = `${addition.module} ${addition.name}`
    const others = waiting.get(key)
    if (others === undefined) waiting.set(key, [addition])
    else others.push(addition)
  }
  const found = new Map<string, PackageUnit[]>()
  const extended = units.flatMap((unit): readonly Unit[] => {
    const key = `${unit.module} ${unit.name}`
    if (unit.kind !== 'package') return [unit]
    found.set(key, [...(found.get(key) ?? []), unit])
    return byAdditions(unit, waiting.get(key) ?? [], distros).map(({ seenBy, added }) =>
      added.reduce<PackageUnit>(
        (base, addition, index, all) => extend(base, addition, all.slice(0, index), errors),
        seenBy === undefined ? unit : { ...unit, distros: seenBy },
      ),
    )
  })
  for (const [key, all] of waiting) {
    const targets = found.get(key)
    const [first] = all
    if (targets === undefined) {
      if (first !== undefined && !spoilt.has(key)) errors.push(nothingToExtend(first, units))
      continue
    }
    const seenBy = targets.flatMap((unit) => unit.distros ?? ['']) // '': every one
    for (const addition of all) {
      if (seenBy.includes('') || addition.distros === undefined) continue
      if (!addition.distros.some((distro) => seenBy.includes(distro))) errors.push(forOthers(addition, seenBy))
    }
  }
  // Two units of one name can have the same fault.
  const told = new Map(errors.map((error) => [JSON.stringify([error.at, error.message]), error]))
  return { units: extended, errors: [...told.values()] }
}

/** The groups of distros that get the same additions, in the order of `distros`; one group keeps what the unit says. */
function byAdditions(
  unit: PackageUnit,
  additions: readonly Addition[],
  distros: readonly string[],
): readonly { readonly seenBy: readonly string[] | undefined; readonly added: readonly Addition[] }[] {
  const groups = new Map<string, { seenBy: string[]; added: readonly Addition[] }>()
  for (const distro of unit.distros ?? distros) {
    // A project that mentions no distro can't tell them apart.
    const added = additions.filter((addition) => distro === '' || (addition.distros?.includes(distro) ?? true))
    const key = added.map((addition) => additions.indexOf(addition)).join(' ')
    const group = groups.get(key)
    if (group === undefined) groups.set(key, { seenBy: [distro], added })
    else group.seenBy.push(distro)
  }
  const all = [...groups.values()]
  if (all.length > 1) return all
  return [{ seenBy: unit.distros, added: all[0]?.added ?? [] }]
}

function forOthers({ name, at, distros = [] }: Addition, seenBy: readonly string[]): YoeError {
  return new YoeError(
    'BAD_FIELD',
    `unit "${name}" is for ${seenBy.join(', ')}; this adds to it for ${distros.join(', ')}`,
    {
      at,
      unit: name,
      hint: 'remove the call, or say distros = […] of the unit',
    },
  )
}

/** @param earlier what was added to the unit before */
function extend(unit: PackageUnit, addition: Addition, earlier: readonly Addition[], errors: YoeError[]): PackageUnit {
  const fail = (message: string, says: (other: Addition) => boolean): unknown => {
    const { at } = earlier.find(says) ?? unit
    return errors.push(
      new YoeError('DUPLICATE', `unit "${unit.name}": ${message}`, {
        at: addition.at,
        unit: unit.name,
        hint: `the first is at ${at.file}:${at.line}; rename or remove one`,
      }),
    )
  }
  const tasks: Task[] = [...unit.tasks]
  for (const task of addition.tasks) {
    const same = ({ name }: Task): boolean => name === task.name
    if (tasks.some(same)) fail(`has two tasks called "${task.name}"`, (other) => other.tasks.some(same))
    else tasks.push(task)
  }
  const environment = new Map(Object.entries(unit.environment))
  for (const [name, value] of Object.entries(addition.environment)) {
    if ((environment.get(name) ?? value) !== value)
      fail(`sets the variable ${name} twice`, (other) => Object.hasOwn(other.environment, name))
    environment.set(name, value)
  }
  const extension: Extension = { at: addition.at, via: addition.via }
  return {
    ...unit,
    deps: union(unit.deps, addition.deps),
    runtimeDeps: union(unit.runtimeDeps, addition.runtimeDeps),
    services: union(unit.services, addition.services),
    conffiles: union(unit.conffiles, addition.conffiles),
    environment: Object.fromEntries(environment),
    tasks,
    extensions: [...unit.extensions, extension],
  }
}

/** What only the second has follows; saying the same twice is no fault. */
function union<T>(first: readonly T[], second: readonly T[]): readonly T[] {
  const known = new Set(first.map((item) => JSON.stringify(item)))
  return [...first, ...second.filter((item) => !known.has(JSON.stringify(item)))]
}

function nothingToExtend({ name, module, at }: Addition, units: readonly Unit[]): YoeError {
  const where = module === '' ? 'this project' : `module "${module}"`
  const others = units.filter((unit) => unit.name === name)
  const [other] = others.filter((unit) => unit.module !== module)
  const own = units.filter((unit) => unit.kind === 'package' && unit.module === module).map((unit) => unit.name)
  const message =
    other !== undefined
      ? `unit "${name}" belongs to ${other.module === '' ? 'the project' : `module "${other.module}"`}, so it can't be extended here`
      : others.length > 0
        ? `"${name}" is no unit that makes a package, so it can't be extended`
        : `${where} has no unit "${name}" to extend`
  return new YoeError('UNIT_NOT_FOUND', message, {
    at,
    unit: name,
    hint:
      other !== undefined
        ? 'declare a unit of your own of that name, which then replaces it'
        : (didYouMean(name, own) ?? `declare unit(name = "${name}", …) beside it`),
  })
}
