import type { Json } from '../project/model.ts'
import { canonical } from './canonical.ts'

/** One value that is not what it was. */
export interface Change {
  /** Keys and indices, outermost first. Indices are those of the new list, or of the old one for what is gone. */
  readonly path: readonly (string | number)[]
  /** Undefined: it was added. */
  readonly before?: Json
  /** Undefined: it is gone. */
  readonly after?: Json
}

/**
 * Everything that differs between two documents, down to single values; lists are compared from both ends, and what is
 * left in the middle element by element where that comes out even.
 * @returns in the order of the new document
 */
export function changesOf(before: Json, after: Json, path: Change['path'] = []): readonly Change[] {
  if (canonical(before) === canonical(after)) return []
  if (isList(before) && isList(after)) return listChanges(before, after, path)
  if (isObject(before) && isObject(after)) {
    const gone = Object.keys(before).filter((key) => !Object.hasOwn(after, key))
    return [...Object.keys(after), ...gone].flatMap((key) =>
      changeOf(own(before, key), own(after, key), [...path, key]),
    )
  }
  return [{ path, before, after }]
}

function changeOf(before: Json | undefined, after: Json | undefined, path: Change['path']): readonly Change[] {
  if (before === undefined) return after === undefined ? [] : [{ path, after }]
  return after === undefined ? [{ path, before }] : changesOf(before, after, path)
}

function listChanges(before: readonly Json[], after: readonly Json[], path: Change['path']): readonly Change[] {
  const same = (a: Json | undefined, b: Json | undefined): boolean =>
    a !== undefined && b !== undefined && canonical(a) === canonical(b)
  let start = 0
  while (same(before[start], after[start])) start++
  let end = 0
  const shorter = Math.min(before.length, after.length) - start
  while (end < shorter && same(before.at(-1 - end), after.at(-1 - end))) end++
  const old = before.slice(start, before.length - end)
  const now = after.slice(start, after.length - end)
  if (old.length === now.length)
    return now.flatMap((value, index) => changeOf(old[index], value, [...path, start + index]))
  return [
    ...now.map((value, index): Change => ({ path: [...path, start + index], after: value })),
    ...old.map((value, index): Change => ({ path: [...path, start + index], before: value })),
  ]
}

function own(value: { readonly [key: string]: Json }, key: string): Json | undefined {
  return Object.hasOwn(value, key) ? value[key] : undefined
}

const isList = (value: Json): value is readonly Json[] => Array.isArray(value)

function isObject(value: Json): value is { readonly [key: string]: Json } {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
