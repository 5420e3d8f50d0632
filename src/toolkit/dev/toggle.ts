import { digestOfPatches, patchesOf } from '#engine/build/source-step.ts'
import { YoeError } from '#engine/errors.ts'
import { step } from '#engine/events.ts'
import type { RemoteSource } from '#engine/source/fetch.ts'
import { GitFailure, git as networkGit, reasonOf, requireAddress } from '#engine/source/git-run.ts'
import { shownUrl } from '#engine/source/url.ts'
import type { DevRecord } from '#engine/source/work-tree.ts'
import { nameUpstream, readDev, sourceId } from '#engine/source/work-tree.ts'
import { editsIn } from '#engine/source/work-tree-edits.ts'
import { fetcherOf } from '../fetching.ts'
import type { Plan } from '../planning.ts'
import { prepareTrees, unitOfPlan } from './prepare.ts'
import type { OpenTree } from './tree.ts'
import { enterDev, openTree, refuseBuilding, stateOf } from './tree.ts'

export interface Entered {
  readonly unit: string
  readonly id: string
  /** Absolute: where to edit. */
  readonly source: string
  readonly tracking?: NonNullable<DevRecord['tracking']>
  readonly commits: number
  readonly edits: readonly string[]
}

/**
 * Puts the unit of a plan into dev state: a work tree without build products, at the declared source with its patches as
 * commits, or, where the unit names a branch, at where that branch is now.
 *
 * @throws {YoeErrors} SOURCE_STATE when edits are in the way; FETCH_FAILED; what preparing throws
 */
export async function startDev(plan: Plan): Promise<Entered> {
  const node = unitOfPlan(plan)
  const { workspace } = plan
  const { source } = node.unit
  if (source === undefined || source.kind === 'path') throw new TypeError(`${node.id} has no source`)
  let tree = openTree(workspace, node.id)
  if (tree !== undefined) refuseBuilding(tree, node.unit.name)
  if (tree === undefined || (await isOld(tree, source, digestOfPatches(patchesOf(plan, node.unit))))) {
    await prepareTrees(plan, [node])
    tree = openTree(workspace, node.id)
  }
  if (tree === undefined) throw new TypeError(`${node.id} was not prepared`)
  const tracking =
    source.kind === 'git' && source.branch !== undefined ? await track(plan, tree, source, source.branch) : undefined
  await enterDev(tree, { by: 'toggle', ...(tracking === undefined ? {} : { tracking }) })
  const { commits, edits } = await stateOf(tree)
  return { unit: node.unit.name, id: node.id, source: tree.source, ...(tracking ? { tracking } : {}), commits, edits }
}

/**
 * A pinned tree of another source, or without the patches that are declared now, is made anew: what dev mode lacks,
 * `yoe dev extract` takes out of the list. One with commits or edits stays, and is rebased by the next build.
 */
async function isOld(tree: OpenTree, source: RemoteSource, patches: string): Promise<boolean> {
  const { prepared } = tree
  if (readDev(tree) !== undefined || (prepared.source === sourceId(source) && prepared.patches === patches))
    return false
  const head = await tree.run.run(['rev-parse', 'HEAD'])
  return head === prepared.head && (await editsIn(tree.run, tree)).length === 0
}

/** Fetches the branch that a unit follows and checks it out. */
async function track(
  plan: Plan,
  tree: OpenTree,
  source: Extract<RemoteSource, { kind: 'git' }>,
  branch: string,
): Promise<NonNullable<DevRecord['tracking']>> {
  const { workspace, project } = plan
  const { offline, signal, report } = workspace
  const { url, ref } = source
  if (offline && !url.startsWith('file:')) {
    throw new YoeError('FETCH_FAILED', `${shownUrl(url)} would have to be asked for ${branch}, and yoe works offline`, {
      at: source.at,
      hint: 'run it once without --offline',
    })
  }
  const remote = `refs/remotes/origin/${branch}`
  await step(report, `Fetch ${branch} of ${shownUrl(url)}`, async () => {
    const failures: string[] = []
    for (const address of fetcherOf(workspace, project).locate?.(url) ?? [url]) {
      requireAddress(address)
      try {
        const options = ['--quiet', '--no-recurse-submodules', '--no-write-fetch-head']
        const args = ['fetch', ...options, '--', address, `+refs/heads/${branch}:${remote}`]
        await networkGit(args, { repository: tree.git, signal })
        return
      } catch (failure) {
        failures.push(`${shownUrl(address)}: ${reasonOf(failure, address)}`)
      }
    }
    throw new YoeError('FETCH_FAILED', `the branch ${branch} can't be fetched\n  ${failures.join('\n  ')}`, {
      at: source.at,
      hint: 'check the address and the branch of the unit',
    })
  })
  const { run } = tree
  for (const [name, value] of [
    ['remote.origin.url', url],
    ['remote.origin.fetch', '+refs/heads/*:refs/remotes/origin/*'],
    [`branch.${branch}.remote`, 'origin'],
    [`branch.${branch}.merge`, `refs/heads/${branch}`],
  ] as const)
    await run.run(['config', name, value])
  // Commits of the user's on the branch stay; only a fresh one begins where upstream is.
  const own = await run.try(['rev-list', '--count', `${remote}..refs/heads/${branch}`])
  const fresh = own.code !== 0 || own.stdout.trim() === '0'
  try {
    await run.run(fresh ? ['checkout', '--quiet', '-B', branch, remote] : ['checkout', '--quiet', branch])
  } catch (failure) {
    if (!(failure instanceof GitFailure)) throw failure
    throw new YoeError('SOURCE_STATE', `edits in ${tree.source} are in the way of ${branch}: ${failure.message}`, {
      hint: `commit them, or: git -C ${tree.source} stash`,
    })
  }
  const anchor = await run.run(['merge-base', 'HEAD', remote])
  await nameUpstream(tree.run, anchor)
  const commits = Number(await run.run(['rev-list', '--count', `${source.commit ?? ref}..${remote}`]))
  return { branch, tag: ref, commits }
}
