import { execFile } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { userInfo } from 'node:os'
import { promisify } from 'node:util'
import { YoeError } from '../errors.ts'

/**
 * The ids that runs have on the host when yoe itself runs as root: above every range that adduser, systemd and its
 * containers hand out (uids up to 0x6fffffff), below 2^31 where some file systems and tools stop.
 */
export const rootRange = { first: 2_000_000_000, count: 65_536 } as const

/** One line of a uid_map: `count` ids from `inside` on are those from `outside` on. */
export interface Extent {
  readonly inside: number
  readonly outside: number
  readonly count: number
}

export const mapText = (extents: readonly Extent[]): string =>
  extents.map(({ inside, outside, count }) => `${inside} ${outside} ${count}\n`).join('')

/** Who this process is to the kernel. */
export interface Self {
  readonly uid: number
  readonly gid: number
  /** Real root: the one id that may never be inside a run, and that can become any other. */
  readonly root: boolean
}

let known: Self | undefined

/** Root of a container that has ids of its own (rootless podman) counts as a plain user: its 0 is nobody's root. */
export async function self(): Promise<Self> {
  if (known !== undefined) return known
  const uid = process.getuid?.() ?? -1
  const gid = process.getgid?.() ?? -1
  const extents = uid === 0 ? parseMap(await readFile('/proc/self/uid_map', 'utf8')) : []
  const last = rootRange.first + rootRange.count
  const root = extents.some(({ inside, count }) => inside <= rootRange.first && inside + count >= last)
  known = { uid, gid, root }
  return known
}

function parseMap(text: string): Extent[] {
  return text
    .split('\n')
    .map((line) => line.trim().split(/\s+/).map(Number))
    .flatMap(([inside, outside, count]) =>
      inside === undefined || outside === undefined || count === undefined ? [] : [{ inside, outside, count }],
    )
}

/**
 * The subordinate ids of a plain user that make 65,536 together with its own.
 *
 * @param text /etc/subuid or /etc/subgid: `name-or-uid:first:count` lines
 * @see subuid(5)
 */
export function subordinateRange(text: string, name: string, uid: number): Extent | undefined {
  for (const line of text.split('\n')) {
    const [owner, first, count] = line.split(':')
    if (owner !== name && owner !== String(uid)) continue
    if (first === undefined || count === undefined || !/^\d+$/.test(first) || !/^\d+$/.test(count)) continue
    if (Number(count) >= 65_535) return { inside: 1, outside: Number(first), count: 65_535 }
  }
  return undefined
}

/** How ids inside an `install` run are those of a plain user outside: 0 is the user, the rest are its subordinate ids. */
export async function plainInstallMaps(
  who: Self,
): Promise<{ readonly uids: readonly Extent[]; readonly gids: readonly Extent[] }> {
  const name = userName(who.uid)
  const extentsOf = async (file: string, own: number): Promise<readonly Extent[]> => {
    const text = await readFile(file, 'utf8').catch(() => '')
    const range = subordinateRange(text, name, who.uid)
    if (range === undefined)
      throw new YoeError('SANDBOX_UNAVAILABLE', `${name} has no 65,536 subordinate ids in ${file}`, {
        hint: `sudo usermod --add-subuids 100000-165535 --add-subgids 100000-165535 ${name}`,
      })
    return [{ inside: 0, outside: own, count: 1 }, range]
  }
  return { uids: await extentsOf('/etc/subuid', who.uid), gids: await extentsOf('/etc/subgid', who.gid) }
}

function userName(uid: number): string {
  try {
    return userInfo().username
  } catch {
    return String(uid) // no passwd entry: subuid(5) allows the number
  }
}

const run = promisify(execFile)

/** Gives the user namespace of process `pid` its ids, by the setuid helpers that check /etc/subuid. */
export async function writePlainMaps(pid: number, who: Self): Promise<void> {
  const { uids, gids } = await plainInstallMaps(who)
  const flat = (extents: readonly Extent[]): string[] =>
    extents.flatMap(({ inside, outside, count }) => [inside, outside, count].map(String))
  try {
    await run('newuidmap', [String(pid), ...flat(uids)])
    await run('newgidmap', [String(pid), ...flat(gids)])
  } catch (cause) {
    const missing = cause instanceof Error && 'code' in cause && cause.code === 'ENOENT'
    throw new YoeError(
      'SANDBOX_UNAVAILABLE',
      missing ? 'newuidmap is not installed' : `newuidmap refused: ${cause instanceof Error ? cause.message : cause}`,
      { hint: missing ? 'sudo apt-get install uidmap' : 'check /etc/subuid and /etc/subgid', cause },
    )
  }
}

/** How ids inside an `install` run are those of {@link rootRange}. */
export const rootMap = mapText([{ inside: 0, outside: rootRange.first, count: rootRange.count }])

/** Gives the user namespace of process `pid` the ids of {@link rootRange}; for root alone. */
export async function writeRootMaps(pid: number): Promise<void> {
  for (const map of ['uid_map', 'gid_map']) await writeFile(`/proc/${pid}/${map}`, rootMap)
}
