import { type Position, YoeError } from '../errors.ts'
import type { Reporter } from '../events.ts'
import type { ImageUnit, Partition } from '../project/model.ts'
import { type Account, addUsers } from './accounts.ts'
import { type Addition, file, folder, link } from './overlay.ts'
import type { RootIndex } from './rootfs-edit.ts'
import { enableServices, unitFolders } from './services.ts'

export interface Configuration {
  readonly image: ImageUnit
  readonly hostname: string
  readonly partitions: readonly Partition[]
  /** Files that the package format wants on the device, such as where the project's feed is. */
  readonly extraFiles: readonly Addition[]
  /** Overlays bring these paths: what is only a default gives way. */
  readonly overlaid: ReadonlySet<string>
  readonly sourceDateEpoch: number
  readonly report: Reporter
}

const accounts = { passwd: 'etc/passwd', shadow: 'etc/shadow', group: 'etc/group', gshadow: 'etc/gshadow' } as const

/** Files whose content depends on the image's configuration. */
export function heldFiles({ image, extraFiles }: Pick<Configuration, 'image' | 'extraFiles'>): ReadonlySet<string> {
  const keys = image.users.map(({ home }) => `${home.slice(1)}/.ssh/authorized_keys`)
  const fixed = ['hostname', 'hosts', 'localtime', 'timezone', 'default/locale', 'fstab', 'machine-id']
  return new Set([
    ...Object.values(accounts),
    ...fixed.map((name) => `etc/${name}`),
    ...keys,
    ...extraFiles.map(({ path }) => path),
    networkFile,
    hostKeysUnit,
  ])
}

const unitFile = /^(.+)\/([^/]+\.(?:service|socket|timer|path|target|mount))$/

/** Files that configuring looks into. */
export const wantedFile = (path: string): boolean => {
  const [, dir] = unitFile.exec(path) ?? []
  return path.startsWith('etc/skel/') || unitFolders.some((each) => each === dir)
}

/**
 * What a root file system gets from its image's fields: name, time zone, locale, file systems, users, services,
 * wired network by DHCP where nothing else configures one, and host keys that are made at first boot.
 *
 * @throws {YoeError} BAD_FIELD at the image's declaration
 */
export function configure(config: Configuration, root: RootIndex): readonly Addition[] {
  const { image, extraFiles } = config
  const additions = new Map<string, Addition>()
  const add = (...all: readonly Addition[]): void => {
    for (const addition of all) additions.set(addition.path, addition)
  }
  const from = `image "${image.name}"`
  add(...names(config, from), ...clock(config, root, from), ...language(config, root, from))
  add(...fileSystems(config, root, from), ...users(config, root, from), ...extraFiles)
  add(...bootServices(config, root, from))
  // Where an overlay says something, it was said on purpose; accounts are the exception: both are wanted.
  const merged = new Set<string>(Object.values(accounts))
  return [...additions.values()].filter(({ path }) => merged.has(path) || !config.overlaid.has(path))
}

function names({ hostname }: Configuration, from: string): readonly Addition[] {
  const hosts = [
    '127.0.0.1\tlocalhost',
    `127.0.1.1\t${hostname}`,
    '::1\tlocalhost ip6-localhost ip6-loopback',
    'ff02::1\tip6-allnodes',
    'ff02::2\tip6-allrouters',
  ]
  return [
    file('etc/hostname', `${hostname}\n`, from),
    file('etc/hosts', `${hosts.join('\n')}\n`, from),
    // Empty, not absent: every device gets an id of its own at first boot, without the presets of a first boot.
    file('etc/machine-id', '', from, 0o444),
  ]
}

function clock({ image }: Configuration, { entries }: RootIndex, from: string): readonly Addition[] {
  const { timezone } = image
  const zone = `usr/share/zoneinfo/${timezone}`
  if (!entries.has(zone)) {
    if (['UTC', 'Etc/UTC'].includes(timezone)) return []
    const known = entries.has('usr/share/zoneinfo/Etc/UTC')
    throw wrong(image, `timezone "${timezone}" is not in the image`, {
      hint: known ? 'use a name such as "Europe/Berlin"' : 'add "tzdata" to artifacts',
    })
  }
  return [link('etc/localtime', `/${zone}`, from), file('etc/timezone', `${timezone}\n`, from)]
}

