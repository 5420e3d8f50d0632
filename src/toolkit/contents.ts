import type { YoeError } from '#engine/errors.ts'
import { userErrors, YoeErrors } from '#engine/errors.ts'
import type { ContentDigests } from '#engine/plan/hash.ts'
import type { Place } from '#engine/project/model.ts'
import { treeDigest } from '#engine/source/tree.ts'

/** The identity of every file and folder that a plan depends on. @throws {YoeErrors} of all that can't be read */
export function readContents(
  places: readonly Place[],
  absolute: (place: Place) => string,
  cacheRoot: string,
): ContentDigests {
  const digests = new Map<string, string>()
  const errors: YoeError[] = []
  const key = (place: Place): string => `${place.module}//${place.path}`
  for (const place of places) {
    try {
      digests.set(key(place), treeDigest(absolute(place), cacheRoot))
    } catch (failure) {
      const found = userErrors(failure)
      if (found === undefined) throw failure
      errors.push(...found)
    }
  }
  if (errors.length > 0) throw new YoeErrors(errors)
  return (place) => {
    const digest = digests.get(key(place))
    if (digest === undefined) throw new TypeError(`${key(place)} was not read`)
    return digest
  }
}
