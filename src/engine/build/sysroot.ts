import { chmod, mkdir } from 'node:fs/promises'
import type { PackageNode } from '../plan/graph.ts'
import { objectDigest } from '../store/object-path.ts'
import type { BuildContext } from './context.ts'
import type { Finished } from './finished.ts'
import { removeTree } from './tree.ts'
import type { PackageFile } from './trees.ts'
import { linkTrees, packageTrees, setChangedAside } from './trees.ts'
import type { UnitLog } from './unit-log.ts'

/**
 * Puts exactly the declared dependencies of a node into `dest`, as links to what each package holds; returns their files.
 * Runs must not be able to write to `dest`.
 */
export async function fillSysroot(
  context: BuildContext,
  node: PackageNode,
  toolchain: string,
  results: Pick<Finished, 'packagesOf'>,
  dest: string,
  log: UnitLog,
): Promise<readonly PackageFile[]> {
  const fromFeeds = await Promise.all(
    node.sysrootFeed.map(async (record): Promise<PackageFile> => {
      const { origin, name, version } = record
      if (origin.kind !== 'feed') throw new TypeError(`${name} in a sysroot is no feed package`)
      const path = await context.fetchPackage(record)
      return { name: `${name} ${version}`, path, sha256: objectDigest(path), size: origin.size }
    }),
  )
  const fromUnits = await Promise.all(node.sysroot.map(results.packagesOf))
  const packages = [...fromFeeds, ...fromUnits.flat()]
  if (packages.length === 0) return []
  log.note(`sysroot: ${packages.length} packages`)
  await linkPackages(context, packages, toolchain, dest, log)
  return packages
}

/**
 * Puts what packages hold over each other into `dest`, an empty folder to which no run may be able to write. Trees are
 * looked at while they are linked; one that is not as it was unpacked is unpacked, and all are linked, again.
 */
export async function linkPackages(
  context: BuildContext,
  packages: readonly PackageFile[],
  toolchain: string,
  dest: string,
  log: UnitLog,
): Promise<void> {
  const trees = await packageTrees(context, packages, toolchain, log)
  const looking = setChangedAside(context, packages)
  const linked = await linkTrees(trees, dest, log).catch((failure: unknown) => ({ failure }))
  if ((await looking) > 0) {
    await removeTree(dest)
    await mkdir(dest)
    await chmod(dest, 0o755)
    await linkTrees(await packageTrees(context, packages, toolchain, log), dest, log)
  } else if (linked !== undefined) throw linked.failure
}
