import { existsSync, readFileSync, rmSync } from 'node:fs'
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { replaceFile } from '../store/replace-file.ts'
import type { Prepared, TreePlace, Upstream } from './work-tree.ts'
import { commitUpstream, nameUpstream, removeRepositories, writePrepared } from './work-tree.ts'
import { TreeGit } from './work-tree-git.ts'

/** A rebase under way: what the tree will have been made from. */
interface Pending {
  readonly prepared: Prepared
  readonly tag?: string
}

const pendingFile = ({ git }: TreePlace): string => join(git, 'rebase.json')

/** Whether git waits for somebody to resolve a conflict in the tree. */
export function isRebasing({ git }: TreePlace): boolean {
  return existsSync(join(git, 'rebase-merge')) || existsSync(join(git, 'rebase-apply'))
}

/**
 * Moves all commits past `upstream` of a work tree without edits onto another upstream.
 *
 * @param unpack puts the new upstream into an empty folder
 * @returns paths in conflict: then the rebase waits in the tree, and {@link settleRebase} ends it later
 */
export async function rebaseTree(
  git: TreeGit,
  place: TreePlace,
  before: Prepared,
  patches: string,
  unpack: (dest: string) => Promise<Upstream>,
): Promise<readonly string[]> {
  const fresh = `${place.source}.new`
  const index = join(place.git, 'new.index')
  let upstream: Upstream
  let commit: string
  try {
    await rm(fresh, { recursive: true, force: true })
    await mkdir(fresh)
    upstream = await unpack(fresh)
    await removeRepositories(fresh)
    commit = await commitUpstream(new TreeGit(place.git, fresh), upstream, { GIT_INDEX_FILE: index })
  } finally {
    await rm(fresh, { recursive: true, force: true })
    await rm(index, { force: true })
  }
  const local = await git.try(['rev-list', '--count', `${before.head}..HEAD`])
  const { id, version, real } = upstream
  const pending: Pending & { readonly local: number } = {
    prepared: { source: id, patches, version, upstream: commit, head: before.head },
    local: local.code === 0 ? Number(local.stdout) : 0,
    ...(real?.tag === undefined || real.commit !== commit ? {} : { tag: real.tag }),
  }
  await replaceFile(pendingFile(place), JSON.stringify(pending))
  await git.try(['rebase', '--quiet', '--no-autostash', '--onto', commit, 'upstream'], {
    config: [
      ['rebase.backend', 'merge'],
      ['advice.mergeConflict', 'false'],
    ],
  })
  if (isRebasing(place)) {
    return (await git.run(['diff', '--name-only', '-z', '--diff-filter=U'])).split('\0').filter(Boolean)
  }
  await settleRebase(git, place)
  return []
}

/** Takes note of how a rebase that waited was ended; one that was given up changes nothing. */
export async function settleRebase(git: TreeGit, place: TreePlace): Promise<void> {
  if (!existsSync(pendingFile(place)) || isRebasing(place)) return
  const { prepared, local, tag }: Pending & { readonly local: number } = JSON.parse(
    readFileSync(pendingFile(place), 'utf8'),
  )
  const { upstream } = prepared
  if ((await git.try(['merge-base', '--is-ancestor', upstream, 'HEAD'])).code === 0) {
    const patched = await git.try(['rev-parse', '--verify', '--quiet', `HEAD~${local}`])
    const head = patched.code === 0 ? patched.stdout.trim() : await git.run(['rev-parse', 'HEAD'])
    const real = tag === undefined ? undefined : { repository: '', commit: upstream, tag }
    await nameUpstream(git, upstream, real)
    await writePrepared(place, { ...prepared, head })
  }
  rmSync(pendingFile(place), { force: true })
}
