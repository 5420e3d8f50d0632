import { existsSync } from 'node:fs'
import { mkdir, rename } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { removeTree } from '#engine/build/tree.ts'
import { userErrors, YoeError } from '#engine/errors.ts'
import { GitFailure, git } from '#engine/source/git-run.ts'
import type { CellReport } from './cells.ts'
import type { Workspace, WorkspaceOptions } from './workspace.ts'
import { loadProject, openWorkspace } from './workspace.ts'

/** A project as it was at a commit. */
export interface ProjectAtCommit {
  /** 40 or 64 hex digits. */
  readonly commit: string
  /** Over a work tree of the commit; nothing of this machine's choices or keys is in it, but the cache is the project's. */
  readonly workspace: Workspace
  /** Absolute folder of the work tree; it stays as long as {@link finish} is not called. */
  readonly tree: string
  /** Takes the image out, and removes the work tree. @returns the report, with the image where it is now */
  finish(report: CellReport): Promise<CellReport>
}

/** What no rebuilding of somebody's commit may use. */
const keys = ['YOE_SIGNING_KEY', 'YOE_APK_SIGNING_KEY', 'YOE_APK_SIGNING_PASSPHRASE', 'YOE_CACHE_SIGNING_KEY']

/**
 * Checks a commit out beside what is being worked on: what a job in CI had. That is what git has of it, its yoe.lock
 * (as binding as in CI), and no local.star, no keys. A commit that is not here is fetched from `origin`.
 *
 * @param revision a commit, or whatever git knows one by
 * @throws {YoeError} USAGE when there is no such commit, SOURCE_STATE when somebody edited the work tree of an earlier time
 */
export async function projectAtCommit(
  here: Workspace,
  options: Omit<WorkspaceOptions, 'cwd' | 'project'>,
  revision: string,
): Promise<ProjectAtCommit> {
  const { signal, offline, report } = options
  const run = (folder: string, ...args: readonly string[]): Promise<string> =>
    git(['-C', folder, ...args], { signal, env: { GIT_LFS_SKIP_SMUDGE: '1' } })
  const top = await topOf(here.root, run)
  const commit = await commitOf(revision, top.folder, run, !offline)
  const place = join(here.root, 'build', 'at', commit.slice(0, 12))
  const tree = join(place, 'tree')
  if (existsSync(join(tree, '.git'))) {
    if ((await run(tree, 'status', '--porcelain', '--untracked-files=no')) !== '')
      throw new YoeError('SOURCE_STATE', `somebody edited the work tree of ${commit.slice(0, 12)}: ${tree}`, {
        hint: `keep what is of use, then: git worktree remove --force ${tree}`,
      })
  } else {
    await mkdir(place, { recursive: true })
    report({ type: 'notice', message: `checking ${commit} out into ${tree}` })
    await run(top.folder, 'worktree', 'add', '--quiet', '--force', '--detach', tree, commit)
  }
  const project = join(tree, top.prefix, here.entry)
  if (!existsSync(project))
    throw new YoeError('PROJECT_NOT_FOUND', `${commit.slice(0, 12)} has no ${join(top.prefix, here.entry)}`, {
      hint: 'name a commit that has the project',
    })
  const env = { ...options.env, YOE_CACHE: await cacheOf(here), CI: 'true' }
  const kept = Object.fromEntries(Object.entries(env).filter(([name]) => !keys.includes(name)))
  return {
    commit,
    tree,
    workspace: openWorkspace({ ...options, cwd: tree, project, env: kept }),
    async finish(made) {
      const { disk } = made
      const path = disk === undefined ? undefined : join(place, `${made.machine}-${made.image}.img`)
      if (disk !== undefined && path !== undefined) await rename(disk.path, path)
      await removeTree(tree)
      await run(top.folder, 'worktree', 'remove', '--force', tree)
      return disk === undefined || path === undefined ? made : { ...made, disk: { ...disk, path } }
    },
  }
}

type Run = (folder: string, ...args: readonly string[]) => Promise<string>

/** The repository's folder, and where the project is in it. */
async function topOf(root: string, run: Run): Promise<{ readonly folder: string; readonly prefix: string }> {
  try {
    const [folder = '', prefix = ''] = (await run(root, 'rev-parse', '--show-toplevel', '--show-prefix')).split('\n')
    return { folder: resolve(folder), prefix }
  } catch (failure) {
    if (!(failure instanceof GitFailure)) throw failure
    throw new YoeError('USAGE', `${root} is in no git repository`, { hint: 'clone it, and run --at there' })
  }
}

async function commitOf(revision: string, repository: string, run: Run, mayFetch: boolean): Promise<string> {
  const known = async (): Promise<string | undefined> => {
    try {
      const asked = ['rev-parse', '--verify', '--quiet', '--end-of-options', `${revision}^{commit}`]
      return (await run(repository, ...asked)).trim()
    } catch (failure) {
      if (!(failure instanceof GitFailure)) throw failure
      return undefined
    }
  }
  const here = await known()
  if (here !== undefined) return here
  let reason = 'git does not know it'
  // The merge commit that a pull request's job had is in no branch, but can be asked for.
  if (mayFetch && /^([0-9a-f]{40}|[0-9a-f]{64})$/.test(revision)) {
    try {
      await run(repository, 'fetch', '--quiet', '--no-tags', 'origin', revision)
    } catch (failure) {
      if (!(failure instanceof GitFailure)) throw failure
      reason = failure.message.trim().split('\n').at(-1) ?? reason
    }
  }
  const fetched = await known()
  if (fetched !== undefined) return fetched
  throw new YoeError('USAGE', `there is no commit ${JSON.stringify(revision)} in ${repository}: ${reason}`, {
    hint: 'git fetch, then name a commit that git log shows',
  })
}

/** That of the project as it is here, if it can be evaluated at all. */
async function cacheOf(here: Workspace): Promise<string> {
  try {
    return (await loadProject(here, undefined)).workspace.cacheRoot
  } catch (failure) {
    if (userErrors(failure) === undefined) throw failure
    return here.cacheRoot
  }
}
