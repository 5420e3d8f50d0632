/** One file of a signature's, a control's or an index's tar. */
export interface SegmentFile {
  readonly name: string
  readonly content: Buffer
  /** Seconds since 1970. */
  readonly mtime: number
}

/** What is wrong with the bytes; whoever calls knows the file. */
export class SegmentError extends Error {}

const block = 512
const mostFiles = 64
const longestExtension = 1 << 20
const plainName = /^\.?[A-Za-z0-9][A-Za-z0-9@._+-]{0,220}$/

/**
 * The files of a small flat tar, which may lack the blocks that end one, since another gzip member follows. What readers could
 * disagree about is refused: names that come twice or hold a slash, anything but plain files, headers that rename
 * what follows, bytes behind the end.
 *
 * @throws {SegmentError}
 */
export function segmentFiles(tar: Buffer): readonly SegmentFile[] {
  const files = new Map<string, SegmentFile>()
  let extended = false
  for (let at = 0; at < tar.length; ) {
    const head = tar.subarray(at, at + block)
    if (head.length < block) throw new SegmentError('a tar that is cut off')
    if (head.every((byte) => byte === 0)) {
      if (extended || !tar.subarray(at).every((byte) => byte === 0)) throw new SegmentError('something behind its end')
      break
    }
    const size = octal(head, 124, 12)
    if (octal(head, 148, 8) !== sumOf(head)) throw new SegmentError('a header whose checksum is wrong')
    const end = at + block + size
    if (end > tar.length) throw new SegmentError('a tar that is cut off')
    const content = tar.subarray(at + block, end)
    const flag = head.toString('latin1', 156, 157)
    at = Math.min(tar.length, at + block + Math.ceil(size / block) * block)
    if (flag === 'x' || flag === 'g') {
      if (size > longestExtension || extended) throw new SegmentError('several extension headers, or a long one')
      if (/(?:^|\n)\d+ (?:path|linkpath|size|GNU\.sparse[^=]*)=/.test(content.toString('latin1')))
        throw new SegmentError('a header that renames what follows')
      extended = flag === 'x'
      continue
    }
    extended = false
    if (flag !== '0' && flag !== '\0') throw new SegmentError('something that is no plain file')
    const name = text(head, 0, 100)
    if (text(head, 345, 155) !== '' || !plainName.test(name) || name.includes('..'))
      throw new SegmentError('a name that such files do not have')
    if (files.has(name)) throw new SegmentError(`${name} twice`)
    if (files.size >= mostFiles) throw new SegmentError(`more than ${mostFiles} files`)
    files.set(name, { name, content, mtime: octal(head, 136, 12) })
  }
  if (extended) throw new SegmentError('an extension header about nothing')
  return [...files.values()]
}

function text(head: Buffer, from: number, length: number): string {
  const field = head.subarray(from, from + length)
  const end = field.indexOf(0)
  return field.toString('latin1', 0, end < 0 ? length : end)
}

function octal(head: Buffer, from: number, length: number): number {
  const digits = text(head, from, length).trim()
  if (!/^[0-7]{0,12}$/.test(digits)) throw new SegmentError('a header with a number that is none')
  return digits === '' ? 0 : Number.parseInt(digits, 8)
}

function sumOf(head: Buffer): number {
  let sum = 8 * 32
  for (let at = 0; at < block; at++) if (at < 148 || at >= 156) sum += head[at] ?? 0
  return sum
}
