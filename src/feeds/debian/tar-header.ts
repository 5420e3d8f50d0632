import { YoeError } from '#engine/errors.ts'
import { shown } from '#engine/shown.ts'
import type { NumberedOwner } from '../shared/accounts.ts'

/** One member of a tar, owned by root unless it says otherwise; names are raw bytes without a leading `./`. */
export interface TarEntry {
  readonly kind: 'directory' | 'file' | 'symlink' | 'hardlink'
  readonly path: Uint8Array
  /** Permission bits, with setuid, setgid and sticky. */
  readonly mode: number
  /** Bytes that follow; 0 for everything but files. */
  readonly size: number
  /** Of a symlink its text, of a hard link the path of the earlier member. */
  readonly target?: Uint8Array
  /** Readers go by the names where they know them. */
  readonly owner?: NumberedOwner
}

const root: NumberedOwner = { user: 'root', group: 'root', uid: 0, gid: 0 }

const typeFlags = { file: '0', hardlink: '1', symlink: '2', directory: '5' } as const
/** A tar is made of blocks of so many bytes. */
export const tarBlock = 512
/** Bytes of a path; no reader of archives here takes longer ones. */
const longest = 4096

/**
 * The header blocks of one member in the GNU format with its `L` and `K` extensions, as dpkg-deb itself writes:
 * dpkg reads no pax headers.
 *
 * @param mtime seconds since 1970
 * @throws {YoeError} PACKAGE_INVALID when a name is longer than any reader takes
 * @see deb(5), dpkg lib/dpkg/tarfn.c
 */
export function tarHeader(entry: TarEntry, mtime: number): Buffer {
  const path = named(entry)
  const target =
    entry.target === undefined ? none : entry.kind === 'hardlink' ? dotted(entry.target, false) : entry.target
  const own = header(path, target, typeFlags[entry.kind], entry, mtime)
  if (target.length <= 100 && path.length <= 100) return own
  const blocks: Buffer[] = []
  if (target.length > 100) blocks.push(longName('K', target))
  if (path.length > 100) blocks.push(longName('L', path))
  return Buffer.concat([...blocks, own])
}

/** Zeros that bring `size` bytes of content to a whole number of blocks. */
export function tarPadding(size: number): Buffer {
  return Buffer.alloc((tarBlock - (size % tarBlock)) % tarBlock)
}

/** What ends a tar. */
export const tarEnd: Buffer = Buffer.alloc(2 * tarBlock)

function named(entry: TarEntry): Buffer {
  const path = dotted(entry.path, entry.kind === 'directory' && entry.path.length > 0)
  if (entry.path.length + 3 > longest || (entry.target?.length ?? 0) >= longest) {
    throw new YoeError(
      'PACKAGE_INVALID',
      `the name ${shown(entry.path).slice(0, 80)}… is longer than ${longest} bytes`,
      {
        hint: 'install it under a shorter path',
      },
    )
  }
  return path
}

const none = Buffer.alloc(0)

/** @param folder a slash follows */
function dotted(path: Uint8Array, folder: boolean): Buffer {
  const name = Buffer.allocUnsafe(path.length + (folder ? 3 : 2))
  name.set(path, 2)
  name[0] = 0x2e
  name[1] = 0x2f
  if (folder) name[name.length - 1] = 0x2f
  return name
}

function longName(type: 'K' | 'L', name: Uint8Array): Buffer {
  const body = Buffer.concat([name, Buffer.from([0])])
  const head = header(Buffer.from('././@LongLink'), none, type, { mode: 0o644, size: body.length }, 0)
  return Buffer.concat([head, body, tarPadding(body.length)])
}

function header(
  path: Buffer,
  target: Uint8Array,
  type: string,
  { mode, size, owner = root }: Pick<TarEntry, 'mode' | 'size' | 'owner'>,
  mtime: number,
): Buffer {
  // In Node's pool: trees have tens of thousands of these.
  const head = Buffer.allocUnsafe(tarBlock)
  head.set(blankOf(mtime))
  head.set(path.length > 100 ? path.subarray(0, 100) : path)
  octal(head, mode, 100, 8)
  if (size > 0) octal(head, size, 124, 12)
  head.write(type, 156, 'latin1')
  head.set(target.length > 100 ? target.subarray(0, 100) : target, 157)
  if (owner !== root) writeOwner(head, owner)
  let sum = 0
  for (let at = 0; at < tarBlock; at++) sum += head[at] ?? 0
  head.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1')
  return head
}

let blank: { readonly mtime: number; readonly head: Buffer } | undefined

/** What most headers of one archive have in common: no name, nothing behind it, root's; spaces for the checksum. */
function blankOf(mtime: number): Buffer {
  if (blank?.mtime === mtime) return blank.head
  const head = Buffer.alloc(tarBlock)
  writeOwner(head, root)
  octal(head, 0, 124, 12)
  octal(head, mtime, 136, 12)
  head.write('        ', 148, 'latin1')
  head.write('ustar  \0', 257, 'latin1')
  blank = { mtime, head }
  return head
}

function writeOwner(head: Buffer, owner: NumberedOwner): void {
  octal(head, owner.uid, 108, 8)
  octal(head, owner.gid, 116, 8)
  head.fill(0, 265, 329)
  head.write(owner.user, 265, 31, 'latin1')
  head.write(owner.group, 297, 31, 'latin1')
}

/** Numbers that outgrow the octal field are written in base 256, as GNU tar and dpkg do. */
function octal(head: Buffer, value: number, offset: number, width: number): void {
  const digits = value.toString(8)
  if (digits.length < width) {
    head.write(`${digits.padStart(width - 1, '0')}\0`, offset, 'latin1')
    return
  }
  head.writeBigUInt64BE(BigInt(value), offset + width - 8)
  head[offset] = 0x80
}
