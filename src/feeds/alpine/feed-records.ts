import type { Feed, PackageRecord } from '#engine/catalog/package.ts'
import type { Reporter } from '#engine/events.ts'
import { type BinaryIndex, IndexDamaged } from '../shared/binary-index.ts'
import type { OpenIndex } from '../shared/feed-index.ts'
import { parseNeeds, parseProvides, RelationError } from './relations.ts'

export interface RecordsInput extends OpenIndex {
  readonly id: string
  readonly report: Reporter
}

const none: readonly PackageRecord[] = []

/** A feed over an index; records are made when their name is asked for, and once. */
export function feedRecords(input: RecordsInput): Feed {
  const { id, digest, report } = input
  let { index } = input
  /** By its number; null: it is left out. */
  const made = new Array<PackageRecord | null | undefined>(index.records)

  const make = (record: number): PackageRecord | null => {
    const name = index.nameOf(record)
    const [version = '', arch = '', size = '', checksum = '', priority = '', ...relations] = index.fieldsOf(record)
    const [needs = '', provides = '', joins = ''] = relations
    try {
      const { depends, conflicts } = parseNeeds(needs)
      const plain: PackageRecord = {
        name,
        version,
        arch,
        depends,
        provides: parseProvides(provides),
        conflicts,
        essential: false,
        priority: '',
        origin: { kind: 'feed', feed: id, path: `${name}-${version}.apk`, checksum, size: Number(size) },
      }
      if (priority === '' && joins === '') return plain
      const joined = parseNeeds(joins)
      const installIf = joined.depends.flat()
      return {
        ...plain,
        ...(priority === '' ? {} : { providerPriority: Number(priority) }),
        ...(installIf.length === 0 ? {} : { installIf }),
        ...(joined.conflicts.length === 0 ? {} : { installUnless: joined.conflicts }),
      }
    } catch (failure) {
      if (!(failure instanceof RelationError)) throw failure
      report({ type: 'warning', message: `feed ${id}: ${name} ${version} is left out: ${failure.message}` })
      return null
    }
  }

  const records = (ids: Uint32Array): readonly PackageRecord[] => {
    if (ids.length === 0) return none
    const found: PackageRecord[] = []
    for (const record of ids) {
      const known = made[record]
      const one = known === undefined ? make(record) : known
      made[record] = one
      // What one package says twice is said in a row.
      if (one !== null && one !== found.at(-1)) found.push(one)
    }
    return found
  }

  const through =
    (find: (index: BinaryIndex, name: string) => Uint32Array) =>
    (name: string): readonly PackageRecord[] => {
      try {
        return records(find(index, name))
      } catch (failure) {
        if (!(failure instanceof IndexDamaged)) throw failure
        // The same text gives the same numbers, so what is made already stays right.
        index = input.rebuild()
        return records(find(index, name))
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
