import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { open } from 'node:fs/promises'
import type { Difference } from '#engine/compare-tars.ts'
import { compareTars } from '#engine/compare-tars.ts'
import { YoeError } from '#engine/errors.ts'
import { unpackedByNode } from '#engine/source/decompress.ts'
import { debMembers } from './ar.ts'

/**
 * What two packages of ours that should be the same bytes disagree about: first the files that they install, then those
 * that they tell dpkg (`DEBIAN/control`).
 *
 * @returns empty when every byte is the same
 * @throws {YoeError} ARCHIVE_UNSAFE for what is no package that yoe made
 */
export async function compareDebs(first: string, second: string): Promise<readonly Difference[]> {
  const paths = [first, second] as const
  const digests = await Promise.all(paths.map(digestOf))
  if (digests[0] === digests[1]) return []
  const [one, two] = await Promise.all([tarsOf(first), tarsOf(second)])
  const data = await compareTars([one.data, two.data])
  const control = await compareTars([one.control, two.control])
  const found = [...data, ...control.map(({ path, what }) => ({ path: `DEBIAN${path}`, what }))]
  return found.length > 0 ? found : [{ path: '', what: 'the same content, packed in another way' }]
}

async function digestOf(path: string): Promise<string> {
  const sum = createHash('sha256')
  for await (const chunk of createReadStream(path)) sum.update(chunk)
  return sum.digest('hex')
}

type Reader = () => AsyncIterable<Uint8Array>

/** The two archives of a package of ours, unpacked as they are read. @throws {YoeError} ARCHIVE_UNSAFE */
export async function tarsOf(path: string): Promise<{ readonly data: Reader; readonly control: Reader }> {
  const file = await open(path)
  try {
    const members = await debMembers(file, path)
    const reader = (name: string): Reader => {
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
