import type { DestEntry, ScannedTree } from '#engine/build/destdir.ts'
import { readerOf } from '#engine/build/destdir.ts'
import { didYouMean } from '#engine/nearest.ts'
import type { Finding } from '#engine/qa/finding.ts'
import type { FoundServices } from '../shared/pack.ts'

const folder = 'etc/init.d'
const serviceName = /^[A-Za-z0-9][A-Za-z0-9:_.@-]*$/

/** The runlevel that a machine is in when it has started. */
const runlevel = 'default'

/** Those that OpenRC enters by itself. @see openrc(8) */
const runlevels: readonly string[] = ['sysinit', 'boot', runlevel, 'nonetwork', 'shutdown']

/**
 * Checks that each service of the unit has an init script among what it installs. A companion unit, one that installs nothing
 * and only enables what a package it depends on brings, is taken at its word.
 */
export async function findServices(services: readonly string[], tree: ScannedTree): Promise<FoundServices> {
  const companion = tree.entries.every((entry) => entry.kind === 'directory')
  const findings: Finding[] = []
  const files = new Map<string, DestEntry>()
  for (const service of services) {
    if (!serviceName.test(service)) {
      findings.push({
        check: 'services',
        message: `"${service}" can't be the name of an OpenRC service`,
        hint: 'use letters, digits and : _ . @ -',
      })
      continue
    }
    if (companion) continue
    const entry = tree.entries.find(({ path }) => path.toString('latin1') === `${folder}/${service}`)
    if (entry === undefined || entry.kind === 'directory') {
      findings.push({
        check: 'services',
        message: `service "${service}" has no init script in the package`,
        hint: `install ${service} to $DESTDIR/${folder}/, or take "${service}" out of services`,
      })
      continue
    }
    files.set(service, entry)
    if (entry.kind !== 'file') continue
    if ((entry.mode & 0o111) === 0) {
      findings.push({
        check: 'services',
        message: `service "${service}" can't be started: /${folder}/${service} is not executable`,
        hint: `install it with: install -Dm755 ${service} "$DESTDIR/${folder}/${service}"`,
      })
    }
    if (!(await isInitScript(tree, entry))) findings.push(noInitScript(service))
  }
  findings.push(...(await linkedFindings(tree, files)))
  return { findings, files }
}

const noInitScript = (service: string): Finding => ({
  check: 'services',
  message: `service "${service}" can't be enabled: /${folder}/${service} does not begin with #!/sbin/openrc-run`,
  hint: 'write it for OpenRC, see openrc-run(8)',
})

/** What is wrong with services that the files of a package enable by themselves, as those of `openrc_service` do. */
async function linkedFindings(tree: ScannedTree, told: ReadonlyMap<string, DestEntry>): Promise<readonly Finding[]> {
  const findings: Finding[] = []
  for (const link of tree.entries) {
    const [, level = '', service = ''] = /^etc\/runlevels\/([^/]+)\/([^/]+)$/.exec(link.path.toString('latin1')) ?? []
    if (service === '' || link.kind === 'directory') continue
    if (!runlevels.includes(level)) {
      findings.push({
        check: 'services',
        message: `service "${service}" is in the runlevel "${level}", which no system enters by itself`,
        hint: didYouMean(level, runlevels) ?? `those of Alpine are: ${runlevels.join(', ')}`,
      })
    }
    const script = tree.entries.find(({ path }) => path.toString('latin1') === `${folder}/${service}`)
    if (script?.kind === 'file' && !told.has(service) && !(await isInitScript(tree, script)))
      findings.push(noInitScript(service))
  }
  return findings
}

async function isInitScript(tree: ScannedTree, entry: DestEntry): Promise<boolean> {
  using file = tree.open(entry)
  const text = (await readerOf(file, entry.size)(0, 256)).toString('latin1')
  return /^#!\s*(?:\/sbin\/|\/usr\/sbin\/|\/usr\/bin\/env )(?:openrc-run|runscript)\b/.test(text)
}

/**
 * What enables services: links, which are in the package itself, as are the folders that they need.
 *
 * @see seed, Companion units; openrc(8)
 */
export function runlevelLinks(services: readonly string[]): readonly DestEntry[] {
  if (services.length === 0) return []
  const folders = ['etc', 'etc/runlevels', `etc/runlevels/${runlevel}`].map(
    (path): DestEntry => ({ kind: 'directory', path: Buffer.from(path), mode: 0o755, size: 0 }),
  )
  const links = services.map((service): DestEntry => {
    const path = Buffer.from(`etc/runlevels/${runlevel}/${service}`)
    return { kind: 'symlink', path, mode: 0o777, size: 0, target: Buffer.from(`/${folder}/${service}`) }
  })
  return [...folders, ...links]
}

/** The tree with these entries as well, in the same order as others; what is there already stays what it is. */
export function withEntries(tree: ScannedTree, added: readonly DestEntry[]): ScannedTree {
  if (added.length === 0) return tree
  const key = ({ path }: DestEntry): string => path.toString('latin1')
  const present = new Set(tree.entries.map(key))
  const missing = added.filter((entry) => !present.has(key(entry)))
  if (missing.length === 0) return tree
  return { ...tree, entries: [...tree.entries, ...missing].toSorted(inTreeOrder), close: () => {} }
}

/** Depth first, children in byte order. */
function inTreeOrder(one: DestEntry, other: DestEntry): number {
  const [a, b] = [parts(one), parts(other)]
  for (let at = 0; at < Math.min(a.length, b.length); at++) {
    const order = Buffer.compare(Buffer.from(a[at] ?? '', 'latin1'), Buffer.from(b[at] ?? '', 'latin1'))
    if (order !== 0) return order
  }
  return a.length - b.length
}

const parts = ({ path }: DestEntry): readonly string[] => (path.length === 0 ? [] : path.toString('latin1').split('/'))
