import type { FileHandle } from 'node:fs/promises'
import { YoeError } from '#engine/errors.ts'
import { type ArMember, arMembers } from '#engine/source/ar.ts'

/** The header writes sizes as ten decimal digits. */
export const largestMember = 9_999_999_999

/** The 60 bytes before a member's content. Content of odd length is followed by one newline. @see deb(5) */
export function arHeader(name: string, size: number, mtime: number): Buffer {
  return Buffer.from(
    `${name.padEnd(16)}${String(mtime).padEnd(12)}${'0'.padEnd(6)}${'0'.padEnd(6)}${'100644'.padEnd(8)}${String(size).padEnd(10)}\`\n`,
    'latin1',
  )
}

/** The members of a .deb. @throws {YoeError} ARCHIVE_UNSAFE when it is no whole ar archive */
export async function debMembers(file: FileHandle, path: string): Promise<readonly ArMember[]> {
  const members = await arMembers(file)
  if (typeof members !== 'string') return members
  throw new YoeError('ARCHIVE_UNSAFE', `${path} is not a Debian package: ${members}`, {
    hint: 'remove the file; it is made or fetched again',
  })
}
