import { packagesIn } from '#engine/build/finished.ts'
import type { PackageFile } from '#engine/build/trees.ts'
import { YoeError } from '#engine/errors.ts'
import { inParallel } from '#engine/in-parallel.ts'
import type { ImageNode, Node, PackageNode } from '#engine/plan/graph.ts'
import { dependenciesOf, inOrder, manifestArch } from '#engine/plan/graph.ts'
import { UnitCache } from '#engine/store/cache.ts'
import type { SealedManifest } from '#engine/store/manifest.ts'
import { seal } from '#engine/store/manifest.ts'
import type { RemoteStore } from '#engine/store/remote.ts'
import { Store } from '#engine/store/store.ts'
import type { CacheTrust } from '../cache-trust.ts'
import { feedLayerKeyOf } from '../image-building.ts'
import type { Plan, PlanOptions } from '../planning.ts'
import { makePlans } from '../planning.ts'
import type { Workspace } from '../workspace.ts'
import type { Shared } from './shared.ts'
import { sharedOf } from './shared.ts'

/** Transfers have a limit of their own: this is how many entries are looked at. */
const atOnce = 16

/** What became of one result on its way. */
export interface Moved {
  readonly unit: string
  readonly id: string
  readonly hash: string
  /** Where it was sent or came from; null: there is nothing to say about one. */
  readonly remote: string | null
  /** `here`: it was here already. `missing`: nobody has it, so that it must be built. */
  readonly outcome: 'saved' | 'exists' | 'failed' | 'restored' | 'here' | 'missing'
  /** Bytes that travelled. */
  readonly size: number
  /** Why it could not be; null: it could. */
  readonly why: string | null
}

interface Opened {
  readonly plans: readonly Plan[]
  readonly store: Store
  readonly shared: readonly Shared[]
  readonly trust: CacheTrust
  readonly cacheOf: (remotes: readonly RemoteStore[]) => UnitCache
}

async function open(workspace: Workspace, options: PlanOptions): Promise<Opened> {
  const plans = await makePlans(workspace, options)
  const [plan] = plans
  if (plan === undefined) throw new TypeError('no plan')
  const { report, cacheRoot, signal } = plan.workspace
  const { shared, trust } = await sharedOf(plan.workspace, plan.project)
  const store = await Store.open(cacheRoot, { report, revoked: trust.revoked })
  await store.hold()
  const { signer } = trust
  const cacheOf = (remotes: readonly RemoteStore[]): UnitCache =>
    new UnitCache({ store, remotes, trust: trust.trust, signer, report, signal })
  return { plans, store, shared, trust, cacheOf }
}

/**
 * Sends results of this machine, those of targets and of all below them that is here, to every shared cache that may be
 * written.
 *
 * @throws {YoeError} USAGE when there is none
 */
export async function pushResults(workspace: Workspace, options: PlanOptions): Promise<readonly Moved[]> {
  const { plans, store, shared, trust, cacheOf } = await open(workspace, options)
  try {
    const writable = shared.flatMap(({ store: remote, writes }) => (remote !== undefined && writes ? [remote] : []))
    if (writable.length === 0) throw nowhereToPush(shared)
    const cache = cacheOf(writable)
    const entries = await inParallel(atOnce, plans, async (plan) =>
      (await Promise.all(inOrder(plan.targets).map((node) => entriesOf(plan, store, node)))).flat(),
    )
    const moved = await inParallel(
      atOnce,
      entries.flat(),
      async ({ unit, id, arch, hash }): Promise<readonly Moved[]> => {
        const sealed = await whole(store, await store.manifest(arch, hash))
        if (sealed === undefined) return []
        const signed = await signedBy(store, sealed, trust)
        return Promise.all(
          writable.map(async (remote) => {
            const { outcome, why, size = 0 } = await cache.send(remote, signed)
            const good = outcome === 'saved' || outcome === 'exists'
            return {
              ...{ unit, id, hash, remote: `${remote}` },
              outcome: good ? outcome : 'failed',
              size: outcome === 'saved' ? size : 0,
              why: good ? null : (why ?? reasons[outcome] ?? null),
            }
          }),
        )
      },
    )
    await cache.close(writable)
    return moved.flat()
  } finally {
    await store.release()
  }
}

/** A result, or the layer that an image begins with. */
interface Entry {
  readonly unit: string
  readonly id: string
  readonly arch: string
  readonly hash: string
}

function resultOf({ keys }: Plan, node: Node): Entry {
  return { unit: node.unit.name, id: node.id, arch: manifestArch(node), hash: keys.get(node)?.hash ?? '' }
}

async function entriesOf(plan: Plan, store: Store, node: Node): Promise<readonly Entry[]> {
  const result = resultOf(plan, node)
  const layer = node.kind === 'image' ? await layerUnder(plan, store, node) : undefined
  return layer === undefined ? [result] : [result, layer]
}

