import type { ModulePlace, ModuleReference } from '../../modules/reference.ts'
import { defaulting, optional, required } from '../arguments.ts'
import type { Grammar } from '../names.ts'
import { gitRef, gitUrl, plainName, title } from '../names.ts'
import { handleKind, list, made, named, text } from '../readers.ts'
import type { Builtin } from './builtin.ts'
import { declaring, making } from './builtin.ts'

export const moduleKind = handleKind<ModuleReference>('module')

const repositoryFolder: Grammar = {
  pattern: /^(?!.*(?:^|\/)\.\.?(?:\/|$))[A-Za-z0-9_.][A-Za-z0-9._+-]*(?:\/[A-Za-z0-9_.][A-Za-z0-9._+-]*){0,31}$/,
  says: 'a folder in the repository, such as modules/module-core, without ".." or spaces',
}

const localFolder: Grammar = {
  pattern: /^[^\u0000-\u001f\u007f]{1,1000}$/,
  says: 'a folder on this machine',
}

/** `github.com/vendor/hal` means https. */
const withoutScheme = /^[a-z0-9][a-z0-9-]*(?:\.[a-z0-9-]+)*\.[a-z]{2,63}(?::\d{1,5})?\/[A-Za-z0-9._~/-]{1,1000}$/i

/**
 * `module(url, ref, path, local)`: where a module lies. `yoe:NAME` is a module that ships with this version of the tool;
 * `local` names a folder that is used instead of anything else, relative to the project.
 * @see seed, Declaring Modules in PROJECT.star; Local Module Overrides
 */
export const module: Builtin = making(
  moduleKind,
  {
    fields: {
      url: optional(text),
      ref: optional(named(gitRef)),
      path: optional(named(repositoryFolder)),
      local: optional(named(localFolder)),
    },
    positional: ['url'],
  },
  ({ url, ref, path, local }, { at }, { declarations }): ModuleReference | undefined => {
    const fail = (message: string, hint: string): undefined =>
      declarations.fail('BAD_FIELD', `module(): ${message}`, { at, hint }) ?? undefined
    const shipped = /^yoe:([a-z0-9][a-z0-9-]{0,99})$/.exec(url ?? '')?.[1]
    const address = url !== undefined && withoutScheme.test(url) ? `https://${url}` : url
    if (address !== undefined && shipped === undefined && !isRepository(address)) {
      return fail(
        `url must be ${gitUrl.says}, or yoe:NAME; ${JSON.stringify(address.slice(0, 60))} is not`,
        'a folder on this machine is local = "../my-module"',
      )
    }
    const from = placeOf(shipped, address, ref, path, local)
    if (typeof from === 'string') return fail(from, 'write module("https://…", ref = "v1.0"), or "yoe:module-core"')
    const name = lastPart(path) ?? shipped ?? lastPart(address) ?? lastPart(local) ?? ''
    if (!plainName.pattern.test(name)) {
      declarations.fail(
        'BAD_NAME',
        `module(): the last part of ${JSON.stringify(path ?? url ?? local)} names the module and must be ${plainName.says}`,
        { at },
      )
      return undefined
    }
    return { name, from, at }
  },
  (reference) => ({ label: JSON.stringify(reference.name) }),
)

/** @returns what is wrong, as text */
function placeOf(
  shipped: string | undefined,
  url: string | undefined,
  ref: string | undefined,
  path: string | undefined,
  local: string | undefined,
): ModulePlace | string {
  // Whatever else is said is what it stands in for.
  if (local !== undefined) return { kind: 'local', folder: path === undefined ? local : `${local}/${path}` }
  if (shipped !== undefined) {
    if (ref !== undefined || path !== undefined) return `"${url}" ships with yoe: it takes neither ref nor path`
    return { kind: 'shipped' }
  }
  if (url === undefined) return 'it needs a url, or local = "FOLDER"'
  if (ref === undefined) return 'a repository needs a ref: a tag, a branch or a commit'
  return { kind: 'git', url, ref, path: path ?? '' }
}

function isRepository(url: string): boolean {
  return gitUrl.pattern.test(url) && !/^([a-z]+:\/\/([^/]*@)?|[^/:]*@)-/.test(url)
}

/** The part of a path or address that names what lies there. */
function lastPart(path: string | undefined): string | undefined {
  return path
    ?.split(/[/:]/)
    .filter((part) => part !== '' && part !== '.' && part !== '..')
    .at(-1)
    ?.replace(/\.git$/, '')
}

/** `module_info(name, description, deps)` of a MODULE.star. */
export const moduleInfo: Builtin = declaring(
  'module',
  {
    fields: {
      name: required(named(plainName)),
      description: defaulting(named(title), ''),
      deps: defaulting(list(made(moduleKind)), []),
    },
  },
  (fields, { at }, { declarations }) => {
    const deps = fields.deps.filter(({ name, at: second }, index) => {
      const first = fields.deps.findIndex((other) => other.name === name) === index
      if (!first) declarations.fail('DUPLICATE', `module "${name}" is in deps twice`, { at: second })
      return first
    })
    if (declarations.moduleInfo === undefined) declarations.moduleInfo = { ...fields, deps, at }
    else declarations.fail('DUPLICATE', 'module_info() is called twice', { at })
  },
)
