import type { Difference } from '#engine/compare-tars.ts'
import { readTar } from '#engine/image/tar-read.ts'
import { unpackedByNode } from '#engine/source/decompress.ts'
import { comparePackages, type TarReader } from '../shared/compare.ts'
import type { PackageItem } from '../shared/file-clashes.ts'
import { readApkHead } from './apk-read.ts'
import { tarEnd } from './tar.ts'

/** The two archives of a package, unpacked as they are read. @throws {YoeError} ARCHIVE_UNSAFE */
export async function tarsOf(path: string): Promise<{ readonly data: TarReader; readonly control: TarReader }> {
  const { controlStart, control, dataStart, size } = await readApkHead(path)
  return {
    data: () => unpackedByNode({ path, start: dataStart, size: size - dataStart }, 'gzip', path),
    control: async function* () {
      yield* unpackedByNode({ path, start: controlStart, size: control.length }, 'gzip', path)
      // Another member follows it, so that it lacks an end.
      yield tarEnd
    },
  }
}

/** See {@link comparePackages}; control files are shown as `control/.PKGINFO`. @throws {YoeError} ARCHIVE_UNSAFE */
export function compareApks(first: string, second: string): Promise<readonly Difference[]> {
  return comparePackages([first, second], tarsOf, 'control')
}

/**
 * Absolute paths of all that a package installs but folders, one character for each byte.
 *
 * @throws {YoeError} ARCHIVE_UNSAFE for names that leave the root, that come twice, and whatever else readers disagree about
 */
export async function* filesIn(path: string): AsyncGenerator<string> {
  for await (const { place } of itemsIn(path)) yield place
}

/** The same, with what is in the files. @throws {YoeError} ARCHIVE_UNSAFE */
export async function* itemsIn(path: string): AsyncGenerator<PackageItem> {
  const { data } = await tarsOf(path)
  for await (const { entry, body } of readTar(data(), path, 'any'))
    if (entry.type !== 'directory') yield { place: `/${entry.path}`, body }
}
