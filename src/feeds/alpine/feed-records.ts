import type { Feed, PackageRecord } from '#engine/catalog/package.ts'
import type { Reporter } from '#engine/events.ts'
import { type BinaryIndex, IndexDamaged } from '../shared/binary-index.ts'
import { parseNeeds, parseProvides, RelationError } from './relations.ts'

export interface RecordsInput {
  readonly id: string
  readonly digest: string
  readonly index: BinaryIndex
  /** Makes the index anew when its file turns out to be damaged. */
  readonly rebuild: () => BinaryIndex
  readonly report: Reporter
}

/** A feed over an index; records are made when their name is asked for, and once. */
export function feedRecords(input: RecordsInput): Feed {
  const { id, digest, report } = input
  let { index } = input
  const made = new Map<number, PackageRecord | undefined>()

  const make = (record: number): PackageRecord | undefined => {
    const name = index.nameOf(record)
    const [version = '', arch = '', size = '', checksum = '', priority = '', ...relations] = index.fieldsOf(record)
    const [needs = '', provides = '', joins = ''] = relations
    try {
      const { depends, conflicts } = parseNeeds(needs)
      const joined = parseNeeds(joins)
      const installIf = joined.depends.flat()
      return {
        name,
        version,
        arch,
        depends,
        provides: parseProvides(provides),
        conflicts,
        essential: false,
        priority: '',
        ...(priority === '' ? {} : { providerPriority: Number(priority) }),
        ...(installIf.length === 0 ? {} : { installIf }),
        ...(joined.conflicts.length === 0 ? {} : { installUnless: joined.conflicts }),
        origin: { kind: 'feed', feed: id, path: `${name}-${version}.apk`, checksum, size: Number(size) },
      }
    } catch (failure) {
      if (!(failure instanceof RelationError)) throw failure
      report({ type: 'warning', message: `feed ${id}: ${name} ${version} is left out: ${failure.message}` })
      return undefined
    }
  }

  const records = (ids: Uint32Array): readonly PackageRecord[] => {
    const found = new Set<PackageRecord>()
    for (const record of ids) {
      if (!made.has(record)) made.set(record, make(record))
      const one = made.get(record)
      if (one !== undefined) found.add(one)
    }
    return [...found]
  }

  const through = (find: (index: BinaryIndex, name: string) => Uint32Array) => {
    const known = new Map<string, readonly PackageRecord[]>()
    return (name: string): readonly PackageRecord[] => {
      let found = known.get(name)
      if (found !== undefined) return found
      try {
        found = records(find(index, name))
      } catch (failure) {
        if (!(failure instanceof IndexDamaged)) throw failure
        // The same text gives the same numbers, so what is made already stays right.
        index = input.rebuild()
        found = records(find(index, name))
      }
      known.set(name, found)
      return found
    }
  }

  return {
    id,
    distro: 'alpine',
    digest,
    lookup: through((one, name) => one.own(name)),
    providers: through((one, name) => one.providers(name)),
    joining: through((one, name) => one.joining(name)),
    essentials: () => [],
    names: () => index.names(),
  }
}
