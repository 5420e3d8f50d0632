import type { ImageUnit } from '../project/model.ts'
import { type Addition, file, link } from './overlay.ts'
import type { RootIndex } from './rootfs-edit.ts'
import { enableServices, unitFolders } from './services.ts'

const unitFile = /^(.+)\/([^/]+\.(?:service|socket|timer|path|target|mount))$/

/** Unit files that enabling services looks into. */
export const isUnitFile = (path: string): boolean => {
  const [, dir] = unitFile.exec(path) ?? []
  return unitFolders.some((each) => each === dir)
}

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

/** Files that {@link systemdBoot} may bring. */
export const systemdFiles: readonly string[] = [networkFile, hostKeysUnit]

/**
 * The image's services, host keys that are made at first boot, and wired network by DHCP where nothing else configures one.
 *
 * @throws {YoeError} BAD_FIELD at the image's declaration
 */
export function systemdBoot(image: ImageUnit, root: RootIndex, from: string): readonly Addition[] {
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
