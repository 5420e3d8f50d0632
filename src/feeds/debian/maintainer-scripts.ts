import type { DestEntry, ScannedTree } from '#engine/build/destdir.ts'
import type { Alternatives } from '#engine/catalog/package.ts'
import { accountFiles } from '../shared/accounts.ts'
import { fixedOwner } from './accounts.ts'
import { serviceScripts } from './services.ts'

/** deb-systemd-helper, which services are enabled with. */
const serviceHelper: Alternatives = [{ name: 'init-system-helpers', version: { relation: '>=', version: '1.52' } }]
/** systemd-sysusers. @see dh_installsysusers(1) */
const accountHelper: Alternatives = [
  { name: 'systemd' },
  { name: 'systemd-standalone-sysusers' },
  { name: 'systemd-sysusers' },
]
/** setcap. */
const capabilityHelper: Alternatives = [{ name: 'libcap2-bin' }]

/** What is set when the package is installed, since its tar can't hold it: owners with ids of the system's own, capabilities. */
const setLater = ({ entries }: Pick<ScannedTree, 'entries'>): readonly DestEntry[] =>
  entries.filter(
    ({ permission }) =>
      permission !== undefined &&
      (permission.capabilities !== undefined ||
        (permission.owner !== undefined && fixedOwner(permission) === undefined)),
  )

/** What a package depends on for the sake of its maintainer scripts. */
export function scriptDepends(
  tree: Pick<ScannedTree, 'entries'>,
  services: readonly string[],
): readonly Alternatives[] {
  return [
    ...(services.length > 0 ? [serviceHelper] : []),
    ...(accountFiles(tree).length > 0 ? [accountHelper] : []),
    ...(setLater(tree).some(({ permission }) => permission?.capabilities !== undefined) ? [capabilityHelper] : []),
  ]
}

/** The maintainer scripts of a package, by control-file name: accounts first, then what belongs to them, then services. */
export function maintainerScripts(
  tree: Pick<ScannedTree, 'entries'>,
  services: readonly string[],
): ReadonlyMap<string, string> {
  const scripts = new Map(serviceScripts(services))
  const accounts = accountFiles(tree).map((name) => `systemd-sysusers ${quoted(name)}`)
  const commands = [...accounts, ...setLater(tree).flatMap(commandsFor)]
  if (commands.length > 0) {
    const first = `case "$1" in\nconfigure | abort-upgrade | abort-deconfigure | abort-remove)\n${commands.map((line) => `  ${line}\n`).join('')}  ;;\nesac\n`
    scripts.set('postinst', first + (scripts.get('postinst') ?? ''))
  }
  return new Map([...scripts].map(([name, body]) => [name, `#!/bin/sh\nset -e\n${body}`]))
}

/** What an administrator has overridden stays so. Capabilities come last: changing the owner takes them away. */
function commandsFor({ path, mode, permission }: DestEntry): readonly string[] {
  const name = quoted(`/${path.toString('utf8')}`)
  const { owner, capabilities } = permission ?? {}
  const late = owner !== undefined && permission !== undefined && fixedOwner(permission) === undefined
  const octal = mode.toString(8).padStart(4, '0')
  return [
    ...(late
      ? [
          `dpkg-statoverride --list ${name} >/dev/null || { chown ${owner.user}:${owner.group} ${name} && chmod ${octal} ${name}; }`,
        ]
      : []),
    ...(capabilities === undefined ? [] : [`setcap ${quoted(capabilities)} ${name}`]),
  ]
}

const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`
