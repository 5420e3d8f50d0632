import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { DestEntry, ScannedTree } from '#engine/build/destdir.ts'
import { readerOf } from '#engine/build/destdir.ts'
import type { Permission } from '#engine/project/model.ts'
import type { Finding } from '#engine/qa/finding.ts'
import { shown } from '#engine/shown.ts'
import { errorCode } from '#engine/store/disk.ts'

/** Whose a file is, with the numbers that a tar has beside the names. */
export interface NumberedOwner {
  readonly user: string
  readonly group: string
  readonly uid: number
  readonly gid: number
}

/** The users and groups that every system of a distribution has, under these ids. */
export interface BaseAccounts {
  readonly users: Readonly<Record<string, number>>
  readonly groups: Readonly<Record<string, number>>
}

const idIn = (table: Readonly<Record<string, number>>, name: string): number | undefined =>
  Object.hasOwn(table, name) ? table[name] : undefined

/** The ids of an owner that every system knows; undefined when one is made where the package is installed. */
export function fixedOwnerIn({ users, groups }: BaseAccounts, { owner }: Permission): NumberedOwner | undefined {
  if (owner === undefined) return undefined
  const [uid, gid] = [idIn(users, owner.user), idIn(groups, owner.group)]
  return uid === undefined || gid === undefined ? undefined : { ...owner, uid, gid }
}

const accountsFolder = 'usr/lib/sysusers.d'
const isAccounts = ({ kind, path }: DestEntry): boolean =>
  kind === 'file' && /^usr\/lib\/sysusers\.d\/[^/]+\.conf$/.test(path.toString('latin1'))

/** Names of the files in which a package declares accounts, for systemd-sysusers. */
export const accountFiles = ({ entries }: Pick<ScannedTree, 'entries'>): readonly string[] =>
  entries.filter(isAccounts).map(({ path }) => path.toString('utf8').slice(accountsFolder.length + 1))

/**
 * Owners that nobody makes: neither the base system nor a sysusers.d file of the unit or of what it was built with.
 *
 * @param sysroot absolute; undefined when there is none
 */
export async function checkOwners(
  base: BaseAccounts,
  tree: ScannedTree,
  sysroot: string | undefined,
): Promise<readonly Finding[]> {
  const { users, groups } = base
  const wanted = tree.entries.filter(
    ({ permission }) => permission?.owner !== undefined && fixedOwnerIn(base, permission) === undefined,
  )
  if (wanted.length === 0) return []
  const texts = [
    ...(await accountTexts(tree)),
    ...(sysroot === undefined ? [] : await textsBelow(join(sysroot, accountsFolder))),
  ]
  const declared = (kind: string, name: string): boolean =>
    texts.some((text) =>
      text.split('\n').some((line) => {
        const [type = '', said = ''] = line.trim().split(/\s+/)
        // A user brings a group of its name.
        return said === name && (type[0] === 'u' || (kind === 'group' && type[0] === 'g'))
      }),
    )
  return wanted.flatMap(({ path, permission }): Finding[] => {
    const { user = '', group = '' } = permission?.owner ?? {}
    const unknown = [
      ...(idIn(users, user) === undefined && !declared('user', user) ? [`user "${user}"`] : []),
      ...(idIn(groups, group) === undefined && !declared('group', group) ? [`group "${group}"`] : []),
    ]
    if (unknown.length === 0) return []
    const hint = `declare it in /usr/lib/sysusers.d/NAME.conf ("u ${user} -"), or add the unit that does to deps and runtime_deps`
    return [
      {
        check: 'owner',
        paths: [`/${shown(path)}`],
        message: `shall belong to ${unknown.join(' and ')}, which nobody makes`,
        hint,
      },
    ]
  })
}

/** What those files say. */
export async function accountTexts(tree: Pick<ScannedTree, 'entries' | 'open'>): Promise<readonly string[]> {
  const texts: string[] = []
  for (const entry of tree.entries.filter(isAccounts)) {
    using file = tree.open(entry)
    texts.push((await readerOf(file, entry.size)(0, 1 << 16)).toString('utf8'))
  }
  return texts
}

async function textsBelow(folder: string): Promise<readonly string[]> {
  try {
    const names = (await readdir(folder)).filter((name) => name.endsWith('.conf'))
    return await Promise.all(names.map((name) => readFile(join(folder, name), 'utf8')))
  } catch (failure) {
    if (['ENOENT', 'ENOTDIR'].includes(errorCode(failure) ?? '')) return []
    throw failure
  }
}
