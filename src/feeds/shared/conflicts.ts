import { canonical, lookBelow } from '#engine/qa/dangling.ts'
import type { Finding } from '#engine/qa/finding.ts'
import type { PackagePart, Surroundings } from '#engine/qa/package-parts.ts'
import { shown } from '#engine/shown.ts'

/** A package file's name, and the absolute paths of its files; undefined when it says neither. */
export type Contents = (
  file: string,
) => Promise<{ readonly name: string; readonly files: readonly string[] } | undefined>

/**
 * Files that a package which the unit was built with has, too: installers refuse both.
 *
 * @param allowed names of packages that it may take files over from, or never lies beside
 */
export async function checkConflictsWith(
  contents: Contents,
  parts: readonly PackagePart[],
  allowed: ReadonlySet<string>,
  { sysroot, packages }: Surroundings,
): Promise<readonly Finding[]> {
  if (sysroot === undefined) return []
  const look = lookBelow(sysroot)
  const both = new Map<string, string>()
  for (const { kind, path } of parts.flatMap(({ tree }) => tree.entries)) {
    const place = `/${path.toString('latin1')}`
    if (kind === 'directory') continue
    const found = (await look(place)) ?? (await look(canonical(place)))
    if (found !== undefined && found !== 'directory') both.set(canonical(place), `/${shown(path)}`)
  }
  if (both.size === 0) return []
  const findings: Finding[] = []
  for (const file of packages) {
    const { name, files } = (await contents(file)) ?? { name: '', files: [] }
    const own = files.flatMap((path) => both.get(canonical(path)) ?? [])
    if (own.length === 0 || name === '' || allowed.has(name)) continue
    findings.push({
      check: 'conflict',
      paths: own,
      message: `is in ${name}, too`,
      hint: `replaces = ["${name}"] takes over what both have; otherwise remove it in a task`,
    })
  }
  return findings
}
