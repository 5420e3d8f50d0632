import type { PackageNode } from '../plan/graph.ts'
import type { BuildContext } from './context.ts'
import type { UnitLog } from './unit-log.ts'

/** Packages that dependencies gave, by node: absolute paths. */
export type BuiltPackages = (node: PackageNode) => Promise<readonly string[]>

/** Unpacks exactly the declared dependencies of a node into `dest`; returns their package files. */
export async function fillSysroot(
  context: BuildContext,
  node: PackageNode,
  toolchain: string,
  builtPackages: BuiltPackages,
  dest: string,
  log: UnitLog,
): Promise<readonly string[]> {
  const fromFeeds = await Promise.all(node.sysrootFeed.map((record) => context.fetchPackage(record)))
  const fromUnits = await Promise.all(node.sysroot.map((dependency) => builtPackages(dependency)))
  const packages = [...fromFeeds, ...fromUnits.flat()]
  if (packages.length === 0) return []
  log.note(`sysroot: ${packages.length} packages`)
  await unpackPackages(context, packages, toolchain, dest, log)
  return packages
}

/** Unpacks package files over each other into `dest`. @param toolchain unpacked root whose programs do it */
export async function unpackPackages(
  { format, worker, signal }: BuildContext,
  packages: readonly string[],
  toolchain: string,
  dest: string,
  log: UnitLog,
): Promise<void> {
  await format.extract({ packages, dest, root: toolchain, worker, log: log.write, signal })
}
