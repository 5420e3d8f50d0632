import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { foldersOf } from '#engine/build/folders.ts'
import { isRunning } from '#engine/build/running.ts'
import { YoeError } from '#engine/errors.ts'
import type { DevSource } from '#engine/plan/dev-source.ts'
import type { PackageNode } from '#engine/plan/graph.ts'
import { treeDigest } from '#engine/source/tree.ts'
import type { DevRecord, Prepared, TreePlace } from '#engine/source/work-tree.ts'
import { headOf, readDev, readPrepared, sourceId, writeDev } from '#engine/source/work-tree.ts'
import type { Change } from '#engine/source/work-tree-edits.ts'
import { editsIn, removeProducts } from '#engine/source/work-tree-edits.ts'
import { TreeGit } from '#engine/source/work-tree-git.ts'
import { isRebasing, settleRebase } from '#engine/source/work-tree-rebase.ts'
import type { Workspace } from '../workspace.ts'

/** A unit's work tree, and the git that works in it. */
export interface OpenTree extends TreePlace {
  readonly prepared: Prepared
  readonly run: TreeGit
}

/** The work tree in a node's folder; undefined when there is none. @throws {YoeError} SOURCE_STATE when it is broken */
export function openTree(workspace: Pick<Workspace, 'buildRoot' | 'signal'>, id: string): OpenTree | undefined {
  const { source, git } = foldersOf(workspace.buildRoot, { id })
  const place = { source, git }
  const prepared = readPrepared(place)
  if (prepared === undefined) return undefined
  if (!existsSync(join(source, '.git'))) {
    if (readDev(place) === undefined) return undefined
    throw new YoeError('SOURCE_STATE', `${source} is gone, and its unit is in dev mode`, {
      hint: `mkdir -p ${source} && echo "gitdir: ../src.git" >${source}/.git && git -C ${source} checkout -f\nor remove ${git}, which has the commits`,
    })
  }
  return { ...place, prepared, run: new TreeGit(git, source, workspace.signal) }
}

/** What dev state says of a node's source; undefined when it is pinned. Local commits put it into dev state. */
export async function readTree(
  workspace: Pick<Workspace, 'buildRoot' | 'cacheRoot' | 'signal'>,
  node: PackageNode,
): Promise<DevSource | undefined> {
  let tree = openTree(workspace, node.id)
  if (tree === undefined) return undefined
  // A rebase that stopped is the user's to end.
  if (isRebasing(tree)) throw conflict(tree, node.unit.name)
  await settleRebase(tree.run, tree)
  tree = openTree(workspace, node.id) ?? tree
  if (readDev(tree) === undefined) {
    if (headOf(tree) === tree.prepared.head || isBuilding(tree)) return undefined
    await enterDev(tree, { by: 'commits' })
  }
  const { source } = node.unit
  if (source === undefined || source.kind === 'path') return undefined
  const { commits, edits, files } = await stateOf(tree)
  const { version, source: made } = tree.prepared
  return {
    content: treeDigest(tree.source, workspace.cacheRoot, { anyLink: true }),
    ...(source.kind === 'git' ? { commit: headOf(tree) ?? '' } : {}),
    commits,
    edits,
    files,
    ...(sourceId(source) !== made ? { behind: version } : version !== node.unit.version ? { former: version } : {}),
  }
}

/** Puts a unit into dev state: what builds left in its tree goes, what its user changed stays. */
export async function enterDev(tree: OpenTree, record: DevRecord): Promise<void> {
  await removeProducts(tree.run, tree)
  await writeDev(tree, record)
}

/** Whether tasks run in the tree, or in a copy of it. */
export function isBuilding({ git }: TreePlace): boolean {
  return isRunning(join(dirname(git), 'running'))
}

/** @throws {YoeError} SOURCE_STATE while tasks run in the tree: nothing may be moved under them */
export function refuseBuilding(tree: TreePlace, unit: string): void {
  if (!isBuilding(tree)) return
  throw new YoeError('SOURCE_STATE', `${unit} is being built`, {
    unit,
    hint: `wait for its end (yoe log ${unit} -f), or stop it`,
  })
}

export interface TreeState {
  /** Past upstream. */
  readonly commits: number
  /** Not committed. */
  readonly edits: readonly string[]
  /** Different from upstream. */
  readonly files: readonly string[]
}

/** What a work tree has that upstream has not; products of builds left out. */
export async function stateOf(tree: OpenTree): Promise<TreeState> {
  const [count, edits, listed] = await Promise.all([
    tree.run.run(['rev-list', '--count', 'upstream..HEAD']),
    editsIn(tree.run, tree),
    tree.run.run(['diff', '--name-only', '-z', '--no-renames', '--ignore-submodules=all', 'upstream', 'HEAD']),
  ])
  const paths = edits.map(({ path }: Change) => path)
  const files = new Set([...paths, ...listed.split('\0').filter(Boolean)])
  return { commits: Number(count), edits: paths, files: [...files].sort() }
}

/** What to do about a rebase that stopped. */
export function conflict({ source }: TreePlace, unit: string, files: readonly string[] = []): YoeError {
  const where = files.length === 0 ? '' : `\n  ${files.join('\n  ')}`
  return new YoeError(
    'SOURCE_STATE',
    `the commits of ${unit} are being rebased, and wait for you in ${source}${where}`,
    {
      unit,
      hint: [
        `cd ${source}`,
        'git status             says what is in conflict; edit it',
        'git add FILE           for each file that is right again',
        'git rebase --continue  goes on',
        `yoe build ${unit}`,
        `or give up: git rebase --abort, and take the old version back in its .star file`,
      ].join('\n'),
    },
  )
}
