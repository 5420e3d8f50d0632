import type { FileHandle } from 'node:fs/promises'
import { YoeError } from '#engine/errors.ts'
import { shown } from '#engine/shown.ts'

export interface ArMember {
  readonly name: string
  /** Where its content starts in the archive, and how long it is, in bytes. */
  readonly offset: number
  readonly size: number
}

export const arMagic = '!<arch>\n'

/** The header writes sizes as ten decimal digits. */
export const largestMember = 9_999_999_999

/** The 60 bytes before a member's content. Content of odd length is followed by one newline. @see deb(5) */
export function arHeader(name: string, size: number, mtime: number): Buffer {
  return Buffer.from(
    `${name.padEnd(16)}${String(mtime).padEnd(12)}${'0'.padEnd(6)}${'0'.padEnd(6)}${'100644'.padEnd(8)}${String(size).padEnd(10)}\`\n`,
    'latin1',
  )
}

/**
 * The first members of a .deb: nothing beyond `limit` of them is looked at.
 *
 * @throws {YoeError} ARCHIVE_UNSAFE when the file is no ar archive or a member reaches beyond its end
 */
export async function arMembers(file: FileHandle, path: string, limit = 8): Promise<readonly ArMember[]> {
  const { size: end } = await file.stat()
  const head = Buffer.alloc(60)
  const bad = (why: string): YoeError =>
    new YoeError('ARCHIVE_UNSAFE', `${path} is not a Debian package: ${why}`, {
      hint: 'remove the file; it is made or fetched again',
    })
  const magic = await file.read(head, 0, 8, 0)
  if (head.toString('latin1', 0, magic.bytesRead) !== arMagic) throw bad('no ar archive')
  const members: ArMember[] = []
  for (let at = 8; at < end && members.length < limit; ) {
    const { bytesRead } = await file.read(head, 0, 60, at)
    const text = head.toString('latin1', 0, bytesRead)
    const name = text.slice(0, 16).trimEnd().replace(/\/$/, '')
    const size = Number(/^\d{1,10} *$/.exec(text.slice(48, 58))?.[0] ?? Number.NaN)
    if (text.slice(58) !== '`\n' || Number.isNaN(size)) throw bad('damaged member header')
    if (at + 60 + size > end) throw bad(`${shown(name)} is cut short`)
    members.push({ name, offset: at + 60, size })
    at += 60 + size + (size % 2)
  }
  return members
}
