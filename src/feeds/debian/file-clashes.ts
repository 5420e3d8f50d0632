import { satisfies } from '#engine/catalog/candidates.ts'
import type { RepositoryEntry } from '#engine/formats.ts'
import type { DeclaredAccount } from '#engine/image/declared-accounts.ts'
import { readTar } from '#engine/image/tar-read.ts'
import { canonical } from '#engine/qa/dangling.ts'
import { type PackageItem, refuseClashesOf } from '../shared/file-clashes.ts'
import { tarsOf } from './compare.ts'
import { readControlFile } from './deb-control.ts'
import { parseParagraphs } from './deb822.ts'
import { parseRelations } from './relations.ts'
import { debianVersions } from './version.ts'

/**
 * See {@link refuseClashesOf}. A file in `/bin` and one in `/usr/bin` are one.
 *
 * @throws {YoeErrors} INSTALL_FAILED
 * @see deb-control(5), "Replaces"
 */
export function refuseClashes(entries: readonly RepositoryEntry[]): Promise<readonly DeclaredAccount[]> {
  const reader = {
    replacedBy: ({ path, record }: RepositoryEntry) => replacedBy(path, record.arch),
    replaces: (said: Replaced, other: RepositoryEntry['record']) =>
      said.some(({ name, version }) => name === other.name && satisfies(debianVersions, other.version, version)),
    filesOf,
  }
  return refuseClashesOf(reader, entries)
}

type Replaced = ReturnType<typeof parseRelations>[number]

async function replacedBy(deb: string, arch: string): Promise<Replaced> {
  const [fields] = parseParagraphs((await readControlFile(deb, 'control')) ?? '')
  return parseRelations(fields?.get('replaces')?.replaceAll('\n', ' ') ?? '', arch).flat()
}

async function* filesOf(deb: string): AsyncGenerator<PackageItem> {
  const { data } = await tarsOf(deb)
  for await (const { entry, body } of readTar(data(), deb, 'any')) {
    if (entry.type !== 'directory') yield { place: canonical(`/${entry.path}`), body }
  }
}
