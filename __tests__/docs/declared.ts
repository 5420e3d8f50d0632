import { builtins } from '#engine/project/builtins/all.ts'
import { aptFeedFields, aptFeedOptions } from '#feeds/debian/feed-options.ts'

/** What is known of a keyword argument: whether it must be given, and what it is when it is not. */
export interface Declared {
  readonly required: boolean
  readonly fallback: { readonly value: unknown } | 'unknown'
}

/** Every builtin of `.star` files with its keyword arguments, as the code has them. */
export function readDeclared(): Readonly<Record<string, Readonly<Record<string, Declared>>>> {
  const tables = Object.entries(builtins).map(([name, { fields }]) => {
    if (fields === undefined) throw new TypeError(`${name}() does not say what its fields are`)
    const declared = Object.entries(fields).map(([field, { fallback }]): [string, Declared] => [
      field,
      { required: fallback === undefined, fallback: fallback ?? 'unknown' },
    ])
    return [name, Object.fromEntries(declared)] as const
  })
  const empty = aptFeedOptions({}, { file: 'MODULE.star', line: 1, column: 1 })
  const complaints = empty.ok ? [] : empty.errors.map(({ message }) => message)
  const feed = aptFeedFields.map((field): [string, Declared] => [
    field,
    { required: complaints.includes(`apt_feed(): ${field} is missing`), fallback: 'unknown' },
  ])
  return { ...Object.fromEntries(tables), apt_feed: Object.fromEntries(feed) }
}
