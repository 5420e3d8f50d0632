import { lstatSync, readdirSync, readlinkSync, type Stats, statSync } from 'node:fs'
import { basename, join, posix } from 'node:path'
import { YoeError } from '../errors.ts'

/** Something in a tree; `path` is relative to the tree's root, with `/`. */
export type TreeEntry =
  | { readonly kind: 'folder'; readonly path: string }
  | { readonly kind: 'link'; readonly path: string; readonly target: string }
  | { readonly kind: 'file'; readonly path: string; readonly executable: boolean; readonly info: Stats }

export interface WalkOptions {
  /** Links may lead anywhere: in a tree of somebody else, whose links nobody follows. Default: not out of the tree. */
  readonly anyLink?: boolean
}

/**
 * Everything below a folder but `.git`, sorted by path, folders before what is in them; links are not followed. A file as
 * the root is one entry with the path ''.
 *
 * @throws {YoeError} LOAD_OUTSIDE, PROJECT_INVALID, BAD_NAME as treeDigest says
 */
export function* walkTree(root: string, options: WalkOptions = {}): Generator<TreeEntry> {
  const info = statSync(root)
  if (info.isDirectory()) yield* inFolder(root, '', options)
  else if (info.isFile()) yield fileEntry('', info)
  else throw strange(root)
}

function* inFolder(root: string, folder: string, options: WalkOptions): Generator<TreeEntry> {
  const entries = readdirSync(join(root, folder), { withFileTypes: true })
  entries.sort((a, b) => (a.name < b.name ? -1 : 1))
  for (const { name } of entries) {
    if (name === '.git') continue
    const path = folder === '' ? name : `${folder}/${name}`
    const full = `${root}/${path}`
    if (name.includes('\ufffd')) {
      throw new YoeError('BAD_NAME', `${full} has a name that is not UTF-8`, { hint: 'rename it' })
    }
    const info = lstatSync(full)
    if (info.isFile()) yield fileEntry(path, info)
    else if (info.isDirectory()) {
      yield { kind: 'folder', path }
      yield* inFolder(root, path, options)
    } else if (info.isSymbolicLink()) {
      yield { kind: 'link', path, target: options.anyLink === true ? readlinkSync(full) : inside(root, path) }
    } else throw strange(full)
  }
}

function fileEntry(path: string, info: Stats): TreeEntry {
  return { kind: 'file', path, executable: (info.mode & 0o100) !== 0, info }
}

function inside(root: string, path: string): string {
  const target = readlinkSync(`${root}/${path}`)
  const leads = posix.normalize(posix.join(posix.dirname(path), target))
  if (target.startsWith('/') || leads === '..' || leads.startsWith('../')) {
    throw new YoeError('LOAD_OUTSIDE', `the link ${root}/${path} leads to ${target}, outside of ${basename(root)}/`, {
      hint: 'put the file itself there',
    })
  }
  return target
}

function strange(path: string): YoeError {
  return new YoeError('PROJECT_INVALID', `${path} is no file, folder or link`, {
    hint: 'remove it from the source folder',
  })
}
