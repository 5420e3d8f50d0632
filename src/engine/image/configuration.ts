import { type Position, YoeError } from '../errors.ts'
import type { Reporter } from '../events.ts'
import type { ImageUnit, Partition } from '../project/model.ts'
import { type Account, type AccountFiles, addUsers } from './accounts.ts'
import { checkAccountIds, type DeclaredAccount } from './declared-accounts.ts'
import { hasOpenrc, openrcBoot, openrcFiles } from './openrc.ts'
import { type Addition, file, folder, link } from './overlay.ts'
import type { RootIndex } from './rootfs-edit.ts'
import { isUnitFile, systemdBoot, systemdFiles } from './systemd.ts'

export interface Configuration {
  readonly image: ImageUnit
  readonly hostname: string
  readonly partitions: readonly Partition[]
  /** That packages of units make; they have been installed. */
  readonly accounts: readonly DeclaredAccount[]
  /** Files that the package format wants on the device, such as where the project's feed is. */
  readonly extraFiles: readonly ExtraFile[]
  /** Overlays bring these paths: what is only a default gives way. */
  readonly overlaid: ReadonlySet<string>
  readonly sourceDateEpoch: number
  readonly report: Reporter
}

export interface ExtraFile extends Addition {
  /** Only where no package brings the file. */
  readonly isDefault: boolean
}

const accounts = { passwd: 'etc/passwd', shadow: 'etc/shadow', group: 'etc/group', gshadow: 'etc/gshadow' } as const

/** Files whose content depends on the image's configuration. */
export function heldFiles({ image, extraFiles }: Pick<Configuration, 'image' | 'extraFiles'>): ReadonlySet<string> {
  const keys = image.users.map(({ home }) => `${home.slice(1)}/.ssh/authorized_keys`)
  const fixed = ['hostname', 'hosts', 'localtime', 'timezone', 'default/locale', 'fstab', 'machine-id']
  return new Set([
    ...Object.values(accounts),
    ...fixed.map((name) => `etc/${name}`),
    muslLocaleFile,
    ...keys,
    ...extraFiles.map(({ path }) => path),
    ...systemdFiles,
    ...openrcFiles,
  ])
}

/** Files that configuring looks into. */
export const wantedFile = (path: string): boolean => path.startsWith('etc/skel/') || isUnitFile(path)

/**
 * What a root file system gets from its image's fields: name, time zone, locale, file systems, users, services,
 * wired network by DHCP where nothing else configures one, and host keys that are made at first boot.
 *
 * @throws {YoeError} BAD_FIELD at the image's declaration; INSTALL_FAILED, see {@link checkAccountIds}
 */
