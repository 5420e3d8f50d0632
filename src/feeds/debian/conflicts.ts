import type { Finding } from '#engine/qa/finding.ts'
import type { PackagePart, Surroundings } from '#engine/qa/package-parts.ts'
import { checkConflictsWith } from '../shared/conflicts.ts'
import { readControlFile } from './deb-control.ts'

/** See {@link checkConflictsWith}. */
export function checkConflicts(
  parts: readonly PackagePart[],
  allowed: ReadonlySet<string>,
  around: Surroundings,
): Promise<readonly Finding[]> {
  const contents = async (
    file: string,
  ): Promise<{ readonly name: string; readonly files: readonly string[] } | undefined> => {
    const name = /^Package: (\S+)$/m.exec((await readControlFile(file, 'control')) ?? '')?.[1]
    return name === undefined ? undefined : { name, files: await filesOf(file) }
  }
  return checkConflictsWith(contents, parts, allowed, around)
}

/** The files that a package says it has; links are in none of its lists. */
async function filesOf(file: string): Promise<readonly string[]> {
  const sums = (await readControlFile(file, 'md5sums')) ?? ''
  const conffiles = (await readControlFile(file, 'conffiles')) ?? ''
  return [...sums.split('\n').map((line) => `/${line.slice(34)}`), ...conffiles.split('\n')]
}
