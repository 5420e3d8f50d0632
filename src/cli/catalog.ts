import type { Definition } from '#engine/catalog/diagnostics.ts'
import type { Catalog } from '#toolkit/catalog-view.ts'
import type { Invocation, projectOptions } from './command.ts'
import type { Output } from './output.ts'
import { workspaceOf } from './project.ts'
import { shown } from './shown.ts'

/** What a question about names is asked of: the project, seen for the machine and distro of the options. */
export async function catalogOf(
  invocation: Pick<Invocation<typeof projectOptions>, 'values' | 'cwd' | 'env' | 'report' | 'signal'>,
  targets: readonly string[] = [],
): Promise<Catalog> {
  const { openCatalog } = await import('#toolkit/catalog-view.ts')
  const { machine, distro } = invocation.values
  return openCatalog(workspaceOf(invocation), { machine, distro, targets })
}

/** The option of commands that choose between things of one name. */
export const shadowOption = {
  'show-shadows': { type: 'boolean', help: 'tell what lost its name to a module of higher priority' },
} as const

/** A line for each thing that lost its name. @see seed, Unit replacement via name shadowing */
export function showShadows({ view }: Pick<Catalog, 'view'>, output: Output): void {
  for (const one of view.diagnostics) {
    if (one.kind !== 'shadow') continue
    const { name, winner, loser, why } = one
    const title = (of: Definition): string =>
      `${of.name === name ? 'that' : shown(of.name)} of ${of.from === '' ? 'this project' : shown(of.from)}`
    const place = winner.at === undefined ? '' : ` (${shown(winner.at.file)}:${winner.at.line})`
    const text = `${shown(name)} is ${title(winner)}, not ${title(loser)}: ${why}${place}`
    output.tell(`${output.paintError('cyan', 'notice')}: ${text}`)
  }
}
