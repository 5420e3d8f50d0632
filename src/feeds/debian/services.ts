import type { DestEntry, ScannedTree } from '#engine/build/destdir.ts'
import { readerOf } from '#engine/build/destdir.ts'
import type { Finding } from '#engine/qa/finding.ts'
import type { FoundServices } from '../shared/pack.ts'

const unitFolders = ['usr/lib/systemd/system', 'lib/systemd/system', 'etc/systemd/system']
const unitName = /^[A-Za-z0-9][A-Za-z0-9:_.@-]*$/
const unitType = /\.(service|socket|timer|path|mount|automount|target|swap|slice)$/

/** A service as systemd names its unit: `app` is `app.service`. */
export const systemdUnit = (service: string): string => (unitType.test(service) ? service : `${service}.service`)

/**
 * Checks that each service of the unit has a unit file among what it installs which says what enabling it means. A
 * companion unit, one that installs nothing and only enables what a package it depends on brings, is taken at its word.
 */
export async function findServices(services: readonly string[], tree: ScannedTree): Promise<FoundServices> {
  const companion = tree.entries.every((entry) => entry.kind === 'directory')
  const findings: Finding[] = []
  const files = new Map<string, DestEntry>()
  for (const service of services) {
    const name = systemdUnit(service)
    if (!unitName.test(name)) {
      findings.push({
        check: 'services',
        message: `"${service}" can't be the name of a systemd unit`,
        hint: 'use letters, digits and : _ . @ -',
      })
      continue
    }
    if (companion) continue
    const file = name.replace(/@.*\./, '@.')
    const entry = tree.entries.find((each) =>
      unitFolders.some((folder) => each.path.toString('latin1') === `${folder}/${file}`),
    )
    if (entry === undefined || entry.kind === 'directory') {
      findings.push({
        check: 'services',
        message: `service "${service}" has no unit file in the package`,
        hint: `install ${file} to $DESTDIR/usr/lib/systemd/system/, or take "${service}" out of services`,
      })
      continue
    }
    files.set(service, entry)
    if (entry.kind === 'file' && !(await hasInstallSection(tree, entry))) {
      findings.push({
        check: 'services',
        message: `service "${service}" can't be enabled: ${file} has no [Install] section`,
        hint: 'add to the unit file: [Install] and WantedBy=multi-user.target',
      })
    }
  }
  return { findings, files }
}

async function hasInstallSection(tree: ScannedTree, entry: DestEntry): Promise<boolean> {
  using file = tree.open(entry)
  const text = (await readerOf(file, entry.size)(0, 1 << 16)).toString('utf8')
  return /^\[Install\][\s\S]*^(WantedBy|RequiredBy|UpheldBy|Alias|Also)[ \t]*=/m.test(text)
}

/**
 * What the maintainer scripts of a package with services do, by control-file name. Enabling is left to deb-systemd-helper:
 * it needs no running systemd (an image being assembled has none) and keeps an administrator's `systemctl disable`.
 * Starting and stopping go through deb-systemd-invoke, which honours policy-rc.d, and happen only on a live system.
 *
 * @param services as {@link findServices} passed them
 * @see init-system-helpers, deb-systemd-helper(1p)
 */
export function serviceScripts(services: readonly string[]): ReadonlyMap<string, string> {
  if (services.length === 0) return new Map()
  const units = `units='${services.map(systemdUnit).join(' ')}'\n`
  return new Map([
    ['postinst', units + postinst],
    ['postrm', units + postrm],
    ['prerm', units + prerm],
  ])
}

const postinst = `case "$1" in
configure | abort-upgrade | abort-deconfigure | abort-remove)
  for unit in $units; do
    deb-systemd-helper unmask "$unit" >/dev/null || true
    if deb-systemd-helper --quiet was-enabled "$unit"; then
      deb-systemd-helper enable "$unit" >/dev/null || true
    else
      deb-systemd-helper update-state "$unit" >/dev/null || true
    fi
  done
  if [ -d /run/systemd/system ]; then
    systemctl --system daemon-reload >/dev/null || true
    action=start
    if [ "$1" = configure ] && [ -n "$2" ]; then action=restart; fi
    deb-systemd-invoke "$action" $units >/dev/null || true
  fi
  ;;
esac
`

const prerm = `if [ "$1" = remove ] && [ -d /run/systemd/system ]; then
  deb-systemd-invoke stop $units >/dev/null || true
fi
`

const postrm = `if [ -d /run/systemd/system ]; then
  systemctl --system daemon-reload >/dev/null || true
fi
if [ "$1" = purge ] && command -v deb-systemd-helper >/dev/null; then
  deb-systemd-helper purge $units >/dev/null || true
  deb-systemd-helper unmask $units >/dev/null || true
fi
`
