import { didYouMean } from '../../nearest.ts'
import { isPackageCheck, packageChecks } from '../../qa/checks.ts'
import { dictEntries } from '../../starlark/value.ts'
import type { Fields } from '../arguments.ts'
import { defaulting, optional, required } from '../arguments.ts'
import type { PackageUnit, Place, Source, Task } from '../model.ts'
import type { Grammar } from '../names.ts'
import {
  containerName,
  devicePath,
  gitCommit,
  gitRef,
  plainName,
  serviceName,
  sha256Text,
  sourceUrl,
  title,
  unitName,
  variableName,
  versionText,
} from '../names.ts'
import { follow } from '../place.ts'
import type { Reader } from '../readers.ts'
import {
  dependency,
  dict,
  distinct,
  either,
  flag,
  integer,
  json,
  list,
  Mismatch,
  made,
  named,
  oneOf,
  oneOrMore,
  provided,
  requirement,
  set,
  text,
} from '../readers.ts'
import type { Builtin, Context, Invocation } from './builtin.ts'
import { declaring } from './builtin.ts'
import { cacheDirs } from './cache-dirs.ts'
import { limits } from './limits.ts'
import { permission } from './permission.ts'
import { publicConfig } from './public-config.ts'
import { existing, filesKind, pathKind, pathPattern, taskKind, testKind } from './task.ts'

const dependencies = distinct(dependency, ({ name }) => name)
const requirements = distinct(requirement, (group) => group.map(({ name }) => name).join(' | '))
const byDistro = <T>(item: Reader<T>): Reader<Readonly<Record<string, T>>> => dict(named(plainName), item)

/** Fields that every kind of unit has. */
export const identityFields = {
  name: required(named(unitName)),
  version: defaulting(named(versionText), '0.0.0'),
  release: defaulting(integer(0, 1_000_000), 0),
  description: defaulting(named(title), ''),
  license: defaulting(named(title), ''),
  distro: optional(named(plainName)),
  distros: optional(set(named(plainName))),
} as const satisfies Fields

/** Fields of a unit that `extend()` may add to. */
export const addableFields = {
  deps: defaulting(dependencies, []),
  runtime_deps: defaulting(requirements, []),
  services: defaulting(set(named(serviceName)), []),
  conffiles: defaulting(set(named(devicePath)), []),
  environment: defaulting(dict(named(variableName), text), {}),
} as const satisfies Fields

/** `distro` and `distros` say the same for one and for several. */
export function distrosOf(
  fields: {
    readonly name: string
    readonly distro: string | undefined
    readonly distros: readonly string[] | undefined
  },
  { builtin, at }: Invocation,
  { declarations }: Context,
): readonly string[] | undefined {
  if (fields.distro !== undefined && fields.distros !== undefined) {
    declarations.fail('BAD_FIELD', `${builtin}(): distro and distros exclude each other`, { at, unit: fields.name })
  }
  return fields.distros ?? (fields.distro === undefined ? undefined : [fields.distro])
}

const url: Reader<string> = named(sourceUrl)

const packageSuffix: Grammar = {
  pattern: /^(?!(?:dev|dbg|tests)$)[a-z0-9][a-z0-9+.-]{0,39}$/,
  says: 'what follows "NAME-": lower-case letters, digits, "+", "-" and "." (dev, dbg and tests have rules of their own)',
}

/** There is no unit without the sandbox; the field of other implementations is taken where it asks for that. */
const sandboxed: Reader<boolean> = (value) => {
  if (!flag(value)) throw new Mismatch('can only be True: every task runs in the sandbox')
  return true
}

const check: Reader<string> = (value) => {
  const name = named(plainName)(value)
  if (isPackageCheck(name)) return name
  const known = Object.keys(packageChecks)
  const meant = didYouMean(name, known) ?? `there are ${known.join(', ')}`
  throw new Mismatch(`"${name}" is no check of packages; ${meant}`)
}

/** `["rpath"]`, or better with reasons: `{"rpath": "finds its own plugins"}`. */
const qaSkip: Reader<Readonly<Record<string, string>>> = (value) => {
  // Not either(): of a dict with a wrong name in it, that is what is wrong, not that it is no list.
  if (dictEntries(value) !== undefined) return dict(check, named(title))(value)
  return Object.fromEntries(set(check)(value).map((name) => [name, '']))
}

