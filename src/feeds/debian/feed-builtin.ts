import type { Builtin } from '#engine/project/builtins/builtin.ts'
import type { Json } from '#engine/project/model.ts'
import { json, Mismatch } from '#engine/project/readers.ts'
import { aptFeedOptions } from './feed-options.ts'

/** `apt_feed(...)` for MODULE.star and PROJECT.star: declares the feed `<module>.<name>`. */
export const aptFeed: Builtin = (invocation, { declarations }) => {
  const { at, keywords, positional, file, moduleName } = invocation
  if (declarations.phase !== 'project' && declarations.phase !== 'module') {
    declarations.fail('BAD_FIELD', 'apt_feed() belongs into MODULE.star or PROJECT.star', { at })
    return undefined
  }
  if (positional.length > 0) {
    declarations.fail('BAD_FIELD', 'apt_feed() takes keyword arguments only', { at })
    return undefined
  }
  const entries: [string, Json][] = []
  for (const [field, value] of keywords) {
    try {
      if (value !== null) entries.push([field, json(value)])
    } catch (failure) {
      if (!(failure instanceof Mismatch)) throw failure
      declarations.fail('BAD_FIELD', `apt_feed(): ${field}${failure.path} ${failure.message}`, { at })
      return undefined
    }
  }
  const given = Object.fromEntries(entries)
  const checked = aptFeedOptions(given, at)
  if (!checked.ok) {
    declarations.errors.push(...checked.errors)
    return undefined
  }
  const { name, distro } = checked.options
  declarations.addFeed({
    id: moduleName === '' ? name : `${moduleName}.${name}`,
    module: file.module,
    at,
    format: 'debian',
    distro,
    options: given,
  })
  return undefined
}
