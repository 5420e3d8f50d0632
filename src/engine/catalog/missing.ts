import type { Position } from '../errors.ts'
import { YoeError } from '../errors.ts'
import { didYouMean } from '../nearest.ts'
import type { Names } from './names.ts'

/** What is said about a name that means nothing here, and who asked for it. */
export function explainMissing(names: Names, name: string, at: Position | undefined, asker: string): YoeError {
  const { view, feeds } = names
  const elsewhere = view.hidden(name)
  const places = ['units of this project and its modules', ...feeds.map((feed) => feed.id)]
  const hint =
    elsewhere.length > 0
      ? `"${name}" is there for ${elsewhere.join(', ')} only; this is for ${view.distro}`
      : (suggestion(names, name) ?? `looked in: ${places.join(', ')}`)
  return new YoeError('UNIT_NOT_FOUND', `nothing is called or provides "${name}", asked for by ${asker}`, { at, hint })
}

/** Who names a library as its authors do mostly wants to build against it: `zlib` is zlib1g-dev, `ffi` libffi-dev. */
function suggestion({ view, feeds }: Names, name: string): string | undefined {
  const all = [...new Set(feeds.flatMap((feed) => [...feed.names()]))]
  const called = new RegExp(`^(?:lib)?${RegExp.escape(name)}(?:-?\\d[\\w.-]*)?-dev$`)
  const library = all.filter((one) => called.test(one)).sort((a, b) => a.length - b.length || (a < b ? -1 : 1))
  if (library.length > 0)
    return `did you mean ${library
      .slice(0, 3)
      .map((one) => `"${one}"`)
      .join(' or ')}?`
  return didYouMean(name, view.names()) ?? didYouMean(name, all, 1)
}
