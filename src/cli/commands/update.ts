import type { LockChange, Updated } from '#toolkit/update.ts'
import { command, projectOptions } from '../command.ts'
import type { Output } from '../output.ts'
import { table } from '../output.ts'
import { workspaceOf } from '../project.ts'
import { shown } from '../shown.ts'

const { project, machine, offline } = projectOptions

const updateOptions = {
  project,
  offline,
  machine: { ...machine, help: 'lock the feeds for this machine, too' },
  prune: { type: 'boolean', help: 'take out what this project does not use' },
} as const

export const update = command({
  usage: 'update [modules|feeds|sources|images|NAME]',
  summary: 'move yoe.lock to what refs and feeds mean now',
  details: `Asks for the commits that refs of modules and of sources mean now, for the newest package lists of the feeds, and for
what tags of container images mean, writes them into yoe.lock, and says what moved and what that changes in the images.
Without a name, all of it; a name is that of a module, a feed, a unit or a container. Only this command moves what yoe.lock has.

  yoe update
  yoe update feeds
  yoe update bsp-imx8`,
  options: updateOptions,
  positionals: [0, 1],
  completes: ['module'],
  async run(invocation) {
    const { values, positionals, output } = invocation
    const { updateLock } = await import('#toolkit/update.ts')
    const { machine: alsoFor, prune } = values
    const updated = await updateLock(workspaceOf(invocation), { asked: positionals[0], machine: alsoFor, prune })
    showUpdated(updated, output)
    return 0
  },
})

/** What an update moved, and what images gain and lose by it. */
export function showUpdated(updated: Updated, output: Output): void {
  if (output.json) {
    output.printJson(updated)
    return
  }
  if (updated.changes.length === 0) output.print('yoe.lock has what refs and feeds mean now: nothing moved')
  for (const line of table(updated.changes.map((change) => row(change, output)))) output.print(line)
  for (const { cell, added, removed, changed } of updated.images) {
    output.print()
    output.print(output.paint('bold', shown(cell)))
    const lines = [
      ...changed.map(({ name, before, after }) => ['  ~', name, before, '→', after]),
      ...added.map(({ name, version }) => [output.paint('green', '  +'), name, '', '', version]),
      ...removed.map(({ name, version }) => [output.paint('red', '  -'), name, version]),
    ]
    for (const line of table(lines.map((cells) => cells.map(escaped)))) output.print(line)
  }
}

/** Signs keep their colour. */
function escaped(cell: string, index: number): string {
  return index === 0 ? cell : shown(cell)
}

function row(change: LockChange, output: Output): readonly string[] {
  const { kind, name, before, after } = change
  if (kind === 'feed') return [kind, shown(name), change.arch, moved(before, after, output), '']
  const notes = [
    ...(change.commits === undefined ? [] : [`${change.commits} commit${change.commits === 1 ? '' : 's'}`]),
    ...(change.tagMoved ? [output.paint('yellow', 'the tag was moved')] : []),
  ]
  return [
    kind,
    shown(name === '' ? change.from : name),
    shown(change.ref),
    moved(short(before), short(after), output),
    notes.join(', '),
  ]
}

function short(commit: string | undefined): string | undefined {
  return commit?.slice(0, 12)
}

function moved(before: string | undefined, after: string | undefined, output: Output): string {
  if (before === undefined) return `${output.paint('green', 'new')} ${after ?? ''}`
  return after === undefined ? `${before} ${output.paint('red', 'no longer used')}` : `${before} → ${after}`
}
