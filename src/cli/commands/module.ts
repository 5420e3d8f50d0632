import { YoeError } from '#engine/errors.ts'
import { didYouMean } from '#engine/nearest.ts'
import type { ModuleState, ModuleUpdate, SyncedState } from '#toolkit/modules.ts'
import type { Invocation } from '../command.ts'
import { command, projectOptions } from '../command.ts'
import type { Output } from '../output.ts'
import { table } from '../output.ts'
import { workspaceOf } from '../project.ts'
import { shown } from '../shown.ts'
import { treeLines } from '../tree.ts'
import { showUpdated } from './update.ts'

const { project, offline, locked, 'no-locked': noLocked } = projectOptions

const options = {
  project,
  offline,
  locked,
  'no-locked': noLocked,
  tree: { type: 'boolean', help: 'list: as a tree of who asks for whom' },
  prune: { type: 'boolean', help: 'update: take out of yoe.lock what this project does not use' },
} as const

type ModuleInvocation = Invocation<typeof options>

/** What may be done with modules, and the fewest and most names that it takes. */
const verbs: Readonly<
  Record<
    string,
    {
      readonly names: readonly [number, number]
      run(invocation: ModuleInvocation, name: string | undefined): Promise<void>
    }
  >
> = {
  sync: { names: [0, 0], run: sync },
  list: { names: [0, 0], run: list },
  info: { names: [1, 1], run: info },
  'check-updates': { names: [0, 0], run: checkUpdates },
  update: { names: [0, 1], run: update },
}

export const module = command({
  usage: 'module sync|list|info|check-updates|update [NAME]',
  summary: 'fetch, list and update the modules of a project',
  details: `sync            brings all modules here, and checks that their files are those of their commits
list            modules, in rising priority; --tree says who asks for whom
info NAME       one module
check-updates   asks repositories for newer versions, and where branches are now
update [NAME]   moves yoe.lock to where refs of modules are now: yoe update modules

Every command fetches the modules that are missing; nothing needs sync first.

  yoe module list --tree
  yoe module info @bsp-imx8
  yoe module check-updates`,
  options,
  positionals: [1, 2],
  completes: [Object.keys(verbs), 'module'],
  async run(invocation) {
    const [verb = '', name, ...rest] = invocation.positionals
    const entry = Object.hasOwn(verbs, verb) ? verbs[verb] : undefined
    if (entry === undefined) {
      throw new YoeError('USAGE', `yoe module has no "${verb}"`, {
        hint: didYouMean(verb, Object.keys(verbs)) ?? `it has ${Object.keys(verbs).join(', ')}`,
      })
    }
    const given = (name === undefined ? 0 : 1) + rest.length
    if (given < entry.names[0] || given > entry.names[1]) {
      throw new YoeError(
        'USAGE',
        `yoe module ${verb} takes ${entry.names[1] === 0 ? 'no name' : 'the name of a module'}`,
        {
          hint: `yoe module --help`,
        },
      )
    }
    await entry.run(invocation, name)
    return 0
  },
})

async function sync(invocation: ModuleInvocation): Promise<void> {
  const { output } = invocation
  const { syncModules } = await import('#toolkit/modules.ts')
  const modules = await syncModules(workspaceOf(invocation))
  if (output.json) output.printJson(modules)
  else showTable(modules, output, (module: SyncedState) => (module.fetched ? 'fetched' : 'up to date'))
}

async function list(invocation: ModuleInvocation): Promise<void> {
  const { output, values } = invocation
  const { listModules } = await import('#toolkit/modules.ts')
  const modules = await listModules(workspaceOf(invocation))
  if (output.json) output.printJson(modules)
  else if (values.tree) showTree(modules, output)
  else showTable(modules, output, (module) => (module.locked === true ? 'locked' : 'not locked'))
}

function showTable<M extends ModuleState>(modules: readonly M[], output: Output, status: (module: M) => string): void {
  if (modules.length === 0) output.print('this project has no modules')
  const rows = modules.map((module) => [
    `@${shown(module.name)}`,
    shown(module.ref ?? ''),
    (module.commit ?? '').slice(0, 12),
    [module.kind === 'git' ? status(module) : place(module), ...(module.listed ? [] : ['(transitive)'])].join(' '),
  ])
  const head = ['Module', 'Ref', 'Commit', 'Status'].map((title) => output.paint('bold', title))
  if (rows.length > 0) for (const line of table([head, ...rows])) output.print(line)
}

