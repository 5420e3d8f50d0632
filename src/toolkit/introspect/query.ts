import { YoeError } from '#engine/errors.ts'
import { didYouMean } from '#engine/nearest.ts'
import type { FeedDeclaration, ModuleInfo, Unit } from '#engine/project/model.ts'

/** How a unit's last build went, and what a build would find now. */
export const statuses = ['cached', 'stale', 'failed', 'building', 'never'] as const
export type Status = (typeof statuses)[number]

/** Fields of the query language, each with what its values are, for messages. */
const fields = {
  type: 'unit, image, container, feed, or the class that declared it',
  module: 'a module, a feed, or project',
  in: 'an image or a unit: what it installs',
  status: statuses.join(', '),
} as const
export type Field = keyof typeof fields

/** What a row must have to be listed: all of it. */
export interface Query {
  /** Each in the name, or in a name that the unit provides; lower case. */
  readonly texts: readonly string[]
  readonly types: readonly string[]
  readonly modules: readonly string[]
  /** Names of images and units. */
  readonly within: readonly string[]
  readonly statuses: readonly Status[]
}

/** What of a project decides about the values of fields. */
export interface Declared {
  readonly units: readonly Pick<Unit, 'builtVia'>[]
  readonly modules: readonly Pick<ModuleInfo, 'name'>[]
  readonly feeds: readonly Pick<FeedDeclaration, 'id'>[]
}

const kinds = ['unit', 'image', 'container', 'feed'] as const

/** What a unit is to people: `unit`, `image`, `container`. */
export function kindOf(unit: Unit): 'unit' | 'image' | 'container' {
  return unit.kind === 'package' ? 'unit' : unit.kind === 'toolchain' ? 'container' : 'image'
}

/** The class function that declared a unit, else its kind. */
export function classOf(unit: Unit): string {
  return unit.builtVia[0] ?? kindOf(unit)
}

/** A module as people know it: the project's own units are in `project`. */
export const moduleTitle = (module: string): string => (module === '' ? 'project' : module)

/**
 * Parses the words of `yoe list`: substrings, and `field:value`.
 *
 * @param words several terms in one word are parted by spaces
 * @throws {YoeError} USAGE for a field or value that there is none of, with what was probably meant
 * @see seed, Search
 */
export function parseQuery(words: readonly string[], project: Declared): Query {
  const query = {
    texts: [] as string[],
    types: [] as string[],
    modules: [] as string[],
    within: [] as string[],
    statuses: [] as Status[],
  }
  for (const term of words.flatMap((word) => word.split(/\s+/)).filter((one) => one !== '')) {
    const [, field, value = ''] = /^([^:]*):(.*)$/s.exec(term) ?? []
    if (field === undefined) query.texts.push(term.toLowerCase())
    else if (!isField(field)) {
      throw new YoeError('USAGE', `a query knows no field "${field}"`, {
        hint: didYouMean(field, Object.keys(fields)) ?? `it knows ${Object.keys(fields).join(', ')}`,
      })
    } else if (value === '')
      throw new YoeError('USAGE', `${field}: says nothing`, { hint: `${field}: ${fields[field]}` })
    else add(query, field, value, project)
  }
  return query
}

const isField = (text: string): text is Field => Object.hasOwn(fields, text)

function add(
  query: { types: string[]; modules: string[]; within: string[]; statuses: Status[] },
  field: Field,
  value: string,
  project: Declared,
): void {
  switch (field) {
    case 'type':
      query.types.push(known(field, value, [...kinds, ...project.units.flatMap((unit) => unit.builtVia)]))
      break
    case 'module':
      query.modules.push(known(field, value, [...moduleNames(project)]))
      break
    case 'in':
      query.within.push(value)
      break
    case 'status': {
      const status = statuses.find((one) => one === known(field, value, statuses))
      if (status !== undefined) query.statuses.push(status)
      break
    }
    default:
      field satisfies never
  }
}

function known(field: Field, value: string, values: readonly string[]): string {
  if (values.includes(value)) return value
  throw new YoeError('USAGE', `${field}: knows no "${value}"`, {
    hint: didYouMean(value, new Set(values)) ?? `${field}: takes ${fields[field]}`,
  })
}

/** All that `module:` answers to. */
function* moduleNames(project: Declared): Generator<string> {
  yield 'project'
  for (const { name } of project.modules) {
    yield name
    yield name.replace(/^module-/, '')
  }
  for (const { id } of project.feeds) yield id
}

/** Whether a unit's module is what `module:` asks for; `core` is short for `module-core`. */
export function inModule(module: string, wanted: string): boolean {
  const title = moduleTitle(module)
  return title === wanted || title === `module-${wanted}`
}
