import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { splitPackage } from '#engine/build/split.ts'
import type { PackageRecord } from '#engine/catalog/package.ts'
import { YoeError, YoeErrors } from '#engine/errors.ts'
import type { PackedPackage, PackInput } from '#engine/formats.ts'
import type { PackageUnit } from '#engine/project/model.ts'
import { controlArchive } from './control-archive.ts'
import { dataTar } from './data-tar.ts'
import { writeDeb } from './deb-file.ts'
import { type DestEntry, type Problem, type ScannedTree, scanDestdir, subtree } from './destdir.ts'
import { linkFacts, readPrograms } from './elf-scan.ts'
import { withoutEpoch } from './names.ts'
import { bareRecord, dependenciesOf, replacesOf } from './pack-relations.ts'
import { findServices } from './services.ts'

/** One package of a unit, checked and ready to be written. */
interface Part {
  readonly record: PackageRecord
  readonly tree: ScannedTree
  readonly description: string
  readonly replaces: readonly string[]
  readonly conffiles: readonly string[]
  readonly services: readonly string[]
  /** Sonames that other packages may link to. */
  readonly brings: readonly string[]
}

/**
 * Makes the unit's .debs of what its build left in the destdir: the main package first, then those of `subpackages` and
 * `extra_subpackages` by name. The bytes depend on the unit, the destdir's content and executable bits, and
 * `sourceDateEpoch`; not on who builds where, when, or in which order. Everything in them belongs to root.
 *
 * `replaces` becomes Replaces alone: the packages may take over files of the named ones, which stay installed. Whoever
 * wants them gone names them in `conflicts` too.
 *
 * @throws {YoeErrors} all that is wrong with the destdir, PACKAGE_INVALID each: unsafe files, libraries that nobody
 *   brings, services without a unit file, conffiles that don't exist, subpackages without files
 * @throws {YoeError} BAD_NAME or BAD_FIELD at the unit's line; DISK_FULL. Nothing is left in `outdir` then.
 */
export async function packDeb(input: PackInput): Promise<readonly PackedPackage[]> {
  // What the declaration alone shows to be wrong is told before any work.
  bareRecord(input, '')
  const tree = await scanDestdir(input.destdir, new Set(input.privilegedPaths))
  const packed: PackedPackage[] = []
  try {
    for (const part of await partsOf(input, tree)) packed.push(await write(input, part))
    return packed
  } catch (failure) {
    for (const { path } of packed) await rm(path, { force: true })
    throw failure
  } finally {
    await tree.close()
  }
}

async function write(input: PackInput, { record, tree, ...facts }: Part): Promise<PackedPackage> {
  const { unit, maintainer, sourceDateEpoch: mtime } = input
  const filename = `${record.name}_${withoutEpoch(record.version)}_${record.arch}.deb`
  const path = join(input.outdir, filename)
  const sums = new Map<DestEntry, string>()
  const finished = await writeDeb(path, {
    data: dataTar(tree, mtime, sums),
    control: () =>
      controlArchive({ ...facts, record, tree, sums, maintainer, homepage: unit.extra['homepage'] }, mtime),
    mtime,
  })
  return { record, filename, path, ...finished }
}

/** The packages that the destdir becomes. @throws {YoeErrors} */
async function partsOf(input: PackInput, whole: ScannedTree): Promise<readonly Part[]> {
  const { unit } = input
  // What can't be packed is not looked into either.
  refuse(unit, whole.problems)
  const empty = whole.entries.length === 1 && unit.tasks.length > 0 && unit.services.length === 0
  if (empty) refuse(unit, [nothingInstalled])
  const split = splitPackage(unit, whole.entries)
  refuse(unit, split.problems)

  const alone = split.parts.length === 1
  const parts = split.parts.map(({ suffix, entries }) => {
    return { suffix, bare: bareRecord(input, suffix), entries, tree: alone ? whole : subtree(whole, entries) }
  })
  const arch = unit.scope === 'noarch' ? undefined : input.arch
  const scans = await Promise.all(parts.map(({ tree }) => readPrograms(tree, arch)))
  const linked = parts.map(({ bare, tree }, index) => {
    return { name: bare.name, entries: tree.entries, programs: scans[index]?.programs ?? [] }
  })
  const links = linkFacts(linked, input.libraries)
  const services = await findServices(unit.services, whole)
  refuse(unit, [
    ...scans.flatMap(({ problems }) => problems),
    ...links.problems,
    ...services.problems,
    ...checkConffiles(unit, whole),
  ])

  const records = new Map(parts.map(({ bare }) => [bare.name, bare]))
  const [main] = records.values()
  return parts.map(({ suffix, bare, entries, tree }, index): Part => {
    const facts = links.facts[index] ?? { brings: [], needs: [], siblings: [] }
    const held = new Set(entries)
    const own = unit.services.filter((service) => {
      const file = services.files.get(service)
      return file === undefined ? suffix === '' : held.has(file)
    })
    const names = new Set([...(isCompanion(suffix) && main !== undefined ? [main.name] : []), ...facts.siblings])
    const siblings = [...names].flatMap((name) => records.get(name) ?? [])
    const paths = new Set(entries.map(({ path }) => `/${path.toString('utf8')}`))
    return {
      record: { ...bare, depends: dependenciesOf(bare, siblings, facts, own) },
      tree,
      description: describe(unit, suffix),
      replaces: replacesOf(input, [...records.keys()], bare),
      conffiles: unit.conffiles.filter((path) => paths.has(path)),
      services: own,
      brings: facts.brings,
    }
  })
}

/** Packages that are of no use without the main one, in exactly its version. */
const isCompanion = (suffix: string): boolean => suffix === 'dev' || suffix === 'dbg'

const purposes: Readonly<Record<string, string>> = { dev: 'development files', dbg: 'debug information' }

function describe({ name, description }: PackageUnit, suffix: string): string {
  if (suffix === '') return description
  const [first = ''] = description.trim().split('\n', 1)
  return `${first === '' ? name : first} (${purposes[suffix] ?? suffix})`
}

const nothingInstalled: Problem = {
  message: 'its tasks installed nothing',
  hint: 'install below $DESTDIR, such as: make install DESTDIR=$DESTDIR',
}

function checkConffiles(unit: PackageUnit, tree: ScannedTree): readonly Problem[] {
  const kinds = new Map(tree.entries.map((entry) => [`/${entry.path.toString('utf8')}`, entry.kind]))
  return unit.conffiles.flatMap((path) => {
    const kind = kinds.get(path)
    if (kind === 'file' && path.trim() === path) return []
    const what = path.startsWith('/')
      ? kind === undefined
        ? 'is not in the package'
        : `is a ${kind}`
      : 'is not absolute'
    return [{ message: `conffile "${path}" ${what}`, hint: 'name regular files that the unit installs: /etc/app.conf' }]
  })
}

/** Everything found is told together, up to a screenful. */
function refuse(unit: PackageUnit, problems: readonly Problem[]): void {
  const screenful = 20
  const where = { at: unit.at, unit: unit.name }
  const errors = problems
    .slice(0, screenful)
    .map(({ message, hint }) => new YoeError('PACKAGE_INVALID', `${unit.name}: ${message}`, { hint, ...where }))
  const more = problems.length - errors.length
  if (more > 0) {
    const message = `${unit.name}: ${more} more problems with its files`
    errors.push(new YoeError('PACKAGE_INVALID', message, { hint: 'mend the ones above first', ...where }))
  }
  if (errors.length > 0) throw new YoeErrors(errors)
}
