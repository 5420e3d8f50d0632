import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { type DestEntry, type Problem, type ScannedTree, scanDestdir, subtree } from '#engine/build/destdir.ts'
import { splitPackage } from '#engine/build/split.ts'
import type { PackageRecord } from '#engine/catalog/package.ts'
import { companionSuffixes } from '#engine/catalog/subpackages.ts'
import { YoeError, YoeErrors } from '#engine/errors.ts'
import type { PackedPackage, PackInput } from '#engine/formats.ts'
import type { PackageUnit } from '#engine/project/model.ts'
import { checkPackages } from '#engine/qa/check-packages.ts'
import { wantedIn } from '#engine/qa/content.ts'
import { type Finding, settle } from '#engine/qa/finding.ts'
import { inspectTree } from '#engine/qa/inspect.ts'
import { linkFacts } from '#engine/qa/links.ts'
import type { CheckedUnit, PackagePart } from '#engine/qa/package-parts.ts'
import { checkOwners } from './accounts.ts'
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

/** What is to be in one package of a unit. */
interface Cut {
  readonly suffix: string
  readonly bare: PackageRecord
  readonly tree: ScannedTree
  /** Of the whole destdir, where a hard link's content may be in another package. */
  readonly entries: readonly DestEntry[]
}

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
 * Makes the unit's .debs of what its build left in the destdir: the main package first, then those of `subpackages` and
 * `extra_subpackages` by name. The bytes depend on the unit, the destdir's content and modes, and `sourceDateEpoch`; not
 * on who builds where, when, or in which order. What is in them belongs to root, or to whom `permissions` says.
 *
 * `replaces` becomes Replaces alone: the packages may take over files of the named ones, which stay installed. Whoever
 * wants them gone names them in `conflicts` too.
 *
 * @throws {YoeErrors} all that is wrong together: PACKAGE_INVALID for what can't be packed, PACKAGE_QA for what should not
 * @throws {YoeError} BAD_NAME or BAD_FIELD at the unit's line; DISK_FULL. Nothing is left in `outdir` then.
 */
export async function packDeb(input: PackInput): Promise<readonly PackedPackage[]> {
  // What the declaration alone shows to be wrong is told before any work.
  bareRecord(input, '')
  const tree = await scanDestdir(input.destdir, input.unit.permissions)
  const packed: PackedPackage[] = []
  try {
    const cuts = cutUp(input, tree)
    // Compressing takes longest, and happens elsewhere: meanwhile everything is checked.
    const checked = check(input, tree, cuts)
    checked.catch(() => {})
    for (const [index, cut] of cuts.entries()) packed.push(await write(input, cut, () => factsAt(checked, index)))
    return packed
  } catch (failure) {
    for (const { path } of packed) await rm(path, { force: true })
    throw failure
  } finally {
    tree.close()
  }
}

async function factsAt(checked: Promise<readonly Facts[]>, index: number): Promise<Facts> {
  const facts = (await checked)[index]
  if (facts === undefined) throw new TypeError(`package ${index} was not checked`)
  return facts
}

async function write(input: PackInput, { bare, tree }: Cut, factsOf: () => Promise<Facts>): Promise<PackedPackage> {
  const { unit, maintainer, sourceDateEpoch: mtime } = input
  const filename = `${bare.name}_${withoutEpoch(bare.version)}_${bare.arch}.deb`
  const path = join(input.outdir, filename)
  const sums = new Map<DestEntry, string>()
  const finished = await writeDeb(path, {
    data: dataTar(tree, mtime, sums),
    control: async () => {
      const facts = await factsOf()
      return controlArchive({ ...facts, tree, sums, maintainer, homepage: unit.extra['homepage'] }, mtime)
    },
    mtime,
  })
  return { record: (await factsOf()).record, filename, path, ...finished }
}

