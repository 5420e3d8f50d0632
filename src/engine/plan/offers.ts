import { satisfies } from '../catalog/candidates.ts'
import type { Dependency } from '../catalog/package.ts'
import type { PackageMeaning } from './resolving.ts'
import { providedMeets } from './unit-records.ts'
import type { Universe } from './universe.ts'

/**
 * Whether what a name means is there in the version that is asked for.
 * @param version of the unit's package; by default the one that its package will have
 */
export function isMet(universe: Universe, found: PackageMeaning, wanted: Dependency, version?: string): boolean {
  const { versions } = universe
  if (wanted.version === undefined) return true
  if (found.kind === 'unit') {
    if (found.provided !== undefined) return providedMeets(versions, found.provided || undefined, wanted)
    return satisfies(versions, version ?? universe.packageVersion(found.unit), wanted.version)
  }
  return recordsOf(universe, found.name).some((record) => {
    if (record.name === found.name) return satisfies(versions, record.version, wanted.version)
    return record.provides.some((one) => one.name === found.name && providedMeets(versions, one.version, wanted))
  })
}

/** `the unit at units/b.star:3 has b 1.9-r0` */
export function offerText(universe: Universe, found: PackageMeaning, asked: string): string {
  if (found.kind === 'unit') {
    const { unit, provided } = found
    const where = `the unit at ${unit.at.file}:${unit.at.line}`
    if (provided === undefined) return `${where} has ${found.name} ${universe.packageVersion(unit)}`
    return `${where} provides ${asked} ${provided === '' ? 'in no version' : provided}`
  }
  const newest = recordsOf(universe, found.name).reduce((best, record) =>
    universe.versions.compare(record.version, best.version) > 0 ? record : best,
  )
  const feed = newest.origin.kind === 'feed' ? newest.origin.feed : ''
  return `${feed} has ${newest.name} ${newest.version}`
}

function recordsOf({ feeds, view }: Universe, name: string) {
  const pinned = view.pins.get(name)?.target
  const asked = pinned?.kind === 'feed' ? feeds.filter(({ id }) => id === pinned.id) : feeds
  const real = asked.flatMap((feed) => feed.lookup(name))
  return [...real, ...feeds.flatMap((feed) => feed.providers(name))]
}
