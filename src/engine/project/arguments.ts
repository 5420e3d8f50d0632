import type { Position } from '../errors.ts'
import { YoeError } from '../errors.ts'
import { didYouMean } from '../nearest.ts'
import type { Value } from '../starlark/value.ts'
import type { Json } from './model.ts'
import type { Reader } from './readers.ts'
import { AlreadyTold, Mismatch } from './readers.ts'

/** One keyword argument of a builtin. */
export interface Field<T> {
  readonly read: Reader<T>
  readonly fallback: { readonly value: T } | undefined
}

export function required<T>(read: Reader<T>): Field<T> {
  return { read, fallback: undefined }
}

export function optional<T>(read: Reader<T>): Field<T | undefined> {
  return { read, fallback: { value: undefined } }
}

export function defaulting<T>(read: Reader<T>, value: T): Field<T> {
  return { read, fallback: { value } }
}

export type Fields = { readonly [name: string]: Field<unknown> }

export type Parsed<F extends Fields> = { readonly [K in keyof F]: F[K] extends Field<infer T> ? T : never }

/** A call of a builtin, as far as its arguments go. */
export interface Call {
  readonly builtin: string
  readonly positional: readonly Value[]
  readonly keywords: ReadonlyMap<string, Value>
  readonly at: Position
  /** Functions between the declaration and the builtin, outermost first. */
  readonly via?: readonly string[]
  /** What these may be given: looked up when something was given that nobody knows. */
  readonly parameters?: () => readonly string[]
}

export interface Signature<F extends Fields> {
  readonly fields: F
  /** Fields that may be given by position, in order. */
  readonly positional?: readonly (keyof F & string)[]
  /**
   * What happens to a keyword argument that is no field: refused, or (for units, whose extra arguments are template
   * context) taken, unless it is within two edits (one, for a short name) of a field or of what the class takes, and so most
   * likely misspelt.
   */
  readonly extra?: Reader<Json>
}

/**
 * Checks all arguments of a call.
 * @returns the typed fields and the extra arguments, or every error of the call (none when what was wrong is told already)
 */
export function parseArguments<F extends Fields>(
  signature: Signature<F>,
  call: Call,
): { ok: true; fields: Parsed<F>; extra: ReadonlyMap<string, Json> } | { ok: false; errors: readonly YoeError[] } {
  const errors: YoeError[] = []
  let spoilt = false
  const order = signature.positional ?? []
  const given = new Map<string, Value>()
  call.positional.forEach((value, index) => {
    const name = order[index]
    if (name === undefined) {
      if (index === order.length) errors.push(tooMany(call, order))
    } else given.set(name, value)
  })
  const extra = new Map<string, Json>()
  const known = Object.keys(signature.fields)
  for (const [name, value] of call.keywords) {
    if (!Object.hasOwn(signature.fields, name)) {
      const error = takeExtra(signature, call, known, name, value, extra)
      if (error !== undefined) errors.push(error)
    } else if (given.has(name)) {
      errors.push(new YoeError('BAD_FIELD', `${call.builtin}(): ${name} is given twice`, { at: call.at }))
    } else given.set(name, value)
  }
  const fields: Record<string, unknown> = {}
  for (const [name, field] of Object.entries(signature.fields)) {
    const value = given.get(name)
    if (value === undefined || (value === null && field.fallback !== undefined)) {
      if (field.fallback === undefined) errors.push(missing(call, name))
      else fields[name] = field.fallback.value
      continue
    }
    try {
      fields[name] = field.read(value)
    } catch (failure) {
      if (!(failure instanceof Mismatch)) throw failure
      spoilt = true
      if (failure instanceof AlreadyTold) continue
      errors.push(
        new YoeError('BAD_FIELD', `${call.builtin}(): ${name}${failure.path} ${failure.message}`, { at: call.at }),
      )
    }
  }
  if (errors.length > 0 || spoilt) return { ok: false, errors }
  // Every field was read by its own reader just above: the one place where the table's types and its values meet.
  return { ok: true, fields: fields as Parsed<F>, extra }
}

function takeExtra<F extends Fields>(
  signature: Signature<F>,
  call: Call,
  known: readonly string[],
  name: string,
  value: Value,
  extra: Map<string, Json>,
): YoeError | undefined {
  const candidates = signature.extra === undefined ? known : [...known, ...(call.parameters?.() ?? [])]
  const near = didYouMean(name, candidates, name.length < 6 ? 1 : 2)
  if (signature.extra === undefined || near !== undefined) {
    return new YoeError('UNKNOWN_FIELD', `${call.via?.[0] ?? call.builtin}() has no field "${name}"`, {
      at: call.at,
      hint: near ?? listed(call.builtin, known),
    })
  }
  try {
    extra.set(name, signature.extra(value))
    return undefined
  } catch (failure) {
    if (!(failure instanceof Mismatch)) throw failure
    return new YoeError('BAD_FIELD', `${call.builtin}(): ${name}${failure.path} ${failure.message}`, { at: call.at })
  }
}

/** All fields while a person still reads them; else where they are explained. */
function listed(builtin: string, known: readonly string[]): string {
  return known.length <= 12 ? `its fields are: ${known.join(', ')}` : `docs/project.md lists the fields of ${builtin}()`
}

function tooMany(call: Call, order: readonly string[]): YoeError {
  const takes =
    order.length === 0
      ? 'takes keyword arguments only'
      : `takes ${order.join(', ')} by position, and the rest by keyword`
  return new YoeError('BAD_FIELD', `${call.builtin}() ${takes}`, { at: call.at })
}

function missing(call: Call, name: string): YoeError {
  return new YoeError('BAD_FIELD', `${call.builtin}(): ${name} is missing`, { at: call.at, hint: `add ${name} = …` })
}
