import type { Cleaned } from '#toolkit/cache/cleaning.ts'
import type { Collected } from '#toolkit/cache/collect.ts'
import type { CollectedRemote } from '#toolkit/cache/collect-remote.ts'
import type { Entry } from '#toolkit/cache/entries.ts'
import type { LastBuild } from '#toolkit/cache/last-build.ts'
import type { CacheStatus, SharedStatus } from '#toolkit/cache/status.ts'
import type { ThingKind } from '#toolkit/cache/things.ts'
import type { Moved } from '#toolkit/cache/transfer.ts'
import type { Damage, Verified } from '#toolkit/cache/verify.ts'
import type { VerifiedRemote } from '#toolkit/cache/verify-remote.ts'
import type { Output, Style } from './output.ts'
import { bytes, duration, table } from './output.ts'
import { shown } from './shown.ts'

/** What each kind of thing in a cache is. */
const meanings: Readonly<Record<ThingKind, string>> = {
  results: 'results of units and images',
  sources: 'sources of units',
  downloads: 'packages of feeds and other downloads',
  roots: 'unpacked containers',
  unpacked: 'unpacked packages',
  folders: 'cache folders of units',
  git: 'repositories of sources',
  modules: 'modules',
  feeds: 'package lists of feeds',
  memory: 'what need not be worked out again',
  damaged: 'set aside as damaged',
  other: 'other files',
}

/** Whose sizes the status remembers. */
const rememberedKinds: readonly ThingKind[] = ['roots', 'unpacked', 'folders']

const plural = (count: number, one: string, many = `${one}s`): string => `${count} ${count === 1 ? one : many}`

export function showStatus(status: CacheStatus, output: Output): void {
  const { path, size, free, kinds, retentionDays, budget, remotes, signs, keys } = status
  output.print(`${output.paint('bold', path)}  ${bytes(size)}, ${bytes(free)} free`)
  const rows = kinds.map(({ kind, count, bytes: held }) => [
    `  ${meanings[kind]}`,
    bytes(held).padStart(9),
    output.paint('dim', `${count}`),
  ])
  for (const line of table(rows)) output.print(line)
  if (kinds.some(({ kind }) => rememberedKinds.includes(kind)))
    output.print(
      output.paint('dim', '  unpacked things and cache folders: as they were measured last; yoe cache gc does so anew'),
    )
  const most = budget === null ? '' : `, and ${bytes(budget)} in all`
  output.print(
    output.paint('dim', `  yoe cache gc keeps what was used in the last ${plural(retentionDays, 'day')}${most}`),
  )
  output.print()
  output.print(output.paint('bold', 'Shared caches'))
  if (remotes.length === 0) output.print('  none: cache(remote = […]) of the project names them')
  for (const line of table(remotes.map((remote) => remoteRow(remote, output)))) output.print(line)
  for (const { name, fault } of remotes) if (fault !== null) output.print(`  ${shown(name)}: ${shown(fault)}`)
  output.print()
  output.print(output.paint('bold', 'Keys'))
  const listed = keys.map(({ fingerprint, standing, until, at }) => [
    `  ${fingerprint}`,
    until === null ? standing : `${standing} until ${until}`,
    at === null ? '' : shown(at),
  ])
  for (const line of table(listed)) output.print(line)
  if (signs === null) output.print('  What is built here is not signed: yoe key generate cache makes a key.')
}

const states: Readonly<Record<SharedStatus['state'], Style>> = {
  reachable: 'green',
  unreachable: 'red',
  offline: 'dim',
}

function remoteRow(remote: SharedStatus, output: Output): readonly string[] {
  const { name, kind, address, state, ms, writes, why } = remote
  return [
    `  ${shown(name)}`,
    address === name ? kind : shown(address.includes(name) ? address : `${kind} ${address}`),
    output.paint(states[state], ms === null ? state : `${state} (${ms} ms)`),
    writes ? `read and written: ${why}` : `read only: ${why}`,
  ]
}

export function showEntries(entries: readonly Entry[], names: readonly string[], output: Output): void {
  if (entries.length === 0) {
    output.print(names.length === 0 ? 'no result is here' : `nothing of ${names.map(shown).join(', ')} is here`)
    return
  }
  const now = Date.now()
  const rows = entries.map(({ unit, kind, version, arch, distro, hash, size, builtAt, complete, remotes }) => [
    shown(unit),
    kind === 'package' ? shown(version ?? '') : output.paint('dim', kind === 'layer' ? `layer: ${version}` : kind),
    arch,
    distro,
    output.paint('dim', hash.slice(0, 12)),
    bytes(size).padStart(8),
    age(now - builtAt),
    [complete ? 'here' : output.paint('yellow', 'incomplete'), ...remotes.map(shown)].join(', '),
  ])
  for (const line of table(rows)) output.print(line)
  const size = entries.reduce((sum, entry) => sum + entry.size, 0)
  output.print(`${plural(entries.length, 'result')}, ${bytes(size)}`)
}

const ago = (ms: number): string => (ms < 60_000 ? 'just now' : `${age(ms)} ago`)

/** `5 min`, `3 h`, `12 d`. */
function age(ms: number): string {
  const minutes = Math.max(0, Math.floor(ms / 60_000))
  if (minutes < 60) return `${minutes} min`
  return minutes < 48 * 60 ? `${Math.floor(minutes / 60)} h` : `${Math.floor(minutes / 1440)} d`
}

