import type { PackageRecord } from '#engine/catalog/package.ts'
import type { RepositoryEntry } from '#engine/formats.ts'
import type { DeclaredAccount } from '#engine/image/declared-accounts.ts'
import { refuseClashesOf } from '../shared/file-clashes.ts'
import { readApkHead } from './apk-read.ts'
import { itemsIn } from './contents.ts'
import { parseRelation } from './relations.ts'
import { matchesVersion } from './version.ts'

/**
 * See {@link refuseClashesOf}.
 *
 * @throws {YoeErrors} INSTALL_FAILED
 * @see apk-package(5), "replaces"
 */
export function refuseClashes(entries: readonly RepositoryEntry[]): Promise<readonly DeclaredAccount[]> {
  const reader = {
    replacedBy: async ({ path }: RepositoryEntry) => (await readApkHead(path)).info.replaces,
    replaces: (said: readonly string[], other: PackageRecord) => said.some((text) => isAbout(text, other)),
    filesOf: itemsIn,
  }
  return refuseClashesOf(reader, entries)
}

function isAbout(text: string, { name, version }: PackageRecord): boolean {
  const wanted = parseRelation(text)?.dependency
  if (wanted?.name !== name) return false
  return wanted.version === undefined || matchesVersion(version, wanted.version.relation, wanted.version.version)
}
