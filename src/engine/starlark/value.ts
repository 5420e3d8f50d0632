import type { StarlarkInput, StarlarkValue } from 'starlark-wasm'
import { HostValue, StarlarkFloat, StarlarkFunction, StarlarkStruct, StarlarkTuple } from 'starlark-wasm'

export type Value = StarlarkValue

/** Data that a builtin returned to Starlark; the very same object comes back as an argument of another builtin. */
export class Handle<T> extends HostValue {
  readonly data: T

  constructor(kind: string, data: T, label: string, attributes?: ReadonlyMap<string, StarlarkInput>) {
    super(kind, { text: `${kind}(${label})`, ...(attributes === undefined ? {} : { attributes }) })
    this.data = data
  }
}

/** How a wrong value is named in an error: its type, and itself when it is short. */
export function describe(value: Value): string {
  if (value === null) return 'None'
  if (typeof value === 'boolean') return value ? 'True' : 'False'
  if (typeof value === 'number' || typeof value === 'bigint') return `the number ${value}`
  if (typeof value === 'string') return value.length <= 60 ? `the string ${JSON.stringify(value)}` : 'a string'
  if (value instanceof StarlarkFloat) return `the float ${value.value}`
  if (value instanceof Uint8Array) return 'bytes'
  if (value instanceof StarlarkFunction) return `the function ${value.name}`
  if (value instanceof HostValue) return `a ${value.typeName}`
  if (value instanceof StarlarkStruct) return 'a struct'
  if (listItems(value) !== undefined) return 'a list'
  if (dictEntries(value) !== undefined) return 'a dict'
  return value instanceof Set ? 'a set' : 'a value of another type'
}

/** The members of a list or tuple; undefined for anything else. */
export function listItems(value: Value): readonly Value[] | undefined {
  if (value instanceof StarlarkTuple) return value.items
  return isArray(value) ? value : undefined
}

function isArray(value: Value): value is readonly Value[] {
  return Array.isArray(value)
}

/** The entries of a dict, in its own order; undefined for anything else. */
export function dictEntries(value: Value): readonly (readonly [Value, Value])[] | undefined {
  return value instanceof Map ? [...value] : undefined
}
