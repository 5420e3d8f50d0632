import { satisfies } from '#engine/catalog/candidates.ts'
import type { PackageRecord } from '#engine/catalog/package.ts'
import { YoeErrors } from '#engine/errors.ts'
import type { RepositoryEntry } from '#engine/formats.ts'
import { readTar } from '#engine/image/tar-read.ts'
import { canonical } from '#engine/qa/dangling.ts'
import { shown } from '#engine/shown.ts'
import { tarsOf } from './compare.ts'
import { readControlFile } from './deb-control.ts'
import { parseParagraphs } from './deb822.ts'
import { fileClash } from './install-failure.ts'
import { parseRelations } from './relations.ts'
import { debianVersions } from './version.ts'

/**
 * Refuses packages of units that bring one file, where neither says that it replaces the other's: dpkg would, when it has
 * installed all that comes before. Folders are shared; a file in `/bin` and one in `/usr/bin` are one.
 *
 * @throws {YoeErrors} INSTALL_FAILED for each two packages, with the line that says whose it is
 * @see deb-control(5), "Replaces"
 */
export async function refuseClashes(entries: readonly RepositoryEntry[]): Promise<void> {
  const ours = entries
    .filter(({ record }) => record.origin.kind === 'unit')
    .toSorted((a, b) => (a.record.name < b.record.name ? -1 : 1))
  if (ours.length < 2) return
  const owners = new Map<string, PackageRecord>()
  const clashes = new Map<string, { comes: string; there: string; paths: string[] }>()
  const replaced = new Map<PackageRecord, Awaited<ReturnType<typeof replacedBy>>>()
  for (const { record, path } of ours) {
    replaced.set(record, await replacedBy(path, record.arch))
    for await (const place of filesOf(path)) {
      const owner = owners.get(place)
      if (owner !== undefined && replaces(replaced, owner, record)) continue
      owners.set(place, record)
      if (owner === undefined || replaces(replaced, record, owner)) continue
      const key = `${owner.name} ${record.name}`
      const clash = clashes.get(key) ?? { comes: owner.name, there: record.name, paths: [] }
      clash.paths.push(shown(Buffer.from(place, 'latin1')))
      clashes.set(key, clash)
    }
  }
  if (clashes.size === 0) return
  throw new YoeErrors([...clashes.values()].map((clash) => fileClash(clash, ours)))
}

type Replaced = ReturnType<typeof parseRelations>[number]

async function replacedBy(deb: string, arch: string): Promise<Replaced> {
  const [fields] = parseParagraphs((await readControlFile(deb, 'control')) ?? '')
  return parseRelations(fields?.get('replaces')?.replaceAll('\n', ' ') ?? '', arch).flat()
}

const replaces = (all: ReadonlyMap<PackageRecord, Replaced>, one: PackageRecord, other: PackageRecord): boolean =>
  all
    .get(one)
    ?.some(({ name, version }) => name === other.name && satisfies(debianVersions, other.version, version)) === true

/** Absolute paths, one character for each byte. */
async function* filesOf(deb: string): AsyncGenerator<string> {
  const { data } = await tarsOf(deb)
  for await (const { entry } of readTar(data(), deb, 'any')) {
    if (entry.type !== 'directory') yield canonical(`/${entry.path}`)
  }
}
