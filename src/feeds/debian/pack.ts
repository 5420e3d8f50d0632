import { join } from 'node:path'
import type { DestEntry } from '#engine/build/destdir.ts'
import type { PackageRecord } from '#engine/catalog/package.ts'
import type { PackedPackage, PackInput } from '#engine/formats.ts'
import { checkOwners } from '../shared/accounts.ts'
import { type Cut, type Packer, packUnit } from '../shared/pack.ts'
import { debianAccounts } from './accounts.ts'
import { checkConflicts } from './conflicts.ts'
import { controlArchive } from './control-archive.ts'
import { dataTar } from './data-tar.ts'
import { writeDeb } from './deb-file.ts'
import { lookIntoInstalled } from './installed.ts'
import { scriptDepends } from './maintainer-scripts.ts'
import { withoutEpoch } from './names.ts'
import { bareRecord, dependenciesOf, replacesOf } from './pack-relations.ts'
import { pythonDepends } from './python-depends.ts'
import { findServices } from './services.ts'
import { checkCycles } from './subpackage-cycles.ts'

/** What a package says about itself, once it is checked. */
interface Facts {
  readonly record: PackageRecord
  readonly description: string
  readonly replaces: readonly string[]
  readonly conffiles: readonly string[]
  readonly services: readonly string[]
  /** Sonames that other packages may link to. */
  readonly brings: readonly string[]
}

/**
 * Makes the unit's .debs, see {@link packUnit}. `replaces` becomes Replaces alone: the packages may take over files of the
 * named ones, which stay installed. Whoever wants them gone names them in `conflicts` too.
 */
export function packDeb(input: PackInput): Promise<readonly PackedPackage[]> {
  return packUnit(packer, input)
}

const packer: Packer<Facts> = {
  bareRecord,
  findServices,
  facts: async (input, { bare, tree, siblings, names, links, services, conffiles, description }) => ({
    record: {
      ...bare,
      depends: dependenciesOf(bare, siblings, links, [...scriptDepends(tree, services), ...pythonDepends(tree)]),
    },
    description,
    replaces: replacesOf(input, names, bare),
    conffiles,
    services,
    brings: links.brings,
  }),
  findings: async ({ unit, around }, whole, parts) => {
    const allowed = new Set([...unit.replaces, ...unit.conflicts].map(({ name }) => name))
    return [
      ...(await checkOwners(debianAccounts, whole, around.sysroot)),
      ...(await checkConflicts(parts, allowed, around)),
    ]
  },
  problems: checkCycles,
  installed: lookIntoInstalled,
  write,
}

async function write(
  input: PackInput,
  { bare, tree, batches }: Cut,
  factsOf: () => Promise<Facts>,
): Promise<PackedPackage> {
  const { unit, maintainer, sourceDateEpoch: mtime } = input
  const filename = `${bare.name}_${withoutEpoch(bare.version)}_${bare.arch}.deb`
  const path = join(input.outdir, filename)
  const sums = new Map<DestEntry, string>()
  const finished = await writeDeb(path, {
    data: dataTar(tree, mtime, batches, sums),
    control: async () => {
      const facts = await factsOf()
      return controlArchive({ ...facts, tree, sums, maintainer, homepage: unit.extra['homepage'] }, mtime)
    },
    mtime,
  })
  return { record: (await factsOf()).record, filename, path, ...finished }
}
