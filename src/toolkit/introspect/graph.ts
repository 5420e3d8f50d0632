import type { DeclaredGraph, Need, Relation } from '#engine/catalog/declared.ts'
import type { Position } from '#engine/errors.ts'
import type { Unit } from '#engine/project/model.ts'
import type { Catalog } from '../catalog-view.ts'
import { inspectPlan } from '../inspect.ts'
import { planCatalog } from '../planning.ts'
import { unknownName } from './naming.ts'
import { classOf, kindOf } from './query.ts'
import { askDeclared } from './refs.ts'

export interface GraphNode {
  readonly name: string
  readonly kind: 'unit' | 'image' | 'container' | 'feed'
  readonly class: string
  readonly version: string
  readonly at?: Position
  /** With `--stale`: why it would be built. */
  readonly why?: string
}

export interface GraphEdge {
  readonly from: string
  readonly to: string
  readonly relations: readonly Relation[]
}

/** What units need, as they declare it: each thing once, and an edge for each pair. */
export interface Graph {
  /** Where it starts: what was asked for. */
  readonly roots: readonly string[]
  readonly nodes: readonly GraphNode[]
  readonly edges: readonly GraphEdge[]
}

/**
 * The graph below units, by name. Feeds are opened only where a declaration alone does not tell what a name means.
 * @throws {YoeError} UNIT_NOT_FOUND for a name that no unit has or provides
 */
export async function graphOf(catalog: Catalog, names: readonly string[]): Promise<Graph> {
  const roots = names.map((name) => {
    const unit = catalog.view.find(name)
    if (unit === undefined) throw unknownName(catalog, name)
    return unit
  })
  const all = (): boolean => true
  const why = (): undefined => undefined
  return askDeclared(catalog, (declared) => walk(declared, [...new Set(roots)], all, why))
}

/**
 * Only what a build of the targets would make anew: what changed, and what that makes stale.
 * @throws {YoeErrors} everything that keeps a target from being resolved
 */
export async function staleGraph(catalog: Catalog, names: readonly string[]): Promise<Graph> {
  const plan = await planCatalog(catalog, names)
  const stale = new Map(
    (await inspectPlan(plan))
      .filter(({ state }) => state === 'to build')
      .map(({ node, why }) => [node.unit, why] as const),
  )
  const roots = plan.targets.map(({ unit }) => unit).filter((unit) => stale.has(unit))
  const isStale = ({ unit }: Need): boolean => unit !== undefined && stale.has(unit)
  const graph = await askDeclared(catalog, (declared) => walk(declared, roots, isStale, (unit) => stale.get(unit)))
  // What only feed packages lead to is built, too.
  const seen = new Set(graph.nodes.map(({ name }) => name))
  const apart = [...stale.keys()].filter((unit) => !seen.has(unit.name))
  return { ...graph, nodes: [...graph.nodes, ...apart.map((unit) => nodeOf(unit, stale.get(unit)))] }
}

function walk(
  declared: DeclaredGraph,
  roots: readonly Unit[],
  keep: (need: Need) => boolean,
  whyOf: (unit: Unit) => string | undefined,
): Graph {
  const nodes = new Map<Unit | string, GraphNode>()
  const edges: GraphEdge[] = []
  const queue: Unit[] = [...roots]
  for (const unit of roots) nodes.set(unit, nodeOf(unit, whyOf(unit)))
  for (const unit of queue) {
    const relations = new Map<string, Relation[]>()
    for (const need of declared.needs(unit)) {
      if (!keep(need)) continue
      const key = need.unit ?? need.name
      if (!nodes.has(key)) {
        nodes.set(key, need.unit === undefined ? feedNode(need.name) : nodeOf(need.unit, whyOf(need.unit)))
        if (need.unit !== undefined) queue.push(need.unit)
      }
      const name = need.unit?.name ?? need.name
      relations.set(name, [...(relations.get(name) ?? []), need.relation])
    }
    for (const [to, all] of relations) edges.push({ from: unit.name, to, relations: [...new Set(all)] })
  }
  return { roots: roots.map(({ name }) => name), nodes: [...nodes.values()], edges }
}

function nodeOf(unit: Unit, why: string | undefined): GraphNode {
  return {
    name: unit.name,
    kind: kindOf(unit),
    class: classOf(unit),
    version: unit.version,
    at: unit.at,
    ...(why === undefined ? {} : { why }),
  }
}

const feedNode = (name: string): GraphNode => ({ name, kind: 'feed', class: 'feed', version: '' })
