import { lstat, readdir, readlink } from 'node:fs/promises'
import { dirname, join, posix } from 'node:path'

/** Entries of `/` that are the run's own, whatever the root has there. */
const own = new Set(['/proc', '/dev', '/tmp', '/sys'])

/** What of the host's root file system a `host` run sees: its programs and their settings, nobody's data. */
const hostEntries = new Set(['/usr', '/bin', '/sbin', '/etc'])
export const isHostEntry = (path: string): boolean => hostEntries.has(path) || /^\/lib[^/]*$/.test(path)

/**
 * bubblewrap's arguments for a read-only `/`. It is a memory file system holding a bind of each entry of the root
 * folder, so that mount points which the root lacks can be made; where one is missing deeper down, the folders on the
 * way to it are taken apart in the same way.
 *
 * @param root absolute folder on the host that `/` shows
 * @param visible where bubblewrap finds a path of that folder; asked once for each bind
 * @param targets absolute paths inside that something is mounted on afterwards
 */
export async function rootArguments(
  root: string,
  visible: (path: string) => string,
  targets: readonly string[],
  hostOnly: boolean,
): Promise<string[]> {
  const args: string[] = []
  const missing: string[] = []
  for (const target of targets) if (!(await isPlain(root, target))) missing.push(target)

  const cover = async (folder: string): Promise<void> => {
    const entries = await readdir(join(root, folder), { withFileTypes: true })
    for (const entry of entries.toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
      const path = posix.join(folder, entry.name)
      if (own.has(path) || missing.includes(path)) continue
      if (hostOnly && folder === '/' && !isHostEntry(path)) continue
      if (entry.isSymbolicLink()) args.push('--symlink', await readlink(join(root, path)), path)
      else if (entry.isDirectory() && missing.some((target) => target.startsWith(`${path}/`))) {
        args.push('--perms', '0755', '--dir', path)
        await cover(path)
      } else if (entry.isDirectory() || entry.isFile()) args.push('--ro-bind', visible(path), path)
    }
  }
  await cover('/')
  return args
}

/**
 * Where `target` is once links on the way to it, as a process inside sees them, are followed; its last name is not.
 *
 * @param root the folder that is `/` there
 */
export async function followIn(root: string, target: string): Promise<string> {
  let pending = posix.normalize(target).split('/').filter(Boolean)
  let at = '/'
  for (let links = 0; pending.length > 0; ) {
    const [name, ...rest] = pending
    const next = posix.join(at, name ?? '')
    const link = rest.length === 0 ? undefined : await readlink(join(root, next)).catch(() => undefined)
    if (link === undefined || ++links > 40) {
      at = next
      pending = rest
    } else {
      if (link.startsWith('/')) at = '/'
      pending = [...link.split('/').filter(Boolean), ...rest]
    }
  }
  return at
}

/** Whether `target` exists in `root` without a symbolic link on the way, so that a mount goes where it says. */
async function isPlain(root: string, target: string): Promise<boolean> {
  for (let path = posix.normalize(target); path !== '/'; path = dirname(path)) {
    const info = await lstat(join(root, path)).catch(() => undefined)
    if (info === undefined || info.isSymbolicLink()) return false
  }
  return true
}
