import { chmod, mkdir } from 'node:fs/promises'
import type { PackedPackage } from '../formats.ts'
import type { PackageNode } from '../plan/graph.ts'
import { rootsOf } from '../plan/graph.ts'
import type { LibraryOwner } from '../qa/links.ts'
import { tracesOfThisMachine } from '../qa/traces.ts'
import type { BuildContext } from './context.ts'
import type { Finished } from './finished.ts'
import { foldersOf } from './folders.ts'
import { runTasks } from './run-tasks.ts'
import { prepareSource } from './source-step.ts'
import { fillSysroot } from './sysroot.ts'
import { removeTree } from './tree.ts'
import type { PackageFile } from './trees.ts'
import { packageLibraries } from './trees.ts'
import type { UnitLog } from './unit-log.ts'

/**
 * Builds one unit from nothing: source, sysroot, tasks, package files. Everything happens in its folder under `build/`,
 * which is emptied first; the caller stores the result.
 *
 * @throws {YoeError} TASK_FAILED with the end of the log, PACKAGE_QA, PACKAGE_INVALID, FETCH_FAILED, …
 */
export async function buildPackage(
  context: BuildContext,
  node: PackageNode,
  results: Finished,
  log: UnitLog,
): Promise<readonly PackedPackage[]> {
  // A unit without tasks needs none: nothing runs for it.
  const toolchain = node.toolchain === undefined ? undefined : await results.rootOf(node.toolchain)
  const folders = foldersOf(context.buildRoot, node)
  // What developing has kept; the source itself is never lost.
  if (context.clean === true) await removeTree(folders.work)
  const made = [folders.destdir, folders.sysroot, folders.install, folders.packages]
  await removeTree(...made)
  for (const folder of made) {
    await mkdir(folder, { recursive: true })
    // Whatever the umask: tasks see the modes, and runs of root belong to somebody else.
    await chmod(folder, 0o755)
  }
  const unpacker = node.unpacker === undefined ? toolchain : await results.rootOf(node.unpacker)
  const sysrootPackages =
    unpacker === undefined ? [] : await fillSysroot(context, node, unpacker, results, folders.sysroot, log)
  if (toolchain !== undefined) {
    const source = await prepareSource(context, node, toolchain, folders, log)
    await runTasks(context, node, results, folders, log, source).finally(() => source.done())
    // A task may have closed its own folders; what is packed must be readable.
    await context.worker.prepareReadable(folders.destdir)
  }
  const roots = toolchain === undefined ? [] : await Promise.all(rootsOf(node).map(results.rootOf))
  const packages = sysrootPackages.map((file) => file.path)
  const libraries = await librariesOf(context, new Set(node.inRoots), roots, sysrootPackages)
  log.note('package')
  return context.format.pack({
    unit: node.unit,
    arch: node.arch,
    distro: node.distro,
    destdir: folders.destdir,
    outdir: folders.packages,
    runtimeDeps: node.runtimeDeps,
    libraries,
    around: {
      ...(toolchain === undefined ? {} : { sysroot: folders.sysroot }),
      packages,
      roots,
      traces: tracesOfThisMachine(context.buildRoot),
      now: Date.now(),
    },
    report: context.report,
    maintainer: context.maintainer,
    sourceDateEpoch: context.sourceDateEpoch,
  })
}

/**
 * What a dependency brings outranks the same library of a root, which nothing says that the unit needs, unless it was only
 * left out of the sysroot for being there.
 */
async function librariesOf(
  context: BuildContext,
  declared: ReadonlySet<string>,
  roots: readonly string[],
  packages: readonly PackageFile[],
): Promise<ReadonlyMap<string, LibraryOwner>> {
  const libraries = new Map<string, LibraryOwner>()
  for (const root of roots) {
    for (const [soname, owner] of await context.format.libraries(root)) {
      libraries.set(soname, declared.has(owner.name) ? owner : { ...owner, undeclared: true })
    }
  }
  for (const file of packages) {
    for (const [soname, owner] of await packageLibraries(context, file)) libraries.set(soname, owner)
  }
  return libraries
}
