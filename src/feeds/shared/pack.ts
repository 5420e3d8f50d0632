import { rm } from 'node:fs/promises'
import { type DestEntry, type Problem, type ScannedTree, subtree } from '#engine/build/destdir.ts'
import { splitPackage } from '#engine/build/split.ts'
import type { PackageRecord } from '#engine/catalog/package.ts'
import { companionSuffixes, suffixesOf } from '#engine/catalog/subpackages.ts'
import { YoeError, YoeErrors } from '#engine/errors.ts'
import type { PackedPackage, PackInput } from '#engine/formats.ts'
import type { PackageUnit } from '#engine/project/model.ts'
import { checkPackages } from '#engine/qa/check-packages.ts'
import { wantedIn } from '#engine/qa/content.ts'
import type { Look } from '#engine/qa/dangling.ts'
import { type Finding, settle } from '#engine/qa/finding.ts'
import { inspectTree } from '#engine/qa/inspect.ts'
import { type LinkFacts, linkFacts } from '#engine/qa/links.ts'
import type { CheckedUnit, PackagePart } from '#engine/qa/package-parts.ts'
import { GrowingTree } from './growing-tree.ts'

/** What is to be in one package of a unit. */
export interface Cut {
  /** What follows `<unit>-` in its name; '' for the main package. */
  readonly suffix: string
  readonly bare: PackageRecord
  readonly tree: ScannedTree
  /** The tree's entries as they become known: of a unit's only package while the destdir is still being listed. */
  readonly batches: AsyncIterable<readonly DestEntry[]> | Iterable<readonly DestEntry[]>
  /** All that the build left, of which this is a part. */
  readonly whole: ScannedTree
  /** Of the whole destdir, where a hard link's content may be in another package. */
  readonly entries: readonly DestEntry[]
}

/** What was found out about one package, for the format to put into its own words. */
export interface Examined extends Cut {
  readonly part: PackagePart
  readonly links: LinkFacts
  /** Packages of the same unit that it needs in this very version. */
  readonly siblings: readonly PackageRecord[]
  /** Names of all packages of the unit. */
  readonly names: readonly string[]
  /** Those of the unit's services that it has or, the main package, enables. */
  readonly services: readonly string[]
  readonly conffiles: readonly string[]
  readonly description: string
}

/** Where the services of a unit come from. */
export interface FoundServices {
  readonly findings: readonly Finding[]
  /** Service to the file that defines it; services of other packages are in none. */
  readonly files: ReadonlyMap<string, DestEntry>
}

/** How one format makes packages; `F` is what a package of it says about itself. */
export interface Packer<F extends { readonly record: PackageRecord }> {
  /** Everything about a package that needs no look into the destdir. @throws {YoeError} BAD_NAME, BAD_FIELD at the unit */
  bareRecord(input: PackInput, suffix: string): PackageRecord
  findServices(services: readonly string[], tree: ScannedTree): Promise<FoundServices>
  facts(input: PackInput, examined: Examined): Promise<F>
  /** What the format's own checks find. */
  findings(input: PackInput, whole: ScannedTree, parts: readonly PackagePart[]): Promise<readonly Finding[]>
  /**
   * Packages that can't be told apart by their dependencies.
   *
   * @param needed names of siblings that each part depends on, in the order of `parts`
   */
  problems(
    parts: readonly PackagePart[],
    needed: readonly ReadonlySet<string>[],
    links: readonly LinkFacts[],
  ): readonly Problem[]
  /** What else is where the packages are installed: files of these packages in the root that tasks ran in. */
  installed(root: string, names: readonly string[]): Look
  /** @param facts settles when everything is listed and checked, and rejects with what is wrong */
  write(input: PackInput, cut: Cut, facts: () => Promise<F>): Promise<PackedPackage>
}

/**
 * Makes a unit's packages of what its build left in the destdir: the main package first, then those of `subpackages` and
 * `extra_subpackages` by name. The bytes depend on the unit, the destdir's content and modes, and `sourceDateEpoch`; not
 * on who builds where, when, or in which order. What is in them belongs to root, or to whom `permissions` says.
 *
 * @throws {YoeErrors} all that is wrong together: PACKAGE_INVALID for what can't be packed, PACKAGE_QA for what should not
 * @throws {YoeError} BAD_NAME or BAD_FIELD at the unit's line; DISK_FULL. Nothing is left in `outdir` then.
 */
