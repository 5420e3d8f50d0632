import type { Permission } from '#engine/project/model.ts'
import { type BaseAccounts, fixedOwnerIn, type NumberedOwner } from '../shared/accounts.ts'

/** Whose files accounts are added to. */
export const accountsPackage = 'alpine-baselayout-data'

/** What every Alpine system has. @see alpine-baselayout-data: /etc/passwd, /etc/group */
export const alpineAccounts: BaseAccounts = {
  users: {
    root: 0,
    bin: 1,
    daemon: 2,
    lp: 4,
    sync: 5,
    shutdown: 6,
    halt: 7,
    mail: 8,
    news: 9,
    uucp: 10,
    cron: 16,
    ftp: 21,
    sshd: 22,
    games: 35,
    ntp: 123,
    guest: 405,
    nobody: 65_534,
  },
  groups: {
    root: 0,
    bin: 1,
    daemon: 2,
    sys: 3,
    adm: 4,
    tty: 5,
    disk: 6,
    lp: 7,
    kmem: 9,
    wheel: 10,
    floppy: 11,
    mail: 12,
    news: 13,
    uucp: 14,
    cron: 16,
    audio: 18,
    cdrom: 19,
    dialout: 20,
    ftp: 21,
    sshd: 22,
    input: 23,
    tape: 26,
    video: 27,
    netdev: 28,
    kvm: 34,
    games: 35,
    shadow: 42,
    'www-data': 82,
    users: 100,
    ntp: 123,
    abuild: 300,
    utmp: 406,
    ping: 999,
    nogroup: 65_533,
    nobody: 65_534,
  },
}

/**
 * The owner as a tar has it. Names decide, which a script has made by the time that apk unpacks; the numbers of those that
 * no system has from the start are nobody's.
 */
export function ownerOf(permission: Permission): NumberedOwner | undefined {
  const { owner } = permission
  if (owner === undefined) return undefined
  return fixedOwnerIn(alpineAccounts, permission) ?? { ...owner, uid: 65_534, gid: 65_534 }
}

const name = /^[a-z_][a-z0-9_-]*\$?$/
const folder = /^\/[A-Za-z0-9._/-]*$/

/**
 * What a package with sysusers.d files runs before its files are unpacked: Alpine has no systemd-sysusers, its packages
 * call addgroup and adduser, each of which is content when the name is there already. An id that is asked for and another's
 * ends the installation, and is told.
 *
 * @param texts of sysusers.d files
 * @returns shell commands; lines that mean nothing here are left out, and nologin is where Alpine has it
 * @see sysusers.d(5)
 */
export function accountCommands(texts: readonly string[]): readonly string[] {
  const groups: string[] = []
  const users: string[] = []
  const members: string[] = []
  for (const line of texts.flatMap((text) => text.split('\n'))) {
    const [type = '', who = '', id = '-', comment = '-', home = '-', shell = '-'] = words(line)
    if (!name.test(who)) continue
    if (type === 'g') groups.push(groupCommand(who, id))
    if (type === 'm' && name.test(id)) members.push(`addgroup ${who} ${id} 2>/dev/null || true`)
    if (type !== 'u' && type !== 'u!') continue
    const [uid = '-', own = ''] = id.split(':')
    const group = name.test(own) ? own : who
    // A user brings a group of its name.
    if (group === who) groups.push(groupCommand(who, /^\d+$/.test(own) ? own : uid))
    const fixed = /^\d+$/.test(uid)
    users.push(
      `id -u ${who} >/dev/null 2>&1 || adduser -S -D -H ${fixed ? `-u ${uid} ` : ''}-h ${folder.test(home) ? home : '/dev/null'} -s ${
        folder.test(shell) && !shell.endsWith('/nologin') ? shell : '/sbin/nologin'
      } -G ${group} -g ${quoted(comment === '-' ? who : comment)} ${who}${fixed ? orSay('uid', uid, who) : ''}`,
    )
  }
  return [...new Set([...groups, ...users, ...members])]
}

function groupCommand(who: string, id: string): string {
  const fixed = /^\d+$/.test(id)
  const wanted = fixed ? `-g ${id} ` : ''
  return `grep -q '^${who}:' /etc/group || addgroup -S ${wanted}${who}${fixed ? orSay('gid', id, who) : ''}`
}

/** What an installation that ends there says. */
const orSay = (kind: 'uid' | 'gid', id: string, who: string): string =>
  ` || { echo "${kind} ${id} of ${who} belongs to $(awk -F: '$3 == ${id} { print $1 }' /etc/${kind === 'uid' ? 'passwd' : 'group'})" >&2; exit 1; }`

/** See {@link accountCommands}: whose id it is, from what a failed script printed. */
export function takenId(text: string): { readonly kind: 'user' | 'group'; readonly why: string } | undefined {
  // apk 3 marks what scripts say.
  const [, why, kind] = /^(?: {2}\* )?((uid|gid) \d+ of \S+ belongs to \S+)$/m.exec(text) ?? []
  return why === undefined ? undefined : { kind: kind === 'uid' ? 'user' : 'group', why }
}

/** Words apart by blanks; quotes hold some together. */
function words(line: string): readonly string[] {
  if (/^\s*#/.test(line)) return []
  return [...line.matchAll(/"([^"]*)"|'([^']*)'|(\S+)/g)].map(
    ([, double, single, bare]) => double ?? single ?? bare ?? '',
  )
}

const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''").replaceAll(':', ' ')}'`
