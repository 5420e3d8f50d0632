import type { PackageOrigin, PackageRecord } from '#engine/catalog/package.ts'
import { YoeError } from '#engine/errors.ts'
import type { PackageUnit } from '#engine/project/model.ts'
import { readControlFile } from './deb-control.ts'
import { Deb822Error, parseParagraphs } from './deb822.ts'
import { parseProvides, parseRelations, RelationError } from './relations.ts'

/**
 * What a .deb says about itself: of a unit's, the dependencies may be more than the unit declares, since libraries add
 * theirs.
 *
 * @throws {YoeError} PACKAGE_INVALID when it can't be read
 */
export async function describeDeb(path: string, unit: PackageUnit | undefined): Promise<PackageRecord> {
  const at = unit?.at ?? { file: path, line: 1, column: 1 }
  const origin: PackageOrigin = { kind: 'unit', unit: unit?.name ?? path, at }
  const text = (await readControlFile(path, 'control')) ?? ''
  try {
    const [fields] = parseParagraphs(text)
    const value = (name: string): string => fields?.get(name)?.replaceAll('\n', ' ') ?? ''
    const arch = value('architecture')
    return {
      name: value('package'),
      version: value('version'),
      arch,
      depends: [...parseRelations(value('pre-depends'), arch), ...parseRelations(value('depends'), arch)],
      provides: parseProvides(value('provides'), arch),
      conflicts: [...parseRelations(value('conflicts'), arch), ...parseRelations(value('breaks'), arch)].flat(),
      essential: false,
      priority: 'optional',
      origin,
    }
  } catch (failure) {
    if (!(failure instanceof Deb822Error || failure instanceof RelationError)) throw failure
    throw new YoeError('PACKAGE_INVALID', `${path}: its control file can't be read: ${failure.message}`, {
      at,
      unit: unit?.name,
      hint: unit === undefined ? 'remove the file' : `yoe build --force ${unit.name} makes it anew`,
      cause: failure,
    })
  }
}
