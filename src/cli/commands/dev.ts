import { relative, resolve } from 'node:path'
import { YoeError } from '#engine/errors.ts'
import { didYouMean } from '#engine/nearest.ts'
import type { Workspace } from '#toolkit/workspace.ts'
import type { Invocation } from '../command.ts'
import { command, projectOptions } from '../command.ts'
import type { Output, Style } from '../output.ts'
import { duration, table } from '../output.ts'
import { workspaceOf } from '../project.ts'
import { shown } from '../shown.ts'

const verbs = ['status', 'diff', 'extract', 'pin', 'watch'] as const
type Verb = (typeof verbs)[number]

const options = {
  ...projectOptions,
  patch: { type: 'boolean', help: 'diff: the changes themselves' },
  to: { type: 'string', value: 'DIR', completes: 'file', help: 'extract: write the patches there, and change no list' },
  discard: { type: 'boolean', help: 'pin: drop commits and edits that are in no patch' },
  update: { type: 'boolean', help: 'pin: make HEAD the tag that the unit declares' },
  deploy: { type: 'string', value: 'HOST', help: 'watch: install each build on this device, by ssh' },
} as const

type DevInvocation = Invocation<typeof options>

export const dev = command({
  usage: 'dev [status|diff|extract|pin|watch] [UNIT]',
  summary: "edit a unit's source in place, and make patches of it",
  details: `Puts a unit into dev mode, or back: its source in build/<distro>/<unit>.<scope>/src is a git work tree with the unit's
patches as commits, and is built as it is, edits and commits included. Commits and edits in there put it into dev mode, too.

  yoe dev openssh           to and fro
  yoe dev status            units whose source is not as declared
  yoe dev diff openssh      what you changed; --patch: line by line
  yoe dev extract openssh   makes patches of the commits, beside the unit's file
  yoe dev pin openssh       back to what the file declares; --update: makes that what is checked out
  yoe dev watch app         builds at every save; --deploy HOST: and installs it there

In a unit's source, UNIT may be left out.`,
  options,
  positionals: [0, 2],
  completes: [verbs, 'unit'],
  async run(invocation) {
    const { positionals, output } = invocation
    const [first, second] = positionals
    const verb = verbs.find((known) => known === first)
    if (verb === undefined && second !== undefined) {
      throw new YoeError('USAGE', `there is no yoe dev ${shown(first ?? '')}`, {
        hint: didYouMean(first ?? '', verbs) ?? `there are: ${verbs.join(', ')}`,
      })
    }
    const workspace = workspaceOf(invocation)
    refuseOptions(invocation, verb)
    const name = verb === undefined ? first : second
    if (verb === 'status' || (verb === undefined && name === undefined)) {
      if (verb === 'status' && name !== undefined) return status(workspace, output, name)
      return status(workspace, output, undefined)
    }
    const unit = name ?? (await here(workspace, invocation))
    switch (verb) {
      case undefined:
        return toggle(invocation, workspace, unit)
      case 'diff':
        return diff(invocation, workspace, unit)
      case 'extract':
        return extract(invocation, workspace, unit)
      case 'pin':
        return pin(invocation, workspace, unit)
      case 'watch':
        return watch(invocation, workspace, unit)
      default:
        return verb satisfies never
    }
  },
})

/** Options that belong to one verb. @throws {YoeError} USAGE */
function refuseOptions({ values }: DevInvocation, verb: Verb | undefined): void {
  const owners = { patch: 'diff', to: 'extract', discard: 'pin', update: 'pin', deploy: 'watch' } as const
  for (const [option, owner] of Object.entries(owners)) {
    const given = Object.entries(values).some(
      ([name, value]) => name === option && value !== undefined && value !== false,
    )
    if (given && owner !== verb)
      throw new YoeError('USAGE', `--${option} belongs to yoe dev ${owner}`, { hint: `yoe dev ${owner} --help` })
  }
}

