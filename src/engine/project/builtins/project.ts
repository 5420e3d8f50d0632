import { defaulting, optional, required } from '../arguments.ts'
import type { ModuleReference } from '../declarations.ts'
import type { ModulePin } from '../model.ts'
import { plainName, title, unitName, versionText } from '../names.ts'
import type { Reader } from '../readers.ts'
import { dict, either, handleKind, list, made, named, text } from '../readers.ts'
import type { Builtin } from './builtin.ts'
import { declaring, defined, making } from './builtin.ts'

interface Defaults {
  readonly machine?: string
  readonly image?: string
  readonly distro?: string
}

const defaultsKind = handleKind<Defaults>('defaults')
const moduleKind = handleKind<ModuleReference>('module')

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

/**
 * `module(url, local, path)`: where a module lies. `yoe:NAME` is a module that ships with this version of the tool;
 * `local` names a folder, relative to the project.
 */
export const module: Builtin = making(
  moduleKind,
  {
    fields: { url: optional(text), local: optional(text), path: optional(text) },
    positional: ['url'],
  },
  (fields, { at }, { declarations }): ModuleReference | undefined => {
    const shipped = /^yoe:([a-z0-9][a-z0-9-]{0,99})$/.exec(fields.url ?? '')?.[1]
    if (shipped !== undefined) return { name: shipped, from: { kind: 'shipped' }, at }
    if (fields.local === undefined) {
      declarations.fail('BAD_FIELD', 'module() needs local = "FOLDER", or the name of a module that ships with yoe', {
        at,
        hint: 'write module("yoe:module-core"), or module(local = "../my-module")',
      })
      return undefined
    }
    const folder = fields.path === undefined ? fields.local : `${fields.local}/${fields.path}`
    const name =
      folder
        .split('/')
        .filter((part) => part !== '' && part !== '.' && part !== '..')
        .at(-1) ?? ''
    if (!plainName.pattern.test(name)) {
      declarations.fail(
        'BAD_NAME',
        `module(): the last folder of ${JSON.stringify(folder)} names the module and must be ${plainName.says}`,
        { at },
      )
      return undefined
    }
    return { name, from: { kind: 'local', folder }, at }
  },
  (reference) => ({ label: JSON.stringify(reference.name) }),
)

const flatPins = dict(named(unitName), named(plainName))

/** `{"zlib": "module-core"}`, or by distro: `{"debian": {"zlib": "debian.main"}}`; both may be mixed. */
const modulePins: Reader<readonly Omit<ModulePin, 'at'>[]> = (value) => {
  const entries = Object.entries(dict(named(plainName), either(flatPins, named(plainName)))(value))
  return entries.flatMap(([key, member]) =>
    typeof member === 'string'
      ? [{ name: key, module: member }]
      : Object.entries(member).map(([name, module]) => ({ name, module, distro: key })),
  )
}

/** `project(name, version, description, defaults, modules)`. */
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
    },
  },
  (fields, { at }, { declarations }) => {
    if (declarations.project !== undefined) {
      const first = declarations.project.at
      declarations.fail('DUPLICATE', 'project() is called twice', {
        at,
        hint: `the first call is at ${first.file}:${first.line}`,
      })
      return
    }
    for (const [index, reference] of fields.modules.entries()) {
      if (fields.modules.findIndex((other) => other.name === reference.name) !== index) {
        declarations.fail('DUPLICATE', `module "${reference.name}" is listed twice`, { at: reference.at })
      }
    }
    const { prefer_modules: pins, ...rest } = fields
    declarations.project = { ...rest, pins: pins.map((pin) => ({ ...pin, at })), at }
  },
)

/** `module_info(name, description)` of a MODULE.star. */
export const moduleInfo: Builtin = declaring(
  'module',
  { fields: { name: required(named(plainName)), description: defaulting(named(title), '') } },
  (fields, { at }, { declarations }) => {
    declarations.moduleInfo = { ...fields, at }
  },
)
