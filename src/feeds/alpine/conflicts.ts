import type { Finding } from '#engine/qa/finding.ts'
import type { PackagePart, Surroundings } from '#engine/qa/package-parts.ts'
import { checkConflictsWith } from '../shared/conflicts.ts'
import { readApkHead } from './apk-read.ts'
import { filesIn } from './contents.ts'

/** See {@link checkConflictsWith}. */
export function checkConflicts(
  parts: readonly PackagePart[],
  allowed: ReadonlySet<string>,
  around: Surroundings,
): Promise<readonly Finding[]> {
  const contents = async (path: string): Promise<{ readonly name: string; readonly files: readonly string[] }> => {
    const files: string[] = []
    for await (const file of filesIn(path)) files.push(file)
    return { name: (await readApkHead(path)).info.name, files }
  }
  return checkConflictsWith(contents, parts, allowed, around)
}
