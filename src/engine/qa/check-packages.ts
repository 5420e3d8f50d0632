import { checkLinks, type Look, lookBelow, lookInto } from './dangling.ts'
import { checkPrograms } from './elf-checks.ts'
import type { Finding } from './finding.ts'
import { checkLicense } from './license.ts'
import type { CheckedUnit } from './package-parts.ts'
import { checkTree } from './tree-checks.ts'

/** What differs between package formats, for the checks. */
export interface FormatChecks {
  /** What was found before: in files, and by the format. */
  readonly findings: readonly Finding[]
  /** Names of the unit's own packages that each of them needs, in the order of the parts. */
  readonly siblings: readonly ReadonlySet<string>[]
  /** What else is there where the packages are installed: files of the distribution that they need. */
  readonly places: readonly Look[]
}

/**
 * Everything that is wrong with the packages of one unit, found together. Nothing is followed out of them, and no byte
 * of theirs is believed: a build may be hostile.
 *
 * @see seed, Build-time Package QA; docs/qa.md
 */
export async function checkPackages(
  checked: CheckedUnit,
  { findings, siblings, places }: FormatChecks,
): Promise<readonly Finding[]> {
  const { parts, around } = checked
  const beside: readonly Look[] = [...(around.sysroot === undefined ? [] : [lookBelow(around.sysroot)]), ...places]
  const looks = new Map(parts.map(({ name, tree }) => [name, lookInto(tree.entries)]))
  const links: Finding[] = []
  for (const [index, { name, tree }] of parts.entries()) {
    const needed = [name, ...(siblings[index] ?? [])].flatMap((each) => looks.get(each) ?? [])
    const own = tree.entries.filter(({ kind }) => kind === 'symlink')
    links.push(...(await checkLinks(own, [...needed, ...beside])))
  }
  return [...checkPrograms(checked), ...checkTree(checked), ...links, ...(await checkLicense(checked)), ...findings]
}
