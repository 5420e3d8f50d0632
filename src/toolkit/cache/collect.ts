import { rename, rm, stat } from 'node:fs/promises'
import { removeTree } from '#engine/build/tree.ts'
import { YoeError } from '#engine/errors.ts'
import type { Reporter } from '#engine/events.ts'
import { step } from '#engine/events.ts'
import { errorCode } from '#engine/store/disk.ts'
import type { Store } from '#engine/store/store.ts'
import type { Choice } from './choose.ts'
import { choose } from './choose.ts'
import type { Needs } from './needs.ts'
import { needing } from './needs.ts'
import type { Thing, ThingKind } from './things.ts'
import { contentsOf, thingKinds } from './things.ts'

/** Days that the cache of a project keeps what nobody used, where the project does not say. */
export const usualDays = 30

const dayMs = 86_400_000

export interface CollectOptions {
  readonly needs: Needs
  /** Everything goes that can be made or fetched again, whatever needs it. */
  readonly all: boolean
  readonly days: number
  /** Bytes. */
  readonly budget?: number | undefined
  readonly dryRun: boolean
  readonly report: Reporter
  readonly signal?: AbortSignal | undefined
}

export interface Collected {
  readonly removed: readonly { readonly kind: ThingKind; readonly count: number; readonly bytes: number }[]
  /** Bytes. */
  readonly freed: number
  /** Bytes that stay. */
  readonly left: number
}

/** What is never removed here: what says how new the newest lists of feeds were, and what this program does not know. */
const fixedKinds: ReadonlySet<ThingKind> = new Set(['other'])
/** Without these no project could be planned offline: only age removes them. */
const agedKinds: ReadonlySet<ThingKind> = new Set(['modules', 'feeds'])

/**
 * Removes from a cache what nobody used for some days and nobody needs. Waits until no process uses the cache, and keeps
 * others waiting meanwhile; who is stopped in the middle leaves nothing that a later run would take for whole.
 *
 * @throws {YoeError} CANCELLED, PERMISSION
 */
export async function collect(store: Store, options: CollectOptions): Promise<Collected> {
  const { needs, all, days, budget, dryRun, signal } = options
  await using _alone = dryRun ? undefined : await store.alone(signal)
  const contents = await step(options.report, 'Measure the cache', () => contentsOf(store, 'measured'))
  const needed = needing(needs, contents.things)
  const age = Date.now() - days * dayMs
  const choice = choose(contents, {
    since: all ? Number.POSITIVE_INFINITY : age,
    budget,
    needed: (thing) => !all && needed(thing),
    fixed: ({ kind, usedAt }) =>
      fixedKinds.has(kind) || ((all || budget !== undefined) && agedKinds.has(kind) && usedAt >= age),
  })
  if (!dryRun) await remove(store, choice, options)
  const sizes = new Map<ThingKind, { count: number; bytes: number }>()
  const counted = new Set<string>()
  const gone = new Set(choice.objects)
  for (const { kind, bytes, objects } of choice.going) {
    const size = sizes.get(kind) ?? { count: 0, bytes: 0 }
    size.count++
    size.bytes += bytes
    for (const sha256 of objects)
      if (gone.has(sha256) && !counted.has(sha256)) {
        counted.add(sha256)
        const state = contents.objects.get(sha256)
        size.bytes += state === undefined || state.linked ? 0 : state.bytes
      }
    sizes.set(kind, size)
  }
  const removed = thingKinds.flatMap((kind) => {
    const size = sizes.get(kind)
    return size === undefined ? [] : [{ kind, ...size }]
  })
  return { removed, freed: choice.freed, left: choice.left }
}

/** What lists objects goes before these: what is left in between is an object too many, never a result without one. */
async function remove(store: Store, { going, objects }: Choice, { report, signal }: CollectOptions): Promise<void> {
  const { length } = going
  if (length + objects.length === 0) return
  await step(report, `Remove ${length === 1 ? 'one entry' : `${length} entries`}`, async () => {
    const trees: string[] = []
    for (const thing of going) {
      if (signal?.aborted === true) throw new YoeError('CANCELLED', 'clearing away was stopped; what is left is whole')
      trees.push(...(await takeAway(store, thing)))
    }
    for (const sha256 of objects) await store.objects.remove(sha256)
    for (let at = 0; at < trees.length; at += 100) await removeTree(...trees.slice(at, at + 100))
  })
}

/** Takes a thing's names away; trees get another name first, since removing them takes time in which somebody may stop it. */
async function takeAway(store: Store, { paths, lock }: Thing): Promise<readonly string[]> {
  await using _lock = lock === undefined ? undefined : await store.lock(lock)
  const trees: string[] = []
  for (const path of paths) {
    const info = await stat(path).catch(() => undefined)
    if (info?.isDirectory() !== true) {
      await rm(path, { force: true })
      continue
    }
    const away = store.temp()
    try {
      await rename(path, away)
      trees.push(away)
    } catch (failure) {
      if (errorCode(failure) !== 'ENOENT') throw failure
    }
  }
  return trees
}
