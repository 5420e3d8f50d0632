import { YoeError } from '#engine/errors.ts'
import { didYouMean } from '#engine/nearest.ts'
import type { Graph, GraphEdge, GraphNode } from '#toolkit/introspect/graph.ts'
import { catalogOf } from '../catalog.ts'
import { command, projectOptions } from '../command.ts'
import { dotLines } from '../dot.ts'
import type { Output } from '../output.ts'
import { shown } from '../shown.ts'
import type { TreeShape } from '../tree.ts'
import { treeLines } from '../tree.ts'

const formats = ['text', 'dot', 'json'] as const

export const graph = command({
  usage: 'graph [UNIT…] [--format FORMAT] [--stale]',
  summary: 'show what units and images need, as a tree or a graph',
  details: `Shows what the named units (or the default image) need, by what units declare. In a tree, what was shown before is marked
with …; the containers that tasks run in are in dot and json.

  yoe graph
  yoe graph sensord
  yoe graph --stale                       what a build would make anew, and why
  yoe graph --format dot | dot -Tsvg > graph.svg`,
  options: {
    ...projectOptions,
    format: { type: 'string', value: 'FORMAT', completes: formats, help: 'text (default), dot (for graphviz) or json' },
    stale: { type: 'boolean', help: 'only what would be built anew, and what leads there' },
  },
  positionals: [0, Number.POSITIVE_INFINITY],
  completes: ['target'],
  async run(invocation) {
    const { values, positionals, output } = invocation
    const wanted = values.format ?? (output.json ? 'json' : 'text')
    const format = formats.find((one) => one === wanted)
    if (format === undefined) {
      throw new YoeError('USAGE', `"${wanted}" is no format`, {
        hint: didYouMean(wanted, formats) ?? `the formats are ${formats.join(', ')}`,
      })
    }
    const catalog = await catalogOf(invocation, positionals)
    const { graphOf, staleGraph } = await import('#toolkit/introspect/graph.ts')
    const { targetNames } = await import('#toolkit/planning.ts')
    const names = targetNames(catalog, positionals)
    const found = await (values.stale ? staleGraph(catalog, names) : graphOf(catalog, names))
    if (format === 'json' || output.json) output.printJson(found)
    else if (format === 'dot') for (const line of dotLines(found)) output.print(line)
    else showTrees(found, values.stale, output)
    return 0
  },
})

interface Step {
  readonly node: GraphNode
  readonly edge: GraphEdge | undefined
}

function showTrees(found: Graph, stale: boolean, output: Output): void {
  const nodes = new Map(found.nodes.map((node) => [node.name, node]))
  // Every unit runs in a container: in a tree that says little, but when it is what changed.
  const drawn = found.edges.filter(({ relations }) => stale || relations.some((relation) => relation !== 'container'))
  const edges = Map.groupBy(drawn, (edge) => edge.from)
  const seen = new Set<string>()
  const shape: TreeShape<Step> = {
    label: ({ node, edge }) => labelOf(node, edge, output),
    children: ({ node }) =>
      (edges.get(node.name) ?? []).flatMap((edge) => {
        const to = nodes.get(edge.to)
        return to === undefined ? [] : [{ node: to, edge }]
      }),
    repeated({ node: { name } }) {
      const before = seen.has(name) && edges.has(name)
      seen.add(name)
      return before
    },
  }
  for (const name of found.roots) {
    const node = nodes.get(name)
    if (node !== undefined) for (const line of treeLines({ node, edge: undefined }, shape)) output.print(line)
  }
  if (!stale) return
  for (const node of found.nodes) if (!seen.has(node.name)) output.print(labelOf(node, undefined, output))
  if (found.nodes.length === 0) output.print('nothing would be built: everything is cached')
}

function labelOf(node: GraphNode, edge: GraphEdge | undefined, output: Output): string {
  const relations = (edge?.relations ?? []).filter((relation) => relation !== 'artifact')
  const how = relations.length === 0 ? '' : ` (${relations.join(', ')})`
  const what = node.kind === 'feed' ? ' from a feed' : ` ${node.version}`
  return `${shown(node.name)}${output.paint('dim', what + how)}${node.why === undefined ? '' : `: ${shown(node.why)}`}`
}
