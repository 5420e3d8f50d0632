import type { Universe } from './candidates.ts'
import type { Feed, PackageRecord } from './package.ts'

/**
 * What one distro shows to dependency resolution: the project's own packages, then its feeds. A unit outranks every feed
 * package of its name, whatever their versions; between feeds the newest version wins, as with apt at equal pins (a
 * security feed beside the release), then the feed declared first.
 *
 * @param feeds in declaration order
 */
export function universe(feeds: readonly Feed[], units: readonly PackageRecord[]): Universe {
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
  return {
    lookup: (name) => own.get(name) ?? feeds.flatMap((feed) => feed.lookup(name)),
    providers: (name) => [
      ...(provided.get(name) ?? []),
      ...feeds.flatMap((feed) => feed.providers(name)).filter((record) => !own.has(record.name)),
    ],
    *names() {
      yield* own.keys()
      yield* provided.keys()
      for (const feed of feeds) yield* feed.names()
    },
  }
}
