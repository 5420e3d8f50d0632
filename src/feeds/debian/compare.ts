import { open } from 'node:fs/promises'
import type { Difference } from '#engine/compare-tars.ts'
import { YoeError } from '#engine/errors.ts'
import { unpackedByNode } from '#engine/source/decompress.ts'
import { comparePackages, type TarReader } from '../shared/compare.ts'
import { debMembers } from './ar.ts'

/** See {@link comparePackages}; control files are shown as `DEBIAN/control`. @throws {YoeError} ARCHIVE_UNSAFE for what is no package that yoe made */
export function compareDebs(first: string, second: string): Promise<readonly Difference[]> {
  return comparePackages([first, second], tarsOf, 'DEBIAN')
}

/** The two archives of a package of ours, unpacked as they are read. @throws {YoeError} ARCHIVE_UNSAFE */
export async function tarsOf(path: string): Promise<{ readonly data: TarReader; readonly control: TarReader }> {
  const file = await open(path)
  try {
    const members = await debMembers(file, path)
    const reader = (name: string): TarReader => {
      const member = members.find((each) => each.name === name)
      if (member === undefined)
        throw new YoeError('ARCHIVE_UNSAFE', `${path} has no ${name}: yoe did not make it`, {
          hint: 'yoe reproduce compares packages of units',
        })
      const part = { path, start: member.offset, size: member.size }
      return () => unpackedByNode(part, 'zstd', path)
    }
    return { data: reader('data.tar.zst'), control: reader('control.tar.zst') }
  } finally {
    await file.close()
  }
}
