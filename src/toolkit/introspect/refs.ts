import type { Asked, Relation } from '#engine/catalog/declared.ts'
import { DeclaredGraph } from '#engine/catalog/declared.ts'
import { inertReason } from '#engine/catalog/inert.ts'
import type { Position } from '#engine/errors.ts'
import type { ImageUnit, Unit } from '#engine/project/model.ts'
import type { Catalog } from '../catalog-view.ts'
import { type Contents, contentsOf } from './images.ts'
import type { Found } from './naming.ts'
import { findName, namesOf } from './naming.ts'
import { kindOf } from './query.ts'

/** A unit or container that needs the name. */
export interface Reference {
  readonly name: string
  readonly kind: 'unit' | 'container'
  readonly module: string
  readonly at: Position
  /** How it names what leads there. */
  readonly relations: readonly Relation[]
  /** It names the thing itself. */
  readonly direct: boolean
  /** What it names instead, when it does not. */
  readonly via: readonly string[]
  /** Another version of the thing makes it anew: the thing is in what it is built with. */
  readonly rebuilt: boolean
}

export interface ImageReference {
  readonly name: string
  readonly at: Position
  /** It picks the thing itself. */
  readonly direct: boolean
  /** The picks that lead there, as they are declared. */
  readonly via: readonly string[]
}

export interface Refs {
  /** As it was asked for. */
  readonly name: string
  /** What the name means: the unit's, or the feed package's. */
  readonly means: string
  readonly kind: 'unit' | 'image' | 'container' | 'feed'
  readonly at?: Position
  readonly units: readonly Reference[]
  readonly images: readonly ImageReference[]
  /** Images that can't be resolved, so that nothing is known of them. */
  readonly unresolved: readonly { readonly name: string; readonly message: string }[]
}

export interface RefsOptions {
  /** Only what names the thing itself; then feeds are opened only where the name is a feed's. */
  readonly direct: boolean
}

/** Who needs `name`, in the whole project. @throws {YoeErrors} UNIT_NOT_FOUND */
export async function refsOf(catalog: Catalog, name: string, { direct }: RefsOptions): Promise<Refs> {
  const found = await findName(catalog, name)
  const target = found.kind === 'unit' ? found.unit : name
  const { units, images } = await askDeclared(catalog, (graph) => ({
    units: dependents(graph, target, direct).filter((one) => one.kind !== 'image'),
    images: directImages(graph, target),
  }))
  const base = { name, means: found.kind === 'unit' ? found.unit.name : (found.records[0]?.name ?? name) }
  const described = found.kind === 'unit' ? { kind: kindOf(found.unit), at: found.unit.at } : { kind: 'feed' as const }
  const list = units.map(({ kind, ...rest }): Reference => ({ ...rest, kind: kind === 'container' ? kind : 'unit' }))
  if (direct) return { ...base, ...described, units: list, images, unresolved: [] }
  const containers = found.kind === 'feed' ? catalog.view.units().filter((unit) => unit.kind === 'toolchain') : []
  const { contents, unresolved } = await contentsOf(catalog, [...imagesOf(catalog), ...containers])
  const packages = packageNamesOf(found)
  const holders = contents.flatMap((one) => holding(one, packages))
  return {
    ...base,
    ...described,
    units: [...list, ...containerReferences(holders, list)],
    images: holders
      .filter(({ unit }) => unit.kind === 'image')
      .map(({ unit, direct: picked, via }) => ({
        name: unit.name,
        at: unit.at,
        direct: picked,
        via,
      })),
    unresolved: unresolved.map(({ unit, errors }) => ({ name: unit.name, message: errors[0]?.message ?? '' })),
  }
}

/** Who needs a thing, and who needs those; what has been shown with all its own is marked and not shown again. */
export interface RefsTree {
  readonly name: string
  readonly kind: 'unit' | 'image' | 'container' | 'feed'
  /** How it names the thing above it; none for the thing that was asked for. */
  readonly relations: readonly Relation[]
  readonly neededBy: readonly RefsTree[]
  readonly repeated: boolean
}

/** The same as a tree of what is declared, step by step. @throws {YoeErrors} UNIT_NOT_FOUND */
export async function refsTree(catalog: Catalog, name: string): Promise<RefsTree> {
  const found = await findName(catalog, name)
  return askDeclared(catalog, (graph) => treeAbove(graph, found.kind === 'unit' ? found.unit : name))
}

