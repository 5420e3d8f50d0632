import type { PackageRecord } from '#engine/catalog/package.ts'
import { YoeError, type YoeErrorOptions, YoeErrors } from '#engine/errors.ts'
import type { RepositoryEntry } from '#engine/formats.ts'
import {
  type DeclaredAccount,
  declaredAccounts,
  isAccountFile,
  longestAccountFile,
  refuseAccountClashes,
} from '#engine/image/declared-accounts.ts'
import type { TarItem } from '#engine/image/tar-read.ts'
import { shown } from '#engine/shown.ts'

/** What one format's packages say, for {@link refuseClashesOf}. */
export interface ClashReader<R> {
  /** What a package says that it may take files over from. */
  replacedBy(entry: RepositoryEntry): Promise<R>
  /** Whether that is among it. */
  replaces(said: R, other: PackageRecord): boolean
  /** All of a package but folders: absolute paths, one character for each byte; two that mean one file are spelled alike. */
  filesOf(path: string): AsyncIterable<PackageItem>
}

/** A file of a package. */
export interface PackageItem {
  readonly place: string
  /** As that of {@link TarItem}. */
  readonly body: TarItem['body']
}

/**
 * Refuses packages of units that bring one file, where neither says that it replaces the other's: installers would, when they
 * have installed all that comes before. Folders are shared. Likewise accounts of one id.
 *
 * @returns the accounts that packages of units make with ids of their own
 * @throws {YoeErrors} INSTALL_FAILED for each two packages, with the line that says whose it is
 */
export async function refuseClashesOf<R>(
  reader: ClashReader<R>,
  entries: readonly RepositoryEntry[],
): Promise<readonly DeclaredAccount[]> {
  const ours = entries
    .filter(({ record }) => record.origin.kind === 'unit')
    .toSorted((a, b) => (a.record.name < b.record.name ? -1 : 1))
  const accounts: DeclaredAccount[] = []
  const owners = new Map<string, PackageRecord>()
  const clashes = new Map<string, { comes: string; there: string; paths: string[] }>()
  const said = new Map<PackageRecord, R>()
  const replaces = (one: PackageRecord, other: PackageRecord): boolean => {
    const own = said.get(one)
    return own !== undefined && reader.replaces(own, other)
  }
  for (const entry of ours) {
    const { record, path } = entry
    said.set(record, await reader.replacedBy(entry))
    for await (const { place, body } of reader.filesOf(path)) {
      if (isAccountFile(place)) accounts.push(...(await accountsIn(body, record)))
      const owner = owners.get(place)
      if (owner !== undefined && replaces(owner, record)) continue
      owners.set(place, record)
      if (owner === undefined || replaces(record, owner)) continue
      const key = `${owner.name} ${record.name}`
      const clash = clashes.get(key) ?? { comes: owner.name, there: record.name, paths: [] }
      clash.paths.push(shown(Buffer.from(place, 'latin1')))
      clashes.set(key, clash)
    }
  }
  if (clashes.size > 0) throw new YoeErrors([...clashes.values()].map((clash) => fileClash(clash, ours)))
  refuseAccountClashes(accounts)
  return accounts
}

async function accountsIn(body: TarItem['body'], { origin }: PackageRecord): Promise<readonly DeclaredAccount[]> {
  if (origin.kind !== 'unit') return []
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of body()) {
    if (size < longestAccountFile) chunks.push(chunk)
    size += chunk.length
  }
  return declaredAccounts(Buffer.concat(chunks).toString('utf8', 0, longestAccountFile), origin)
}

/**
 * Two packages of an image with the same files: only the project can say whose they are.
 * @param paths one at least
 */
export function fileClash(
  { comes, paths, there }: { readonly comes: string; readonly paths: readonly string[]; readonly there: string },
  packages: readonly RepositoryEntry[],
  log: Pick<YoeErrorOptions, 'log'> = {},
): YoeError {
  const more = paths.length - 1
  const others = more === 0 ? '' : `, and ${more} more ${more === 1 ? 'file' : 'files'}`
  const message = `${comes} and ${there} both install ${paths[0]}${others}`
  const declared = (name: string) => {
    const origin = packages.find(({ record }) => record.name === name)?.record.origin
    return origin?.kind === 'unit' ? origin : undefined
  }
  // Either may say so, whichever is installed first.
  const [keeper, loser] = declared(comes) === undefined ? [there, comes] : [comes, there]
  const origin = declared(keeper)
  if (origin === undefined)
    return new YoeError('INSTALL_FAILED', message, { hint: 'leave one of them out of the image', ...log })
  const other = declared(loser)
  const instead = other === undefined ? '' : `, or replaces = ["${keeper}"] to unit ${other.unit}`
  const hint = `say whose file it is: add replaces = ["${loser}"] to unit ${origin.unit}${instead}`
  return new YoeError('INSTALL_FAILED', message, { at: origin.at, unit: origin.unit, hint, ...log })
}
