import type { Dependency, PackageRecord } from '../catalog/package.ts'
import { indexDigest } from '../catalog/package.ts'
import type { RepositoryEntry } from '../formats.ts'
import { digestOf } from '../plan/canonical.ts'
import type { Json } from '../project/model.ts'

/** From the bottom up; each is made from the one before. */
export type LayerName = 'feed packages' | 'project packages' | 'configuration' | 'disk'

/** Where finished layers are kept between builds; the engine's store, behind two verbs. */
export interface LayerStore {
  /** The layer's file, verified; undefined when there is none. */
  find(key: string, name: LayerName): Promise<string | undefined>
  /** Takes the file, which the caller made and gives away, and makes it last; returns where it is now. */
  keep(key: string, path: string, name: LayerName): Promise<string>
}

/** The key of one layer: everything that can change its bytes, and the scheme that made it. */
export function layerKey(kind: string, inputs: Readonly<Record<string, Json>>): string {
  return digestOf('yoe-layer/2', { kind, inputs })
}

/** A package, and which file it is: what keys and parts are made of. */
type Known = Pick<RepositoryEntry, 'record' | 'sha256'>

/** What the lowest layer of an image depends on beside its packages. */
export interface LayerBase {
  readonly arch: string
  readonly distro: string
  /** Hash of the tools root. */
  readonly tools: string
  readonly sourceDateEpoch: number
}

/** The key of the layer that holds what comes from feeds. @param packages the closure's first part; see {@link partClosure} */
export function feedLayerKey({ arch, distro, tools, sourceDateEpoch }: LayerBase, packages: readonly Known[]): string {
  return layerKey('feed packages', { arch, distro, tools, sourceDateEpoch, packages: packageInputs(packages) })
}

/** Packages as part of a key. */
export const packageInputs = (packages: readonly Known[]): Json =>
  packages
    .map(({ record: { name, version, arch, origin }, sha256 }) => [
      name,
      version,
      arch,
      origin.kind === 'feed' ? indexDigest(origin) : sha256,
    ])
    .sort()

/**
 * Parts a closure into what comes from feeds and changes rarely, and the project's own packages with everything that
 * needs them: the first part is installable without the second. Order is kept.
 */
export function partClosure<T extends Known>(
  packages: readonly T[],
): { readonly feed: readonly T[]; readonly project: readonly T[] } {
  let feed = packages.filter(({ record }) => record.origin.kind === 'feed')
  for (;;) {
    const brought = new Set(feed.flatMap(({ record }) => names(record)))
    const closed = feed.filter(({ record }) =>
      record.depends.every((group) => group.some(({ name }) => brought.has(name))),
    )
    if (closed.length === feed.length) break
    feed = closed
  }
  const first = new Set(feed)
  return { feed, project: packages.filter((entry) => !first.has(entry)) }
}

const names = (record: PackageRecord): readonly string[] => [
  record.name,
  ...record.provides.map(({ name }: Pick<Dependency, 'name'>) => name),
]