export async function packUnit<F extends { readonly record: PackageRecord }>(
  packer: Packer<F>,
  input: PackInput,
): Promise<readonly PackedPackage[]> {
  // What the declaration alone shows to be wrong is told before any work.
  packer.bareRecord(input, '')
  const growing = new GrowingTree(input)
  const tree = await growing.begun
  const packed: PackedPackage[] = []
  const whole = growing.whole.then(() => cutUp(packer, input, tree))
  try {
    // Compressing takes longest, and happens elsewhere: meanwhile everything is checked.
    const checked = whole.then((cuts) => check(packer, input, tree, cuts))
    checked.catch(() => {})
    const cuts = isForeseen(input.unit) ? [onlyCut(packer, input, tree, growing.batches())] : await whole
    for (const [index, cut] of cuts.entries())
      packed.push(await packer.write(input, cut, () => factsAt(checked, index)))
    return packed
  } catch (failure) {
    for (const { path } of packed) await rm(path, { force: true })
    // What can't be packed is told together, wherever packing it has stopped.
    await whole
    throw failure
  } finally {
    // A listing that fails closes what it opened.
    await growing.whole.then(
      ({ close }) => close(),
      () => {},
    )
  }
}

/** Whether its only package holds what the destdir holds, whatever that is: it can be begun before all is listed. */
const isForeseen = (unit: PackageUnit): boolean => suffixesOf(unit).length === 0 && unit.services.length === 0

const onlyCut = <F extends { readonly record: PackageRecord }>(
  packer: Packer<F>,
  input: PackInput,
  tree: ScannedTree,
  batches: Cut['batches'],
): Cut => ({ suffix: '', bare: packer.bareRecord(input, ''), tree, batches, whole: tree, entries: tree.entries })

async function factsAt<F>(checked: Promise<readonly F[]>, index: number): Promise<F> {
  const facts = (await checked)[index]
  if (facts === undefined) throw new TypeError(`package ${index} was not checked`)
  return facts
}

/** The packages that the destdir becomes. @throws {YoeErrors} PACKAGE_INVALID */
function cutUp<F extends { readonly record: PackageRecord }>(
  packer: Packer<F>,
  input: PackInput,
  whole: ScannedTree,
): readonly Cut[] {
  const { parts, problems } = splitPackage(input.unit, whole.entries)
  // What can't be packed is not looked into either.
  refuse(input.unit, [...whole.problems, ...problems])
  return parts.map(({ suffix, entries }) => {
    if (parts.length === 1) return onlyCut(packer, input, whole, [entries])
    const tree = subtree(whole, entries)
    return { suffix, bare: packer.bareRecord(input, suffix), tree, batches: [tree.entries], whole, entries }
  })
}

/** Facts in the order of `cuts`. @throws {YoeErrors} PACKAGE_QA, PACKAGE_INVALID */
async function check<F extends { readonly record: PackageRecord }>(
  packer: Packer<F>,
  input: PackInput,
  whole: ScannedTree,
  cuts: readonly Cut[],
): Promise<readonly F[]> {
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
  const services = await packer.findServices(unit.services, whole)

  const examined = cuts.flatMap((cut, index): readonly Examined[] => {
    const [part, facts] = [parts[index], links.facts[index]]
    return part === undefined || facts === undefined ? [] : [examine(unit, cuts, cut, part, facts, services)]
  })
  const packages: F[] = []
  for (const each of examined) packages.push(await packer.facts(input, each))
  const records = new Set(cuts.map(({ bare }) => bare.name))
  const needed = examined.map(
    ({ siblings, bare }) =>
      new Set([
        ...siblings.map(({ name }) => name),
        ...bare.depends.flat().flatMap((one) => (records.has(one.name) ? [one.name] : [])),
      ]),
  )
  refuse(unit, packer.problems(parts, needed, links.facts))
  const names = packages.flatMap(({ record }) => record.depends.flat().map(({ name }) => name))
  const findings = await checkPackages(checked, {
    findings: [...inFiles, ...links.findings, ...services.findings, ...(await packer.findings(input, whole, parts))],
    siblings: needed,
    places: around.roots.map((root) => packer.installed(root, names)),
  })
  settle(unit, findings, input.report)
  return packages
}

function examine(
  unit: PackageUnit,
  cuts: readonly Cut[],
  cut: Cut,
  part: PackagePart,
  links: LinkFacts,
  found: FoundServices,
): Examined {
  const { suffix, entries } = cut
  const records = new Map(cuts.map(({ bare }) => [bare.name, bare]))
  const [main] = records.values()
  const held = new Set(entries)
  const companion = companionSuffixes.has(suffix) && main !== undefined ? [main.name] : []
  const siblings = [...new Set([...companion, ...[...links.siblings.keys()].sort()])]
  const files = unit.conffiles.length === 0 ? [] : entries.filter(({ kind }) => kind === 'file')
  const paths = new Set(files.map(({ path }) => `/${path.toString('utf8')}`))
  return {
    ...cut,
    part,
    links,
    siblings: siblings.flatMap((each) => records.get(each) ?? []),
    names: [...records.keys()],
    services: unit.services.filter((service) => {
      const file = found.files.get(service)
      return file === undefined ? suffix === '' : held.has(file)
    }),
    conffiles: unit.conffiles.filter((path) => paths.has(path)),
    description: describe(unit, suffix),
  }
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
