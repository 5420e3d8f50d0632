import { ClosureGraph } from '#engine/catalog/chains.ts'
import { needsOf } from '#engine/catalog/declared.ts'
import { imageNames } from '#engine/catalog/image-names.ts'
import type { PackageRecord } from '#engine/catalog/package.ts'
import type { Root } from '#engine/catalog/solver.ts'
import { packageNames } from '#engine/catalog/subpackages.ts'
import type { Position, YoeError } from '#engine/errors.ts'
import { userErrors, YoeErrors } from '#engine/errors.ts'
import { Closures, titleOf } from '#engine/plan/closures.ts'
import { UnitRecords } from '#engine/plan/unit-records.ts'
import type { ImageUnit, ToolchainUnit, Unit } from '#engine/project/model.ts'
import type { Catalog } from '../catalog-view.ts'
import { universeOf } from '../planning.ts'
import { linkedNames } from './linked.ts'
import { findName, namesOf } from './naming.ts'

/** A name that an image installs for its own sake. */
export interface Pick {
  /** As it is declared. */
  readonly name: string
  /** `image base`, `machine bench`, `every installation`. */
  readonly by: string
  readonly at: Position | undefined
  /** The packages of the closure that it means; none when it is left out after all. */
  readonly packages: readonly string[]
}

/** What an image (or a container) installs, and what was asked for. */
export interface Contents {
  readonly unit: ImageUnit | ToolchainUnit
  readonly packages: readonly PackageRecord[]
  readonly graph: ClosureGraph
  readonly picks: readonly Pick[]
}

/** An image that can't be resolved, and what is wrong with it. */
export interface Unresolved {
  readonly unit: Unit
  readonly errors: readonly YoeError[]
}

/**
 * What images and containers install. One that can't be resolved does not hide the others. Opens the distro's feeds;
 * finds the closures that a plan finds, without the rest of a plan, and with what units link, as far as they were built.
 */
export async function contentsOf(
  catalog: Catalog,
  units: readonly (ImageUnit | ToolchainUnit)[],
): Promise<{ readonly contents: readonly Contents[]; readonly unresolved: readonly Unresolved[] }> {
  if (units.length === 0) return { contents: [], unresolved: [] }
  const { universe, records, closures } = await closuresOf(catalog)
  const essentials = universe.feeds.flatMap((feed) => feed.essentials())
  const contents: Contents[] = []
  const unresolved: Unresolved[] = []
  for (const unit of units) {
    const asked = unit.kind === 'image' ? imageRoots(catalog, unit, records) : containerRoots(unit)
    try {
      const packages = closures.find(asked, { units: unit.kind === 'image', essentials: true })
      const graph = new ClosureGraph(packages, universe.versions)
      contents.push({ unit, packages, graph, picks: picksOf(catalog, unit, graph, essentials) })
    } catch (failure) {
      const errors = userErrors(failure)
      if (errors === undefined) throw failure
      unresolved.push({ unit, errors })
    }
  }
  return { contents, unresolved }
}

/** Closures over what units declare, and over what they were seen to link when they were last built here. */
async function closuresOf(catalog: Catalog) {
  const universe = await universeOf(catalog)
  const names = await namesOf(catalog)
  const declared = new UnitRecords(universe, names, new Map())
  const built = new Map<string, PackageRecord>()
  for (const [name, linked] of await linkedNames(catalog)) {
    const unit = catalog.view.real(name)
    const record = unit?.kind === 'package' ? declared.of(unit).find((one) => one.name === name) : undefined
    if (record === undefined) continue
    const there = linked
      .filter((one) => names.find(one) !== undefined)
      .map((one) => [declared.packageFor({ name: one })])
    built.set(name, { ...record, depends: [...record.depends, ...there] })
  }
  const records = built.size === 0 ? declared : new UnitRecords(universe, names, built)
  return { universe, records, closures: new Closures(universe, records, built) }
}

function imageRoots({ view }: Catalog, unit: ImageUnit, records: UnitRecords): readonly Root[] {
  const names = imageNames(view, unit)
  const roots = (asked: readonly string[], by: string, at: Position): readonly Root[] =>
    asked.map((name) => ({ dependency: [records.packageFor({ name })], by, at }))
  const { machine } = view
  return [...roots(names.machine, `machine ${machine.name}`, machine.at), ...roots(names.image, titleOf(unit), unit.at)]
}

function containerRoots(unit: ToolchainUnit): readonly Root[] {
  return unit.packages.map((name) => ({ dependency: [{ name }], by: titleOf(unit), at: unit.at }))
}

function picksOf(
  { view, machine }: Catalog,
  unit: ImageUnit | ToolchainUnit,
  graph: ClosureGraph,
  essentials: readonly string[],
): readonly Pick[] {
  const title = titleOf(unit)
  const declared = needsOf(view, unit).flatMap(({ relation, name, unit: found }): readonly Pick[] => {
    if (relation === 'container') return []
    const ofMachine = relation === 'machine'
    const by = ofMachine ? `machine ${machine.name}` : title
    return [{ name, by, at: ofMachine ? machine.at : unit.at, packages: packagesOf(graph, name, found) }]
  })
  const base = essentials.map((name) => ({
    name,
    by: 'every installation',
    at: undefined,
    packages: packagesOf(graph, name, undefined),
  }))
  return [...declared, ...base]
}

/** The packages of a closure that a name means. */
function packagesOf(graph: ClosureGraph, name: string, unit: Unit | undefined): readonly string[] {
  const found =
    unit?.kind === 'package'
      ? graph.find(packageNames(unit).includes(name) ? name : unit.name)
      : graph.meeting({ name })[0]
  return found === undefined ? [] : [found.name]
}

/**
 * What installing a name installs: all of an image or container; of a unit or a feed package what it needs to run.
 * @throws {YoeErrors} UNIT_NOT_FOUND, UNSATISFIABLE
 */
export async function runtimeClosure(catalog: Catalog, name: string): Promise<readonly PackageRecord[]> {
  const found = await findName(catalog, name)
  if (found.kind === 'unit' && found.unit.kind !== 'package') {
    const { contents, unresolved } = await contentsOf(catalog, [found.unit])
    const errors = unresolved.flatMap((one) => one.errors)
    if (errors.length > 0) throw new YoeErrors(errors)
    return contents.flatMap(({ packages }) => packages)
  }
  const { records, closures } = await closuresOf(catalog)
  const by = `${found.kind === 'unit' ? 'unit' : 'package'} ${name}`
  const root = { dependency: [records.packageFor({ name })], by }
  return closures.find([root], { units: true, essentials: false })
}
