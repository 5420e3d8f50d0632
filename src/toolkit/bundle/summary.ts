import type { BundleIndex, BundleTarget } from '#engine/bundle/document.ts'
import { layerOf } from '../cache/needs.ts'

export const partKinds = ['result', 'layer', 'archive', 'git', 'lfs', 'module', 'feed', 'package'] as const
export type PartKind = (typeof partKinds)[number]

/** One thing in a bundle. */
export interface BundlePart {
  readonly kind: PartKind
  readonly title: string
  /** Of a result or an image's layer its architecture and key, of a commit its id, of a file its SHA-256. */
  readonly id: string
  /** Bytes of its objects, which it may share with others. */
  readonly size: number
}

/** What a bundle is and holds. */
export interface BundleSummary {
  readonly project: string
  readonly targets: readonly BundleTarget[]
  /** Id of the key that signed it; null: nobody. */
  readonly signer: string | null
  /** Bytes of the file. */
  readonly size: number
  readonly objects: number
  readonly parts: readonly BundlePart[]
}

/** The parts of a bundle, sorted by kind and title. */
export function partsOfBundle(index: BundleIndex): readonly BundlePart[] {
  const sizes = new Map(index.objects.map(({ sha256, size }) => [sha256, size]))
  const sizeOf = (digests: readonly string[]): number =>
    [...new Set(digests)].reduce((sum, sha256) => sum + (sizes.get(sha256) ?? 0), 0)
  const parts: BundlePart[] = [
    ...index.results.map(({ manifest }): BundlePart => {
      const { unit, arch, hash, files } = manifest
      const layer = layerOf({ manifest })
      return {
        ...(layer === undefined ? { kind: 'result', title: unit } : { kind: 'layer', title: `${layer} of ${unit}` }),
        ...{ id: `${arch}/${hash}`, size: sizeOf(files.map(({ sha256 }) => sha256)) },
      }
    }),
    ...index.commits.map(({ use, title, commit, pack }) => ({
      ...{ kind: use === 'module' ? ('module' as const) : ('git' as const), title, id: commit },
      size: sizeOf([pack]),
    })),
    ...index.files.map(({ use, title, sha256 }) => ({ kind: use, title, id: sha256, size: sizeOf([sha256]) })),
    ...index.lists.map(({ feed, distro, files }) => ({
      ...{ kind: 'feed' as const, title: `${feed} (${distro})`, id: files.join(' ') },
      size: sizeOf(files),
    })),
  ]
  const text = ({ kind, title, id }: BundlePart): string => `${partKinds.indexOf(kind)} ${title} ${id}`
  return parts.sort((a, b) => (text(a) < text(b) ? -1 : 1))
}
