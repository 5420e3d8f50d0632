import { YoeError } from '#engine/errors.ts'
import { shown } from '#engine/shown.ts'
import type { NumberedOwner } from '../shared/accounts.ts'

/** One member of a tar; names are raw bytes without a leading or trailing slash. */
export interface ApkTarEntry {
  readonly kind: 'directory' | 'file' | 'symlink' | 'hardlink'
  readonly path: Uint8Array
  /** Permission bits, with setuid, setgid and sticky. */
  readonly mode: number
  /** Bytes that follow; 0 for everything but files. */
  readonly size: number
  /** Of a symlink its text, of a hard link the path of the earlier member. */
  readonly target?: Uint8Array | undefined
  /** Readers go by the names where they know them. */
  readonly owner?: NumberedOwner | undefined
  /** Of a file's content or a symlink's text: lowercase hex. */
  readonly sha1?: string | undefined
  readonly capabilities?: Buffer | undefined
}

const root: NumberedOwner = { user: 'root', group: 'root', uid: 0, gid: 0 }
const typeFlags = { file: '0', hardlink: '1', symlink: '2', directory: '5' } as const
export const tarBlock = 512
/** What ends a tar. */
export const tarEnd: Buffer = Buffer.alloc(2 * tarBlock)
/** Bytes of a path; no reader of archives takes longer ones. */
const longest = 4096
const largestOctal = 8 ** 11 - 1

/** Zeros that bring `size` bytes of content to a whole number of blocks. */
export const tarPadding = (size: number): Buffer => Buffer.alloc((tarBlock - (size % tarBlock)) % tarBlock)

/**
 * The header blocks of one member as abuild-tar writes them: ustar, after a pax header with the checksum by which
 * apk knows later whether a file is the packaged one, and whatever does not fit in ustar's fields.
 *
 * @param mtime seconds since 1970
 * @throws {YoeError} PACKAGE_INVALID when a name is longer than any reader takes
 * @see apk-package(5), apk-v2(5)
 */
export function apkTarHeader(entry: ApkTarEntry, mtime: number): Buffer {
  const { kind, size, mode, owner = root } = entry
  const path = kind === 'directory' ? Buffer.concat([entry.path, Buffer.from('/')]) : entry.path
  const link = entry.target ?? none
  if (path.length >= longest || link.length >= longest) throw tooLong(entry)
  const records: Buffer[] = []
  if (path.length > 100) records.push(paxRecord('path', path))
  if (link.length > 100) records.push(paxRecord('linkpath', link))
  if (size > largestOctal) records.push(paxRecord('size', String(size)))
  if (entry.capabilities !== undefined) records.push(paxRecord('SCHILY.xattr.security.capability', entry.capabilities))
  if (entry.sha1 !== undefined) records.push(Buffer.from(`${paxHead}${entry.sha1}\n`, 'latin1'))
  const own = ustar(path.subarray(0, 100), link.subarray(0, 100), typeFlags[kind], [mode, owner, size, mtime])
  if (records.length === 0) return own
  const body = Buffer.concat(records)
  return Buffer.concat([extensionHead(body.length, mtime), body, tarPadding(body.length), own])
}

const none = Buffer.alloc(0)
/** What stands before a checksum; the number counts all of the record. */
const paxHead = '68 APK-TOOLS.checksum.SHA1='

function tooLong({ path }: ApkTarEntry): YoeError {
  const message = `the name ${shown(path).slice(0, 80)}… is longer than ${longest} bytes`
  return new YoeError('PACKAGE_INVALID', message, { hint: 'install it under a shorter path' })
}

function paxRecord(key: string, value: Uint8Array | string): Buffer {
  const rest = Buffer.concat([Buffer.from(` ${key}=`), Buffer.from(value), Buffer.from('\n')])
  let length = rest.length + 1
  while (String(length).length + rest.length !== length) length++
  return Buffer.concat([Buffer.from(String(length)), rest])
}

