import { createWriteStream } from 'node:fs'
import { mkdir, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { pathToFileURL } from 'node:url'
import { type CommitUse, GitRepository, withCommit } from '../source/git-repository.ts'
import { GitFailure, gitStream, reasonOf } from '../source/git-run.ts'
import { writeFailure } from '../store/disk.ts'
import type { Store } from '../store/store.ts'
import type { BundleCommit } from './document.ts'

/** How git is told to give the same pack for the same commit, however its objects came. */
const packing = [
  ...['--stdout', '-q', '--no-reuse-delta', '--no-reuse-object'],
  ...['--window=0', '--depth=0', '--threads=1', '--compression=6'],
]

/**
 * Writes a commit with its files, without what is before it, as a pack; fetched where it is missing.
 *
 * @param dest path of the pack
 * @throws {YoeError} as {@link withCommit}
 */
export async function packCommit(input: CommitUse, dest: string): Promise<void> {
  const { commit, signal } = input
  await withCommit(input, async (repository) => {
    const objects = await repository.run(['rev-list', '--objects', '--max-count=1', commit])
    const pack = gitStream(['pack-objects', ...packing], { repository: repository.folder, input: objects, signal })
    await pipeline(pack, createWriteStream(dest))
  }).catch(async (failure: unknown) => {
    throw await writeFailure(failure, dest)
  })
}

/** Where the cache keeps the repository of a commit. */
export function repositoryPlace(
  root: string,
  { use, repository }: Pick<BundleCommit, 'use' | 'repository'>,
): Pick<CommitUse, 'folder' | 'lock'> {
  const [folder, lock] = use === 'source' ? ['git', 'git'] : ['modules', 'module']
  return { folder: join(root, folder, `${repository}.git`), lock: `${lock}-${repository}` }
}

/**
 * Takes the commit of a pack into the repository that the cache keeps for it, as if it had been fetched. git looks at every
 * object on the way.
 *
 * @param pack its file, which is gone afterwards
 * @returns why it can't be used; undefined when it is there
 */
export async function unpackCommit(
  store: Store,
  wanted: BundleCommit,
  pack: string,
  signal: AbortSignal | undefined,
): Promise<string | undefined> {
  const { commit } = wanted
  const temp = store.temp()
  try {
    const repository = await GitRepository.open(temp, signal)
    const folder = join(temp, 'objects', 'pack')
    await mkdir(folder, { recursive: true })
    const path = join(folder, `pack-${wanted.pack.slice(0, 40)}.pack`)
    await rename(pack, path)
    await repository.run(['index-pack', path])
    const text = await repository.run(['cat-file', 'commit', commit])
    // It says that what is before it is missing on purpose.
    if (/^parent [0-9a-f]{40}$/m.test(text.slice(0, text.indexOf('\n\n')))) {
      await writeFile(join(temp, 'shallow'), `${commit}\n`)
    }
    await repository.run(['update-ref', 'refs/heads/bundle', commit])
    const url = pathToFileURL(temp).href
    const place = repositoryPlace(store.root, wanted)
    await withCommit({ url, candidates: [url], commit, store, offline: true, signal, ...place }, async () => {})
    return undefined
  } catch (failure) {
    if (failure instanceof GitFailure) return reasonOf(failure, temp)
    throw failure
  } finally {
    await rm(temp, { recursive: true, force: true })
  }
}
