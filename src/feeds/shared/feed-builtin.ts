import type { Position, YoeError } from '#engine/errors.ts'
import type { Builtin } from '#engine/project/builtins/builtin.ts'
import type { Json } from '#engine/project/model.ts'
import { json, Mismatch } from '#engine/project/readers.ts'

/**
 * A builtin that declares a feed, for MODULE.star and PROJECT.star.
 *
 * @param format name of its package format
 * @param check what the arguments mean, or what is wrong with them
 */
export function feedBuiltin(
  called: string,
  format: string,
  check: (
    given: Readonly<Record<string, Json>>,
    at: Position,
  ) => { readonly name: string; readonly distro: string } | readonly YoeError[],
): Builtin {
  return (invocation, { declarations }) => {
    const { at, keywords, positional, file, moduleName } = invocation
    if (declarations.phase !== 'project' && declarations.phase !== 'module') {
      declarations.fail('BAD_FIELD', `${called}() belongs into MODULE.star or PROJECT.star`, { at })
      return undefined
    }
    if (positional.length > 0) {
      declarations.fail('BAD_FIELD', `${called}() takes keyword arguments only`, { at })
      return undefined
    }
    const entries: [string, Json][] = []
    for (const [field, value] of keywords) {
      try {
        if (value !== null) entries.push([field, json(value)])
      } catch (failure) {
        if (!(failure instanceof Mismatch)) throw failure
        declarations.fail('BAD_FIELD', `${called}(): ${field}${failure.path} ${failure.message}`, { at })
        return undefined
      }
    }
    const options = Object.fromEntries(entries)
    const checked = check(options, at)
    if (!('name' in checked)) {
      declarations.errors.push(...checked)
      return undefined
    }
    const { name, distro } = checked
    const id = moduleName === '' ? name : `${moduleName}.${name}`
    declarations.addFeed({ id, module: file.module, at, format, distro, options })
    return undefined
  }
}
