import type { TarEntry, TarType } from './tar-read.ts'

/** What a new entry needs; paths are latin1 text as in {@link TarEntry}. */
export type NewEntry = Pick<TarEntry, 'path' | 'type' | 'mode' | 'mtime'> &
  Partial<Pick<TarEntry, 'uid' | 'gid' | 'size' | 'link' | 'xattrs'>>

const flags: Readonly<Record<TarType, string>> = {
  file: '0',
  hardlink: '1',
  symlink: '2',
  character: '3',
  block: '4',
  directory: '5',
  fifo: '6',
}

/** The largest number that an octal field of `width` bytes holds. */
const largest = (width: number): number => 8 ** (width - 1) - 1

/** The header blocks of one entry: ustar, after pax records for what does not fit there. Names start with `./`. */
export function tarHeader(entry: NewEntry): Buffer {
  const { type, mode, mtime, uid = 0, gid = 0, size = 0, xattrs = new Map<string, Buffer>() } = entry
  const path = `./${entry.path}${type === 'directory' && entry.path !== '' ? '/' : ''}`
  const link = type === 'hardlink' ? `./${entry.link ?? ''}` : (entry.link ?? '')
  const records: [string, string][] = []
  if (path.length > 100) records.push(['path', path])
  if (link.length > 100) records.push(['linkpath', link])
  if (size > largest(12)) records.push(['size', String(size)])
  if (uid > largest(8)) records.push(['uid', String(uid)])
  if (gid > largest(8)) records.push(['gid', String(gid)])
  for (const [name, value] of [...xattrs].sort(([a], [b]) => (a < b ? -1 : 1)))
    records.push([`SCHILY.xattr.${name}`, value.toString('latin1')])
  const own = ustar({
    path: path.slice(0, 100),
    link: link.slice(0, 100),
    flag: flags[type],
    numbers: [mode, uid > largest(8) ? 0 : uid, gid > largest(8) ? 0 : gid, size > largest(12) ? 0 : size, mtime],
  })
  if (records.length === 0) return own
  const body = Buffer.concat(records.map(([key, value]) => paxRecord(key, value)))
  const extension = ustar({
    path: './PaxHeaders/entry',
    link: '',
    flag: 'x',
    numbers: [0o644, 0, 0, body.length, mtime],
  })
  return Buffer.concat([extension, body, tarPadding(body.length), own])
}

/** Zeros from the end of content to the next block. */
export const tarPadding = (size: number): Buffer => Buffer.alloc((512 - (size % 512)) % 512)

export const tarEnd: Buffer = Buffer.alloc(1024)

function paxRecord(key: string, value: string): Buffer {
  const rest = ` ${key}=${value}\n`
  let length = rest.length + 1
  while (String(length).length + rest.length !== length) length++
  return Buffer.from(`${length}${rest}`, 'latin1')
}

function ustar(fields: {
  readonly path: string
  readonly link: string
  readonly flag: string
  readonly numbers: readonly [mode: number, uid: number, gid: number, size: number, mtime: number]
}): Buffer {
  const head = Buffer.alloc(512)
  const octal = (value: number, at: number, width: number): void => {
    head.write(`${value.toString(8).padStart(width - 1, '0')}\0`, at, 'latin1')
  }
  const [mode, uid, gid, size, mtime] = fields.numbers
  head.write(fields.path, 0, 'latin1')
  octal(mode, 100, 8)
  octal(uid, 108, 8)
  octal(gid, 116, 8)
  octal(size, 124, 12)
  octal(mtime, 136, 12)
  head.write('        ', 148, 'latin1')
  head.write(fields.flag, 156, 'latin1')
  head.write(fields.link, 157, 'latin1')
  head.write('ustar\x0000', 257, 'latin1')
  let sum = 0
  for (const byte of head) sum += byte
  head.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1')
  return head
}
