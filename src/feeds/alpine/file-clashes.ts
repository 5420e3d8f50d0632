import type { PackageRecord } from '#engine/catalog/package.ts'
import type { RepositoryEntry } from '#engine/formats.ts'
import { refuseClashesOf } from '../shared/file-clashes.ts'
import { readApkHead } from './apk-read.ts'
import { filesIn } from './contents.ts'
import { matchesVersion } from './version.ts'

/**
 * See {@link refuseClashesOf}.
 *
 * @throws {YoeErrors} INSTALL_FAILED
 * @see apk-package(5), "replaces"
 */
export function refuseClashes(entries: readonly RepositoryEntry[]): Promise<void> {
  const reader = {
    replacedBy: async ({ path }: RepositoryEntry) => (await readApkHead(path)).info.replaces,
    replaces: (said: readonly string[], other: PackageRecord) => said.some((text) => isAbout(text, other)),
    filesOf: filesIn,
  }
  return refuseClashesOf(reader, entries)
}

const operators: Readonly<Record<string, '<<' | '<=' | '=' | '>=' | '>>' | '~' | undefined>> = {
  '<': '<<',
  '<=': '<=',
  '=': '=',
  '>=': '>=',
  '>': '>>',
  '~': '~',
  '=~': '~',
}

function isAbout(text: string, { name, version }: PackageRecord): boolean {
  const [, said, operator = '', wanted = ''] = /^([^<>=~]+)([<>=~]*)(.*)$/.exec(text) ?? []
  const relation = operators[operator]
  return said === name && (relation === undefined || matchesVersion(version, relation, wanted))
}
