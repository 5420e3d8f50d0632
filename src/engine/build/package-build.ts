import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { YoeError } from '../errors.ts'
import type { PackedPackage } from '../formats.ts'
import type { PackageNode } from '../plan/graph.ts'
import type { Task } from '../project/model.ts'
import type { BuildContext } from './context.ts'
import { tasksOf } from './debug-info.ts'
import { inside, taskEnvironment } from './environment.ts'
import type { NodeFolders } from './folders.ts'
import { foldersOf } from './folders.ts'
import { stageInstallSteps } from './install-steps.ts'
import { prepareSource } from './source-step.ts'
import { removeTree } from './tree.ts'
import type { UnitLog } from './unit-log.ts'
import type { Mount, Run } from './worker.ts'
import { defaultLimits } from './worker.ts'

/** Packages that dependencies gave, by node: absolute paths. */
export type BuiltPackages = (node: PackageNode) => Promise<readonly string[]>

/**
 * Builds one unit from nothing: source, sysroot, tasks, package files. Everything happens in its folder under `build/`,
 * which is emptied first; the caller stores the result.
 *
 * @param toolchain unpacked root of the unit's toolchain; undefined for units without tasks
 * @throws {YoeError} TASK_FAILED with the end of the log, PACKAGE_INVALID, FETCH_FAILED, …
 */
export async function buildPackage(
  context: BuildContext,
  node: PackageNode,
  toolchain: string | undefined,
  builtPackages: BuiltPackages,
  log: UnitLog,
): Promise<readonly PackedPackage[]> {
  const folders = foldersOf(context.buildRoot, node)
  for (const folder of [folders.source, folders.destdir, folders.sysroot, folders.install, folders.packages]) {
    await removeTree(folder)
    await mkdir(folder, { recursive: true })
  }
  const sysrootPackages =
    toolchain === undefined ? [] : await fillSysroot(context, node, toolchain, builtPackages, folders, log)
  if (toolchain !== undefined) {
    await prepareSource(context, node, toolchain, folders.source, log)
    await runTasks(context, node, toolchain, folders, log)
    // A task may have closed its own folders; what is packed must be readable.
    await context.worker.prepareWritable(folders.destdir)
  }
  const libraries = new Map<string, { readonly name: string; readonly version: string }>()
  // The toolchain first: what a dependency brings outranks the same library there.
  for (const path of toolchain === undefined ? [] : [toolchain, ...sysrootPackages]) {
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

/** Unpacks exactly the declared dependencies; returns their package files. */
async function fillSysroot(
  context: BuildContext,
  node: PackageNode,
  toolchain: string,
  builtPackages: BuiltPackages,
  folders: NodeFolders,
  log: UnitLog,
): Promise<readonly string[]> {
  const fromFeeds = await Promise.all(node.sysrootFeed.map((record) => context.fetchPackage(record)))
  const fromUnits = await Promise.all(node.sysroot.map((dependency) => builtPackages(dependency)))
  const packages = [...fromFeeds, ...fromUnits.flat()]
  if (packages.length === 0) return []
  log.note(`sysroot: ${packages.length} packages`)
  await context.format.extract({
    packages,
    dest: folders.sysroot,
    root: toolchain,
    worker: context.worker,
    log: log.write,
    signal: context.signal,
  })
  return packages
}

async function runTasks(
  context: BuildContext,
  node: PackageNode,
  toolchain: string,
  folders: NodeFolders,
  log: UnitLog,
): Promise<void> {
  const { unit } = node
  const staged = await stageInstallSteps(context, node, folders.install)
  const home = join(folders.root, 'home')
  await rm(home, { recursive: true, force: true })
  await mkdir(home)
  const writable = [folders.source, folders.destdir, home]
  for (const folder of writable) await context.worker.prepareWritable(folder)
  const mounts: readonly Mount[] = [
    { source: folders.source, target: inside.source, writable: true },
    { source: folders.destdir, target: inside.destdir, writable: true },
    { source: home, target: inside.home, writable: true },
    { source: folders.sysroot, target: inside.sysroot, writable: false },
    { source: folders.install, target: inside.install, writable: false },
  ]
  const env = taskEnvironment(
    node,
    context.format.searchFolders(node.arch),
    context.processors,
    context.sourceDateEpoch,
  )
  for (const task of tasksOf(unit)) {
    log.note(`task ${task.name}`)
    for (const [index, step] of task.steps.entries()) {
      if (step.kind === 'call') throw new TypeError('function steps are not run yet')
      const command = step.kind === 'run' ? step.command : staged.commandFor(step)
      log.line(`+ ${step.kind === 'run' ? command : `install ${step.dest}`}`)
      const run: Run = {
        root: toolchain,
        argv: ['/bin/bash', '-e', '-o', 'pipefail', '-c', command],
        env,
        cwd: inside.source,
        mounts,
        network: task.network,
        identity: 'user',
        limits: defaultLimits,
        output: log.write,
        signal: context.signal,
      }
      const result = await context.worker.run(run)
      if (result.kind === 'exited' && result.code === 0) continue
      const how = result.kind === 'exited' ? `failed with exit code ${result.code}` : `was ended: ${result.why}`
      throw failure(node, task, task.steps.length > 1 ? ` (step ${index + 1})` : '', how, log)
    }
  }
}

function failure(node: PackageNode, task: Task, which: string, how: string, log: UnitLog): YoeError {
  return new YoeError('TASK_FAILED', `unit "${node.unit.name}": task "${task.name}"${which} ${how}`, {
    at: node.unit.at,
    unit: node.unit.name,
    log: log.excerpt(),
    hint: `yoe log ${node.unit.name} shows all of it; yoe build ${node.unit.name} tries again`,
  })
}
