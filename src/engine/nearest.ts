/** Damerau-Levenshtein distance (adjacent swaps count once), cut off: returns `limit + 1` for anything farther. */
function editDistance(a: string, b: string, limit: number): number {
  if (Math.abs(a.length - b.length) > limit) return limit + 1
  let before: number[] = []
  let previous = Array.from({ length: b.length + 1 }, (_, column) => column)
  for (let row = 1; row <= a.length; row++) {
    const current = [row]
    let best = row
    for (let column = 1; column <= b.length; column++) {
      const same = a[row - 1] === b[column - 1]
      let cost = Math.min(
        (previous[column] ?? 0) + 1,
        (current[column - 1] ?? 0) + 1,
        (previous[column - 1] ?? 0) + (same ? 0 : 1),
      )
      if (row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1]) {
        cost = Math.min(cost, (before[column - 2] ?? 0) + 1)
      }
      current.push(cost)
      best = Math.min(best, cost)
    }
    if (best > limit) return limit + 1
    before = previous
    previous = current
  }
  return previous[b.length] ?? limit + 1
}

/**
 * The known names that `name` was probably meant to be: at most three, nearest first, ties by name.
 * @param limit edits allowed; by default one for every three characters, at most three
 */
export function nearest(
  name: string,
  known: Iterable<string>,
  limit: number = Math.min(3, Math.ceil(name.length / 3)),
): string[] {
  const found: { name: string; distance: number }[] = []
  for (const candidate of new Set(known)) {
    if (candidate === name) continue
    const distance = editDistance(name, candidate, limit)
    if (distance <= limit) found.push({ name: candidate, distance })
  }
  found.sort((a, b) => a.distance - b.distance || (a.name < b.name ? -1 : 1))
  return found.slice(0, 3).map((entry) => entry.name)
}

/** `did you mean "zlib" or "zlib-ng"?`; undefined when nothing is near. */
export function didYouMean(name: string, known: Iterable<string>, limit?: number): string | undefined {
  const names = nearest(name, known, limit)
  return names.length === 0 ? undefined : `did you mean ${names.map((near) => `"${near}"`).join(' or ')}?`
}
