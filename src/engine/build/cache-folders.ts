import { existsSync } from 'node:fs'
import { mkdir, rename } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { digestOf } from '../plan/canonical.ts'
import type { PackageNode, ToolchainNode } from '../plan/graph.ts'
import { noteUse } from '../store/use.ts'
import type { BuildContext } from './context.ts'
import { keyOf } from './context.ts'
import { removeTree } from './tree.ts'
import type { UnitLog } from './unit-log.ts'
import type { Mount } from './worker.ts'

/** The `cache_dirs` of a unit, held by its build alone. */
export interface CacheFolders extends AsyncDisposable {
  readonly mounts: readonly Mount[]
}

/**
 * Folders that outlive builds, `$YOE_CACHE/dirs/<scope>/<name>/`. The scope is the project, distro, architecture, the
 * roots of the unit's tasks, and whether the run is trusted: what one of these wrote, no other ever sees. Builds that
 * share one wait for each other, so no tool has to stand another one beside it.
 */
export async function openCacheFolders(
  context: BuildContext,
  node: PackageNode,
  toolchains: readonly ToolchainNode[],
  log: UnitLog,
): Promise<CacheFolders> {
  const { cacheDirs } = node.unit
  const { store, project, worker, signal } = context
  const scope = digestOf('yoe-cache-dirs/1', {
    project: project.name,
    trust: store.scope,
    distro: node.distro,
    arch: node.arch,
    toolchains: toolchains.map((toolchain) => keyOf(context, toolchain).hash).toSorted(),
  })
  await using held = new AsyncDisposableStack()
  // In one order everywhere, so that no two builds wait for each other for ever.
  for (const name of new Set(Object.values(cacheDirs).toSorted())) {
    held.use(await store.lock(`dir-${digestOf('yoe-cache-dir/1', { scope, name })}`, { signal }))
    const folder = join(store.root, 'dirs', scope, name)
    if (context.clean === true) await removeTree(folder)
    noteUse(dirname(folder))
    if (existsSync(folder)) continue
    // Under its name only when runs can write to it.
    const fresh = store.temp()
    await mkdir(fresh, { recursive: true })
    await worker.prepareWritable(fresh)
    await mkdir(dirname(folder), { recursive: true })
    await rename(fresh, folder)
  }
  const mounts = Object.entries(cacheDirs).map(([target, name]): Mount => {
    log.line(`${target} is the cache ${name}`)
    return { source: join(store.root, 'dirs', scope, name), target, writable: true }
  })
  const kept = held.move()
  return { mounts, [Symbol.asyncDispose]: () => kept.disposeAsync() }
}
