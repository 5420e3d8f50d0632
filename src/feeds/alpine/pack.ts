import { join } from 'node:path'
import type { PackageRecord } from '#engine/catalog/package.ts'
import type { PackedPackage, PackInput } from '#engine/formats.ts'
import { accountTexts, checkOwners } from '../shared/accounts.ts'
import { type Cut, type Packer, packUnit } from '../shared/pack.ts'
import { accountCommands, accountsPackage, alpineAccounts } from './accounts.ts'
import { writeApk } from './apk-write.ts'
import { checkConflicts } from './conflicts.ts'
import { dataTar } from './data-tar.ts'
import { foundInFiles } from './found-in-files.ts'
import { lookIntoInstalled, modulesAround } from './installed.ts'
import { renderRelation } from './names.ts'
import { type OwnFields, ownFields, type ScriptName } from './own-fields.ts'
import { bareRecord, dependenciesOf, replacesOf } from './pack-relations.ts'
import { renderPkgInfo } from './pkginfo.ts'
import { installScripts } from './scripts.ts'
import { findServices, runlevelLinks, withEntries } from './services.ts'
import { smallFiles } from './tar.ts'

/** What a package says about itself, once it is checked. */
interface Facts {
  readonly record: PackageRecord
  readonly description: string
  readonly replaces: readonly string[]
  readonly scripts: ReadonlyMap<ScriptName, string>
  /** Of the main package. */
  readonly own: OwnFields | undefined
}

/**
 * Makes the unit's .apks, see {@link packUnit}. They have no signature: that is put before them when they are published, so
 * that the same bytes serve whatever key a project has.
 */
export async function packApk(input: PackInput): Promise<readonly PackedPackage[]> {
  // Told before any work.
  ownFields(input.unit)
  return packUnit(packer, input)
}

const packer: Packer<Facts> = {
  bareRecord,
  findServices,
  facts: async (input, { bare, suffix, tree, siblings, names, links, services, description }) => {
    const found = await foundInFiles(tree, bare.version, await modulesAround(input.around))
    const own = suffix === '' ? ownFields(input.unit) : undefined
    const accounts = accountCommands(await accountTexts(tree))
    const scripts = installScripts(accounts, services, own?.scripts ?? {})
    // Apk knows no other reason to have /etc/group in place before a package that comes earlier in the alphabet.
    const forAccounts = accounts.length > 0 ? [{ name: accountsPackage }] : []
    const forScripts = scripts.size > 0 ? [{ name: '/bin/sh' }] : []
    const sonames = links.brings.map((soname) => ({ name: `so:${soname}`, version: bare.version }))
    return {
      record: {
        ...bare,
        depends: dependenciesOf(bare, siblings, links, [...forAccounts, ...forScripts, ...found.depends]),
        provides: [...bare.provides, ...sonames, ...found.provides],
      },
      description,
      replaces: replacesOf(input, names, bare),
      scripts,
      own,
    }
  },
  findings: async ({ unit, around }, whole, parts) => {
    const allowed = new Set([...unit.replaces, ...unit.conflicts].map(({ name }) => name))
    return [
      ...(await checkOwners(alpineAccounts, whole, around.sysroot)),
      ...(await checkConflicts(parts, allowed, around)),
    ]
  },
  // Apk unpacks all before it runs what needs anything: packages may need each other.
  problems: () => [],
  installed: lookIntoInstalled,
  write,
}

async function write(input: PackInput, cut: Cut, factsOf: () => Promise<Facts>): Promise<PackedPackage> {
  const { unit, maintainer, sourceDateEpoch: mtime } = input
  const { bare } = cut
  const filename = `${bare.name}-${bare.version}.apk`
  const path = join(input.outdir, filename)
  const tree = withEntries(cut.tree, runlevelLinks(enabledIn(unit.services, cut)))
  const batches = tree === cut.tree ? cut.batches : [tree.entries]
  const finished = await writeApk(path, {
    data: dataTar(tree, mtime, batches),
    control: async (datahash) => {
      const { record, description, replaces, scripts, own } = await factsOf()
      const info = renderPkgInfo({
        name: record.name,
        version: record.version,
        description: description.trim().split('\n', 1)[0] || record.name,
        url: urlOf(unit.extra['homepage']),
        builddate: mtime,
        packager: maintainer,
        size: installedSize(tree.entries),
        arch: record.arch,
        origin: unit.name,
        commit: '',
        maintainer,
        license: unit.license,
        replacesPriority: own?.replacesPriority,
        providerPriority: own?.providerPriority,
        replaces,
        depends: [
          ...record.depends.flat().map(renderRelation),
          ...record.conflicts.map((one) => `!${renderRelation(one)}`),
        ],
        provides: record.provides.map(({ name, version }) => (version === undefined ? name : `${name}=${version}`)),
        installIf: own?.installIf ?? [],
        triggers: own?.triggers ?? [],
        datahash,
      })
      const files = [...scripts].map(([name, text]) => [`.${name}`, Buffer.from(text), 0o755] as const)
      return Buffer.concat(smallFiles([['.PKGINFO', Buffer.from(info)], ...files], mtime))
    },
  })
  return { record: (await factsOf()).record, filename, path, ...finished }
}

/** The services that are in this package, and in the main one those that are in none of the unit's. */
function enabledIn(services: readonly string[], { suffix, entries, whole }: Cut): readonly string[] {
  const has = (tree: readonly { readonly path: Buffer }[], service: string): boolean =>
    tree.some(({ path }) => path.toString('latin1') === `etc/init.d/${service}`)
  return services.filter((service) => has(entries, service) || (suffix === '' && !has(whole.entries, service)))
}

const block = 4096

/** Bytes, in blocks of a file system. */
const installedSize = (entries: Cut['entries']): number =>
  entries.reduce((sum, { kind, size }) => sum + (kind === 'file' ? Math.ceil(size / block) * block : block), 0)

const urlOf = (value: unknown): string => (typeof value === 'string' && /^https?:\/\/[!-~]+$/.test(value) ? value : '')
