import { globSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { userErrors, YoeError, YoeErrors } from '#engine/errors.ts'
import { headOf, readDev } from '#engine/source/work-tree.ts'
import { isRebasing } from '#engine/source/work-tree-rebase.ts'
import type { Workspace } from '../workspace.ts'
import { openTree, stateOf } from './tree.ts'

/**
 * `pin`: as declared; `dev`: built as it is, and nothing changed in it; `dev-mod`: with commits; `dev-dirty`: with edits
 * that are in no commit.
 * @see seed, Source state
 */
export type SourceStateName = 'pin' | 'dev' | 'dev-mod' | 'dev-dirty'

export interface TreeStatus {
  readonly unit: string
  readonly id: string
  /** Absolute. */
  readonly source: string
  readonly state: SourceStateName
  readonly version: string
  /** Past upstream, patches of the unit included. */
  readonly commits: number
  readonly edits: readonly string[]
  readonly tracking?: { readonly branch: string; readonly tag: string; readonly commits: number }
  /** A rebase waits for the user. */
  readonly rebasing: boolean
  /** Why nothing more can be said. */
  readonly broken?: string
}

/** Every work tree under `build/`, by unit. The project is not asked, so a broken one is no obstacle. */
export async function treeStatuses(workspace: Workspace): Promise<readonly TreeStatus[]> {
  const { buildRoot } = workspace
  const ids = globSync('*/*/src.git/yoe.json', { cwd: buildRoot }).map((path) => dirname(dirname(path)))
  const statuses: TreeStatus[] = []
  for (const id of ids.sort()) {
    const status = await statusOf(workspace, id)
    if (status !== undefined) statuses.push(status)
  }
  return statuses
}

/** The state of the tree in one node's folder; undefined when there is none. */
export async function statusOf(workspace: Workspace, id: string): Promise<TreeStatus | undefined> {
  const unit = (id.split('/')[1] ?? '').replace(/\.[^.]+$/, '')
  const base = { unit, id, source: join(workspace.buildRoot, id, 'src') }
  try {
    const tree = openTree(workspace, id)
    if (tree === undefined) return undefined
    const record = readDev(tree)
    const { commits, edits } = await stateOf(tree)
    const moved = record?.tracking === undefined ? headOf(tree) !== tree.prepared.head : commits > 0
    const clean = moved ? 'dev-mod' : record === undefined ? 'pin' : 'dev'
    return {
      ...base,
      state: edits.length > 0 ? 'dev-dirty' : clean,
      version: tree.prepared.version,
      commits,
      edits,
      ...(record?.tracking === undefined ? {} : { tracking: record.tracking }),
      rebasing: isRebasing(tree),
    }
  } catch (failure) {
    const [error] = userErrors(failure) ?? []
    const broken = error?.message ?? (failure instanceof Error ? failure.message : String(failure))
    return { ...base, state: 'dev', version: '', commits: 0, edits: [], rebasing: false, broken }
  }
}

/**
 * Keeps what is only in work trees from being removed.
 * @param folders absolute; the trees below them are looked at
 * @throws {YoeErrors} SOURCE_STATE for each tree with commits or edits
 */
export async function refuseRemoval(workspace: Workspace, folders: readonly string[]): Promise<void> {
  const trees = await treeStatuses(workspace)
  const lost = trees.filter(
    ({ source, state }) =>
      (state === 'dev-mod' || state === 'dev-dirty') && folders.some((folder) => source.startsWith(`${folder}/`)),
  )
  if (lost.length === 0) return
  throw new YoeErrors(
    lost.map(
      ({ unit, source }) =>
        new YoeError('SOURCE_STATE', `${source} has commits or edits that are nowhere else: it stays`, {
          unit,
          hint: `yoe dev extract ${unit} makes patches of them; yoe dev pin ${unit} --discard drops them`,
        }),
    ),
  )
}
