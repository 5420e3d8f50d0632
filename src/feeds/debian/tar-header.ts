import { YoeError } from '#engine/errors.ts'
import { shown } from '#engine/shown.ts'

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
  readonly owner?: NumberedOwner
}

/** Whose a member is. Readers go by the names where they know them. */
export interface NumberedOwner {
  readonly user: string
  readonly group: string
  readonly uid: number
  readonly gid: number
}

const root: NumberedOwner = { user: 'root', group: 'root', uid: 0, gid: 0 }

const typeFlags = { file: '0', hardlink: '1', symlink: '2', directory: '5' } as const
const block = 512
/** Limit of path names in every reader (faults.md, Limits). */
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
    entry.kind === 'hardlink' && entry.target !== undefined ? dotted(entry.target) : Buffer.from(entry.target ?? [])
  const blocks: Buffer[] = []
  if (target.length > 100) blocks.push(longName('K', target))
  if (path.length > 100) blocks.push(longName('L', path))
  blocks.push(header(path, target, typeFlags[entry.kind], entry, mtime))
  return Buffer.concat(blocks)
}

/** Zeros that bring `size` bytes of content to a whole number of blocks. */
export function tarPadding(size: number): Buffer {
  return Buffer.alloc((block - (size % block)) % block)
}

/** What ends a tar. */
export const tarEnd: Buffer = Buffer.alloc(2 * block)

function named(entry: TarEntry): Buffer {
  const path = dotted(entry.path)
  if (path.length + 1 > longest || (entry.target?.length ?? 0) >= longest) {
    throw new YoeError(
      'PACKAGE_INVALID',
      `the name ${shown(entry.path).slice(0, 80)}… is longer than ${longest} bytes`,
      {
        hint: 'install it under a shorter path',
      },
    )
  }
  return entry.kind === 'directory' ? Buffer.concat([path, Buffer.from(path.at(-1) === 0x2f ? '' : '/')]) : path
}

const dotted = (path: Uint8Array): Buffer => Buffer.concat([Buffer.from('./'), path])

function longName(type: 'K' | 'L', name: Buffer): Buffer {
  const body = Buffer.concat([name, Buffer.from([0])])
  const head = header(Buffer.from('././@LongLink'), Buffer.alloc(0), type, { mode: 0o644, size: body.length }, 0)
  return Buffer.concat([head, body, tarPadding(body.length)])
}

function header(
  path: Buffer,
  target: Buffer,
  type: string,
  { mode, size, owner = root }: Pick<TarEntry, 'mode' | 'size' | 'owner'>,
  mtime: number,
): Buffer {
  const head = Buffer.alloc(block)
  path.copy(head, 0, 0, 100)
  octal(head, mode, 100, 8)
  octal(head, owner.uid, 108, 8)
  octal(head, owner.gid, 116, 8)
  octal(head, size, 124, 12)
  octal(head, mtime, 136, 12)
  head.write('        ', 148, 'latin1')
  head.write(type, 156, 'latin1')
  target.copy(head, 157, 0, 100)
  head.write('ustar  \0', 257, 'latin1')
  head.write(owner.user, 265, 31, 'latin1')
  head.write(owner.group, 297, 31, 'latin1')
  const sum = head.reduce((total, byte) => total + byte, 0)
  head.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1')
  return head
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
