import { userErrors } from '#engine/errors.ts'
import { step } from '#engine/events.ts'
import { entryName } from '#engine/store/cache.ts'
import { Store } from '#engine/store/store.ts'
import { keyOwner } from '../cache-trust.ts'
import type { ListedKey } from '../keys/listing.ts'
import { listKeys } from '../keys/listing.ts'
import type { Workspace } from '../workspace.ts'
import { loadProject } from '../workspace.ts'
import { usualDays } from './collect.ts'
import { freeBytes } from './disk-usage.ts'
import type { Shared } from './shared.ts'
import { sharedOf } from './shared.ts'
import type { ThingKind } from './things.ts'
import { contentsOf, thingKinds } from './things.ts'

export interface SharedStatus {
  readonly name: string
  readonly kind: Shared['declaration']['kind']
  /** As messages name it. */
  readonly address: string
  /** `offline`: it was not asked. */
  readonly state: 'reachable' | 'unreachable' | 'offline'
  /** How long one question took, in milliseconds; null: it was not answered. */
  readonly ms: number | null
  /** What went wrong; null: nothing. */
  readonly fault: string | null
  readonly push: 'auto' | 'always' | 'never'
  readonly writes: boolean
  readonly why: string
}

export interface CacheStatus {
  readonly path: string
  /** Bytes. */
  readonly size: number
  /** Bytes that this user may still write there. */
  readonly free: number
  readonly kinds: readonly { readonly kind: ThingKind; readonly count: number; readonly bytes: number }[]
  readonly retentionDays: number
  /** Bytes; null: as many as there are. */
  readonly budget: number | null
  readonly remotes: readonly SharedStatus[]
  /** Of this machine; null: what it builds is not signed. */
  readonly signs: string | null
  readonly keys: readonly ListedKey[]
}

/** What lies in the cache of this machine, and how the shared ones are. Sizes are about right: see {@link contentsOf}. */
export async function cacheStatus(opened: Workspace, machine: string | undefined): Promise<CacheStatus> {
  const { workspace, project } = await loadProject(opened, machine)
  const store = await Store.open(workspace.cacheRoot, { report: workspace.report })
  const { shared, trust } = await sharedOf(workspace, project)
  const [{ things, objects }, remotes, { keys }] = await Promise.all([
    step(workspace.report, 'Measure the cache', () => contentsOf(store, 'kept')),
    Promise.all(shared.map(statusOf)),
    listKeys(keyOwner({ workspace, project }), project, 'cache'),
  ])
  const counted = new Set<string>()
  const sizes = new Map<ThingKind, { count: number; bytes: number }>()
  for (const { kind, bytes, objects: listed } of things) {
    const size = sizes.get(kind) ?? { count: 0, bytes: 0 }
    size.count++
    size.bytes += bytes
    for (const sha256 of listed) {
      if (!counted.has(sha256)) size.bytes += objects.get(sha256)?.bytes ?? 0
      counted.add(sha256)
    }
    sizes.set(kind, size)
  }
  const kinds = thingKinds.flatMap((kind) => {
    const size = sizes.get(kind)
    return size === undefined ? [] : [{ kind, ...size }]
  })
  return {
    path: store.root,
    size: kinds.reduce((sum, { bytes }) => sum + bytes, 0),
    free: await freeBytes(store.root),
    kinds,
    retentionDays: project.cache.retentionDays ?? usualDays,
    budget: project.cache.budget ?? null,
    remotes,
    signs: trust.signer?.keyId ?? null,
    keys,
  }
}

async function statusOf({ declaration, store, writes, why }: Shared): Promise<SharedStatus> {
  const { name, kind } = declaration
  const push = declaration.kind === 'http' ? 'never' : declaration.push
  const base = { name, kind, address: `${store ?? name}`, push, writes, why } as const
  if (store === undefined) return { ...base, state: 'offline', ms: null, fault: null }
  const start = performance.now()
  try {
    await store.has([entryName('noarch', '0'.repeat(64))])
    return { ...base, state: 'reachable', ms: Math.round(performance.now() - start), fault: null }
  } catch (failure) {
    const [error] = userErrors(failure) ?? []
    if (error === undefined) throw failure
    return { ...base, state: 'unreachable', ms: null, fault: error.message }
  }
}
