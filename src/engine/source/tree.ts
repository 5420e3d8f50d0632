import { createHash } from 'node:crypto'
import { constants, statSync } from 'node:fs'
import { chmod, copyFile, mkdir, symlink, utimes } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { writeFailure } from '../store/disk.ts'
import { saveListing } from './listing.ts'
import { hashFileSync, loadStamps, type Stamps, saveStamps, stampOf } from './stamps.ts'
import { type TreeEntry, type WalkOptions, walkTree } from './walk.ts'

/**
 * The content identity of a file or folder of the project: SHA-256 (lowercase hex) over every entry's path, kind,
 * executable bit and content or link target, in one fixed order. Owners, times and other permissions are not in it, nor
 * is anything called `.git`; nothing else is left out.
 *
 * @param path absolute
 * @param cacheRoot `$YOE_CACHE`, where digests of unchanged files are remembered; undefined: every byte is read
 * @throws {YoeError} LOAD_OUTSIDE for a link that leaves the folder, PROJECT_INVALID for anything that is no file, folder
 *   or link, BAD_NAME
 */
export function treeDigest(path: string, cacheRoot: string | undefined, options: WalkOptions = {}): string {
  if (cacheRoot !== undefined && isSmallFile(path)) return treeDigest(path, undefined)
  const before: Stamps = cacheRoot === undefined ? new Map() : loadStamps(cacheRoot, path)
  const after = new Map<string, string>()
  let hashed = 0
  // One line an entry, with names as JSON so that no two trees give one text.
  const lines = ['yoe-tree/1']
  for (const entry of walkTree(path, options)) {
    const name = JSON.stringify(entry.path)
    if (entry.kind !== 'file') {
      lines.push(entry.kind === 'link' ? `link ${name} ${JSON.stringify(entry.target)}` : `folder ${name}`)
      continue
    }
    const key = `${stampOf(entry.info)} ${entry.path}`
    const known = before.get(key)
    const digest = known ?? hashFileSync(join(path, entry.path))
    if (known === undefined) hashed++
    after.set(key, digest)
    lines.push(`${entry.executable ? 'program' : 'file'} ${name} ${digest}`)
  }
  const digest = createHash('sha256').update(lines.join('\n')).digest('hex')
  if (cacheRoot !== undefined && (hashed > 0 || after.size !== before.size)) {
    saveStamps(cacheRoot, path, after)
    saveListing(cacheRoot, digest, lines)
  }
  return digest
}

/** A template or patch is read in less time than what would be remembered of it. */
function isSmallFile(path: string): boolean {
  const info = statSync(path, { throwIfNoEntry: false })
  return info?.isFile() === true && info.size <= 256 << 10
}

/**
 * Copies what {@link treeDigest} identifies, and nothing else of it: equal digests give equal copies. Every file has the
 * same time, so that make finds nothing out of date.
 *
 * @param dest an empty folder
 * @param epoch seconds since 1970
 * @throws as {@link treeDigest}; DISK_FULL
 */
export async function copyTree(path: string, dest: string, epoch: number): Promise<void> {
  const folders: string[] = []
  try {
    for (const entry of walkTree(path)) {
      const to = join(dest, entry.path)
      await copyEntry(entry, join(path, entry.path), to)
      if (entry.kind === 'file') await utimes(to, epoch, epoch)
      else if (entry.kind === 'folder') folders.push(to)
    }
    // What is put into a folder changes its time, so innermost first.
    for (const folder of folders.reverse()) await utimes(folder, epoch, epoch)
  } catch (failure) {
    throw await writeFailure(failure, dest)
  }
}

/** Copies one entry to where nothing is yet; modes are plain. */
export async function copyEntry(entry: TreeEntry, from: string, to: string): Promise<void> {
  switch (entry.kind) {
    case 'folder':
      await mkdir(to, { mode: 0o755, recursive: true })
      return chmod(to, 0o755)
    case 'link':
      return symlink(entry.target, to)
    case 'file':
      await mkdir(dirname(to), { recursive: true })
      await copyFile(from, to, constants.COPYFILE_FICLONE | constants.COPYFILE_EXCL)
      return chmod(to, entry.executable ? 0o755 : 0o644)
    default:
      entry satisfies never
  }
}
