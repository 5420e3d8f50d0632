import { YoeError } from '../errors.ts'
import type { PackageNode, ToolchainNode } from '../plan/graph.ts'
import type { UnitManifest } from '../store/manifest.ts'
import type { Store } from '../store/store.ts'
import type { BuildContext } from './context.ts'
import type { Results } from './executor.ts'
import type { Roots } from './roots.ts'
import type { PackageFile } from './trees.ts'

/** Finished nodes, as others are built from them. */
export interface Finished extends Results {
  /** Absolute folder of the unpacked root of a toolchain, made where it is missing, to be used as a read-only `/`. */
  readonly rootOf: (toolchain: ToolchainNode) => Promise<string>
  /** Package files of a unit, the main one first. @throws {YoeError} STORE_DAMAGED */
  readonly packagesOf: (node: PackageNode) => Promise<readonly PackageFile[]>
}

/** @param roots of the whole run, so that each is unpacked once */
export function finishedOf(context: BuildContext, results: Results, roots: Roots): Finished {
  return {
    manifestOf: (node) => results.manifestOf(node),
    rootOf: (toolchain) => roots.folder(toolchain, results),
    packagesOf: async (node) => packagesIn(context.store, node, await results.manifestOf(node)),
  }
}

/** Package files of a unit that was built, the main one first. @throws {YoeError} STORE_DAMAGED */
export function packagesIn(
  store: Store,
  { unit: { name: unit } }: PackageNode,
  { files }: Pick<UnitManifest, 'files'>,
): Promise<readonly PackageFile[]> {
  return Promise.all(
    files.map(async ({ name, sha256, size }) => {
      const path = await store.objects.path(sha256)
      if (path !== undefined) return { name, path, sha256, size }
      throw new YoeError('STORE_DAMAGED', `a package of ${unit} in the cache is damaged`, {
        unit,
        hint: `yoe build --force ${unit} makes it anew`,
      })
    }),
  )
}
