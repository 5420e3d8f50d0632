import type { Graph, GraphEdge, GraphNode } from '#toolkit/introspect/graph.ts'

const shapes: Readonly<Record<GraphNode['kind'], string>> = {
  image: 'box3d',
  unit: 'box',
  container: 'cylinder',
  feed: 'ellipse',
}

/** A graph for graphviz. @see https://graphviz.org/doc/info/lang.html */
export function dotLines({ nodes, edges }: Graph): readonly string[] {
  return [
    'digraph yoe {',
    '  rankdir = LR;',
    '  node [fontname = "sans-serif"];',
    ...nodes.map((node) => `  ${quoted(node.name)} [${nodeAttributes(node)}];`),
    ...edges.map((edge) => `  ${quoted(edge.from)} -> ${quoted(edge.to)} [${edgeAttributes(edge)}];`),
    '}',
  ]
}

function nodeAttributes({ name, kind, version, why }: GraphNode): string {
  const label = [name, version, why ?? ''].filter((line) => line !== '')
  const colour = why === undefined ? '' : ', style = filled, fillcolor = lightyellow'
  return `shape = ${shapes[kind]}, label = ${label.length === 1 ? quoted(name) : lines(label)}${colour}`
}

function edgeAttributes({ relations }: GraphEdge): string {
  const style = relations.includes('build') ? 'solid' : relations.includes('container') ? 'dotted' : 'dashed'
  return `style = ${style}, tooltip = ${quoted(relations.join(', '))}`
}

/** In a quoted string of the DOT language only quotes need an escape; labels give backslashes a meaning, too. */
const escaped = (text: string): string => text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', ' ')
const quoted = (text: string): string => `"${escaped(text)}"`
const lines = (texts: readonly string[]): string => `"${texts.map(escaped).join('\\n')}"`
