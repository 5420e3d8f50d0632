import { existsSync, lstatSync, readFileSync, rmdirSync, rmSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { replaceFile } from '../store/replace-file.ts'
import { oneTime, type TreePlace } from './work-tree.ts'
import type { TreeGit } from './work-tree-git.ts'

/** A path that is not as HEAD has it, relative to the tree. */
export interface Change {
  readonly path: string
  readonly kind: 'changed' | 'added' | 'deleted'
}

/** What a build left in the work tree: path to a stamp; `interrupted` when nobody could look. */
type Products = ReadonlyMap<string, string> | 'interrupted' | 'none'

const productsFile = ({ git }: TreePlace): string => join(git, 'products')

const interrupted = 'interrupted'

/** Everything that is not as HEAD has it, what `.gitignore` names included, sorted by path. */
async function changesIn(git: TreeGit, commit = 'HEAD'): Promise<readonly Change[]> {
  const listed = await git.run([
    ...['--no-optional-locks', 'status', '--porcelain=v1', '-z', '--no-renames', '--untracked-files=all'],
    ...['--ignored=traditional', '--ignore-submodules=all'],
  ])
  const changes = new Map<string, Change['kind']>()
  for (const entry of listed.split('\0')) {
    if (entry === '') continue
    const [state, path] = [entry.slice(0, 2), entry.slice(3)]
    changes.set(path, state === '??' || state === '!!' || state.startsWith('A') ? 'added' : 'changed')
  }
  if (commit !== 'HEAD') await addCommitted(git, commit, changes)
  return [...changes]
    .map(([path, kind]): Change => ({ path, kind: existsLink(join(git.workTree, path)) ? kind : 'deleted' }))
    .sort((a, b) => (a.path < b.path ? -1 : 1))
}

async function addCommitted(git: TreeGit, commit: string, changes: Map<string, Change['kind']>): Promise<void> {
  const listed = await git.run([
    'diff',
    '--name-status',
    '-z',
    '--no-renames',
    '--ignore-submodules=all',
    commit,
    'HEAD',
  ])
  const words = listed.split('\0')
  for (let index = 0; index + 1 < words.length; index += 2) {
    const [state, path = ''] = [words[index], words[index + 1]]
    if (state === 'A' || !changes.has(path)) changes.set(path, state === 'A' ? 'added' : 'changed')
  }
}

function existsLink(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined
}

/** Size and time alone: a copy of the project must not look edited. */
function stampOf(root: string, { path, kind }: Change): string {
  const info = lstatSync(join(root, path), { throwIfNoEntry: false })
  return kind === 'deleted' || info === undefined ? 'deleted' : `${Math.floor(info.mtimeMs)}-${info.size}`
}

/** Before the first task: whatever appears from now on is the build's, until it is recorded. */
export async function startProducts(place: TreePlace): Promise<void> {
  await writeFile(productsFile(place), interrupted)
}

/** After the last task: what is different from HEAD now was made by the build; what will be later, by the user. */
export async function recordProducts(git: TreeGit, place: TreePlace): Promise<void> {
  const changes = await changesIn(git)
  const lines = changes.map((change) => `${stampOf(place.source, change)} ${change.path}`)
  await replaceFile(productsFile(place), lines.join('\0'))
}

function readProducts(place: TreePlace): Products {
  if (!existsSync(productsFile(place))) return 'none'
  const text = readFileSync(productsFile(place), 'utf8')
  if (text === interrupted) return interrupted
  const entries = text === '' ? [] : text.split('\0')
  return new Map(entries.map((entry) => [entry.slice(entry.indexOf(' ') + 1), entry.slice(0, entry.indexOf(' '))]))
}

/**
 * What the user changed and did not commit, build products left out: all changes of a tree in dev state, which nothing
 * builds in. After a build that was killed nobody knows, and all counts as made by it.
 */
export async function editsIn(git: TreeGit, place: TreePlace): Promise<readonly Change[]> {
  return (await sorted(git, place)).edits
}

async function sorted(
  git: TreeGit,
  place: TreePlace,
): Promise<{ readonly edits: readonly Change[]; readonly products: readonly Change[] }> {
  const known = readProducts(place)
  const changes = await changesIn(git)
  if (known === 'none') return { edits: changes, products: [] }
  if (known === interrupted) return { edits: [], products: changes }
  const isProduct = (change: Change): boolean => known.get(change.path) === stampOf(place.source, change)
  return { edits: changes.filter((change) => !isProduct(change)), products: changes.filter(isProduct) }
}

/** Takes build products out of a work tree; what the user changed stays. Nothing may run in it. */
export async function removeProducts(git: TreeGit, place: TreePlace): Promise<void> {
  const { products } = await sorted(git, place)
  const tracked = await trackedOf(git)
  const restored = products.filter(({ path }) => tracked.has(path)).map(({ path }) => path)
  const made = products.filter(({ path }) => !tracked.has(path)).map(({ path }) => path)
  for (const path of made) {
    rmSync(join(place.source, path), { recursive: true, force: true })
    removeEmpty(place.source, dirname(path))
  }
  if (restored.length > 0) {
    await git.run(['checkout-index', '--force', '--index', '-z', '--stdin'], { input: `${restored.join('\0')}\0` })
    await oneTime(place.source, restored)
  }
  rmSync(productsFile(place), { force: true })
}

async function trackedOf(git: TreeGit): Promise<ReadonlySet<string>> {
  return new Set((await git.run(['ls-files', '-z'])).split('\0').filter(Boolean))
}

function removeEmpty(root: string, folder: string): void {
  for (let path = folder; path !== '.'; path = dirname(path)) {
    try {
      rmdirSync(join(root, path))
    } catch {
      return
    }
  }
}