/** Nobody can tell which one it is before the image's units are here, whole: then there is none. */
async function layerUnder(plan: Plan, store: Store, node: ImageNode): Promise<Entry | undefined> {
  const packagesOf = async (unit: PackageNode): Promise<readonly PackageFile[]> => {
    const sealed = await store.manifest(manifestArch(unit), plan.keys.get(unit)?.hash ?? '')
    if (sealed !== undefined) return packagesIn(store, unit, sealed.manifest)
    throw new YoeError('STORE_DAMAGED', `${unit.unit.name} is not in the cache`)
  }
  try {
    const hash = await feedLayerKeyOf(plan, node, packagesOf)
    return { unit: `feed packages of ${node.unit.name}`, id: `${node.id} feed packages`, arch: node.arch, hash }
  } catch (failure) {
    if (!(failure instanceof YoeError) || failure.code === 'CANCELLED') throw failure
    return undefined
  }
}

const reasons: Readonly<Partial<Record<string, string>>> = {
  down: 'it could not be asked',
  'read-only': 'it can not be written',
}

/** Only a result whose files are all here. */
async function whole(store: Store, sealed: SealedManifest | undefined): Promise<SealedManifest | undefined> {
  for (const { sha256 } of sealed?.manifest.files ?? []) if (!(await store.objects.has(sha256))) return undefined
  return sealed
}

/** What was built here before there was a key gets its signature when it leaves. */
async function signedBy(store: Store, sealed: SealedManifest, { signer }: CacheTrust): Promise<SealedManifest> {
  if (signer === undefined || sealed.signature !== undefined || sealed.scope !== 'trusted') return sealed
  const signed = seal(sealed.manifest, sealed.scope, signer)
  await store.record(signed)
  return signed
}

function nowhereToPush(shared: readonly Shared[]): YoeError {
  if (shared.length === 0)
    return new YoeError('USAGE', 'this project shares its results with nobody', {
      hint: 'name a cache in cache(remote = […]), or with --remote-cache URL',
    })
  const reasonsWhy = shared.map(
    ({ declaration, store, why }) => `${declaration.name}: ${store === undefined ? 'yoe works offline' : why}`,
  )
  return new YoeError('USAGE', `no shared cache can be written\n  ${reasonsWhy.join('\n  ')}`, {
    hint: 'yoe cache status tells more; yoe key generate cache makes a key, whose public half the project names',
  })
}

/**
 * Brings results of targets here, without building any: where a shared cache has a target, that alone; where none has,
 * what a build of it would begin with.
 *
 * @param all everything below the targets, too
 * @throws {YoeError} USAGE without a shared cache
 */
export async function pullResults(workspace: Workspace, options: PlanOptions, all: boolean): Promise<readonly Moved[]> {
  const { plans, store, shared, cacheOf } = await open(workspace, options)
  try {
    const remotes = shared.flatMap(({ store: remote }) => remote ?? [])
    if (remotes.length === 0)
      throw new YoeError('USAGE', 'there is no shared cache to pull from', {
        hint: shared.length > 0 ? 'leave out --offline' : 'name one in cache(remote = […]), or with --remote-cache URL',
      })
    const cache = cacheOf(remotes)
    const moved: Moved[] = []
    const bring = async ({ unit, id, arch, hash }: Entry): Promise<boolean> => {
      const found = await cache.restore(arch, hash, { title: unit })
      const from = found === undefined || found.from === 'local' ? null : found.from
      const size = found?.manifest.files.reduce((sum, file) => sum + file.size, 0) ?? 0
      moved.push({
        ...{ unit, id, hash, remote: from },
        outcome: found === undefined ? 'missing' : from === null ? 'here' : 'restored',
        size: from === null ? 0 : size,
        why: found === undefined ? 'no shared cache has it in a way that is believed' : null,
      })
      return found !== undefined
    }
    for (const plan of plans) {
      const seen = new Set<Node>()
      const images: ImageNode[] = []
      const visit = async (nodes: readonly Node[]): Promise<void> => {
        const fresh = [...new Set(nodes)].filter((node) => !seen.has(node))
        for (const node of fresh) seen.add(node)
        if (fresh.length === 0) return
        await cache.lookUp(fresh.map((node) => resultOf(plan, node)))
        const missing = await inParallel(atOnce, fresh, async (node): Promise<readonly Node[]> => {
          const there = await bring(resultOf(plan, node))
          if (node.kind === 'image' && (all || !there)) images.push(node)
          return there ? [] : [node]
        })
        await visit(missing.flat().flatMap(dependenciesOf))
      }
      await visit(all ? inOrder(plan.targets) : plan.targets)
      for (const image of images) {
        const layer = await layerUnder(plan, store, image)
        if (layer !== undefined) await bring(layer)
      }
    }
    await cache.close(remotes)
    return moved
  } finally {
    await store.release()
  }
}
