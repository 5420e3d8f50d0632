import { Names } from '#engine/catalog/names.ts'
import type { PackageRecord } from '#engine/catalog/package.ts'
import { YoeError } from '#engine/errors.ts'
import { didYouMean } from '#engine/nearest.ts'
import type { Unit } from '#engine/project/model.ts'
import type { Catalog } from '../catalog-view.ts'

/** What somebody typed, found. */
export type Found =
  | { readonly kind: 'unit'; readonly unit: Unit; readonly name: string }
  /** A package of a feed, or a name that several of them provide. */
  | { readonly kind: 'feed'; readonly name: string; readonly records: readonly PackageRecord[] }

/** What names mean with the distro's feeds, which are opened. */
export async function namesOf(catalog: Catalog): Promise<Names> {
  return new Names(
    catalog.view,
    (await catalog.feeds()).map(({ feed }) => feed),
  )
}

/**
 * What a name means. A unit that is called so, or that was decided on, is found without any feed.
 * @throws {YoeError} UNIT_NOT_FOUND with what was probably meant
 */
export async function findName(catalog: Catalog, name: string): Promise<Found> {
  const certain = catalog.view.decided(name) ?? catalog.view.real(name)
  if (certain !== undefined) return { kind: 'unit', unit: certain, name }
  const names = await namesOf(catalog)
  const found = names.find(name)
  if (found?.kind === 'unit') return { kind: 'unit', unit: found.unit, name }
  if (found === undefined) throw unknownName(catalog, name, names)
  return { kind: 'feed', name, records: packagesOf(names, name) }
}

/** Packages of feeds that are called so, else those that provide the name. */
export function packagesOf({ feeds }: Names, name: string): readonly PackageRecord[] {
  const real = feeds.flatMap((feed) => feed.lookup(name))
  return real.length > 0 ? real : feeds.flatMap((feed) => feed.providers(name))
}

/** @param names where feeds are open */
export function unknownName({ view, project, distro }: Catalog, name: string, names?: Names): YoeError {
  const elsewhere = project.units.find((unit) => unit.name === name)
  const only = elsewhere?.distros?.join(', ')
  const near = didYouMean(name, view.names()) ?? (names === undefined ? undefined : didYouMean(name, names.all(), 1))
  return new YoeError('UNIT_NOT_FOUND', `nothing is called or provides "${name}" on ${distro}`, {
    at: elsewhere?.at,
    hint: only === undefined ? (near ?? 'yoe list shows what there is') : `it is for ${only}: say --distro`,
  })
}