/** The packages that the destdir becomes. @throws {YoeErrors} PACKAGE_INVALID */
function cutUp(input: PackInput, whole: ScannedTree): readonly Cut[] {
  const { parts, problems } = splitPackage(input.unit, whole.entries)
  // What can't be packed is not looked into either.
  refuse(input.unit, [...whole.problems, ...problems])
  return parts.map(({ suffix, entries }) => {
    const tree = parts.length === 1 ? whole : subtree(whole, entries)
    return { suffix, bare: bareRecord(input, suffix), tree, entries }
  })
}

/** Facts in the order of `cuts`. @throws {YoeErrors} PACKAGE_QA, PACKAGE_INVALID */
async function check(input: PackInput, whole: ScannedTree, cuts: readonly Cut[]): Promise<readonly Facts[]> {
  const { unit, around } = input
  const parts: PackagePart[] = []
  const inFiles: Finding[] = [...splitPackage(unit, whole.entries).findings]
  const wanted = wantedIn(around, input.sourceDateEpoch)
  for (const { suffix, bare, tree } of cuts) {
    const { programs, findings } = await inspectTree(tree, wanted)
    parts.push({ suffix, name: bare.name, tree, programs })
    inFiles.push(...findings)
  }
  const checked: CheckedUnit = { ...input, arch: unit.scope === 'noarch' ? undefined : input.arch, parts }
  const linked = parts.map(({ name, tree, programs }) => ({ name, entries: tree.entries, programs }))
  const declared = new Set(input.runtimeDeps.flat().map(({ name }) => name))
  const links = linkFacts(linked, input.libraries, declared)
  const services = await findServices(unit.services, whole)

  const records = new Map(cuts.map(({ bare }) => [bare.name, bare]))
  const [main] = records.values()
  const packages = cuts.map(
    ({ suffix, bare, tree, entries }, index): Facts & { readonly siblings: ReadonlySet<string> } => {
      const facts = links.facts[index] ?? { brings: [], needs: [], siblings: new Map() }
      const held = new Set(entries)
      const own = unit.services.filter((service) => {
        const file = services.files.get(service)
        return file === undefined ? suffix === '' : held.has(file)
      })
      const companion = companionSuffixes.has(suffix) && main !== undefined ? [main.name] : []
      const names = new Set([...companion, ...[...facts.siblings.keys()].sort()])
      const siblings = [...names].flatMap((each) => records.get(each) ?? [])
      const files = unit.conffiles.length === 0 ? [] : entries.filter(({ kind }) => kind === 'file')
      const paths = new Set(files.map(({ path }) => `/${path.toString('utf8')}`))
      return {
        record: {
          ...bare,
          depends: dependenciesOf(bare, siblings, facts, [...scriptDepends(tree, own), ...pythonDepends(tree)]),
        },
        description: describe(unit, suffix),
        replaces: replacesOf(input, [...records.keys()], bare),
        conffiles: unit.conffiles.filter((path) => paths.has(path)),
        services: own,
        brings: facts.brings,
        siblings: new Set([
          ...names,
          ...bare.depends.flat().flatMap((one) => (records.has(one.name) ? [one.name] : [])),
        ]),
      }
    },
  )
  const needed = packages.map(({ siblings }) => siblings)
  refuse(unit, checkCycles(parts, needed, links.facts))
  const allowed = new Set([...unit.replaces, ...unit.conflicts].map(({ name }) => name))
  const names = packages.flatMap(({ record }) => record.depends.flat().map(({ name }) => name))
  const findings = await checkPackages(checked, {
    findings: [
      ...inFiles,
      ...links.findings,
      ...services.findings,
      ...(await checkOwners(whole, around.sysroot)),
      ...(await checkConflicts(parts, allowed, around)),
    ],
    siblings: needed,
    places: around.roots.map((root) => lookIntoInstalled(root, names)),
  })
  settle(unit, findings, input.report)
  return packages
}

const purposes: Readonly<Record<string, string>> = {
  dev: 'development files',
  dbg: 'debug information',
  tests: "the upstream's test suite",
}

function describe({ name, description }: PackageUnit, suffix: string): string {
  if (suffix === '') return description
  const [first = ''] = description.trim().split('\n', 1)
  return `${first === '' ? name : first} (${purposes[suffix] ?? suffix})`
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
