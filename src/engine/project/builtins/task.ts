import { StarlarkFunction } from 'starlark-wasm'
import { describe } from '../../starlark/value.ts'
import type { Parsed } from '../arguments.ts'
import { defaulting, optional, parseArguments, required } from '../arguments.ts'
import type { Check, Place, Step, Task } from '../model.ts'
import { containerName, title } from '../names.ts'
import { filesFolder, follow, placeLabel } from '../place.ts'
import type { Reader } from '../readers.ts'
import {
  AlreadyTold,
  flag,
  handleKind,
  integer,
  list,
  Mismatch,
  named,
  quoted,
  Spoilt,
  shortened,
  text,
} from '../readers.ts'
import type { Builtin, Context, Invocation } from './builtin.ts'
import { making } from './builtin.ts'

interface TaskData extends Task {
  /** Takes the task of this name out of what a class made; see merge_tasks in module-core. */
  readonly remove: boolean
}

export const taskKind = handleKind<TaskData>('task')
export const testKind = handleKind<Check>('test')
export const pathKind = handleKind<Place>('path')
export const filesKind = handleKind<readonly string[]>('files')
type InstallStep = Extract<Step, { kind: 'install' }>

const installKind = handleKind<InstallStep>('install step')

/** Paths that a subpackage takes. */
export const pathPattern: Reader<string> = named({
  pattern: /^(?!.*(?:\/\/|\/\.\.?(?:\/|$)))\/[^\u0000-\u001f\u007f]{1,1000}$/,
  says: 'an absolute path or pattern such as "/usr/bin/*" or "/usr/share/app/**"',
})

/** What a shell runs; anything but NUL. */
export const command: Reader<string> = (value) => {
  const found = text(value)
  if (found.trim() === '' || found.includes('\0')) throw new Mismatch('must be a shell command')
  return found
}

const callable: Reader<StarlarkFunction> = (value) => {
  if (!(value instanceof StarlarkFunction)) throw new Mismatch(`must be a function, not ${describe(value)}`)
  return value
}

const step: Reader<Step | StarlarkFunction> = (value) => {
  if (value instanceof StarlarkFunction) return value
  if (typeof value === 'string') return { kind: 'run', command: command(value) }
  if (installKind.is(value)) return value.data
  if (value instanceof Spoilt) throw new AlreadyTold('could not be made')
  throw new Mismatch(`must be a command, an install step or a function, not ${describe(value)}`)
}

/** `task(name, run, fn, steps, …)`: `run` is one command, `fn` one function, `steps` several, and install steps. */
export const task: Builtin = making(
  taskKind,
  {
    fields: {
      name: required(named(title)),
      run: optional(command),
      fn: optional(callable),
      steps: defaulting(list(step), []),
      container: optional(named(containerName)),
      network: defaulting(flag, false),
      remove: defaulting(flag, false),
    },
    positional: ['name'],
  },
  (fields, { at }, { declarations }) => {
    const { run, fn } = fields
    const steps = [
      ...(run === undefined ? [] : [{ kind: 'run', command: run } as const]),
      ...(fn === undefined ? [] : [fn]),
      ...fields.steps,
    ].map((each) => (each instanceof StarlarkFunction ? declarations.functionStep(each, at) : each))
    if (steps.length === 0 && !fields.remove) {
      declarations.fail('BAD_FIELD', `task("${fields.name}") does nothing`, {
        at,
        hint: 'give it run = "…", fn = … or steps = […]',
      })
      return undefined
    }
    if (fields.network && fields.name !== 'fetch') {
      declarations.fail('BAD_FIELD', `task("${fields.name}"): only a task called "fetch" may use the network`, {
        at,
        hint: 'move what downloads into task("fetch", network = True, …); builds then work offline',
      })
      return undefined
    }
    const { name, container, network, remove } = fields
    return { name, ...(container === undefined ? {} : { container }), steps, network, remove, at }
  },
  (data) => ({
    label: JSON.stringify(data.name),
    attributes: new Map<string, string | boolean>([
      ['name', data.name],
      ['remove', data.remove],
      ['network', data.network],
    ]),
  }),
)

/** `test(name, run)`: a command that the boot test runs in the guest; it passes on exit 0. */
export const test: Builtin = making(
  testKind,
  { fields: { name: required(named(title)), run: required(command) }, positional: ['name'] },
  (fields, { at }) => ({ name: fields.name, command: fields.run, at }),
  (data) => ({ label: JSON.stringify(data.name) }),
)

/** A reference to something that must exist inside the project or module; says why not. */
export function existing(
  reference: string,
  from: Place,
  wanted: 'file' | 'folder' | 'any',
  invocation: Invocation,
  { declarations, files }: Context,
): Place | undefined {
  const place = follow(reference, from)
  const found = place === undefined ? 'outside' : files.kindOf(place)
  if (place !== undefined && (found === wanted || (wanted === 'any' && (found === 'file' || found === 'folder'))))
    return place
  const label = shortened(placeLabel(place ?? from), 200)
  const problem =
    found === 'outside'
      ? `${quoted(reference)} leads out of the project or module`
      : found === 'missing'
        ? `there is no ${wanted === 'any' ? '' : `${wanted} `}${label}`
        : `${label} is a ${found}, and a ${wanted} is needed`
  declarations.fail('BAD_FIELD', `${invocation.builtin}(): ${problem}`, { at: invocation.at })
  return undefined
}

