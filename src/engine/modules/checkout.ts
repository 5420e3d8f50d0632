import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, lstatSync, readdirSync, readlinkSync } from 'node:fs'
import { mkdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { YoeError } from '../errors.ts'
import type { GitRepository, Wanted } from '../source/git-repository.ts'
import { withCommit } from '../source/git-repository.ts'
import { GitFailure } from '../source/git-run.ts'
import { makeFolder, writeFailure } from '../store/disk.ts'
import { readBlocks } from '../store/objects.ts'
import type { Store } from '../store/store.ts'
import { canonicalUrl, shownPlace } from './reference.ts'

export interface CheckoutInput extends Wanted {
  readonly name: string
  /** The module's folder in the repository; '' for all of it. */
  readonly path: string
  readonly store: Store
  /** Compare what is there already with the commit, and make it anew when it differs. */
  readonly verify?: boolean
}

/** Where the files of a module at a commit lie, once they do: below the cache, complete and as committed. */
export function checkoutFolder(cacheRoot: string, name: string, path: string, commit: string): string {
  const folder = path === '' ? '' : `-${createHash('sha256').update(path).digest('hex').slice(0, 8)}`
  return join(cacheRoot, 'modules', `${name}-${commit}${folder}`)
}

/** Where the commits of a module's address are kept, and what locks them. */
export function moduleRepository(
  cacheRoot: string,
  url: string,
): { readonly id: string; readonly folder: string; readonly lock: string } {
  const id = createHash('sha256').update(canonicalUrl(url)).digest('hex').slice(0, 40)
  return { id, folder: join(cacheRoot, 'modules', `${id}.git`), lock: `module-${id}` }
}

/**
 * Puts the files of a module at a commit where {@link checkoutFolder} says, fetched where they are missing. Repositories
 * are kept bare under `$YOE_CACHE/modules`, one for each address, and get only what they lack.
 *
 * @returns false when they were there already
 * @throws {YoeError} FETCH_FAILED with each address and git's reason; MODULE_NOT_FOUND when the commit has no such folder;
 *   ARCHIVE_UNSAFE for names that no file can have here; STORE_DAMAGED, DISK_FULL
 */
export async function checkoutModule(input: CheckoutInput): Promise<boolean> {
  const { store, name, path, commit, url, verify = false } = input
  const dest = checkoutFolder(store.root, name, path, commit)
  if (!verify && existsSync(dest)) return false
  const place = moduleRepository(store.root, url)
  return withCommit({ ...input, ...place }, async (repository) => {
    // Another process may have been here meanwhile.
    if (!verify && existsSync(dest)) return false
    const tree = await repository.tree(commit, path)
    if (tree === undefined) {
      throw new YoeError(
        'MODULE_NOT_FOUND',
        `${shownPlace(name, { kind: 'git', url, ref: commit, path: '' })} has no folder ${path}`,
        {
          hint: 'path names the folder of the repository that holds MODULE.star',
        },
      )
    }
    if (verify && existsSync(dest) && (await difference(repository, tree, dest)) === undefined) return false
    const temp = store.temp()
    try {
      await write(repository, tree, temp)
      const differs = await difference(repository, tree, temp)
      if (differs !== undefined) throw new GitFailure(`${differs} is not what the commit says`)
      await promisify(execFile)('sync', ['--file-system', temp])
      await makeFolder(join(store.root, 'modules'))
      if (existsSync(dest)) await rename(dest, store.temp())
      await rename(temp, dest)
    } catch (failure) {
      throw failure instanceof YoeError || failure instanceof GitFailure ? failure : await writeFailure(failure, temp)
    } finally {
      await rm(temp, { recursive: true, force: true })
    }
    return true
  })
}

/** Writes a tree's files into a new folder: no filters, no hooks, no submodules. */
async function write(repository: GitRepository, tree: string, folder: string): Promise<void> {
  const index = `${folder}.index`
  await mkdir(folder)
  try {
    const env = { GIT_INDEX_FILE: index }
    await repository.run(['read-tree', tree], env)
    await repository.run([`--work-tree=${folder}`, 'checkout-index', '--all', '--quiet'], env)
  } finally {
    await rm(index, { force: true })
  }
}

/** The first path at which a folder is not exactly a tree; undefined when it is. */
async function difference(repository: GitRepository, tree: string, folder: string): Promise<string | undefined> {
  const committed = parseTree(await repository.run(['ls-tree', '-r', '-z', '--full-tree', tree]))
  const found = new Set(filesIn(folder, ''))
  for (const [path, { mode, id }] of committed) {
    if (mode === '160000') continue
    if (!found.delete(path) || (await blobId(join(folder, path), mode)) !== id) return path
  }
  const [extra] = found
  return extra
}

function parseTree(text: string): ReadonlyMap<string, { readonly mode: string; readonly id: string }> {
  const entries = new Map<string, { mode: string; id: string }>()
  for (const line of text.split('\0')) {
    const [, mode, id, path] = /^(\d{6}) \w+ ([0-9a-f]{40})\t(.+)$/s.exec(line) ?? []
    if (mode === undefined || id === undefined || path === undefined) continue
    if (path.includes('\ufffd') || /[\u0000-\u001f\u007f]/.test(path)) {
      throw new YoeError(
        'ARCHIVE_UNSAFE',
        `the module has a file with a name that is not UTF-8, or not on one line: ${JSON.stringify(path)}`,
      )
    }
    entries.set(path, { mode, id })
  }
  return entries
}

function filesIn(root: string, folder: string): readonly string[] {
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = folder === '' ? entry.name : `${folder}/${entry.name}`
    return entry.isDirectory() ? filesIn(root, path) : [path]
  })
}

/** git's name for what lies at a path, if it is of this mode; '' when it is not. */
async function blobId(path: string, mode: string): Promise<string> {
  const info = lstatSync(path)
  const sum = createHash('sha1')
  if (mode === '120000') {
    if (!info.isSymbolicLink()) return ''
    const target = readlinkSync(path, 'buffer')
    return sum.update(`blob ${target.length}\0`).update(target).digest('hex')
  }
  if (!info.isFile() || ((info.mode & 0o100) !== 0) !== (mode === '100755')) return ''
  sum.update(`blob ${info.size}\0`)
  for await (const block of readBlocks(path)) sum.update(block)
  return sum.digest('hex')
}

/** How many commits lie between two; undefined when that can't be told. Fetches no more of the history than that. */
export async function countCommits(
  input: Omit<CheckoutInput, 'path' | 'name' | 'verify'> & { readonly since: string },
): Promise<number | undefined> {
  const { store, url, commit, since, candidates } = input
  const place = moduleRepository(store.root, url)
  return withCommit({ ...input, ...place }, async (repository) => {
    try {
      const date = (await repository.run(['log', '-1', '--format=%ct', since])).trim()
      const [address = url] = candidates
      const fetch = ['fetch', '--quiet', '--no-tags', '--no-recurse-submodules', '--no-write-fetch-head']
      await repository.run([...fetch, `--shallow-since=${date}`, '--', address, `${commit}:refs/yoe/${commit}`])
      // Another history has nothing to count.
      await repository.run(['merge-base', '--is-ancestor', since, commit])
      return Number(await repository.run(['rev-list', '--count', `${since}..${commit}`]))
    } catch (failure) {
      if (failure instanceof GitFailure) return undefined
      throw failure
    }
  })
}