export function showLastBuild(build: LastBuild, output: Output): void {
  const { machine, distro, targets, endedAt, ms, outcomes, builtMs, savedMs, remotes } = build
  const { built = 0, cached = 0, restored = 0, failed = 0, skipped = 0, cancelled = 0 } = outcomes
  const asked = built + failed + cached + restored
  output.print(
    `${targets.map(shown).join(', ')} for ${shown(machine)} (${shown(distro)}), ${ago(Date.now() - endedAt)}, in ${duration(ms)}`,
  )
  const share = asked === 0 ? '' : `${Math.round((100 * (cached + restored)) / asked)} %`
  const rows = [
    ['  hits', `${cached + restored}`, `${share}${savedMs > 0 ? `, which took ${duration(savedMs)} to build` : ''}`],
    ['    here', `${cached}`, ''],
    ['    shared', `${restored}`, ''],
    ['  built', `${built}`, built > 0 ? duration(builtMs) : ''],
    ...[
      ['  failed', failed],
      ['  skipped', skipped],
      ['  cancelled', cancelled],
    ].flatMap(([name, count]) => (count === 0 ? [] : [[`${name}`, `${count}`, '']])),
  ]
  for (const line of table(rows)) output.print(line)
  if (remotes.length === 0) return
  output.print()
  const lines = remotes.map(({ name, hits, misses, restoredBytes, sent, sentBytes }) => [
    `  ${shown(name)}`,
    plural(hits, 'hit'),
    plural(misses, 'miss', 'misses'),
    `${bytes(restoredBytes)} came`,
    `${sent} sent (${bytes(sentBytes)})`,
  ])
  for (const line of table(lines)) output.print(line)
}

const outcomes: Readonly<Record<Moved['outcome'], { readonly style: Style; readonly says: string }>> = {
  saved: { style: 'green', says: 'sent' },
  restored: { style: 'green', says: 'came' },
  exists: { style: 'dim', says: 'there already' },
  here: { style: 'dim', says: 'here already' },
  failed: { style: 'red', says: 'not sent' },
  missing: { style: 'yellow', says: 'to be built' },
}

export function showMoved(moved: readonly Moved[], output: Output): void {
  const rows = moved.map(({ id, hash, remote, outcome, size, why }) => [
    output.paint(outcomes[outcome].style, outcomes[outcome].says),
    shown(id),
    output.paint('dim', hash.slice(0, 12)),
    size === 0 ? '' : bytes(size).padStart(8),
    [remote ?? '', why ?? '']
      .filter((text) => text !== '')
      .map(shown)
      .join(': '),
  ])
  for (const line of table(rows)) output.print(line)
  const counts = Object.entries(Object.groupBy(moved, ({ outcome }) => outcome)).map(
    ([outcome, list]) => `${list.length} ${outcomes[list[0]?.outcome ?? 'here']?.says ?? outcome}`,
  )
  const size = moved.reduce((sum, one) => sum + one.size, 0)
  output.print(
    moved.length === 0 ? 'nothing of it is here' : `${counts.join(', ')}${size > 0 ? `, ${bytes(size)}` : ''}`,
  )
}

export function showCleaned(cleaned: Cleaned<Collected>, dryRun: boolean, output: Output): void {
  const { removed, freed, left, budget } = cleaned
  const rows = removed.map(({ kind, count, bytes: held }) => [bytes(held).padStart(9), `${count}`, meanings[kind]])
  for (const line of table(rows)) output.print(line)
  output.print(`${dryRun ? 'would free' : 'freed'} ${bytes(freed)}, ${bytes(left)} ${dryRun ? 'would stay' : 'stay'}`)
  if (budget !== null && left > budget) output.print(`what is never removed takes more than ${bytes(budget)}`)
}

export function showCleanedRemote(
  remote: string,
  { entries, claims, freed, left }: Cleaned<CollectedRemote>,
  dryRun: boolean,
  output: Output,
): void {
  const marks = claims === 0 ? '' : ` and ${plural(claims, 'mark')} of machines that built together`
  output.print(
    `${dryRun ? 'would remove' : 'removed'} ${plural(entries, 'entry', 'entries')}${marks} of ${shown(remote)}`,
  )
  output.print(`${dryRun ? 'would free' : 'freed'} ${bytes(freed)}, ${bytes(left)} ${dryRun ? 'would stay' : 'stay'}`)
}

function showDamage(damaged: readonly Damage[], style: Style, output: Output): void {
  const rows = damaged.map(({ what, name, of, why }) => [
    output.paint(style, what),
    shown(name.length > 64 ? name : name.slice(0, 16)),
    of.map(shown).join(', '),
    shown(why),
  ])
  for (const line of table(rows)) output.print(line)
}

export function showVerified({ results, objects, roots, trees, bytes: read, damaged }: Verified, output: Output): void {
  showDamage(damaged, 'red', output)
  const parts = [
    plural(results, 'result'),
    plural(objects, 'object'),
    plural(roots, 'root'),
    plural(trees, 'package tree'),
  ]
  output.print(`read ${parts.join(', ')}: ${bytes(read)}`)
  output.print(
    damaged.length === 0
      ? output.paint('green', 'all is as it was stored')
      : `${plural(damaged.length, 'thing is', 'things are')} damaged and set aside: the next build makes or fetches them again`,
  )
}

export function showVerifiedRemote(
  { entries, checked, bytes: read, damaged, doubted }: VerifiedRemote,
  output: Output,
): void {
  showDamage(damaged, 'red', output)
  showDamage(doubted, 'yellow', output)
  output.print(`read ${checked} of ${plural(entries, 'entry', 'entries')}: ${bytes(read)}`)
  if (doubted.length > 0)
    output.print(
      `${plural(doubted.length, 'entry is', 'entries are')} whole, but signed by nobody whom this project names`,
    )
  output.print(
    damaged.length === 0
      ? output.paint('green', 'all that was read is whole')
      : `${plural(damaged.length, 'entry is', 'entries are')} damaged: none is used, and who builds the unit sends it again`,
  )
}
