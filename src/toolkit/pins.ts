import { YoeError, YoeErrors } from '#engine/errors.ts'
import type { Lock } from '#engine/modules/lock.ts'
import { keyOf, lockFile, sourceEntry } from '#engine/modules/lock.ts'
import { canonicalUrl } from '#engine/modules/reference.ts'
import type { Node } from '#engine/plan/graph.ts'
import { inOrder } from '#engine/plan/graph.ts'
import type { PackageUnit, Project, Source } from '#engine/project/model.ts'
import type { LockState } from './lock-file.ts'
import type { Workspace } from './workspace.ts'

type GitSource = Extract<Source, { kind: 'git' }>

/** A unit whose source names a tag or branch. */
export interface Unpinned {
  readonly unit: PackageUnit
  readonly source: GitSource & { readonly refKind: 'tag' | 'branch' }
}

/** The source of a unit that names a tag or branch, whatever is known of it. */
export function movingSource(unit: Project['units'][number]): Unpinned | undefined {
  if (unit.kind !== 'package' || unit.source?.kind !== 'git') return undefined
  const { refKind } = unit.source
  return refKind === 'commit' ? undefined : { unit, source: { ...unit.source, refKind } }
}

/** The project with the commits that the lock has for tags and branches of sources. */
export function pinSources(project: Project, { sources }: Pick<Lock, 'sources'>): Project {
  if (sources.length === 0) return project
  const commits = new Map(sources.map((entry) => [keyOf(entry), entry.commit]))
  let changed = false
  const units = project.units.map((unit) => {
    const moving = movingSource(unit)
    const commit = moving === undefined ? undefined : commits.get(keyOf(sourceEntry(moving.source, '')))
    if (moving === undefined || commit === undefined || moving.source.commit === commit) return unit
    changed = true
    return { ...moving.unit, source: { ...moving.source, commit } }
  })
  return changed ? { ...project, units } : project
}

/** What must be pinned before the nodes can have keys. */
export function unpinned(targets: readonly Node[]): readonly Unpinned[] {
  return inOrder(targets).flatMap((node) => {
    const moving = node.kind === 'package' ? movingSource(node.unit) : undefined
    return moving === undefined || moving.source.commit !== undefined ? [] : [moving]
  })
}

/**
 * The project with all that `missing` lists pinned to where it is now; the lock gets it, so that it stays there.
 * @throws {YoeErrors} LOCK_STALE for each where only what is locked may be used; FETCH_FAILED
 */
export async function pinNow(
  workspace: Workspace,
  state: LockState,
  project: Project,
  missing: readonly Unpinned[],
): Promise<Project> {
  if (state.locked) throw new YoeErrors(missing.map((one) => stale(one, state)))
  const [{ askSources }, { writeDown }] = await Promise.all([import('./source-sync.ts'), import('./module-sync.ts')])
  const found = await askSources(workspace, project, missing)
  for (const { unit, source } of missing) {
    if (source.refKind !== 'branch') continue
    workspace.report({
      type: 'warning',
      message: `unit "${unit.name}" follows the branch ${source.ref}, which nothing locked`,
      at: unit.at,
      hint: state.writable ? `yoe update ${unit.name} moves it` : 'yoe update writes yoe.lock; commit it',
    })
  }
  if (state.writable) await writeDown(workspace, state.lock, found)
  return pinSources(project, { sources: found.map((entry) => ({ ...entry, line: 0 })) })
}

function stale({ unit, source }: Unpinned, { lock }: LockState): YoeError {
  const other = lock.sources.find((entry) => entry.url === canonicalUrl(source.url))
  const asked = `the ${source.refKind} ${source.ref} of unit "${unit.name}"`
  return other === undefined
    ? new YoeError('LOCK_STALE', `${asked} is not in yoe.lock`, {
        at: unit.at,
        unit: unit.name,
        hint: `yoe update ${unit.name}, and commit yoe.lock`,
      })
    : new YoeError(
        'LOCK_STALE',
        `yoe.lock has ${other.ref} of ${other.url}, and not ${asked} (${unit.at.file}:${unit.at.line})`,
        {
          at: { file: lockFile, line: other.line, column: 1 },
          unit: unit.name,
          hint: `yoe update ${unit.name}, and commit yoe.lock`,
        },
      )
}
