import type { RunContext } from './context.ts'

/** What does the same on a laptop: the cell, at the commit that was checked out here. */
export function localCommandOf(cell: string, project: string, { sha }: Pick<RunContext, 'sha'>): string {
  const where = project === '.' ? '' : ` --project ${/^[\w./+-]+$/.test(project) ? project : quoted(project)}`
  return `yoe ci --cell ${cell}${where}${/^[0-9a-f]{40,64}$/.test(sha) ? ` --at ${sha}` : ''}`
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`
}
