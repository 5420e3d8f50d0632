/** How a tree is walked and written. */
export interface TreeShape<T> {
  label(node: T): string
  children(node: T): readonly T[]
  /** Whether it stands elsewhere already, with all below it. Asked once for each line, from top to bottom. */
  repeated(node: T): boolean
}

/** A tree as lines; what stands elsewhere already is marked, and nothing is below it. */
export function treeLines<T>(root: T, shape: TreeShape<T>): readonly string[] {
  const lines: string[] = []
  const visit = (node: T, lead: string, indent: string): void => {
    const repeated = shape.repeated(node)
    lines.push(`${lead}${shape.label(node)}${repeated ? ' …' : ''}`)
    if (repeated) return
    const children = shape.children(node)
    children.forEach((child, index) => {
      const last = index === children.length - 1
      visit(child, `${indent}${last ? '└── ' : '├── '}`, `${indent}${last ? '    ' : '│   '}`)
    })
  }
  visit(root, '', '')
  return lines
}