export function configure(config: Configuration, root: RootIndex): readonly Addition[] {
  const { image, extraFiles } = config
  const additions = new Map<string, Addition>()
  const add = (...all: readonly Addition[]): void => {
    for (const addition of all) additions.set(addition.path, addition)
  }
  const from = `image "${image.name}"`
  const { passwd, group } = accountTexts(root)
  checkAccountIds(config.accounts, { passwd, group })
  add(...names(config, from), ...clock(config, root, from), ...language(config, root, from))
  add(...fileSystems(config, root, from), ...users(config, root, from))
  add(...extraFiles.filter(({ path, isDefault }) => !isDefault || !root.entries.has(path)))
  add(...(hasOpenrc(root) ? openrcBoot : systemdBoot)(image, root, from))
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
  if (isMusl(entries)) return muslLanguage(image, entries, report, from)
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

const isMusl = (entries: RootIndex['entries']): boolean =>
  [...entries.keys()].some((path) => /^(?:usr\/)?lib\/ld-musl-\w+\.so\.1$/.test(path))

/** Alpine's shells have C.UTF-8 when nobody says otherwise. */
function muslLanguage(
  { locale, name, at }: ImageUnit,
  entries: RootIndex['entries'],
  report: Reporter,
  from: string,
): readonly Addition[] {
  if (['C', 'POSIX', 'C.UTF-8'].includes(locale)) return []
  if (!entries.has(`usr/share/i18n/locales/musl/${locale}`))
    report({
      type: 'warning',
      message: `image "${name}": locale "${locale}" is not in the image, programs will use C`,
      hint: 'add "musl-locales" to artifacts, or use "C.UTF-8"',
      at,
    })
  return [file(muslLocaleFile, `export LANG=${locale}\nexport MUSL_LOCPATH=/usr/share/i18n/locales/musl\n`, from)]
}

const muslLocaleFile = 'etc/profile.d/30locale.sh'

function fileSystems({ partitions }: Configuration, root: RootIndex, from: string): readonly Addition[] {
  const mounted = partitions.map((partition) => ({ partition, point: mountPoint(partition) }))
  const lines = mounted.map(({ partition: { label, type, root: isRoot }, point }) => {
    const name = type === 'vfat' ? label.toUpperCase() : label
    // What nothing in the image can check is not: OpenRC would tell of an error at every boot.
    const pass = !isThere(root, `/sbin/fsck.${type}`) ? 0 : isRoot ? 1 : 2
    if (isRoot) return `LABEL=${name}\t/\text4\tdefaults,errors=remount-ro\t0\t${pass}`
    return `LABEL=${name}\t${point}\t${type}\t${type === 'vfat' ? 'umask=0077,nofail' : 'defaults,nofail'}\t0\t${pass}`
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

function accountTexts({ contents }: RootIndex): AccountFiles {
  const text = (path: string): string => contents.get(path)?.toString('latin1') ?? ''
  return {
    passwd: text(accounts.passwd),
    shadow: text(accounts.shadow),
    group: text(accounts.group),
    gshadow: text(accounts.gshadow),
  }
}

function users(config: Configuration, root: RootIndex, from: string): readonly Addition[] {
  const { image, sourceDateEpoch } = config
  const packaged = accountTexts(root)
  // Distros' own root is open to everybody on a console, until somebody installs the system by hand.
  const before = {
    ...packaged,
    shadow: config.overlaid.has(accounts.shadow) ? packaged.shadow : closed(packaged.shadow),
  }
  const latin = (path: string, content: string, mode: number): Addition =>
    file(path, Buffer.from(content, 'latin1'), from, mode)
  if (image.users.length === 0)
    return before.shadow === packaged.shadow ? [] : [latin(accounts.shadow, before.shadow, 0o640)]
  if (before.passwd === '')
    throw wrong(image, 'users: the image has no /etc/passwd', { hint: 'add "base" to artifacts' })
  const usual = isThere(root, '/bin/bash') ? '/bin/bash' : '/bin/sh'
  // Without PAM, sshd takes "!" for an account that nobody may use, by a key neither. No password is "*" either.
  const hasPam = root.entries.has('etc/pam.d')
  const wanted = image.users.map((user) => ({
    ...user,
    shell: user.shell ?? usual,
    password: user.password === '!' && !hasPam ? '*' : user.password,
  }))
  for (const { shell, name } of wanted)
    if (!isThere(root, shell))
      throw wrong(image, `user("${name}"): the image has no ${shell}`, {
        hint: 'shell = "/bin/sh", or add the package that brings it to artifacts',
      })
  const { files, accounts: made } = addUsers(before, { ...image, users: wanted }, Math.floor(sourceDateEpoch / 86_400))
  return [
    latin(accounts.passwd, files.passwd, 0o644),
    latin(accounts.group, files.group, 0o644),
    latin(accounts.shadow, files.shadow, 0o640),
    // Not every distro has one.
    ...(root.entries.has(accounts.gshadow) ? [latin(accounts.gshadow, files.gshadow, 0o640)] : []),
    ...made.flatMap((account, index) => home(account, image.users[index]?.authorizedKeys ?? [], root, from)),
  ]
}

/** shadow(5) in which no account is without a password: none fits those. Keys do, which "!" would keep some servers from. */
const closed = (shadow: string): string => shadow.replace(/^([^:\n]+)::/gm, '$1:*:')

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

const wrong = (
  image: { readonly name: string; readonly at: Position },
  what: string,
  options: { hint?: string } = {},
): YoeError => new YoeError('BAD_FIELD', `image "${image.name}": ${what}`, { at: image.at, ...options })
