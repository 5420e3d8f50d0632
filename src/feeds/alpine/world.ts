import type { PackageRecord } from '#engine/catalog/package.ts'

/**
 * What somebody asked for, as far as the packages tell: those that none of the others needs. Of packages that only need each
 * other, the first by name.
 *
 * @returns names, in order: what /etc/apk/world says
 */
export function askedFor(records: readonly PackageRecord[]): readonly string[] {
  const byName = records.toSorted((a, b) => (a.name < b.name ? -1 : 1))
  const providers = new Map<string, PackageRecord>()
  for (const record of byName) for (const { name } of record.provides) providers.set(name, record)
  for (const record of byName) providers.set(record.name, record)
  const needs = new Map(
    byName.map((record) => [
      record,
      record.depends.flat().flatMap(({ name }) => {
        const found = providers.get(name)
        return found === undefined || found === record ? [] : [found]
      }),
    ]),
  )
  const needed = new Set([...needs.values()].flat())
  const world: string[] = []
  const reached = new Set<PackageRecord>()
  const reach = (record: PackageRecord): void => {
    if (reached.has(record)) return
    reached.add(record)
    needs.get(record)?.forEach(reach)
  }
  const ask = (record: PackageRecord): void => {
    if (reached.has(record)) return
    world.push(record.name)
    reach(record)
  }
  for (const record of byName) if (!needed.has(record)) ask(record)
  byName.forEach(ask)
  return world.sort()
}

/** Names that packages need by name: who has these keeps what is called so. */
export function neededBy(records: readonly PackageRecord[]): readonly string[] {
  return [...new Set(records.flatMap(({ depends }) => depends.flat().map(({ name }) => name)))].sort()
}