async function here(workspace: Workspace, { values }: DevInvocation): Promise<string> {
  const { unitHere } = await import('#toolkit/dev/plans.ts')
  const unit = await unitHere(workspace, values.machine)
  if (unit !== undefined) return unit
  throw new YoeError('USAGE', 'this is not the source of a unit, so say which one', { hint: 'yoe dev UNIT' })
}

/** The plan of one unit. */
async function planOf({ values }: DevInvocation, workspace: Workspace, unit: string) {
  const { makePlan } = await import('#toolkit/planning.ts')
  return makePlan(workspace, { machine: values.machine, distro: values.distro, targets: [unit] })
}

const stateStyles: Readonly<Record<string, Style>> = {
  pin: 'cyan',
  dev: 'green',
  'dev-mod': 'yellow',
  'dev-dirty': 'red',
}

async function status(workspace: Workspace, output: Output, unit: string | undefined): Promise<number> {
  const { treeStatuses } = await import('#toolkit/dev/status.ts')
  const all = (await treeStatuses(workspace)).filter((one) => unit === undefined || one.unit === unit)
  if (output.json) {
    output.printJson({ units: all })
    return 0
  }
  const changed = all.filter(({ state }) => unit !== undefined || state !== 'pin')
  if (changed.length === 0) {
    output.print(all.length === 0 ? 'no unit has a work tree here yet' : 'every work tree is as its unit declares it')
    return 0
  }
  const rows = changed.map((one) => {
    const tracking = one.tracking
    const notes = [
      one.broken ?? '',
      one.rebasing ? 'a rebase waits for you' : '',
      one.commits > 0 ? many(one.commits, 'commit') : '',
      one.edits.length > 0 ? `${many(one.edits.length, 'edit')}: ${some(one.edits)}` : '',
      tracking === undefined
        ? ''
        : `tracking origin/${tracking.branch} (${many(tracking.commits, 'commit')} past ${tracking.tag})`,
    ].filter(Boolean)
    const folder = relative(workspace.cwd, one.source) || '.'
    return [
      one.unit,
      output.paint(stateStyles[one.state] ?? 'dim', one.state),
      one.version,
      shown(folder),
      shown(notes.join('; ')),
    ]
  })
  for (const line of table(rows)) output.print(line)
  return 0
}

async function toggle(invocation: DevInvocation, workspace: Workspace, unit: string): Promise<number> {
  const { output } = invocation
  const plan = await planOf(invocation, workspace, unit)
  const { statusOf } = await import('#toolkit/dev/status.ts')
  const [node] = plan.targets
  const now = node === undefined ? undefined : await statusOf(workspace, node.id)
  if (node !== undefined && plan.keys.get(node)?.dev !== undefined && now !== undefined)
    return pin(invocation, workspace, unit)
  const { startDev } = await import('#toolkit/dev/toggle.ts')
  const entered = await startDev(plan)
  if (output.json) {
    output.printJson({ state: 'dev', ...entered })
    return 0
  }
  const { tracking, source, commits, edits } = entered
  const folder = relative(workspace.cwd, source) || '.'
  output.print(`${unit} is in dev mode: edit ${shown(folder)}, then yoe build ${unit}`)
  if (tracking !== undefined)
    output.print(`tracking origin/${tracking.branch} (${many(tracking.commits, 'commit')} past ${tracking.tag})`)
  else if (commits > 0) output.print(`${many(commits, 'commit')} past upstream: git log upstream..`)
  if (edits.length > 0) output.print(`${many(edits.length, 'edit')} kept: ${shown(some(edits))}`)
  return 0
}

async function pin(invocation: DevInvocation, workspace: Workspace, unit: string): Promise<number> {
  const { values, output } = invocation
  const { endDev } = await import('#toolkit/dev/pin.ts')
  const plan = await planOf(invocation, workspace, unit)
  const pinned = await endDev(plan, { discard: values.discard, update: values.update })
  if (output.json) {
    output.printJson({ state: 'pin', ...pinned })
    return 0
  }
  if (!pinned.changed) output.print(`${unit} is pinned already`)
  else if (pinned.tag !== undefined) output.print(`${unit} is pinned at ${pinned.tag}, which its file has now`)
  else output.print(`${unit} is pinned: it is built from what its file declares`)
  if (pinned.kept !== undefined)
    output.print(`what was dropped is still to be found: git show ${pinned.kept.slice(0, 12)}`)
  return 0
}

