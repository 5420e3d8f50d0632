import { YoeError } from '../errors.ts'
import { didYouMean } from '../nearest.ts'
import type { ImageUnit, ImageUser } from '../project/model.ts'

/** The four files that make an account, as in /etc. */
export interface AccountFiles {
  readonly passwd: string
  readonly shadow: string
  readonly group: string
  readonly gshadow: string
}

/** Where an account ended up. */
export interface Account {
  readonly name: string
  readonly uid: number
  readonly gid: number
  readonly home: string
  /** It did not exist before. */
  readonly fresh: boolean
}

/** A user whose login shell is settled. */
export type WithShell = ImageUser & { readonly shell: string }

/** Ids that Debian's adduser gives to people. */
const firstUser = 1000
const lastUser = 59_999

/**
 * Adds users, or changes those that exist (root above all): password, shell, home, supplementary groups.
 * A new user gets a group of its own name, with the same number where that is free, and the lowest free uid from 1000 on.
 *
 * @param day days since 1970: when the password was set
 * @throws {YoeError} BAD_FIELD: a group that does not exist, a uid that is taken
 * @see passwd(5), shadow(5), group(5), gshadow(5)
 */
export function addUsers(
  files: AccountFiles,
  image: Pick<ImageUnit, 'name' | 'at'> & { readonly users: readonly WithShell[] },
  day: number,
): { readonly files: AccountFiles; readonly accounts: readonly Account[] } {
  const [passwd, shadow] = [table(files.passwd), table(files.shadow)]
  const [group, gshadow] = [table(files.group), table(files.gshadow)]
  const wrong = (user: ImageUser, what: string, hint?: string): YoeError =>
    new YoeError('BAD_FIELD', `user("${user.name}") of image "${image.name}": ${what}`, { at: image.at, hint })
  const accounts = image.users.map((user): Account => {
    const known = passwd.get(user.name)
    const account = known === undefined ? create(user) : change(user, known)
    setPassword(user)
    for (const name of user.groups) join(user, name)
    return account
  })

  function create(user: WithShell): Account {
    const taken = [...passwd.values()].find((fields) => Number(fields[2]) === user.uid)
    if (user.uid !== undefined && taken !== undefined)
      throw wrong(user, `uid ${user.uid} belongs to ${taken[0]}`, 'leave uid out, and a free one is taken')
    const uid = user.uid ?? free(passwd, 2)
    const existing = group.get(user.name)
    const gid = existing === undefined ? (isFree(group, 2, uid) ? uid : free(group, 2)) : Number(existing[2])
    if (existing === undefined) {
      group.set(user.name, [user.name, 'x', String(gid), ''])
      gshadow.set(user.name, [user.name, '!', '', ''])
    }
    passwd.set(user.name, [user.name, 'x', String(uid), String(gid), '', user.home, user.shell])
    return { name: user.name, uid, gid, home: user.home, fresh: true }
  }

  function change(user: WithShell, fields: string[]): Account {
    const [uid, gid] = [Number(fields[2]), Number(fields[3])]
    if (user.uid !== undefined && user.uid !== uid) throw wrong(user, `the packages made it with uid ${uid}`)
    fields[5] = user.home
    fields[6] = user.shell
    return { name: user.name, uid, gid, home: user.home, fresh: false }
  }

  function setPassword({ name, password }: ImageUser): void {
    const fields = shadow.get(name) ?? [name, '', '', '0', '99999', '7', '', '', '']
    fields[1] = password
    fields[2] = String(day)
    shadow.set(name, fields)
  }

  function join(user: ImageUser, name: string): void {
    const fields = group.get(name)
    if (fields === undefined) throw wrong(user, `the image has no group "${name}"`, didYouMean(name, group.keys()))
    addMember(fields, 3, user.name)
    const secret = gshadow.get(name)
    if (secret !== undefined) addMember(secret, 3, user.name)
  }

  const changed = { passwd: text(passwd), shadow: text(shadow), group: text(group), gshadow: text(gshadow) }
  return { files: changed, accounts }
}

type Table = Map<string, string[]>

function table(content: string): Table {
  const lines = content.split('\n').filter((line) => line !== '')
  return new Map(lines.map((line) => line.split(':')).map((fields) => [fields[0] ?? '', fields]))
}

const text = (rows: Table): string => [...rows.values()].map((fields) => `${fields.join(':')}\n`).join('')

const isFree = (rows: Table, column: number, id: number): boolean =>
  ![...rows.values()].some((fields) => Number(fields[column]) === id)

function free(rows: Table, column: number): number {
  for (let id = firstUser; id <= lastUser; id++) if (isFree(rows, column, id)) return id
  throw new RangeError('every id is taken')
}

function addMember(fields: string[], column: number, name: string): void {
  const members = (fields[column] ?? '').split(',').filter((member) => member !== '')
  if (!members.includes(name)) fields[column] = [...members, name].join(',')
}
