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
      : (didYouMean(name, view.names()) ??
        didYouMean(
          name,
          feeds.flatMap((feed) => [...feed.names()]),
          1,
        ) ??
        `looked in: ${places.join(', ')}`)
  return new YoeError('UNIT_NOT_FOUND', `nothing is called or provides "${name}", asked for by ${asker}`, { at, hint })
}
