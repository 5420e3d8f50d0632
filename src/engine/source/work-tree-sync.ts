import { existsSync, lstatSync, readFileSync, rmSync } from 'node:fs'
import { mkdir, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { replaceFile } from '../store/replace-file.ts'
import { stampOf } from './stamps.ts'
import { copyEntry } from './tree.ts'
import { type TreeEntry, walkTree } from './walk.ts'

/** What the copy was made from: path to kind and stamp of the original. */
type Synced = ReadonlyMap<string, string>

/**
 * Brings a copy of a work tree up to date: what changed is copied, what is gone is removed, and everything else, what
 * was built in the copy included, stays as it is. A file that changed is newer than all that was made before, whatever
 * time it has in the tree, so that make sees it; files keep their times otherwise.
 *
 * @param record where the state of the copy is kept; without it the copy is made anew by whoever calls
 * @returns paths that were copied or removed
 */
export async function syncTree(source: string, copy: string, record: string): Promise<readonly string[]> {
  const before = readSynced(record)
  const since = lstatSync(record, { throwIfNoEntry: false })?.mtimeMs ?? 0
  // Half a sync is none: what it copied is copied again.
  rmSync(record, { force: true })
  await mkdir(copy, { recursive: true })
  const now = new Map<string, string>()
  const changed: string[] = []
  for (const entry of walkTree(source, { anyLink: true })) {
    const state = stateOf(entry)
    now.set(entry.path, state)
    if (before.get(entry.path) === state) continue
    changed.push(entry.path)
    const to = join(copy, entry.path)
    const there = lstatSync(to, { throwIfNoEntry: false })
    if (there !== undefined && !(entry.kind === 'folder' && there.isDirectory())) rmSync(to, { recursive: true })
    await copyEntry(entry, join(source, entry.path), to)
    if (entry.kind !== 'file') continue
    const time = before.size > 0 && entry.info.mtimeMs <= since ? new Date() : entry.info.mtime
    await utimes(to, time, time)
  }
  for (const path of [...before.keys()].reverse()) {
    if (now.has(path)) continue
    changed.push(path)
    rmSync(join(copy, path), { recursive: true, force: true })
  }
  // Where runs find the tree's own, which is mounted there.
  await writeFile(join(copy, '.git'), '')
  await replaceFile(record, [...now].map(([path, state]) => `${state} ${path}`).join('\0'))
  return changed
}

function stateOf(entry: TreeEntry): string {
  if (entry.kind === 'file') return `file-${stampOf(entry.info).replaceAll(' ', '-')}-${entry.executable}`
  return entry.kind === 'link' ? `link-${Buffer.from(entry.target).toString('base64url')}` : 'folder'
}

function readSynced(record: string): Synced {
  if (!existsSync(record)) return new Map()
  const entries = readFileSync(record, 'utf8').split('\0').filter(Boolean)
  return new Map(entries.map((entry) => [entry.slice(entry.indexOf(' ') + 1), entry.slice(0, entry.indexOf(' '))]))
}
