import type { Alternatives, Dependency, PackageOrigin, PackageRecord } from '#engine/catalog/package.ts'
import { YoeError } from '#engine/errors.ts'
import type { PackageUnit } from '#engine/project/model.ts'
import { readApkHead } from './apk-read.ts'
import type { PkgInfo } from './pkginfo.ts'
import { parseProvided, parseRelation } from './relations.ts'

/**
 * What an .apk says about itself: of a unit's, the dependencies may be more than the unit declares, since libraries add
 * theirs.
 *
 * @throws {YoeError} PACKAGE_INVALID when it can't be read
 */
export async function describeApk(path: string, unit: PackageUnit | undefined): Promise<PackageRecord> {
  const at = unit?.at ?? { file: path, line: 1, column: 1 }
  const origin: PackageOrigin = { kind: 'unit', unit: unit?.name ?? path, at }
  try {
    return recordOf((await readApkHead(path)).info, origin)
  } catch (failure) {
    if (!(failure instanceof YoeError) || failure.code !== 'ARCHIVE_UNSAFE') throw failure
    throw new YoeError('PACKAGE_INVALID', failure.message, {
      at,
      unit: unit?.name,
      hint: unit === undefined ? 'remove the file' : `yoe build --force ${unit.name} makes it anew`,
      cause: failure,
    })
  }
}

function recordOf(info: PkgInfo, origin: PackageOrigin): PackageRecord {
  const depends: Alternatives[] = []
  const conflicts: Dependency[] = []
  for (const text of info.depends) {
    const parsed = parseRelation(text)
    if (parsed?.isConflict === true) conflicts.push(parsed.dependency)
    // What can't be said here stays asked for by its whole text, which nothing satisfies.
    else depends.push([parsed?.dependency ?? { name: text }])
  }
  return {
    name: info.name,
    version: info.version,
    arch: info.arch,
    depends,
    provides: info.provides.flatMap((text) => parseProvided(text) ?? []),
    conflicts,
    essential: false,
    priority: 'optional',
    origin,
  }
}
