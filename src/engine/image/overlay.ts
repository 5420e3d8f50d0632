import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { lstat, readdir, readlink } from 'node:fs/promises'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { type Position, YoeError } from '../errors.ts'
import { shown } from './archive-path.ts'

/** Something to put into a root file system. Paths are latin1 text, as in a tar. */
export interface Addition {
  readonly path: string
  readonly type: 'file' | 'directory' | 'symlink'
  readonly mode: number
  readonly uid: number
  readonly gid: number
  /** Target of a symbolic link. */
  readonly link: string
  /** Bytes, or a file of the host and its size; empty unless a file. */
  readonly content: Buffer | { readonly file: string; readonly size: number }
  /** What asks for it, for messages: `overlays/base/etc/motd`. */
  readonly from: string
}

export const file = (path: string, content: string | Buffer, from: string, mode = 0o644): Addition => ({
  ...root,
  path,
  type: 'file',
  mode,
  content: Buffer.from(content),
  from,
})

export const link = (path: string, target: string, from: string): Addition => ({
  ...root,
  path,
  type: 'symlink',
  mode: 0o777,
  link: target,
  from,
})

export const folder = (path: string, from: string, mode = 0o755): Addition => ({
  ...root,
  path,
  type: 'directory',
  mode,
  from,
})

const root = { uid: 0, gid: 0, link: '', content: Buffer.alloc(0) }

/**
 * What overlay folders bring, by path, later folders over earlier ones. All of it belongs to root; of modes, only
 * whether something is executable is kept.
 *
 * @param folders absolute, with the name that a user knows
 * @throws {YoeError} BAD_FIELD: a device, socket or fifo; a folder in one overlay that is none in another
 */
export async function readOverlays(
  folders: readonly { readonly path: string; readonly name: string }[],
  at: Position,
): Promise<ReadonlyMap<string, Addition>> {
  const found = new Map<string, Addition>()
  const wrong = (what: string): YoeError => new YoeError('BAD_FIELD', what, { at })
  const add = (addition: Addition): void => {
    const before = found.get(addition.path)
    if (before !== undefined && (before.type === 'directory') !== (addition.type === 'directory'))
      throw wrong(`${addition.from} is ${kind(addition)}, but ${before.from} is ${kind(before)}`)
    found.set(addition.path, addition)
  }
  const visit = async (host: string, path: string, name: string): Promise<void> => {
    for (const entry of (await readdir(host, { encoding: 'latin1' })).sort()) {
      const below = path === '' ? entry : `${path}/${entry}`
      const bytes = Buffer.from(entry, 'latin1')
      const where = join(host, bytes.toString('utf8'))
      const from = `${name}/${bytes.toString('utf8')}`
      const info = await lstat(where)
      if (info.isSymbolicLink()) add(link(below, (await readlink(where, 'buffer')).toString('latin1'), from))
      else if (info.isDirectory()) {
        add(folder(below, from))
        await visit(where, below, from)
      } else if (info.isFile()) {
        const mode = (info.mode & 0o111) === 0 ? 0o644 : 0o755
        add({ ...file(below, '', from, mode), content: { file: where, size: info.size } })
      } else throw wrong(`${shown(Buffer.from(from).toString('latin1'))} is no file, folder or link`)
    }
  }
  for (const { path, name } of folders) await visit(path, '', name)
  return found
}

/** A digest of everything that overlays would put into an image. */
export async function overlayDigest(additions: ReadonlyMap<string, Addition>): Promise<string> {
  const lines = await Promise.all(
    [...additions.values()].map(async ({ path, type, mode, link: target, content }) => {
      const hash = createHash('sha256')
      if (Buffer.isBuffer(content)) hash.update(content)
      else await pipeline(createReadStream(content.file), hash)
      return JSON.stringify([path, type, mode, target, hash.digest('hex')])
    }),
  )
  return createHash('sha256').update(lines.sort().join('\n')).digest('hex')
}

const kind = ({ type }: Addition): string => ({ file: 'a file', directory: 'a folder', symlink: 'a link' })[type]