function place({ kind, from }: ModuleState): string {
  return kind === 'local' ? `(local: ${shown(from)})` : 'ships with yoe'
}

interface Branch {
  readonly name: string
  readonly module: ModuleState | undefined
  /** What stands behind the name, when something else was wanted. */
  readonly note: string
}

function showTree(modules: readonly ModuleState[], output: Output): void {
  const named = new Map(modules.map((module) => [module.name, module]))
  const seen = new Set<string>()
  const label = ({ name, module, note }: Branch): string => {
    const at =
      module?.ref === undefined
        ? module === undefined
          ? ''
          : place(module)
        : `${module.ref} ${(module.commit ?? '').slice(0, 12)}`
    return [`@${shown(name)}`, shown(at), note === '' ? '' : output.paint('dim', note)]
      .filter((part) => part !== '')
      .join('  ')
  }
  const notes = {
    same: () => '',
    project: (wanted: string) => `(the project's; wanted: ${shown(wanted)})`,
    newer: (wanted: string) => `(the newest that is wanted; here: ${shown(wanted)})`,
  }
  for (const module of modules.filter((one) => one.listed)) {
    const root: Branch = { name: module.name, module, note: '' }
    for (const line of treeLines<Branch>(root, {
      label,
      children: (branch) =>
        (branch.module?.requires ?? []).map(({ name, met, wanted }) => ({
          name,
          module: named.get(name),
          note: notes[met](wanted),
        })),
      repeated: (branch) => {
        if (branch.module === undefined || branch.module.requires.length === 0) return false
        return seen.has(branch.name) || !seen.add(branch.name)
      },
    }))
      output.print(line)
  }
}

async function info(invocation: ModuleInvocation, name = ''): Promise<void> {
  const { output } = invocation
  const { findModule, listModules } = await import('#toolkit/modules.ts')
  const module = findModule(await listModules(workspaceOf(invocation)), name)
  if (output.json) {
    output.printJson(module)
    return
  }
  const { listed, at, requires, requiredBy } = module
  const rows: readonly (readonly [string, string | undefined])[] = [
    ['module', `@${module.name}`],
    ['description', module.description],
    ['from', module.kind === 'git' ? module.from : place(module)],
    ['ref', module.ref],
    ['commit', module.commit],
    ['locked', module.locked === undefined ? undefined : module.locked ? 'yes' : 'no'],
    ['asked for', `${at.file}:${at.line}${listed ? '' : ' (transitive)'}`],
    ['needs', requires.map((dep) => `@${dep.name} (${dep.wanted})`).join(', ')],
    ['needed by', requiredBy.map((other) => `@${other}`).join(', ')],
    ['files', module.root],
  ]
  for (const line of table(
    rows.flatMap(([key, value]) => (value === undefined || value === '' ? [] : [[key, shown(value)]])),
  ))
    output.print(line)
}

async function checkUpdates(invocation: ModuleInvocation): Promise<void> {
  const { output } = invocation
  const toolkit = await import('#toolkit/modules.ts')
  const updates = await toolkit.checkUpdates(workspaceOf(invocation))
  if (output.json) {
    output.printJson(updates)
    return
  }
  if (updates.length === 0) output.print('this project has no modules from repositories')
  const rows = updates.map((one) => [`@${shown(one.name)}`, shown(one.ref), news(one, output)])
  for (const line of table(rows)) output.print(line)
}

function news({ moved, newer, tag, commit, name }: ModuleUpdate, output: Output): string {
  const parts = [
    ...(newer === undefined ? [] : [`${output.paint('green', shown(newer))} is there: ref = ${JSON.stringify(newer)}`]),
    ...(moved === undefined
      ? []
      : [
          `${tag ? output.paint('yellow', 'the tag was moved') : 'it moved on'}: ${commit.slice(0, 12)} → ${moved.slice(0, 12)}, yoe update ${shown(name)}`,
        ]),
  ]
  return parts.join('; ') || 'up to date'
}

async function update(invocation: ModuleInvocation, name: string | undefined): Promise<void> {
  const { updateLock } = await import('#toolkit/update.ts')
  const { findModule, syncWith } = await import('#toolkit/modules.ts')
  const workspace = workspaceOf(invocation)
  if (name !== undefined) findModule((await syncWith(workspace, {})).modules, name)
  const { prune } = invocation.values
  showUpdated(await updateLock(workspace, { asked: name ?? 'modules', machine: undefined, prune }), invocation.output)
}