function treeAbove(graph: DeclaredGraph, target: Unit | string): RefsTree {
  const shown = new Set<Unit | string>()
  const treeOf = (step: Unit | string, relations: readonly Relation[]): RefsTree => {
    const base =
      typeof step === 'string' ? { name: step, kind: 'feed' as const } : { name: step.name, kind: kindOf(step) }
    const askers = new Map<Unit, Relation[]>()
    for (const { by, need } of graph.askers(step)) askers.set(by, [...(askers.get(by) ?? []), need.relation])
    const repeated = askers.size > 0 && shown.has(step)
    shown.add(step)
    const neededBy = repeated ? [] : [...askers].map(([by, all]) => treeOf(by, all))
    return { ...base, relations, neededBy, repeated }
  }
  return treeOf(target, [])
}

/** Images of this distro that the machine can have, by name. */
export function imagesOf({ project, machine, view, distro }: Catalog): readonly ImageUnit[] {
  return view
    .units()
    .filter((unit) => unit.kind === 'image')
    .filter((unit) => inertReason(project, machine, unit, distro) === undefined)
}

/** Asks what is declared; with feeds open only if the answer hangs on what they have. */
export async function askDeclared<T>(catalog: Catalog, ask: (graph: DeclaredGraph) => T): Promise<T> {
  const graph = new DeclaredGraph(catalog.view)
  const answer = ask(graph)
  return graph.doubtful ? ask(new DeclaredGraph(catalog.view, await namesOf(catalog))) : answer
}

/** Whatever packages a name stands for. */
export function packageNamesOf(found: Found): readonly string[] {
  return [...new Set(found.kind === 'unit' ? [found.name, found.unit.name] : found.records.map(({ name }) => name))]
}

export type Dependent = Omit<Reference, 'kind'> & { readonly kind: 'unit' | 'image' | 'container' }

/**
 * Everything that leads to a target by what is declared, nearest first.
 * @param direct only what names it itself
 */
export function dependents(graph: DeclaredGraph, target: Unit | string, direct: boolean): readonly Dependent[] {
  const reached = new Map<Unit, Asked[]>()
  const queue: (Unit | string)[] = [target]
  for (const step of queue) {
    for (const asked of graph.askers(step)) {
      const known = reached.get(asked.by)
      if (known !== undefined) known.push(asked)
      else {
        reached.set(asked.by, [asked])
        if (!direct) queue.push(asked.by)
      }
    }
  }
  const targetName = typeof target === 'string' ? target : target.name
  return [...reached].map(([unit, asked]): Dependent => {
    const own = asked.filter(({ need }) => (need.unit ?? need.name) === target)
    const meant = own.length > 0 ? own : asked
    return {
      name: unit.name,
      kind: kindOf(unit),
      module: unit.module,
      at: unit.at,
      relations: [...new Set(meant.map(({ need }) => need.relation))],
      direct: own.length > 0,
      via:
        own.length > 0
          ? []
          : [...new Set(asked.map(({ need }) => need.unit?.name ?? need.name))].filter((one) => one !== targetName),
      rebuilt: unit.kind !== 'package' || asked.some(({ need }) => need.relation !== 'runtime'),
    }
  })
}

function directImages(graph: DeclaredGraph, target: Unit | string): readonly ImageReference[] {
  return graph
    .askers(target)
    .filter(({ by, need }) => by.kind === 'image' && need.relation !== 'container')
    .map(({ by, need }) => ({ name: by.name, at: by.at, direct: true, via: [need.name] }))
}

interface Holder {
  readonly unit: Unit
  readonly direct: boolean
  readonly via: readonly string[]
}

/** Whether an image or container installs one of these packages, and for which of its picks. */
function holding({ unit, graph, picks }: Contents, packages: readonly string[]): readonly Holder[] {
  const held = packages.filter((name) => graph.find(name) !== undefined)
  if (held.length === 0) return []
  const leading = held.map((name) => graph.leadingTo(name))
  const via = picks.filter((pick) => pick.packages.some((name) => leading.some((one) => one.has(name))))
  const direct = via.filter((pick) => pick.packages.some((name) => held.includes(name)))
  return [{ unit, direct: direct.length > 0, via: [...new Set(via.map(({ name }) => name))] }]
}

/** Containers that hold a feed package without naming it. */
function containerReferences(holders: readonly Holder[], listed: readonly Reference[]): readonly Reference[] {
  return holders.flatMap(({ unit, via }): readonly Reference[] => {
    if (unit.kind !== 'toolchain' || listed.some(({ name }) => name === unit.name)) return []
    const { name, module, at } = unit
    return [{ name, kind: 'container', module, at, relations: ['runtime'], direct: false, via, rebuilt: true }]
  })
}
