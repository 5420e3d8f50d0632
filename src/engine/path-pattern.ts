/**
 * Whether a path fits a pattern. Between two `/`, `*` stands for any text and `?` for one character; `**` alone stands
 * for any number of folders, none included. Names that begin with a dot are names like any other. The work is bounded
 * by the product of both lengths, whatever they hold.
 *
 * @param pattern and path absolute both, or relative to one folder
 */
export function matchesPath(pattern: string, path: string): boolean {
  return matches(pattern.split('/'), path.split('/'), (name) => name === '**', nameMatches)
}

/** Whether a pattern matches a path, or a folder that it is in: a folder stands for all that is in it. */
export function namesPath(pattern: string, path: string): boolean {
  for (let end = path.length; end > 0; end = path.lastIndexOf('/', end - 1))
    if (matchesPath(pattern, path.slice(0, end))) return true
  return false
}

const nameMatches = (pattern: string, name: string): boolean =>
  matches(
    [...pattern],
    [...name],
    (sign) => sign === '*',
    (sign, letter) => sign === '?' || sign === letter,
  )

/** Greedy matching of one kind of star: only the last one that was met can usefully take more. */
function matches(
  pattern: readonly string[],
  text: readonly string[],
  isStar: (part: string) => boolean,
  fits: (part: string, item: string) => boolean,
): boolean {
  let at = 0
  let star: { readonly next: number; from: number } | undefined
  for (let index = 0; index < text.length; ) {
    const part = pattern[at]
    if (part !== undefined && isStar(part)) star = { next: ++at, from: index }
    else if (part !== undefined && fits(part, text[index] ?? '')) {
      at++
      index++
    } else if (star !== undefined) {
      at = star.next
      index = ++star.from
    } else return false
  }
  return pattern.slice(at).every(isStar)
}
