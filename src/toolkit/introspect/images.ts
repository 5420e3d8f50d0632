import { ClosureGraph } from '#engine/catalog/chains.ts'
import { needsOf } from '#engine/catalog/declared.ts'
import type { PackageRecord } from '#engine/catalog/package.ts'
import { packageNames } from '#engine/catalog/subpackages.ts'
import type { Position, YoeError } from '#engine/errors.ts'
import { userErrors, YoeErrors } from '#engine/errors.ts'
import { Closures } from '#engine/plan/closures.ts'
import type { ImageNode, Node, ToolchainNode } from '#engine/plan/graph.ts'
import { UnitRecords } from '#engine/plan/unit-records.ts'
import type { Unit } from '#engine/project/model.ts'
import type { Catalog } from '../catalog-view.ts'
import { resolveIn, universeOf } from '../planning.ts'
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
  readonly unit: Unit
  readonly node: ImageNode | ToolchainNode
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
 * What images and containers install, by name, in the given order. One that can't be resolved does not hide the others.
 * Opens the distro's feeds.
 */
export async function contentsOf(
  catalog: Catalog,
  names: readonly string[],
): Promise<{ readonly contents: readonly Contents[]; readonly unresolved: readonly Unresolved[] }> {
  if (names.length === 0) return { contents: [], unresolved: [] }
  const universe = await universeOf(catalog)
  const { nodes, unresolved } = await resolveEach(catalog, names)
  const essentials = universe.feeds.flatMap((feed) => feed.essentials())
  const contents = nodes.flatMap((node): readonly Contents[] => {
    if (node.kind === 'package') return []
    const packages = node.kind === 'image' ? node.closure : node.packages
    const graph = new ClosureGraph(packages, universe.versions)
    return [{ unit: node.unit, node, packages, graph, picks: picksOf(catalog, node, graph, essentials) }]
  })
  return { contents, unresolved }
}

/** All at once, which shares what they have in common; if that fails, one by one. */
async function resolveEach(
  catalog: Catalog,
  names: readonly string[],
): Promise<{ nodes: readonly Node[]; unresolved: readonly Unresolved[] }> {
  try {
    return { nodes: (await resolveIn(catalog, names)).targets, unresolved: [] }
  } catch (failure) {
    if (userErrors(failure) === undefined) throw failure
  }
  const nodes: Node[] = []
  const unresolved: Unresolved[] = []
  for (const name of names) {
    try {
      nodes.push(...(await resolveIn(catalog, [name])).targets)
    } catch (failure) {
      const errors = userErrors(failure)
      const unit = catalog.view.find(name)
      if (errors === undefined || unit === undefined) throw failure
      unresolved.push({ unit, errors })
    }
  }
  return { nodes, unresolved }
}

function picksOf(
  { view, machine }: Catalog,
  node: ImageNode | ToolchainNode,
  graph: ClosureGraph,
  essentials: readonly string[],
): readonly Pick[] {
  const { unit } = node
  const title = `${unit.kind === 'image' ? 'image' : 'container'} ${unit.name}`
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
    const { contents, unresolved } = await contentsOf(catalog, [found.unit.name])
    const errors = unresolved.flatMap((one) => one.errors)
    if (errors.length > 0) throw new YoeErrors(errors)
    return contents.flatMap(({ packages }) => packages)
  }
  const universe = await universeOf(catalog)
  const names = await namesOf(catalog)
  const records = new UnitRecords(universe, names, new Map())
  const by = `${found.kind === 'unit' ? 'unit' : 'package'} ${name}`
  const root = { dependency: [records.packageFor({ name })], by }
  return new Closures(universe, records, new Map()).find([root], { units: true, essentials: false })
}
