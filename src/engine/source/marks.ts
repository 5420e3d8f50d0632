import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { readdir, readFile, rm, rmdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { replaceFile } from '../store/replace-file.ts'
import { noteUse } from '../store/use.ts'
import { type CommitParts, treePath } from './git.ts'

/** A source in the cache, and the build folders of those who fetched it. */
export interface MarkedSource {
  /** `archive-<sha256>` or `tree-<name of what remembers the commit>`. */
  readonly id: string
  /** What people call it. */
  readonly title: string
  readonly users: readonly string[]
}

export const archiveId = (sha256: string): string => `archive-${sha256}`

export const treeId = (commit: string, parts: CommitParts): string =>
  `tree-${treePath('', commit, parts).split('/').at(-1)}`

const folderOf = (root: string): string => join(root, 'sources')

const nameOf = (buildRoot: string): string => createHash('sha256').update(buildRoot).digest('hex').slice(0, 16)

/** Notes that a project uses a source: what no project uses can be removed from a cache that several share. */
export async function markSource(root: string, id: string, title: string, buildRoot: string): Promise<void> {
  const path = join(folderOf(root), id, nameOf(buildRoot))
  if ((await readMark(path))?.title !== title) await replaceFile(path, JSON.stringify({ title, buildRoot }))
  noteUse(path)
}

/** What a project called a source when it last used it; undefined when it did not. */
export async function markedTitle(root: string, id: string, buildRoot: string): Promise<string | undefined> {
  return (await readMark(join(folderOf(root), id, nameOf(buildRoot))))?.title
}

/** Every source that is noted, by whoever. */
export async function markedSources(root: string): Promise<readonly MarkedSource[]> {
  const ids = await readdir(folderOf(root)).catch(() => [])
  return Promise.all(
    ids.sort().map(async (id) => {
      const names = await readdir(join(folderOf(root), id)).catch(() => [])
      const marks = await Promise.all(names.map((name) => readMark(join(folderOf(root), id, name))))
      const known = marks.flatMap((mark) => (mark === undefined ? [] : [mark]))
      return { id, title: known[0]?.title ?? id, users: known.map(({ buildRoot }) => buildRoot) }
    }),
  )
}

/** Takes back {@link markSource} of one project. */
export async function unmarkSource(root: string, id: string, buildRoot: string): Promise<void> {
  await rm(join(folderOf(root), id, nameOf(buildRoot)), { force: true })
  // Unless others are in it.
  await rmdir(join(folderOf(root), id)).catch(() => {})
}

/** Whether the project that builds there still is. */
export const isAlive = (buildRoot: string): boolean => existsSync(dirname(buildRoot))

async function readMark(path: string): Promise<{ readonly title: string; readonly buildRoot: string } | undefined> {
  try {
    const mark: unknown = JSON.parse(await readFile(path, 'utf8'))
    if (typeof mark !== 'object' || mark === null || !('title' in mark && 'buildRoot' in mark)) return undefined
    const { title, buildRoot } = mark
    return typeof title === 'string' && typeof buildRoot === 'string' ? { title, buildRoot } : undefined
  } catch {
    return undefined
  }
}
