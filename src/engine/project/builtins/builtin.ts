import type { StarlarkInput, StarlarkStruct } from 'starlark-wasm'
import type { Handle } from '../../starlark/value.ts'
import type { TaskActions } from '../actions.ts'
import type { Call, Fields, Parsed, Signature } from '../arguments.ts'
import { parseArguments } from '../arguments.ts'
import type { Declarations, Phase } from '../declarations.ts'
import type { Json, Place } from '../model.ts'
import type { HandleKind } from '../readers.ts'
import { Spoilt } from '../readers.ts'

/** A call as a builtin sees it: its arguments, and who called. */
export interface Invocation extends Call {
  /** The file whose code holds the call itself: templates lie beside it. */
  readonly calledFrom: Place
  /** The file that is being evaluated: what it declares belongs to its module. */
  readonly file: Place
  /** What feeds of the module under evaluation are named after: `debian` in `debian.main`. */
  readonly moduleName: string
  /** The files of the functions on the way from the declaration to the builtin, outermost first; begins with `file`. */
  readonly callers: readonly Place[]
  /** Functions between the declaration and the builtin, outermost first. */
  readonly via: readonly string[]
}

/** What builtins may ask of the outside; every answer becomes part of what the evaluated project depends on. */
export interface Files {
  /** What lies at a place, links followed only inside its root. */
  kindOf(place: Place): 'file' | 'folder' | 'missing' | 'outside'
  /** The content of what `kindOf` says is a file. */
  read(place: Place): Uint8Array
}

/** What a builtin returns to Starlark: nothing, a handle that other builtins take, or plain data. */
export type Result = Handle<unknown> | StarlarkStruct<StarlarkInput> | readonly string[] | undefined

export interface Context {
  readonly declarations: Declarations
  readonly files: Files
  /** Set while a task runs: the call is made by one of its functions. */
  readonly task: TaskActions | undefined
}

export interface Builtin {
  (invocation: Invocation, context: Context): Result | Promise<Result>
  /** Its keyword arguments, where a table has them: what the documentation is held against. */
  readonly fields?: Fields
}

const phaseOf: Readonly<Record<Phase, string>> = {
  project: 'PROJECT.star',
  module: 'MODULE.star',
  machines: 'files under machines/',
  units: 'files under units/, images/ and containers/',
  task: 'functions of tasks',
}

/**
 * A builtin that declares something in one phase. Wrong arguments are gathered and the call returns nothing, so that one
 * run shows every error of a project.
 */
export function declaring<F extends Fields>(
  phase: Phase,
  signature: Signature<F>,
  declare: (fields: Parsed<F>, invocation: Invocation, context: Context, extra: ReadonlyMap<string, Json>) => void,
): Builtin {
  const builtin = (invocation: Invocation, context: Context): Result => {
    if (context.declarations.phase !== phase) {
      context.declarations.fail('BAD_FIELD', `${invocation.builtin}() belongs into ${phaseOf[phase]}`, {
        at: invocation.at,
      })
      return undefined
    }
    const parsed = parseArguments(signature, invocation)
    if (parsed.ok) declare(parsed.fields, invocation, context, parsed.extra)
    else {
      const name = invocation.keywords.get('name')
      if (typeof name === 'string') context.declarations.spoilt.add(`${invocation.file.module} ${name}`)
      context.declarations.errors.push(...parsed.errors)
    }
    return undefined
  }
  return Object.assign(builtin, { fields: signature.fields })
}

const spoiltAttributes = new Map<string, StarlarkInput>([
  ['name', ''],
  ['remove', false],
  ['network', false],
])

/** A builtin that makes a value for another builtin. @param make undefined when its declarations tell what is wrong */
export function making<F extends Fields, T>(
  kind: HandleKind<T>,
  signature: Signature<F>,
  make: (fields: Parsed<F>, invocation: Invocation, context: Context) => T | undefined,
  shown: (data: T) => { readonly label: string; readonly attributes?: ReadonlyMap<string, StarlarkInput> },
): Builtin {
  const builtin = (invocation: Invocation, context: Context): Result => {
    const parsed = parseArguments(signature, invocation)
    if (!parsed.ok) context.declarations.errors.push(...parsed.errors)
    const data = parsed.ok ? make(parsed.fields, invocation, context) : undefined
    // Whoever looks at it (classes look at the names of tasks) finds what any such value has.
    if (data === undefined) return new Spoilt(kind.name, undefined, '…', spoiltAttributes)
    const { label, attributes } = shown(data)
    return kind.make(data, label, attributes)
  }
  return Object.assign(builtin, { fields: signature.fields })
}

/** Leaves out members that are undefined: absent and undefined are different under exactOptionalPropertyTypes. */
export function defined<T extends object>(members: { readonly [K in keyof T]: T[K] | undefined }): T {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined)) as T
}