let lastHead: { readonly size: number; readonly mtime: number; readonly head: Buffer } | undefined

/** Of nearly all members of an archive the same. */
function extensionHead(size: number, mtime: number): Buffer {
  if (lastHead?.size === size && lastHead.mtime === mtime) return lastHead.head
  const head = ustar(Buffer.from('PaxHeaders/entry'), none, 'x', [0o644, root, size, mtime])
  lastHead = { size, mtime, head }
  return head
}

function ustar(
  path: Uint8Array,
  link: Uint8Array,
  flag: string,
  [mode, owner, size, mtime]: readonly [mode: number, owner: NumberedOwner, size: number, mtime: number],
): Buffer {
  const head = Buffer.alloc(tarBlock)
  const octal = (value: number, at: number, width: number): void => {
    head.write(value.toString(8).padStart(width - 1, '0'), at, 'latin1')
  }
  head.set(path, 0)
  octal(mode, 100, 8)
  octal(owner.uid, 108, 8)
  octal(owner.gid, 116, 8)
  octal(size > largestOctal ? 0 : size, 124, 12)
  octal(mtime, 136, 12)
  head.write('        ', 148, 'latin1')
  head.write(flag, 156, 'latin1')
  head.set(link, 157)
  head.write('ustar\x0000', 257, 'latin1')
  head.write(owner.user, 265, 31, 'latin1')
  head.write(owner.group, 297, 31, 'latin1')
  let sum = 0
  for (let at = 0; at < tarBlock; at++) sum += head[at] ?? 0
  head.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1')
  return head
}

/**
 * The header blocks of plain files of root, which most members are: what {@link apkTarHeader} makes, in memory that is
 * written over by the next one.
 */
export class PlainFileHeads {
  readonly #blocks: Buffer
  /** Of the last block's bytes that stay, its own field taken for spaces. */
  readonly #sum: number
  #pathLength = 0

  /** @param mtime seconds since 1970 */
  constructor(mtime: number) {
    const nothing = { kind: 'file', path: none, mode: 0, size: 0, sha1: '0'.repeat(40) } as const
    this.#blocks = apkTarHeader(nothing, mtime)
    const own = this.#own()
    own.fill(0, 100, 107)
    own.fill(0, 124, 135)
    own.write('        ', 148, 'latin1')
    this.#sum = own.reduce((sum, byte) => sum + byte, 0)
  }

  /** @returns undefined when something about it does not fit */
  next(path: Buffer, mode: number, size: number, sha1: string): Buffer | undefined {
    if (path.length > 100 || size > largestOctal) return undefined
    const own = this.#own()
    const blocks = this.#blocks
    blocks.write(sha1, 512 + paxHead.length, 'latin1')
    if (path.length < this.#pathLength) own.fill(0, path.length, this.#pathLength)
    this.#pathLength = path.length
    own.set(path, 0)
    let sum = this.#sum
    for (const byte of path) sum += byte
    sum += digits(own, mode, 100, 7) + digits(own, size, 124, 11)
    own.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1')
    return blocks
  }

  #own(): Buffer {
    return this.#blocks.subarray(2 * tarBlock)
  }
}

/** Writes octal digits. @returns the sum of their bytes */
function digits(head: Buffer, value: number, at: number, width: number): number {
  let sum = 0
  for (let rest = value, place = at + width - 1; place >= at; place--) {
    const digit = 48 + (rest % 8)
    rest = Math.floor(rest / 8)
    head[place] = digit
    sum += digit
  }
  return sum
}

/** Small files as members, all root's. @param mtime seconds since 1970 */
export function smallFiles(files: Iterable<readonly [string, Uint8Array, number?]>, mtime: number): readonly Buffer[] {
  const parts: Buffer[] = []
  for (const [name, content, mode = 0o644] of files) {
    parts.push(apkTarHeader({ kind: 'file', path: Buffer.from(name), mode, size: content.length }, mtime))
    parts.push(Buffer.from(content), tarPadding(content.length))
  }
  return parts
}
