import { YoeError } from '#engine/errors.ts'
import { didYouMean } from '#engine/nearest.ts'
import type { SourceRow } from '#toolkit/sources.ts'
import type { Invocation } from '../command.ts'
import { command, projectOptions } from '../command.ts'
import type { Output } from '../output.ts'
import { bytes, table } from '../output.ts'
import { workspaceOf } from '../project.ts'
import { shown } from '../shown.ts'

const options = {
  ...projectOptions,
  all: { type: 'boolean', help: 'fetch: the sources of every unit' },
  'dry-run': { type: 'boolean', help: 'clean: say what would be removed' },
} as const

type SourceInvocation = Invocation<typeof options>

const verbs: Readonly<Record<string, (invocation: SourceInvocation, names: readonly string[]) => Promise<number>>> = {
  fetch: fetchAll,
  list,
  verify,
  clean,
}

export const source = command({
  usage: 'source fetch|list|verify|clean [UNIT…]',
  summary: 'fetch, list, check and remove sources',
  details: `fetch [UNIT…]   downloads the sources of units and of all that they are built from; of the default image, or with --all
list [UNIT…]    where sources are from, and whether they are here
verify [UNIT…]  reads every byte of those that are here, and sets aside what is damaged
clean           removes what no project on this machine uses any more, whichever of them fetched it

Builds fetch what they need by themselves.

  yoe source fetch --all
  yoe source list sensord
  yoe source clean --dry-run`,
  options,
  positionals: [1, Number.POSITIVE_INFINITY],
  completes: [Object.keys(verbs), 'target'],
  async run(invocation) {
    const [verb = '', ...names] = invocation.positionals
    const run = Object.hasOwn(verbs, verb) ? verbs[verb] : undefined
    if (run === undefined) {
      throw new YoeError('USAGE', `yoe source has no "${verb}"`, {
        hint: didYouMean(verb, Object.keys(verbs)) ?? `it has ${Object.keys(verbs).join(', ')}`,
      })
    }
    if (verb === 'clean' && names.length > 0)
      throw new YoeError('USAGE', 'yoe source clean takes no name', { hint: 'yoe source clean --dry-run' })
    return run(invocation, names)
  },
})

async function fetchAll(invocation: SourceInvocation, names: readonly string[]): Promise<number> {
  const { values, output } = invocation
  const { machine, distro, all } = values
  if (all && names.length > 0)
    throw new YoeError('USAGE', '--all and names of units exclude each other', { hint: 'give one of them' })
  const { fetchSources } = await import('#toolkit/sources.ts')
  const rows = await fetchSources(workspaceOf(invocation), { machine, distro, names, all })
  if (output.json) output.printJson(rows)
  else show(rows, output)
  return 0
}

async function list(invocation: SourceInvocation, names: readonly string[]): Promise<number> {
  const { values, output } = invocation
  const { listSources } = await import('#toolkit/sources.ts')
  const rows = await listSources(workspaceOf(invocation), { machine: values.machine, names })
  if (output.json) output.printJson(rows)
  else show(rows, output)
  return 0
}

const colours = { here: 'green', missing: 'yellow', folder: 'dim', dev: 'cyan' } as const

function show(rows: readonly SourceRow[], output: Output): void {
  if (rows.length === 0) output.print('no unit has a source')
  const cells = rows.map(({ unit, kind, from, ref, commit, size, state }) => [
    output.paint(colours[state], state),
    shown(unit),
    kind,
    size === undefined ? '' : bytes(size),
    [shown(from), ...(ref === undefined ? [] : [shown(ref)])].join(' ') +
      (commit === undefined || commit === ref ? '' : output.paint('dim', ` ${commit.slice(0, 12)}`)),
  ])
  for (const line of table(cells)) output.print(line)
}

async function verify(invocation: SourceInvocation, names: readonly string[]): Promise<number> {
  const { values, output } = invocation
  const { verifySources } = await import('#toolkit/sources.ts')
  const found = await verifySources(workspaceOf(invocation), { machine: values.machine, names })
  const damaged = found.filter(({ state }) => state === 'damaged')
  if (output.json) output.printJson(found)
  else {
    const rows = found.map(({ what, units, state, why = '' }) => [
      output.paint(state === 'good' ? 'green' : 'red', state),
      shown(what),
      units.map(shown).join(', '),
      shown(why),
    ])
    for (const line of table(rows)) output.print(line)
    const units = [...new Set(damaged.flatMap((one) => one.units))]
    if (found.length === 0) output.print('no source is here')
    if (damaged.length > 0) output.print(`fetch them again: yoe source fetch ${units.map(shown).join(' ') || '--all'}`)
  }
  return damaged.length === 0 ? 0 : 1
}

async function clean(invocation: SourceInvocation): Promise<number> {
  const { values, output } = invocation
  const { cleanSources } = await import('#toolkit/sources.ts')
  const dryRun = values['dry-run']
  const removed = await cleanSources(workspaceOf(invocation), { machine: values.machine, dryRun })
  const freed = removed.reduce((total, { size }) => total + size, 0)
  if (output.json) output.printJson({ removed, freed, dryRun })
  else {
    for (const line of table(removed.map(({ title, size }) => [bytes(size), shown(title)]))) output.print(line)
    output.print(`${dryRun ? 'would free' : 'freed'} ${bytes(freed)}`)
  }
  return 0
}
