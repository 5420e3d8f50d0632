import type { StarlarkInput } from 'starlark-wasm'
import type { Json } from '../project/model.ts'

/** Plain data as Starlark and templates have it. */
export function starlarkOf(value: Json): StarlarkInput {
  if (value === null || typeof value !== 'object') return value
  if (Array.isArray(value)) return value.map(starlarkOf)
  return new Map(Object.entries(value).map(([key, member]): [string, StarlarkInput] => [key, starlarkOf(member)]))
}