async function extract(invocation: DevInvocation, workspace: Workspace, unit: string): Promise<number> {
  const { values, output, cwd } = invocation
  const { extractPatches } = await import('#toolkit/dev/extract.ts')
  const to = values.to === undefined ? undefined : resolve(cwd, values.to)
  const made = await extractPatches(await planOf(invocation, workspace, unit), to)
  const { why, ...told } = made
  if (output.json) {
    output.printJson(why === undefined ? told : { ...told, why: why.message })
    return 0
  }
  const folder = relative(cwd, made.folder) || '.'
  if (made.patches.length === 0) output.print(`${unit} has no commits past upstream`)
  for (const name of made.written) output.print(`wrote    ${shown(`${folder}/${name}`)}`)
  for (const name of made.removed) output.print(`removed  ${shown(`${folder}/${name}`)}`)
  if (made.edits.length > 0)
    output.tell(`${many(made.edits.length, 'edit')} in no commit, so in no patch: ${shown(some(made.edits))}`)
  if (made.listed || made.patches.length === 0) return 0
  if (why !== undefined) output.tell(`${output.paintError('yellow', 'warning')}: ${shown(why.message)}`)
  output.print('patches = [')
  for (const patch of made.patches) output.print(`    ${JSON.stringify(patch)},`)
  output.print(']')
  return 0
}

async function diff(invocation: DevInvocation, workspace: Workspace, unit: string): Promise<number> {
  const { values, output } = invocation
  const { changesOf } = await import('#toolkit/dev/diff.ts')
  const found = await changesOf(await planOf(invocation, workspace, unit), values.patch)
  if (output.json) {
    output.printJson(found)
    return 0
  }
  for (const { id, subject } of found.commits)
    output.print(`${output.paint('yellow', id.slice(0, 12))} ${shown(subject)}`)
  for (const { path, kind } of found.edits) output.print(`${kind.padEnd(8)} ${shown(path)}`)
  if (found.text !== '') output.print(found.text.split('\n').map(shown).join('\n'))
  if (found.commits.length === 0 && found.edits.length === 0) output.print(`${unit} is as upstream has it`)
  return 0
}

async function watch({ values, output, signal }: DevInvocation, workspace: Workspace, unit: string): Promise<number> {
  const [{ watchUnit }, { parseDevice }, { showError }] = await Promise.all([
    import('#toolkit/dev/watch.ts'),
    import('#toolkit/dev/deploy.ts'),
    import('../show-error.ts'),
  ])
  const device = values.deploy === undefined ? undefined : parseDevice(values.deploy)
  const options = { machine: values.machine, distro: values.distro, targets: [unit] }
  await watchUnit({ ...workspace, signal }, options, device, (event) => {
    if (output.json) {
      const { kind } = event
      const more = kind === 'failed' ? { errors: event.errors.map(({ code, message }) => ({ code, message })) } : event
      output.print(JSON.stringify({ ...more, kind }))
    } else if (event.kind === 'built')
      output.print(`${output.paint('green', 'built')} ${unit} in ${duration(event.ms)}`)
    else if (event.kind === 'installed') output.print(`${output.paint('green', 'installed')} on ${shown(event.host)}`)
    else if (event.kind === 'waiting') output.tell(`waiting for changes in ${shown(event.folder)}`)
    else for (const error of event.errors) showError(error, output)
  })
  return 0
}

const many = (count: number, what: string): string => `${count} ${what}${count === 1 ? '' : 's'}`

const some = (paths: readonly string[]): string => paths.slice(0, 4).join(', ') + (paths.length > 4 ? ', …' : '')
