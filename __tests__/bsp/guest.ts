/** A small real Debian guest, made once per machine and recipe by the host's own mmdebstrap and mke2fs. */
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { access, mkdir, mkdtemp, readdir, readFile, rename, rm } from 'node:fs/promises'
import { tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { ImageFiles } from '../../src/bsp/qemu/command.ts'

const run = promisify(execFile)

export interface Guest {
  readonly files: Required<Pick<ImageFiles, 'kernel' | 'initrd'>>
  /** Root is locked, and has an authorized key already. */
  readonly locked: string
  /** Root has an empty password, which sshd takes. */
  readonly open: string
}

const keyring = '/usr/share/keyrings/debian-archive-keyring.gpg'
const packages =
  'systemd-sysv,udev,dbus,openssh-server,linux-image-cloud-amd64,initramfs-tools,systemd-resolved,libnss-myhostname'

/** $1: the tar of the root file system, $2: where the files go. Ids inside are those of the tar. */
const recipe = `set -eu
PATH=$PATH:/usr/sbin:/sbin
root=$2/root
mkdir "$root"
tar -x -p --numeric-owner --exclude='./dev/*' -f "$1" -C "$root"
printf '[Match]\\nName=en* eth*\\n[Network]\\nDHCP=yes\\n' >"$root/etc/systemd/network/80-wired.network"
ln -s /usr/lib/systemd/system/systemd-networkd.service "$root/etc/systemd/system/multi-user.target.wants/"
echo guest >"$root/etc/hostname"
: >"$root/etc/machine-id"
cp "$root"/boot/vmlinuz-* "$2/vmlinuz"
cp "$root"/boot/initrd.img-* "$2/initrd.img"
disk() { mke2fs -q -F -t ext4 -d "$root" -E root_owner=0:0,lazy_itable_init=1 "$2/$1.img" 1G; }
mkdir -p -m 0700 "$root/root/.ssh"
echo 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAuEFTVKckx51VcvdBrlMHW2+1C041dR269H/532aQZd somebody' >"$root/root/.ssh/authorized_keys"
disk locked "$2"
rm "$root/root/.ssh/authorized_keys"
sed -i 's/^root:[^:]*:/root::/' "$root/etc/shadow"
echo 'PermitEmptyPasswords yes
PermitRootLogin yes' >"$root/etc/ssh/sshd_config.d/open.conf"
disk open "$2"
rm -rf "$root"
chmod 644 "$2"/*`

/** @returns why a guest can't be made here */
export async function realGuest(): Promise<Guest | string> {
  if (process.arch !== 'x64') return 'the test guest is x86_64'
  if (!(await there(keyring))) return `${keyring} is not there`
  const { uid, username } = userInfo()
  const subordinate = await readFile('/etc/subuid', 'utf8').catch(() => '')
  if (uid !== 0 && !subordinate.split('\n').some((line) => line.startsWith(`${username}:`)))
    return `${username} has no subordinate ids`
  const base = process.env['YOE_TEST_CACHE'] ?? join(tmpdir(), `yoe-test-guest-${uid}`)
  const key = createHash('sha256').update(packages).update(recipe).digest('hex').slice(0, 16)
  const folder = join(base, `guest-${key}`)
  if (!(await there(folder))) await make(base, folder)
  const file = (name: string): string => join(folder, name)
  return {
    files: { kernel: file('vmlinuz'), initrd: file('initrd.img') },
    locked: file('locked.img'),
    open: file('open.img'),
  }
}

async function make(base: string, folder: string): Promise<void> {
  await mkdir(base, { recursive: true, mode: 0o700 })
  for (const old of await readdir(base)) if (old.startsWith('guest-')) await rm(join(base, old), { recursive: true })
  const temp = await mkdtemp(join(base, 'making-'))
  try {
    const root = process.getuid?.() === 0
    const tar = join(temp, 'root.tar')
    const source = `deb [signed-by=${keyring}] ${await mirror()} trixie main`
    const options = ['--variant=minbase', '--format=tar', `--include=${packages}`]
    await run('mmdebstrap', [`--mode=${root ? 'root' : 'unshare'}`, ...options, 'trixie', tar, source], {
      timeout: 600_000,
    })
    const out = join(temp, 'out')
    await mkdir(out)
    const shell = ['sh', '-c', recipe, 'sh', tar, out]
    const argv = root ? shell : ['unshare', '--user', '--map-auto', '--map-root-user', ...shell]
    await run(argv[0] ?? '', argv.slice(1), { timeout: 300_000 })
    await rename(out, folder)
  } finally {
    await rm(temp, { recursive: true, force: true })
  }
}

/** The Debian archive that this machine's apt uses. */
async function mirror(): Promise<string> {
  const filter = ['Created-By: Packages', 'Origin: Debian', 'Label: Debian']
  const { stdout } = await run('apt-get', ['indextargets', '--format', '$(SITE)', ...filter])
  return stdout.split('\n')[0] || 'http://ftp.debian.org/debian'
}

function there(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  )
}