const source = either(made(pathKind), oneOrMore(url))

/** `unit(name, version, …)`: a package, built from source by tasks. Extra keyword arguments are template context. */
export const unit: Builtin = declaring(
  'units',
  {
    fields: {
      ...identityFields,
      version: required(named(versionText)),
      scope: defaulting(oneOf('arch', 'machine', 'noarch'), 'arch'),
      source: optional(source),
      sha256: optional(named(sha256Text)),
      tag: optional(named(gitRef)),
      branch: optional(named(gitRef)),
      submodules: optional(either(flag, set(text))),
      lfs: optional(flag),
      patches: defaulting(list(text), []),
      ...addableFields,
      distro_deps: defaulting(byDistro(dependencies), {}),
      distro_runtime_deps: defaulting(byDistro(requirements), {}),
      provides: defaulting(
        distinct(provided, ({ name }) => name),
        [],
      ),
      replaces: defaulting(dependencies, []),
      conflicts: defaulting(dependencies, []),
      public_config: optional(publicConfig),
      container: defaulting(named(containerName), 'toolchain'),
      container_arch: defaulting(oneOf('target', 'host'), 'target'),
      shell: optional(oneOf('bash', 'sh')),
      sandbox: defaulting(sandboxed, true),
      cache_dirs: defaulting(cacheDirs, {}),
      limits: optional(limits),
      tasks: defaulting(list(made(taskKind)), []),
      build: defaulting(list(text), []),
      subpackages: defaulting(set(oneOf('dev', 'dbg')), []),
      extra_subpackages: defaulting(dict(named(packageSuffix), either(made(filesKind), list(pathPattern))), {}),
      permissions: defaulting(dict(named(devicePath), permission), {}),
      qa_skip: defaulting(qaSkip, {}),
      tests: defaulting(list(made(testKind)), []),
      upstream_tests: optional(made(taskKind)),
    },
    extra: json,
  },
  (fields, invocation, context, extra) => {
    const { declarations } = context
    const { at, file, via } = invocation
    const itsSource = sourceOf(fields, invocation, context)
    const patches = fields.patches.flatMap((patch): Place[] => {
      const place = existing(patch, besideWhom(patch, invocation, context), 'file', invocation, context)
      return place === undefined ? [] : [place]
    })
    const tasks: Task[] = fields.tasks.map(({ remove: _, ...declared }) => declared)
    const distros = distrosOf(fields, invocation, context)
    if (fields.build.length > 0) {
      if (tasks.length > 0)
        declarations.fail('BAD_FIELD', 'unit(): build and tasks exclude each other', { at, unit: fields.name })
      tasks.push({
        name: 'build',
        steps: fields.build.map((command) => ({ kind: 'run', command })),
        network: false,
        at,
      })
    }
    if (fields.upstream_tests !== undefined) {
      const { remove: _, ...declared } = fields.upstream_tests
      tasks.push(declared)
    }
    const repeated = tasks.find((task, index) => tasks.findIndex((other) => other.name === task.name) !== index)
    if (repeated !== undefined) {
      declarations.fail('DUPLICATE', `unit "${fields.name}" has two tasks called "${repeated.name}"`, {
        at,
        unit: fields.name,
      })
    }
    if (itsSource === 'invalid' || patches.length < fields.patches.length) {
      declarations.spoilt.add(`${file.module} ${fields.name}`)
      return
    }
    const declared: PackageUnit = {
      kind: 'package',
      name: fields.name,
      version: fields.version,
      release: fields.release,
      description: fields.description,
      license: fields.license,
      module: file.module,
      at,
      builtVia: via,
      ...(distros === undefined ? {} : { distros }),
      scope: fields.scope,
      ...(itsSource === undefined ? {} : { source: itsSource }),
      patches,
      deps: fields.deps,
      distroDeps: fields.distro_deps,
      runtimeDeps: fields.runtime_deps,
      distroRuntimeDeps: fields.distro_runtime_deps,
      provides: fields.provides,
      replaces: fields.replaces,
      conflicts: fields.conflicts,
      services: fields.services,
      conffiles: fields.conffiles,
      environment: fields.environment,
      ...(fields.public_config === undefined ? {} : { publicConfig: fields.public_config }),
      container: fields.container,
      containerArch: fields.container_arch,
      ...(fields.shell === undefined ? {} : { shell: fields.shell }),
      cacheDirs: fields.cache_dirs,
      ...(fields.limits === undefined ? {} : { limits: fields.limits }),
      tasks,
      subpackages: fields.subpackages,
      extraSubpackages: fields.extra_subpackages,
      permissions: fields.permissions,
      qaSkip: fields.qa_skip,
      tests: fields.tests,
      upstreamTests: fields.upstream_tests !== undefined,
      extra: Object.fromEntries(extra),
      extensions: [],
    }
    declarations.addUnit(declared)
  },
)

