import { createHash } from 'node:crypto'

/** Settings that whoever made an image changed after apk had installed them: what takes the change back. */
const edits: Readonly<Record<string, (now: string) => string>> = {
  'etc/passwd': withoutAccounts,
  'etc/group': withoutAccounts,
  'etc/shadow': (now) => withoutAccounts(now).replace('root:*:', 'root::'),
  'etc/hostname': () => 'localhost\n',
  'etc/hosts': () => '127.0.0.1\tlocalhost localhost.localdomain\n::1\t\tlocalhost localhost.localdomain\n',
  'etc/modules': () => 'af_packet\nipv6\n',
  'etc/mtab': () => '../proc/mounts',
  'etc/rc.conf': (now) =>
    now
      .replace('\nrc_parallel="YES"', '\n#rc_parallel="NO"')
      .replace('\nrc_sys="lxc"', '\n#rc_sys=""')
      .replace('\nrc_controller_cgroups="NO"', '\n#rc_controller_cgroups="YES"'),
}

/**
 * A file (or the target of a link) as its package brought it.
 *
 * @param now what it is in the image
 * @param sha1 what it was, as the database of installed packages has it
 * @throws {Error} when it is neither that nor can be made so
 */
export function restored(path: string, now: Buffer, sha1: string): Buffer {
  const hashed = (bytes: Buffer): string => createHash('sha1').update(bytes).digest('hex')
  if (hashed(now) === sha1) return now
  const back = Buffer.from(edits[path]?.(now.toString()) ?? '')
  if (hashed(back) === sha1) return back
  throw new Error(`${path} is not as its package had it`)
}

function withoutAccounts(now: string): string {
  return now
    .split('\n')
    .filter((line) => !/^(dhcpcd|quicksand):/.test(line))
    .join('\n')
}
