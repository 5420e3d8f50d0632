import { type Position, YoeError, YoeErrors } from '../errors.ts'

/** An account that a package of a unit makes with an id that is not left to the system. */
export interface DeclaredAccount {
  readonly kind: 'user' | 'group'
  readonly name: string
  readonly id: number
  /** The group that comes with a user: where its number is taken, another one does as well. */
  readonly implied: boolean
  readonly unit: string
  /** Of the unit. */
  readonly at: Position
}

/** Where packages say which accounts they need. @see sysusers.d(5) */
export const isAccountFile = (path: string): boolean => /^\/?usr\/lib\/sysusers\.d\/[^/]+\.conf$/.test(path)

/** Bytes of one such file that are looked at. */
export const longestAccountFile = 1 << 16

/** What the text of such a file declares with ids. */
export function declaredAccounts(text: string, { unit, at }: Pick<DeclaredAccount, 'unit' | 'at'>): DeclaredAccount[] {
  const found: DeclaredAccount[] = []
  const add = (kind: DeclaredAccount['kind'], name: string, id: string | undefined, implied = false): void => {
    if (id !== undefined && /^\d{1,10}$/.test(id)) found.push({ kind, name, id: Number(id), implied, unit, at })
  }
  for (const line of text.split('\n')) {
    const [type = '', name = '', ids = '-'] = line.trim().split(/\s+/)
    const [id, group] = ids.split(':')
    if (type === 'g') add('group', name, id)
    if (type !== 'u' && type !== 'u!') continue
    add('user', name, id)
    // With a group of another name, none of its own comes.
    add('group', name, group ?? id, true)
  }
  return found
}

const anotherId = 'give one of them another id: uid = … in system_user(…), gid = … in system_group(…)'

/**
 * Refuses two accounts of one id, and one account of two ids: which of them came first would decide whose files are whose.
 *
 * @throws {YoeErrors} INSTALL_FAILED
 */
export function refuseAccountClashes(accounts: readonly DeclaredAccount[]): void {
  const errors: YoeError[] = []
  for (const [index, one] of accounts.entries()) {
    for (const other of accounts.slice(index + 1)) {
      if (one.kind !== other.kind) continue
      const isSameName = one.name === other.name
      if (isSameName === (one.id === other.id) || (isSameName && (one.implied || other.implied))) continue
      // The user's own id says it already.
      if (one.implied && other.implied) continue
      const message = isSameName
        ? `${one.kind} ${one.name} has id ${one.id} by ${one.unit} and ${other.id} by ${other.unit}`
        : `${one.kind}s ${one.name} (of ${one.unit}) and ${other.name} (of ${other.unit}) both have id ${one.id}`
      const hint = isSameName ? 'let one unit make it, and the other one depend on that' : anotherId
      errors.push(new YoeError('INSTALL_FAILED', message, { at: one.at, unit: one.unit, hint }))
    }
  }
  if (errors.length > 0) throw new YoeErrors(errors)
}

/**
 * Refuses a root file system in which an account has another id than the package asked for that makes it: something else was
 * there first.
 *
 * @param files /etc/passwd and /etc/group
 * @throws {YoeErrors} INSTALL_FAILED
 */
export function checkAccountIds(
  accounts: readonly DeclaredAccount[],
  files: { readonly passwd: string; readonly group: string },
): void {
  const tables = { user: idsIn(files.passwd), group: idsIn(files.group) }
  const errors = accounts.flatMap(({ kind, name, id, implied, unit, at }) => {
    const there = tables[kind].get(name)
    if (implied || there === undefined || there === id) return []
    const holder = [...tables[kind]].find(([, each]) => each === id)?.[0]
    const why = holder === undefined ? 'another package made it first' : `that is ${holder}'s`
    return [
      new YoeError('INSTALL_FAILED', `${kind} ${name} shall have id ${id}, and has ${there} in the image: ${why}`, {
        at,
        unit,
        hint:
          holder === undefined
            ? `leave it to that package: remove it from unit ${unit}, or ask for ${there}`
            : takenHint(kind),
      }),
    ]
  })
  if (errors.length > 0) throw new YoeErrors(errors)
}

/** What to type when a package of a feed has the id. */
export const takenHint = (kind: DeclaredAccount['kind']): string =>
  kind === 'user'
    ? 'give it another id: uid = … in system_user(…)'
    : 'give it another id: gid = … in system_group(…), uid = … in system_user(…)'

function idsIn(text: string): ReadonlyMap<string, number> {
  return new Map(
    text.split('\n').flatMap((line) => {
      const [name = '', , id = ''] = line.split(':')
      return name === '' || !/^\d+$/.test(id) ? [] : [[name, Number(id)]]
    }),
  )
}
