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
  readonly at: Position
  readonly via: readonly string[]
}

/**
 * Units with everything that was added to them. Additions may have been declared before their unit; several are applied
 * in the order in which they were declared.
 * @param spoilt module and name of units that are not there since their declaration is wrong
 * @returns units in their order; errors for additions to nothing, and for what two say differently
 */
export function extendUnits(
  units: readonly Unit[],
  additions: readonly Addition[],
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
  const found = new Set<string>()
  const extended = units.map((unit): Unit => {
    const key = `${unit.module} ${unit.name}`
    if (unit.kind !== 'package') return unit
    found.add(key)
    return (waiting.get(key) ?? []).reduce(
      (base, addition, index, all) => extend(base, addition, all.slice(0, index), errors),
      unit,
    )
  })
  for (const [key, [first]] of waiting) {
    if (first !== undefined && !found.has(key) && !spoilt.has(key)) errors.push(nothingToExtend(first, units))
  }
  return { units: extended, errors }
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
