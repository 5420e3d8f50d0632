import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Rebuild } from '#engine/build/executor.ts'
import { foldersOf } from '#engine/build/folders.ts'
import { readLast } from '#engine/build/last.ts'
import type { Node } from '#engine/plan/graph.ts'
import { dependenciesOf, inOrder, manifestArch } from '#engine/plan/graph.ts'
import { whyChanged } from '#engine/plan/why.ts'
import { listingsIn } from '#engine/source/listing.ts'
import type { UnitManifest } from '#engine/store/manifest.ts'
import { decodeManifest } from '#engine/store/manifest.ts'
import { revokedIds } from '#engine/store/named-keys.ts'
import { objectPath } from '#engine/store/object-path.ts'
import type { Plan } from './planning.ts'

/** What a build would find for one node. */
export interface NodeState {
  readonly node: Node
  readonly hash: string
  /** `unneeded`: not built, but nothing that will be built needs it. `to restore`: a shared cache says that it has it. */
  readonly state: 'cached' | 'to restore' | 'to build' | 'unneeded'
  readonly why: string
  /** Asked for, not only needed. */
  readonly target: boolean
  readonly manifest: UnitManifest | undefined
}

/**
 * Looks, without any work, at what is there for every node of a plan: dependencies first. Locks and changes nothing.
 * @param rebuild nodes whose results are not to be used
 * @param shared finds those that other machines made, by the name of the cache that has them; default: nobody is asked
 */
export async function inspectPlan(
  plan: Plan,
  rebuild: ReadonlyMap<Node, Rebuild> = new Map(),
  shared: (missing: readonly Node[]) => Promise<ReadonlyMap<Node, string>> = async () => new Map(),
): Promise<readonly NodeState[]> {
  const nodes = inOrder(plan.targets)
  const manifests = new Map<Node, UnitManifest | undefined>(
    await Promise.all(
      nodes.map(async (node) => [node, rebuild.has(node) ? undefined : await findManifest(plan, node)] as const),
    ),
  )
  const missing = nodes.filter((node) => manifests.get(node) === undefined && !rebuild.has(node))
  const elsewhere = await shared(missing)
  const needed = frontier(plan.targets, (node) => manifests.get(node) !== undefined || elsewhere.has(node))
  return Promise.all(
    nodes.map(async (node): Promise<NodeState> => {
      const key = plan.keys.get(node)
      if (key === undefined) throw new TypeError(`${node.id} has no key`)
      const manifest = manifests.get(node)
      const target = plan.targets.includes(node)
      const base = { node, hash: key.hash, target, manifest }
      if (manifest !== undefined) return { ...base, state: 'cached', why: 'nothing changed' }
      if (!needed.has(node)) return { ...base, state: 'unneeded', why: 'what needs it is cached' }
      const from = elsewhere.get(node)
      if (from !== undefined) return { ...base, state: 'to restore', why: `${from} has it` }
      const asked = rebuild.get(node)
      if (asked !== undefined) return { ...base, state: 'to build', why: asked.why }
      const { last: path } = foldersOf(plan.workspace.buildRoot, node)
      const last = existsSync(path) ? await readLast(path) : undefined
      return { ...base, state: 'to build', why: whyChanged(last, key.inputs, listingsIn(plan.workspace.cacheRoot)) }
    }),
  )
}

/** Nodes that a build looks at: below one that is cached, nothing is needed. */
function frontier(targets: readonly Node[], cached: (node: Node) => boolean): ReadonlySet<Node> {
  const seen = new Set<Node>()
  const visit = (node: Node): void => {
    if (seen.has(node)) return
    seen.add(node)
    if (!cached(node)) for (const dependency of dependenciesOf(node)) visit(dependency)
  }
  targets.forEach(visit)
  return seen
}

/** The manifest in the local store whose objects are all there, unread. */
async function findManifest(plan: Plan, node: Node): Promise<UnitManifest | undefined> {
  const { cacheRoot } = plan.workspace
  const hash = plan.keys.get(node)?.hash ?? ''
  const arch = manifestArch(node)
  const path = join(cacheRoot, 'units', arch, `${hash}.json`)
  // Most of a large plan is not there, and to be told so by a failed read takes longer.
  const bytes = existsSync(path) ? await readFile(path).catch(() => undefined) : undefined
  const sealed = bytes === undefined ? 'missing' : decodeManifest(bytes, arch, hash)
  if (typeof sealed === 'string') return undefined
  if (sealed.signature !== undefined && revokedIds(plan.project.cache.signing).has(sealed.signature.key))
    return undefined
  const there = sealed.manifest.files.every(({ sha256 }) => existsSync(objectPath(cacheRoot, sha256)))
  return there ? sealed.manifest : undefined
}
