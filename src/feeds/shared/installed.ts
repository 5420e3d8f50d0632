import { type Look, lookBelow } from '#engine/qa/dangling.ts'

/**
 * Looks into a root, at the files that `files` names only: what no package lists was made when they were installed, such
 * as links of alternatives and settings.
 *
 * @param root absolute folder of an unpacked root
 * @param files paths below it, as {@link Look} is asked for them; called when the first one is
 */
export function lookAmong(root: string, files: () => Promise<ReadonlySet<string>>): Look {
  const below = lookBelow(root)
  let owned: Promise<ReadonlySet<string>> | undefined
  return async (path) => {
    const found = await below(path)
    if (found === undefined || found === 'directory') return found
    owned ??= files()
    return (await owned).has(path) ? found : undefined
  }
}
