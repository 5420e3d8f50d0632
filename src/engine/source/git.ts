import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { YoeError } from '../errors.ts'
import type { Store } from '../store/store.ts'
import type { Wanted } from './git-repository.ts'
import { withCommit } from './git-repository.ts'

export interface GitInput extends Wanted {
  readonly store: Store
}

/**
 * The tree of a commit as a tar in the store: exactly the committed bytes, whatever attributes and filters say. Commits
 * are kept in a bare repository under `$YOE_CACHE/git`, one for each address.
 *
 * @returns the tar's path; files lie at its top
 * @throws {YoeError} BAD_FIELD for what is no address or commit, FETCH_FAILED with each address and git's reason
 */
export async function fetchCommit(input: GitInput): Promise<string> {
  const { url, commit, store } = input
  const id = createHash('sha256').update(url).digest('hex').slice(0, 40)
  const place = { folder: join(store.root, 'git', `${id}.git`), lock: `git-${id}` }
  // An object of the commit that is missing or damaged shows here.
  const { sha256 } = await withCommit({ ...input, ...place }, (repository) =>
    store.objects.put(repository.stream(['archive', '--format=tar', commit])),
  )
  const path = await store.objects.path(sha256)
  if (path === undefined) throw new YoeError('STORE_DAMAGED', `${store.root} lost what was just put into it`)
  return path
}
