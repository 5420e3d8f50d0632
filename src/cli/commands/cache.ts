import { YoeError } from '#engine/errors.ts'
import { didYouMean } from '#engine/nearest.ts'
import { sizeInBytes } from '#engine/project/scalars.ts'
import type { Invocation } from '../command.ts'
import { command, projectOptions, remoteCacheOptions } from '../command.ts'
import { workspaceOf } from '../project.ts'
import {
  showCleaned,
  showCleanedRemote,
  showEntries,
  showLastBuild,
  showMoved,
  showStatus,
  showVerified,
  showVerifiedRemote,
} from '../show-cache.ts'

const options = {
  ...projectOptions,
  ...remoteCacheOptions,
  all: { type: 'boolean', help: 'pull: all below the units, too; gc: all that can be made or fetched again' },
  remote: { type: 'string', value: 'NAME', help: 'gc, verify: of that shared cache instead of this machine' },
  budget: { type: 'string', value: 'SIZE', help: 'gc: keep so much at most (20G), what was used last' },
  'dry-run': { type: 'boolean', help: 'gc: say what would be removed' },
  sample: { type: 'string', value: 'N', help: 'verify --remote: read so many entries, chosen by chance' },
} as const

type CacheInvocation = Invocation<typeof options>
type Flag = 'all' | 'remote' | 'budget' | 'dry-run' | 'sample' | 'distro'

interface Verb {
  readonly run: (invocation: CacheInvocation, names: readonly string[]) => Promise<number>
  readonly takes: readonly Flag[]
  readonly named: boolean
}

const verbs: Readonly<Record<string, Verb>> = {
  status: { run: status, takes: [], named: false },
  list: { run: list, takes: [], named: true },
  stats: { run: stats, takes: [], named: false },
  push: { run: push, takes: ['distro'], named: true },
  pull: { run: pull, takes: ['all', 'distro'], named: true },
  gc: { run: gc, takes: ['all', 'remote', 'budget', 'dry-run'], named: false },
  verify: { run: verify, takes: ['remote', 'sample'], named: false },
}

const flags: readonly Flag[] = ['all', 'remote', 'budget', 'dry-run', 'sample', 'distro']

export const cache = command({
  usage: 'cache status|list|stats|push|pull|gc|verify [UNIT…]',
  summary: 'look at, share, check and clear caches of results',
  details: `status         what lies in the cache of this machine, and which shared caches can be reached, written and believed
list [UNIT…]   the results that are here, newest first, and which shared caches have them, too
stats          hits and misses of the last build
push [UNIT…]   sends what is here of units and of all below them; of the default image
pull [UNIT…]   brings what a build would begin with, and builds nothing; with --all everything below, too
gc             removes what nobody used for some days (retention_days of the project) and no image of it needs
verify         reads every byte that is here, and sets aside what is damaged: the next build mends it

Builds fill and use caches by themselves.

  yoe cache list sensord
  yoe cache push --remote-cache file:///mnt/stick
  yoe cache gc --budget 20G --dry-run
  yoe cache verify --remote team --sample 100`,
  options,
  positionals: [1, Number.POSITIVE_INFINITY],
  completes: [Object.keys(verbs), 'target'],
  async run(invocation) {
    const [word = '', ...names] = invocation.positionals
    const verb = Object.hasOwn(verbs, word) ? verbs[word] : undefined
    if (verb === undefined)
      throw new YoeError('USAGE', `yoe cache has no "${word}"`, {
        hint: didYouMean(word, Object.keys(verbs)) ?? `it has ${Object.keys(verbs).join(', ')}`,
      })
    if (!verb.named && names.length > 0)
      throw new YoeError('USAGE', `yoe cache ${word} takes no name`, { hint: `yoe cache ${word}` })
    for (const flag of flags) {
      const given = invocation.values[flag]
      if (given !== undefined && given !== false && !verb.takes.includes(flag))
        throw new YoeError('USAGE', `yoe cache ${word} takes no --${flag}`, { hint: 'yoe cache --help' })
    }
    return verb.run(invocation, names)
  },
})

async function status(invocation: CacheInvocation): Promise<number> {
  const { values, output } = invocation
  const { cacheStatus } = await import('#toolkit/cache/status.ts')
  const found = await cacheStatus(workspaceOf(invocation), values.machine)
  if (output.json) output.printJson(found)
  else showStatus(found, output)
  return 0
}