/** `path(reference)`: a folder of this repository as a unit's source, relative to the file that says so, or `//` from the root. */
export const path: Builtin = making(
  pathKind,
  { fields: { path: required(text) }, positional: ['path'] },
  (fields, invocation, context) => existing(fields.path, invocation.calledFrom, 'folder', invocation, context),
  (place) => ({ label: JSON.stringify(placeLabel(place)) }),
)

/** `files(pattern, …)`: paths that a subpackage takes. */
export const files: Builtin = Object.assign(
  ({ builtin, positional, keywords, at }: Invocation, { declarations }: Context) => {
    const patterns: string[] = []
    try {
      if (keywords.size > 0) throw new Mismatch('takes paths by position only')
      if (positional.length === 0) throw new Mismatch('needs a path')
      patterns.push(...positional.map(pathPattern))
    } catch (failure) {
      if (!(failure instanceof Mismatch)) throw failure
      if (!(failure instanceof AlreadyTold)) {
        declarations.fail('BAD_FIELD', `${builtin}() ${failure.message}`, { at })
      }
      return new Spoilt('files', undefined, '…')
    }
    return filesKind.make(patterns, patterns.map((pattern) => JSON.stringify(pattern)).join(', '))
  },
  { fields: {} },
)

/** Where a step writes: under a variable of the task, without ways out of it. */
const destination = named({
  pattern: /^\$[A-Z_]+(?!.*\/\.\.(?:\/|$))\/[^\0\n]{1,1000}$/,
  says: 'a path under a variable, such as "$DESTDIR/etc/app.conf"',
})

/** In a running function also below a folder that its `ctx` names. */
const runningDestination = named({
  pattern: /^(?:\$[A-Z_]+|\/build\/[a-z]+)(?!.*\/\.\.(?:\/|$))\/[^\0\n]{1,1000}$/,
  says: 'a path under a variable or a folder of the task, such as "$DESTDIR/etc/app.conf" or ctx.destdir + "/etc/app.conf"',
})

const installSignature = {
  fields: {
    src: required(text),
    dest: required(destination),
    mode: defaulting(integer(0, 0o7777), 0o644),
    from_unit: defaulting(flag, false),
  },
  positional: ['src', 'dest', 'mode'],
} as const

const runningSignature = {
  ...installSignature,
  fields: { ...installSignature.fields, dest: required(runningDestination) },
} as const

/**
 * Looks for the file beside the file that makes the call, so that a class brings its own templates along; with `from_unit`
 * beside the file that is evaluated, for classes that install what each unit brings.
 */
function installStepOf(
  template: boolean,
  { src, dest, mode, from_unit: fromUnit }: Parsed<typeof installSignature.fields>,
  invocation: Invocation,
  context: Context,
): InstallStep | undefined {
  const star = fromUnit ? invocation.file : invocation.calledFrom
  const folder: Place = { module: star.module, path: filesFolder(star) }
  const from: Place = { module: folder.module, path: `${folder.path}/x` }
  const place = follow(src, from)
  if (place === undefined || /^[/@]/.test(src) || !place.path.startsWith(`${folder.path}/`)) {
    const problem = `${quoted(src)} must lie in ${placeLabel(folder)}/`
    context.declarations.fail('BAD_FIELD', `${invocation.builtin}(): ${problem}`, { at: invocation.at })
    return undefined
  }
  const source = existing(src, from, 'file', invocation, context)
  return source === undefined ? undefined : { kind: 'install', template, source, dest, mode, at: invocation.at }
}

/** Makes a step; called by a function of a running task, it installs at once. */
function installing(template: boolean): Builtin {
  const declared = making(
    installKind,
    installSignature,
    (fields, invocation, context) => installStepOf(template, fields, invocation, context),
    (data) => ({ label: JSON.stringify(data.dest) }),
  )
  const builtin: Builtin = (invocation, context) => {
    if (context.task === undefined) return declared(invocation, context)
    const parsed = parseArguments(runningSignature, invocation)
    if (!parsed.ok) context.declarations.errors.push(...parsed.errors)
    const step = parsed.ok ? installStepOf(template, parsed.fields, invocation, context) : undefined
    return step === undefined ? undefined : context.task.install(step).then(() => undefined)
  }
  return Object.assign(builtin, { fields: installSignature.fields })
}

/** `install_file(src, dest, mode)`: copies a file of the folder that is named like the calling `.star` file. */
export const installFile: Builtin = installing(false)

/** `install_template(src, dest, mode)`: the same, through Go's text/template with the unit's context. */
export const installTemplate: Builtin = installing(true)
