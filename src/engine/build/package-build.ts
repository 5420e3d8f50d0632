import { chmod, mkdir } from 'node:fs/promises'
import type { PackedPackage } from '../formats.ts'
import type { PackageNode } from '../plan/graph.ts'
import type { BuildContext } from './context.ts'
import { foldersOf } from './folders.ts'
import type { RootOf } from './run-tasks.ts'
import { runTasks } from './run-tasks.ts'
import { prepareSource } from './source-step.ts'
import type { BuiltPackages } from './sysroot.ts'
import { fillSysroot } from './sysroot.ts'
import { removeTree } from './tree.ts'
import type { UnitLog } from './unit-log.ts'

/**
 * Builds one unit from nothing: source, sysroot, tasks, package files. Everything happens in its folder under `build/`,
 * which is emptied first; the caller stores the result.
 *
 * @throws {YoeError} TASK_FAILED with the end of the log, PACKAGE_INVALID, FETCH_FAILED, …
 */
export async function buildPackage(
  context: BuildContext,
  node: PackageNode,
  rootOf: RootOf,
  builtPackages: BuiltPackages,
  log: UnitLog,
): Promise<readonly PackedPackage[]> {
  // A unit without tasks needs none: nothing runs for it.
  const toolchain = node.toolchain === undefined ? undefined : await rootOf(node.toolchain)
  const folders = foldersOf(context.buildRoot, node)
  for (const folder of [folders.source, folders.destdir, folders.sysroot, folders.install, folders.packages]) {
    await removeTree(folder)
    await mkdir(folder, { recursive: true })
    // Whatever the umask: tasks see the modes, and runs of root belong to somebody else.
    await chmod(folder, 0o755)
  }
  const sysrootPackages =
    toolchain === undefined ? [] : await fillSysroot(context, node, toolchain, builtPackages, folders.sysroot, log)
  if (toolchain !== undefined) {
    await prepareSource(context, node, toolchain, folders.source, log)
    await runTasks(context, node, rootOf, folders, log)
    // A task may have closed its own folders; what is packed must be readable.
    await context.worker.prepareReadable(folders.destdir)
  }
  const libraries = new Map<string, { readonly name: string; readonly version: string }>()
  // The toolchain first: what a dependency brings outranks the same library there.
  for (const path of toolchain === undefined ? [] : [toolchain, ...sysrootPackages.map((file) => file.path)]) {
    for (const [soname, owner] of await context.format.libraries(path)) libraries.set(soname, owner)
  }
  log.note('package')
  return context.format.pack({
    unit: node.unit,
    arch: node.arch,
    distro: node.distro,
    destdir: folders.destdir,
    outdir: folders.packages,
    runtimeDeps: node.runtimeDeps,
    libraries,
    maintainer: context.maintainer,
    sourceDateEpoch: context.sourceDateEpoch,
  })
}