async function list(invocation: CacheInvocation, names: readonly string[]): Promise<number> {
  const { values, output } = invocation
  const { listEntries } = await import('#toolkit/cache/entries.ts')
  const entries = await listEntries(workspaceOf(invocation), { machine: values.machine, names })
  if (output.json) output.printJson(entries)
  else showEntries(entries, names, output)
  return 0
}

async function stats(invocation: CacheInvocation): Promise<number> {
  const { values, output } = invocation
  const [{ lastBuild }, { loadProject }] = await Promise.all([
    import('#toolkit/cache/last-build.ts'),
    import('#toolkit/workspace.ts'),
  ])
  const { workspace } = await loadProject(workspaceOf(invocation), values.machine)
  const found = await lastBuild(workspace.cacheRoot, workspace.buildRoot)
  if (found === undefined)
    throw new YoeError('USAGE', 'nothing was built yet with this cache', { hint: 'yoe build, and ask again' })
  if (output.json) output.printJson(found)
  else showLastBuild(found, output)
  return 0
}

async function push(invocation: CacheInvocation, targets: readonly string[]): Promise<number> {
  const { machine, distro } = invocation.values
  const { pushResults } = await import('#toolkit/cache/transfer.ts')
  const moved = await pushResults(workspaceOf(invocation), { machine, distro, targets })
  if (invocation.output.json) invocation.output.printJson(moved)
  else showMoved(moved, invocation.output)
  return moved.some(({ outcome }) => outcome === 'failed') ? 1 : 0
}

async function pull(invocation: CacheInvocation, targets: readonly string[]): Promise<number> {
  const { machine, distro, all } = invocation.values
  const { pullResults } = await import('#toolkit/cache/transfer.ts')
  const moved = await pullResults(workspaceOf(invocation), { machine, distro, targets }, all)
  if (invocation.output.json) invocation.output.printJson(moved)
  else showMoved(moved, invocation.output)
  return moved.some(({ outcome }) => outcome === 'missing') ? 1 : 0
}

async function gc(invocation: CacheInvocation): Promise<number> {
  const { values, output } = invocation
  const { machine, all, remote } = values
  const dryRun = values['dry-run']
  const budget = values.budget === undefined ? undefined : sizeInBytes(values.budget)
  if (values.budget !== undefined && budget === undefined)
    throw new YoeError('USAGE', `--budget ${values.budget} is no size`, { hint: 'such as --budget 20G' })
  const { cleanRemote, cleanStore } = await import('#toolkit/cache/cleaning.ts')
  const workspace = workspaceOf(invocation)
  if (remote === undefined) {
    const cleaned = await cleanStore(workspace, { machine, all, budget, dryRun })
    if (output.json) output.printJson({ ...cleaned, dryRun })
    else showCleaned(cleaned, dryRun, output)
    return 0
  }
  const cleaned = await cleanRemote(workspace, remote, { machine, all, budget, dryRun })
  if (output.json) output.printJson({ remote, ...cleaned, dryRun })
  else showCleanedRemote(remote, cleaned, dryRun, output)
  return 0
}

async function verify(invocation: CacheInvocation): Promise<number> {
  const { values, output } = invocation
  const { machine, remote } = values
  const sample = values.sample === undefined ? undefined : Number(values.sample)
  if (sample !== undefined && (!Number.isSafeInteger(sample) || sample < 1))
    throw new YoeError('USAGE', `--sample ${values.sample} is no number of entries`, { hint: 'such as --sample 100' })
  if (sample !== undefined && remote === undefined)
    throw new YoeError('USAGE', '--sample is about a shared cache', {
      hint: 'yoe cache verify --remote NAME --sample 100',
    })
  const { verifyHere, verifyThere } = await import('#toolkit/cache/cleaning.ts')
  const workspace = workspaceOf(invocation)
  if (remote === undefined) {
    const verified = await verifyHere(workspace, machine)
    if (output.json) output.printJson(verified)
    else showVerified(verified, output)
    return verified.damaged.length === 0 ? 0 : 1
  }
  const verified = await verifyThere(workspace, remote, { machine, sample })
  if (output.json) output.printJson({ remote, ...verified })
  else showVerifiedRemote(verified, output)
  return verified.damaged.length === 0 ? 0 : 1
}