function language({ image, report }: Configuration, { entries }: RootIndex, from: string): readonly Addition[] {
  const { locale } = image
  const [language = '', charset = ''] = locale.split('.')
  const compiled = `usr/lib/locale/${language}.${charset.toLowerCase().replaceAll('-', '')}`
  const builtIn = ['C', 'POSIX', 'C.UTF-8'].includes(locale)
  if (!builtIn && !entries.has(compiled) && !entries.has('usr/lib/locale/locale-archive'))
    report({
      type: 'warning',
      message: `image "${image.name}": locale "${locale}" is not in the image, programs will use C`,
      hint: 'add "locales-all" to artifacts, or use "C.UTF-8"',
      at: image.at,
    })
  return [file('etc/default/locale', `LANG=${locale}\n`, from)]
}

function fileSystems({ partitions }: Configuration, root: RootIndex, from: string): readonly Addition[] {
  const mounted = partitions.map((partition) => ({ partition, point: mountPoint(partition) }))
  const lines = mounted.map(({ partition: { label, type, root: isRoot }, point }) => {
    const name = type === 'vfat' ? label.toUpperCase() : label
    if (isRoot) return `LABEL=${name}\t/\text4\tdefaults,errors=remount-ro\t0\t1`
    return `LABEL=${name}\t${point}\t${type}\t${type === 'vfat' ? 'umask=0077,nofail' : 'defaults,nofail'}\t0\t2`
  })
  const points = mounted.flatMap(({ point }) => (point === '/' ? [] : [point.slice(1)]))
  const made = points.filter((point) => !root.entries.has(point)).map((point) => folder(point, from))
  return [file('etc/fstab', `${lines.join('\n')}\n`, from), ...made]
}

function mountPoint({ label, type, root }: Partition): string {
  if (root) return '/'
  if (isEsp({ label, type })) return '/boot/efi'
  return type === 'vfat' ? '/boot/firmware' : `/${label}`
}

/** A vfat partition called `esp` or `efi` is where UEFI firmware looks. */
export const isEsp = ({ label, type }: Pick<Partition, 'label' | 'type'>): boolean =>
  type === 'vfat' && /^(esp|efi)$/i.test(label)

function users(config: Configuration, root: RootIndex, from: string): readonly Addition[] {
  const { image, sourceDateEpoch } = config
  if (image.users.length === 0) return []
  const text = (path: string): string => root.contents.get(path)?.toString('latin1') ?? ''
  const before = {
    passwd: text(accounts.passwd),
    shadow: text(accounts.shadow),
    group: text(accounts.group),
    gshadow: text(accounts.gshadow),
  }
  if (before.passwd === '') throw wrong(image, 'users: the image has no /etc/passwd', { hint: 'add "base-passwd"' })
  for (const { shell, name } of image.users)
    if (!isThere(root, shell)) throw wrong(image, `user("${name}"): the image has no ${shell}`)
  const { files, accounts: made } = addUsers(before, image, Math.floor(sourceDateEpoch / 86_400))
  const latin = (path: string, content: string, mode: number): Addition =>
    file(path, Buffer.from(content, 'latin1'), from, mode)
  return [
    latin(accounts.passwd, files.passwd, 0o644),
    latin(accounts.group, files.group, 0o644),
    latin(accounts.shadow, files.shadow, 0o640),
    latin(accounts.gshadow, files.gshadow, 0o640),
    ...made.flatMap((account, index) => home(account, image.users[index]?.authorizedKeys ?? [], root, from)),
  ]
}

