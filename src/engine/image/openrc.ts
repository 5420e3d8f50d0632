import { YoeError } from '../errors.ts'
import { didYouMean } from '../nearest.ts'
import type { ImageUnit } from '../project/model.ts'
import { type Addition, file, link } from './overlay.ts'
import type { RootIndex } from './rootfs-edit.ts'

const scripts = 'etc/init.d/'
const runlevels = 'etc/runlevels/'
const networkFile = 'etc/network/interfaces'

/** Files that {@link openrcBoot} may bring. */
export const openrcFiles: readonly string[] = [networkFile]

/** Whether OpenRC starts what a root file system runs. */
export const hasOpenrc = ({ entries }: RootIndex): boolean =>
  ['sbin/openrc', 'usr/sbin/openrc', 'usr/bin/openrc'].some((path) => entries.has(path))

const networkText = `# Wired network by DHCP: the image brings no other network configuration.
auto lo
iface lo inet loopback

auto eth0
iface eth0 inet dhcp
`

/**
 * The image's services in the runlevel that a machine is in when it has started, unless a package put them into one
 * already; and wired network by DHCP where nothing else configures one. Host keys are made by the scripts of SSH servers.
 *
 * @throws {YoeError} BAD_FIELD at the image's declaration
 * @see rc-update(8), interfaces(5)
 */
export function openrcBoot(image: ImageUnit, root: RootIndex, from: string): readonly Addition[] {
  const { entries } = root
  const paths = [...entries.keys()]
  const known = paths.flatMap((path) => (path.startsWith(scripts) ? [path.slice(scripts.length)] : []))
  const enabled = new Set(
    paths.flatMap((path) => (path.startsWith(runlevels) ? [path.slice(runlevels.length).replace(/^[^/]*\//, '')] : [])),
  )
  const start = (service: string, runlevel: string): readonly Addition[] =>
    enabled.has(service) ? [] : [link(`${runlevels}${runlevel}/${service}`, `/${scripts}${service}`, from)]
  const additions: Addition[] = []
  for (const service of new Set(image.services)) {
    if (!known.includes(service)) {
      throw new YoeError('BAD_FIELD', `image "${image.name}": services: nothing in the image brings ${service}`, {
        at: image.at,
        hint: didYouMean(service, known) ?? 'add the package that brings it to artifacts',
      })
    }
    additions.push(...start(service, 'default'))
  }
  const managers = ['NetworkManager', 'networkmanager', 'connman', 'dhcpcd']
  const managed = managers.some((name) => enabled.has(name) || image.services.includes(name))
  if (!managed && known.includes('networking') && !entries.has(networkFile))
    additions.push(file(networkFile, networkText, from), ...start('networking', 'boot'))
  return additions
}
