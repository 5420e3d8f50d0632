import type { Fields } from '../arguments.ts'
import { defaulting, optional, required } from '../arguments.ts'
import type { PackageUnit, Place, Source } from '../model.ts'
import {
  devicePath,
  gitCommit,
  plainName,
  serviceName,
  sha256Text,
  title,
  unitName,
  variableName,
  versionText,
} from '../names.ts'
import type { Reader } from '../readers.ts'
import { dict, either, integer, json, list, made, named, oneOf, oneOrMore, set, text } from '../readers.ts'
import type { Builtin, Context, Invocation } from './builtin.ts'
import { declaring } from './builtin.ts'
import { existing, pathKind, taskKind } from './task.ts'

const names = set(named(unitName))
const byDistro = dict(named(plainName), names)

/** Fields that every kind of unit has. */
export const identityFields = {
  name: required(named(unitName)),
  version: defaulting(named(versionText), '0.0.0'),
  release: defaulting(integer(0, 1_000_000), 0),
  description: defaulting(named(title), ''),
  license: defaulting(named(title), ''),
  distro: optional(named(plainName)),
} as const satisfies Fields

const url: Reader<string> = named({
  pattern: /^(https?|git|ssh|file):\/\/[^\s"'<>\\`\u0000-\u001f]{1,2000}$/,
  says: 'a URL of http, https, git, ssh or file',
})

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
      tag: optional(text),
      patches: defaulting(list(text), []),
      deps: defaulting(names, []),
      distro_deps: defaulting(byDistro, {}),
      runtime_deps: defaulting(names, []),
      distro_runtime_deps: defaulting(byDistro, {}),
      provides: defaulting(names, []),
      replaces: defaulting(names, []),
      conflicts: defaulting(names, []),
      services: defaulting(set(named(serviceName)), []),
      conffiles: defaulting(set(named(devicePath)), []),
      environment: defaulting(dict(named(variableName), text), {}),
      container: defaulting(named(unitName), 'toolchain'),
      tasks: defaulting(list(made(taskKind)), []),
      build: defaulting(list(text), []),
    },
    extra: json,
  },
  (fields, invocation, context, extra) => {
    const { declarations } = context
    const { at, file, via } = invocation
    const itsSource = sourceOf(fields, invocation, context)
    const patches = fields.patches.flatMap((patch): Place[] => {
      const place = existing(patch, invocation.file, 'file', invocation, context)
      return place === undefined ? [] : [place]
    })
    const tasks = fields.tasks.map(({ name, steps, network, at: taskAt }) => ({ name, steps, network, at: taskAt }))
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
    const repeated = tasks.find((task, index) => tasks.findIndex((other) => other.name === task.name) !== index)
    if (repeated !== undefined) {
      declarations.fail('DUPLICATE', `unit "${fields.name}" has two tasks called "${repeated.name}"`, {
        at,
        unit: fields.name,
      })
    }
    if (itsSource === 'invalid' || patches.length < fields.patches.length) return
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
      ...(fields.distro === undefined ? {} : { distro: fields.distro }),
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
      container: fields.container,
      tasks,
      extra: Object.fromEntries(extra),
    }
    declarations.addUnit(declared)
  },
)

interface SourceFields {
  readonly name: string
  readonly source: Place | readonly string[] | undefined
  readonly sha256: string | undefined
  readonly tag: string | undefined
}

/** What the source, sha256 and tag fields say together. */
function sourceOf(fields: SourceFields, { at }: Invocation, { declarations }: Context): Source | undefined | 'invalid' {
  const fail = (message: string, hint?: string): 'invalid' => {
    declarations.fail('BAD_FIELD', `unit "${fields.name}": ${message}`, { at, unit: fields.name, hint })
    return 'invalid'
  }
  if (fields.source === undefined) {
    if (fields.sha256 !== undefined || fields.tag !== undefined) return fail('has sha256 or tag, but no source')
    return undefined
  }
  if ('path' in fields.source) {
    if (fields.sha256 !== undefined || fields.tag !== undefined)
      return fail('a path() source takes neither sha256 nor tag')
    return { kind: 'path', place: fields.source }
  }
  const [first] = fields.source
  if (first !== undefined && (/^(git|ssh):/.test(first) || /\.git$/.test(first))) {
    if (fields.tag === undefined)
      return fail('a git source needs a tag', `git ls-remote ${first} prints what there is; write tag = "COMMIT"`)
    if (fields.source.length > 1) return fail('a git source has one URL')
    if (!gitCommit.pattern.test(fields.tag)) {
      return fail(
        `tag must be ${gitCommit.says}: names can move`,
        `git ls-remote ${first} ${JSON.stringify(fields.tag)} prints the commit`,
      )
    }
    return { kind: 'git', url: first, commit: fields.tag, at }
  }
  if (fields.tag !== undefined) return fail('tag belongs to git sources, whose URL ends in .git')
  if (fields.sha256 === undefined) return fail('an archive needs its sha256', `curl -L ${first} | sha256sum prints it`)
  return { kind: 'archive', urls: fields.source, sha256: fields.sha256, at }
}