function home(account: Account, keys: readonly string[], root: RootIndex, from: string): readonly Addition[] {
  const { uid, gid, fresh } = account
  const dir = account.home.slice(1)
  const own = (addition: Addition): Addition => ({ ...addition, uid, gid })
  const additions: Addition[] = []
  if (fresh && !root.entries.has(dir)) {
    additions.push(own(folder(dir, from, 0o700)))
    for (const [path, { type, link: target }] of root.entries) {
      if (!path.startsWith('etc/skel/')) continue
      const place = `${dir}/${path.slice('etc/skel/'.length)}`
      if (type === 'directory') additions.push(own(folder(place, from)))
      else if (type === 'symlink') additions.push(own(link(place, target, from)))
      else additions.push(own(file(place, root.contents.get(path) ?? '', from)))
    }
  }
  if (keys.length === 0) return additions
  return [
    ...additions,
    own(folder(`${dir}/.ssh`, from, 0o700)),
    own(file(`${dir}/.ssh/authorized_keys`, `${keys.join('\n')}\n`, from, 0o600)),
  ]
}

/** /bin/bash is /usr/bin/bash where /bin is a link. */
const isThere = ({ entries }: RootIndex, path: string): boolean =>
  entries.has(path.slice(1)) || entries.has(`usr${path}`)

const networkFile = 'etc/systemd/network/80-yoe-dhcp.network'
const hostKeysUnit = 'etc/systemd/system/yoe-host-keys.service'

const networkText = `# Wired network by DHCP: the image brings no other network configuration.
[Match]
Name=en* eth*

[Network]
DHCP=yes
`

/** Ed25519 alone: a second's work for the slowest device, where RSA takes minutes of a first boot. */
const hostKeysText = `[Unit]
Description=Make this device's SSH host key
ConditionPathExists=!/etc/ssh/ssh_host_ed25519_key
Before=ssh.service ssh.socket sshd.service

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/bin/ssh-keygen -q -t ed25519 -N "" -f /etc/ssh/ssh_host_ed25519_key

[Install]
WantedBy=ssh.service ssh.socket
`

function bootServices(config: Configuration, root: RootIndex, from: string): readonly Addition[] {
  const { image } = config
  const units = new Map<string, { path: string; text: string }>()
  for (const dir of unitFolders)
    for (const [path, content] of root.contents) {
      const [, where, name] = unitFile.exec(path) ?? []
      if (where === dir && name !== undefined) units.set(name, { path, text: content.toString('utf8') })
    }
  // Another name of a unit file.
  for (const [path, { type, link: target }] of root.entries) {
    const [, where, name = ''] = unitFile.exec(path) ?? []
    const unit = units.get(target.split('/').at(-1) ?? '')
    if (type === 'symlink' && unitFolders.some((dir) => dir === where) && unit !== undefined && !units.has(name))
      units.set(name, unit)
  }
  const services = new Set(image.services)
  const additions: Addition[] = []
  if (lacksNetwork(root) && units.has('systemd-networkd.service')) {
    additions.push(file(networkFile, networkText, from))
    services.add('systemd-networkd')
  }
  if (root.entries.has('usr/sbin/sshd') && root.entries.has('usr/bin/ssh-keygen')) {
    additions.push(file(hostKeysUnit, hostKeysText, from))
    units.set('yoe-host-keys.service', { path: hostKeysUnit, text: hostKeysText })
    services.add('yoe-host-keys')
  }
  const links = enableServices(units, { ...image, services: [...services] })
  return [...additions, ...links.map(({ path, target }) => link(path, target, from))]
}

/** Nothing says how the network is to be set up, and nothing else than systemd-networkd is there to do it. */
function lacksNetwork({ entries }: RootIndex): boolean {
  const managers = [
    'usr/sbin/NetworkManager',
    'usr/sbin/ifup',
    'usr/sbin/netplan',
    'usr/sbin/connmand',
    'usr/sbin/dhcpcd',
  ]
  if (managers.some((path) => entries.has(path))) return false
  return ![...entries.keys()].some((path) => /^etc\/systemd\/network\/.+\.network$/.test(path))
}

const wrong = (
  image: { readonly name: string; readonly at: Position },
  what: string,
  options: { hint?: string } = {},
): YoeError => new YoeError('BAD_FIELD', `image "${image.name}": ${what}`, { at: image.at, ...options })
