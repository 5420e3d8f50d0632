import { defaulting, optional, required } from '../arguments.ts'
import type { ModulePin } from '../model.ts'
import { packageName, plainName, title, unitName, versionText } from '../names.ts'
import type { Reader } from '../readers.ts'
import { dict, either, handleKind, list, made, named } from '../readers.ts'
import type { Builtin } from './builtin.ts'
import { declaring, defined, making } from './builtin.ts'
import { projectFeedKind } from './device-feed.ts'
import { moduleKind } from './module.ts'
import { cacheKind, sourcesKind } from './sources.ts'

interface Defaults {
  readonly machine?: string
  readonly image?: string
  readonly distro?: string
}

const defaultsKind = handleKind<Defaults>('defaults')

/** `defaults(machine, image, distro)` of a project. */
export const defaults: Builtin = making(
  defaultsKind,
  {
    fields: {
      machine: optional(named(plainName)),
      image: optional(named(unitName)),
      distro: optional(named(plainName)),
    },
  },
  (fields) => defined<Defaults>(fields),
  () => ({ label: '' }),
)

const flatPins = dict(named(packageName), named(plainName))

/** `{"zlib": "module-core"}`, or by distro: `{"debian": {"zlib": "debian.main"}}`; both may be mixed. */
const modulePins: Reader<readonly Omit<ModulePin, 'at'>[]> = (value) => {
  const entries = Object.entries(dict(named(plainName), either(flatPins, named(plainName)))(value))
  return entries.flatMap(([key, member]) =>
    typeof member === 'string'
      ? [{ name: key, module: member }]
      : Object.entries(member).map(([name, module]) => ({ name, module, distro: key })),
  )
}

/** `project(name, version, description, defaults, modules, prefer_modules, cache, sources, feed)`. */
export const project: Builtin = declaring(
  'project',
  {
    fields: {
      name: required(named(unitName)),
      version: defaulting(named(versionText), '0.0.0'),
      description: defaulting(named(title), ''),
      defaults: defaulting(made(defaultsKind), {}),
      modules: defaulting(list(made(moduleKind)), []),
      prefer_modules: defaulting(modulePins, []),
      cache: optional(made(cacheKind)),
      sources: optional(made(sourcesKind)),
      feed: optional(made(projectFeedKind)),
    },
  },
  (fields, { at }, { declarations }) => {
    for (const [index, reference] of fields.modules.entries()) {
      const first = fields.modules.find((other) => other.name === reference.name)
      if (first !== undefined && first !== fields.modules[index]) {
        declarations.fail('DUPLICATE', `module "${reference.name}" is listed twice`, {
          at: reference.at,
          hint: `the first is at ${first.at.file}:${first.at.line}; remove one`,
        })
      }
    }
    const { prefer_modules: pins, cache = {}, sources = { mirrors: {} }, ...rest } = fields
    declarations.projects.push({ ...rest, cache, sources, pins: pins.map((pin) => ({ ...pin, at })), at })
  },
)
