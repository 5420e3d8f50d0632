import { YoeError } from '../errors.ts'
import { didYouMean } from '../nearest.ts'
import type { ModulePin, Project, Unit } from '../project/model.ts'
import { packageNames } from './subpackages.ts'

/** What a pin says a name is taken from. */
export type PinTarget =
  | { readonly kind: 'module'; readonly name: string }
  | { readonly kind: 'feed'; readonly id: string }

export interface Pinned {
  readonly pin: ModulePin
  readonly target: PinTarget
}

export interface Pins {
  /** The pin that decides about a name for this distro: the distro's own before one for every distro. */
  readonly byName: ReadonlyMap<string, Pinned>
  readonly errors: readonly YoeError[]
}

/**
 * What `prefer_modules` says for one distro. Every pin is checked, those for other distros too, so that a misspelt one is
 * found whatever is built. Whether a feed has the package is not known here.
 * @see seed, Catalog and Materialization: Pin
 */
export function readPins(project: Project, distro: string): Pins {
  const byName = new Map<string, Pinned>()
  const errors: YoeError[] = []
  for (const pin of project.pins) {
    const target = targetOf(project, pin)
    if (target instanceof YoeError) {
      errors.push(target)
      continue
    }
    const mine = pin.distro === distro || (pin.distro === undefined && !byName.has(pin.name))
    if (mine) byName.set(pin.name, { pin, target })
  }
  return { byName, errors }
}

/** The pins that name something which is declared: before all is, others can't be told from wrong ones. */
export function declaredPins(project: Project): readonly ModulePin[] {
  return project.pins.filter((pin) => !(targetOf(project, pin) instanceof YoeError))
}

function targetOf(project: Project, pin: ModulePin): PinTarget | YoeError {
  if (project.feeds.some((feed) => feed.id === pin.module)) return { kind: 'feed', id: pin.module }
  const module = project.modules.find(({ name }) => name === pin.module || name === `module-${pin.module}`)
  const says = `prefer_modules takes "${pin.name}" from "${pin.module}"`
  if (module === undefined) {
    const known = [...project.modules.map(({ name }) => name), ...project.feeds.map(({ id }) => id)]
    return new YoeError('MODULE_NOT_FOUND', `${says}, and this project has no such module or feed`, {
      at: pin.at,
      hint: didYouMean(pin.module, known) ?? `there are: ${known.join(', ') || 'none'}`,
    })
  }
  if (unitsOf(project, module.name).some((unit) => answersOf(unit).includes(pin.name)))
    return { kind: 'module', name: module.name }
  return new YoeError('UNIT_NOT_FOUND', `${says}, and that module has no such unit`, {
    at: pin.at,
    hint: whereElse(project, module.name, pin.name),
  })
}

function whereElse(project: Project, module: string, name: string): string {
  const others = project.modules.filter((other) =>
    unitsOf(project, other.name).some((unit) => answersOf(unit).includes(name)),
  )
  if (others.length > 0) return `it is in ${others.map((other) => other.name).join(', ')}`
  const near = didYouMean(name, unitsOf(project, module).flatMap(answersOf))
  if (near !== undefined) return near
  const feeds = project.feeds.filter((feed) => feed.module === module).map(({ id }) => id)
  return feeds.length > 0
    ? `a package of its feed is taken from "${feeds.join('" or "')}"`
    : 'name the module that has it, or take the pin out'
}

const unitsOf = (project: Project, module: string): readonly Unit[] =>
  project.units.filter((unit) => unit.module === module)

/** Every name that a unit may be meant by. */
export function answersOf(unit: Unit): readonly string[] {
  switch (unit.kind) {
    case 'package':
      return [...packageNames(unit), ...unit.provides.map(({ name }) => name)]
    case 'toolchain':
      return [unit.name, ...unit.provides]
    case 'image':
      return [unit.name]
    default:
      return unit satisfies never
  }
}
