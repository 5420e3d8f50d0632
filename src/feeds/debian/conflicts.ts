import { canonical, lookBelow } from '#engine/qa/dangling.ts'
import type { Finding } from '#engine/qa/finding.ts'
import type { PackagePart, Surroundings } from '#engine/qa/package-parts.ts'
import { shown } from '#engine/shown.ts'
import { readControlFile } from './deb-control.ts'

/**
 * Files that a package which the unit was built with has, too: dpkg refuses to install both.
 *
 * @param allowed names of packages that it may take files over from, or never lies beside
 */
export async function checkConflicts(
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
    const own = (await filesOf(file)).flatMap((path) => both.get(canonical(path)) ?? [])
    const name = /^Package: (\S+)$/m.exec((await readControlFile(file, 'control')) ?? '')?.[1]
    if (own.length === 0 || name === undefined || allowed.has(name)) continue
    findings.push({
      check: 'conflict',
      paths: own,
      message: `is in ${name}, too`,
      hint: `replaces = ["${name}"] takes over what both have; otherwise remove it in a task`,
    })
  }
  return findings
}

/** The files that a package says it has; links are in none of its lists. */
async function filesOf(file: string): Promise<readonly string[]> {
  const sums = (await readControlFile(file, 'md5sums')) ?? ''
  const conffiles = (await readControlFile(file, 'conffiles')) ?? ''
  return [...sums.split('\n').map((line) => `/${line.slice(34)}`), ...conffiles.split('\n')]
}
