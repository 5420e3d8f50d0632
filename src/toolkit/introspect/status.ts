import { existsSync, readFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { foldersOf } from '#engine/build/folders.ts'
import type { Node } from '#engine/plan/graph.ts'
import type { Unit } from '#engine/project/model.ts'
import type { Catalog } from '../catalog-view.ts'
import { inspectPlan } from '../inspect.ts'
import type { Plan } from '../planning.ts'
import { planCatalog } from '../planning.ts'
import type { Status } from './query.ts'

/** What lies in a unit's build folder, without asking whether it is still true: no feed is needed for that. */
export type LastBuild = 'built' | 'failed' | 'never'

/** How the last build here of a unit went. */
export function lastBuild(catalog: Catalog, unit: Unit): LastBuild {
  const folders = foldersOf(catalog.workspace.buildRoot, { id: idOf(catalog, unit) })
  if (existsSync(folders.failed)) return 'failed'
  return existsSync(folders.last) ? 'built' : 'never'
}

/** The id that a unit's node has in a plan. */
export function idOf({ distro, machine }: Catalog, unit: Unit): string {
  const noarch = unit.kind === 'package' && unit.scope === 'noarch'
  const ofMachine = unit.kind === 'image' || (unit.kind === 'package' && unit.scope === 'machine')
  const label = ofMachine ? machine.name : noarch ? 'noarch' : machine.arch
  return `${distro}/${unit.name}.${label}`
}

/**
 * What a build would find for units, exactly: everything is resolved and hashed for it.
 * @throws {YoeErrors} of all units that can't be resolved
 */
export async function statusesOf(catalog: Catalog, units: readonly Unit[]): Promise<ReadonlyMap<Unit, Status>> {
  const plan = await planCatalog(
    catalog,
    units.map(({ name }) => name),
  )
  const states = await inspectPlan(plan)
  const asked = new Set(units)
  return new Map(
    states
      .filter(({ node }) => asked.has(node.unit))
      .map(({ node, hash, state }) => [node.unit, state === 'cached' ? 'cached' : unbuilt(plan, node, hash)]),
  )
}

function unbuilt(plan: Plan, node: Node, hash: string): Status {
  if (isLocked(join(plan.workspace.cacheRoot, 'locks', `unit-${hash}`))) return 'building'
  const folders = foldersOf(plan.workspace.buildRoot, node)
  if (failedHash(folders.failed) === hash) return 'failed'
  return existsSync(folders.last) ? 'stale' : 'never'
}

/** The key that a failed build had; undefined when the last one did not fail. */
function failedHash(path: string): string | undefined {
  try {
    const document: unknown = JSON.parse(readFileSync(path, 'utf8'))
    const hash: unknown = typeof document === 'object' && document !== null ? Reflect.get(document, 'hash') : undefined
    return typeof hash === 'string' ? hash : undefined
  } catch {
    return undefined
  }
}

/** Whoever holds it says so in it, and removes it; a process that was killed may have left it. */
function isLocked(path: string): boolean {
  try {
    const [, pid = '', host = ''] = /^process (\d+) on ([^,]+),/.exec(readFileSync(path, 'utf8')) ?? []
    return pid !== '' && (host !== hostname() || existsSync(`/proc/${pid}`))
  } catch {
    return false
  }
}
