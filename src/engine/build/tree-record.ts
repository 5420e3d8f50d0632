import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { errorCode } from '../store/disk.ts'
import { replaceFile } from '../store/replace-file.ts'

/** An unpacked tree, and the file that says how it was when it was unpacked; both below one folder. */
export interface RecordedTree {
  readonly tree: string
  readonly record: string
}

/**
 * Which time tells that a file was written to: of its inode (`changed`), which nobody can set back, or of its content
 * (`modified`) where hard links come and go, each of which changes the inode.
 */
export type TimeOf = 'changed' | 'modified'

const run = promisify(execFile)

/**
 * How trees are: a digest for each of the names, kinds, modes, inodes, sizes and times of all that is in it, and of where links
 * lead. By `find`, whose calls for thousands of files don't hold up this process.
 *
 * @param trees relative to `home`
 */
export async function treeStates(home: string, trees: readonly string[], time: TimeOf): Promise<readonly string[]> {
  const stamp = time === 'changed' ? '%C@' : '%T@'
  const printed = ['-type', 'd', '-printf', '%H\\0d%m %P\\0', '-o', '-printf', `%H\\0%y%m %i %s ${stamp} %P -> %l\\0`]
  const { stdout } = await run('find', [...trees, '-mindepth', '1', '(', ...printed, ')'], {
    cwd: home,
    encoding: 'latin1',
    maxBuffer: 2 ** 30,
  }).catch((failure: unknown) => {
    // What can't be listed is not as it was: its line is missing.
    if (failure instanceof Error && 'stdout' in failure && typeof failure.stdout === 'string') return failure
    throw failure
  })
  const found = new Map<string, string[]>(trees.map((tree) => [tree, []]))
  const words = String(stdout).split('\0')
  for (let index = 0; index + 1 < words.length; index += 2) found.get(words[index] ?? '')?.push(words[index + 1] ?? '')
  return trees.map((tree) =>
    createHash('sha256')
      .update((found.get(tree) ?? []).sort().join('\0'), 'latin1')
      .digest('hex'),
  )
}

/**
 * Those trees that are not what was unpacked. A tree of before there were records gets its own.
 * @param home absolute; trees and records are relative to it
 */
export async function changedTrees<T extends RecordedTree>(
  home: string,
  trees: readonly T[],
  time: TimeOf,
): Promise<readonly T[]> {
  if (trees.length === 0) return []
  const states = await treeStates(
    home,
    trees.map(({ tree }) => tree),
    time,
  )
  const changed: T[] = []
  for (const [index, tree] of trees.entries()) {
    const known = await readFile(join(home, tree.record), 'utf8').catch((failure: unknown) => {
      if (errorCode(failure) !== 'ENOENT') throw failure
    })
    if (known === undefined) await replaceFile(join(home, tree.record), states[index] ?? '')
    else if (known !== states[index]) changed.push(tree)
  }
  return changed
}