/**
 * A patch lies beside the file that names it: the unit's, or one of a function on the way that brings patches along.
 * @see seed, Patches
 */
function besideWhom(patch: string, { file, callers }: Invocation, { files }: Context): Place {
  const found = callers.find((caller) => {
    const place = follow(patch, caller)
    return place !== undefined && files.kindOf(place) === 'file'
  })
  return found ?? file
}

interface SourceFields {
  readonly name: string
  readonly source: Place | readonly string[] | undefined
  readonly sha256: string | undefined
  readonly tag: string | undefined
  readonly branch: string | undefined
  readonly submodules: boolean | readonly string[] | undefined
  readonly lfs: boolean | undefined
}

/** What the source, sha256 and tag fields say together. */
function sourceOf(fields: SourceFields, { at }: Invocation, { declarations }: Context): Source | undefined | 'invalid' {
  const fail = (message: string, hint?: string): 'invalid' => {
    declarations.fail('BAD_FIELD', `unit "${fields.name}": ${message}`, { at, unit: fields.name, hint })
    return 'invalid'
  }
  const pinned = fields.sha256 !== undefined || fields.tag !== undefined || fields.branch !== undefined
  const parts = fields.submodules !== undefined || fields.lfs !== undefined
  if (fields.source === undefined) {
    if (pinned) return fail('has sha256, tag or branch, but no source')
    if (parts) return fail('has submodules or lfs, but no source')
    return undefined
  }
  if ('path' in fields.source) {
    if (pinned) return fail('a path() source takes neither sha256 nor tag nor branch')
    if (parts) return fail('submodules and lfs belong to git sources, and this is a folder')
    return { kind: 'path', place: fields.source }
  }
  const [first] = fields.source
  if (first !== undefined && isGit(first, fields)) {
    if (fields.source.length > 1) return fail('a git source has one URL')
    if (fields.sha256 !== undefined) return fail('a git source is pinned by its commit, not by sha256')
    const { tag, branch } = fields
    const ref = tag ?? branch
    if (ref === undefined) {
      return fail(
        'a git source needs a tag (or a branch)',
        `git ls-remote ${first} prints what there is; write tag = "v1.0"`,
      )
    }
    const refKind = tag === undefined ? 'branch' : gitCommit.pattern.test(ref) ? 'commit' : 'tag'
    return {
      kind: 'git',
      url: first,
      ref,
      refKind,
      ...(refKind === 'commit' ? { commit: ref } : {}),
      ...(branch === undefined ? {} : { branch }),
      ...partsOf(fields),
      at,
    }
  }
  if (fields.tag !== undefined || fields.branch !== undefined)
    return fail('tag and branch belong to git sources, and this is an archive')
  if (parts) return fail('submodules and lfs belong to git sources, and this is an archive')
  if (fields.sha256 === undefined) return fail('an archive needs its sha256', `curl -L ${first} | sha256sum prints it`)
  return { kind: 'archive', urls: fields.source, sha256: fields.sha256, at }
}

/** Without what is said by default; the order of paths means nothing. */
function partsOf({ submodules = true, lfs = true }: SourceFields): {
  submodules?: false | readonly string[]
  lfs?: false
} {
  return {
    ...(submodules === true ? {} : { submodules: submodules === false ? submodules : [...submodules].sort() }),
    ...(lfs ? {} : { lfs }),
  }
}

/** The scp form `git@host:path` is git's alone; a tag or branch makes any address but an archive's a repository. */
function isGit(url: string, { tag, branch }: SourceFields): boolean {
  if (/^(git|ssh):/.test(url) || /\.git$/.test(url) || !url.includes('://')) return true
  return (tag ?? branch) !== undefined && !/\.(zip|t[a-z0-9]{2,4}|tar\.[a-z0-9]{2,5})$/.test(url)
}
