import type { Feed, PackageRecord } from '#engine/catalog/package.ts'
import type { Reporter } from '#engine/events.ts'
import { type BinaryIndex, IndexDamaged } from '../shared/binary-index.ts'
import type { OpenIndex } from '../shared/feed-index.ts'
import { parseProvides, parseRelations, RelationError } from './relations.ts'

export interface RecordsInput extends OpenIndex {
  readonly id: string
  readonly distro: string
  /** Debian's spelling. */
  readonly arch: string
  readonly report: Reporter
}

/** Anything else decides nothing. @see deb-control(5), "Priority" */
const priorities: ReadonlySet<string> = new Set(['required', 'important', 'standard', 'optional', 'extra'])

/** A feed over an index; records are made when their name is asked for, and once. */
export function feedRecords(input: RecordsInput): Feed {
  const { id, distro, digest, arch, report } = input
  let { index } = input
  const made = new Map<number, PackageRecord | undefined>()
  const lookups = new Map<string, readonly PackageRecord[]>()
  const provided = new Map<string, readonly PackageRecord[]>()

  const make = (record: number): PackageRecord | undefined => {
    const name = index.nameOf(record)
    const [version = '', recordArch = '', essential, priority = '', path = '', size, sha256 = '', ...relations] =
      index.fieldsOf(record)
    const [preDepends = '', depends = '', conflicts = '', breaks = '', provides = ''] = relations
    try {
      return {
        name,
        version,
        arch: recordArch,
        depends: [...parseRelations(preDepends, arch), ...parseRelations(depends, arch)],
        provides: parseProvides(provides, arch),
        conflicts: [...parseRelations(conflicts, arch), ...parseRelations(breaks, arch)].flat(),
        essential: essential === 'yes',
        priority: priorities.has(priority) ? priority : '',
        origin: { kind: 'feed', feed: id, path, sha256, size: Number(size) },
      }
    } catch (failure) {
      if (!(failure instanceof RelationError)) throw failure
      report({ type: 'warning', message: `feed ${id}: ${name} ${version} is left out: ${failure.message}` })
      return undefined
    }
  }

  const records = (ids: Uint32Array): readonly PackageRecord[] => {
    const found: PackageRecord[] = []
    for (const record of ids) {
      if (!made.has(record)) made.set(record, make(record))
      const one = made.get(record)
      // Of stanzas that are twice the same package only the first counts.
      if (one !== undefined && !found.some((other) => same(other, one))) found.push(one)
    }
    return found
  }

  const through = (
    cache: Map<string, readonly PackageRecord[]>,
    name: string,
    find: (index: BinaryIndex) => Uint32Array,
  ): readonly PackageRecord[] => {
    let found = cache.get(name)
    if (found !== undefined) return found
    try {
      found = records(find(index))
    } catch (failure) {
      if (!(failure instanceof IndexDamaged)) throw failure
      // The same text gives the same numbers, so what is made already stays right.
      index = input.rebuild()
      found = records(find(index))
    }
    cache.set(name, found)
    return found
  }

  return {
    id,
    distro,
    digest,
    lookup: (name) => through(lookups, name, (one) => one.own(name)),
    providers: (name) => through(provided, name, (one) => one.providers(name)),
    essentials: () =>
      [...new Set([...index.essential, ...index.required].map((record) => index.nameOf(record)))].sort(),
    names: () => index.names(),
  }
}

const same = (a: PackageRecord, b: PackageRecord): boolean =>
  a.name === b.name && a.version === b.version && a.arch === b.arch
