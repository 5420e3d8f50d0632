import type { Universe } from './candidates.ts'
import type { Feed, PackageRecord } from './package.ts'

/**
 * What one distro shows to dependency resolution: the project's own packages, then its feeds. A unit outranks every feed
 * package of its name, whatever their versions; between feeds the newest version wins, as with apt at equal pins (a
 * security feed beside the release), then the feed declared first.
 *
 * @param feeds in declaration order
 * @param pinned the one feed that a package is taken from, by name
 */
export function universe(
  feeds: readonly Feed[],
  units: readonly PackageRecord[],
  pinned: (name: string) => string | undefined = () => undefined,
): Universe {
  const own = new Map<string, PackageRecord[]>()
  const provided = new Map<string, PackageRecord[]>()
  const add = (map: Map<string, PackageRecord[]>, name: string, record: PackageRecord): void => {
    const list = map.get(name)
    if (list === undefined) map.set(name, [record])
    else if (!list.includes(record)) list.push(record)
  }
  for (const unit of units) {
    add(own, unit.name, unit)
    for (const { name } of unit.provides) add(provided, name, unit)
  }
  const visible = ({ name, origin }: PackageRecord): boolean => {
    if (own.has(name)) return false
    const feed = pinned(name)
    return feed === undefined || (origin.kind === 'feed' && origin.feed === feed)
  }
  // Tens of thousands of names are looked up in one go.
  const collect = (found: PackageRecord[], records: readonly PackageRecord[] | undefined): void => {
    if (records !== undefined) for (const record of records) if (visible(record)) found.push(record)
  }
  return {
    lookup: (name) => {
      const units = own.get(name)
      if (units !== undefined) return units
      const found: PackageRecord[] = []
      for (const feed of feeds) collect(found, feed.lookup(name))
      return found
    },
    providers: (name) => {
      const found: PackageRecord[] = [...(provided.get(name) ?? [])]
      for (const feed of feeds) collect(found, feed.providers(name))
      return found
    },
    joining: (name) => {
      const found: PackageRecord[] = []
      for (const feed of feeds) collect(found, feed.joining?.(name))
      return found
    },
    *names() {
      yield* own.keys()
      yield* provided.keys()
      for (const feed of feeds) yield* feed.names()
    },
  }
}
