import { YoeError } from '#engine/errors.ts'
import type { Reporter } from '#engine/events.ts'
import { step } from '#engine/events.ts'
import { inParallel } from '#engine/in-parallel.ts'
import { entryName } from '#engine/store/cache.ts'
import type { RemoteEntry, RemoteStore } from '#engine/store/remote.ts'

const atOnce = 8
const dayMs = 86_400_000

export interface RemoteCollectOptions {
  /** Names of entries that stay whatever their age, and go last when the budget is too small. */
  readonly needed: ReadonlySet<string>
  readonly all: boolean
  /** Days after which an entry goes, from when it was sent: nobody notes who reads it. */
  readonly days: number
  /** Bytes. */
  readonly budget: number | undefined
  readonly dryRun: boolean
  readonly report: Reporter
  readonly signal: AbortSignal
}

export interface CollectedRemote {
  readonly entries: number
  /** Marks of machines that built together, of entries that are gone. */
  readonly claims: number
  /** Bytes. */
  readonly freed: number
  readonly left: number
}

/**
 * Removes old entries from a shared cache. Who looks for one at that moment finds that it is gone, and builds it.
 *
 * @throws {YoeError} USAGE when the storage does not say how old entries are; FETCH_FAILED
 */
export async function collectRemote(remote: RemoteStore, options: RemoteCollectOptions): Promise<CollectedRemote> {
  const { needed, all, days, budget, dryRun, report, signal } = options
  const entries = await inventoryOf(remote, 'units/')
  const since = all ? Number.POSITIVE_INFINITY : Date.now() - days * dayMs
  const kept = (entry: RemoteEntry): boolean => !all && needed.has(entry.name)
  const order = entries
    .filter((entry) => kept(entry) || entry.sentAt >= since)
    .toSorted((a, b) => Number(kept(b)) - Number(kept(a)) || b.sentAt - a.sentAt)
  const staying = new Set<string>()
  let left = 0
  for (const { name, size } of order) {
    if (budget !== undefined && left + size > budget) continue
    staying.add(name)
    left += size
  }
  const going = entries.filter(({ name }) => !staying.has(name))
  const freed = going.reduce((sum, { size }) => sum + size, 0)
  const claims = (await inventoryOf(remote, 'claims/')).filter(
    ({ name, sentAt }) =>
      !staying.has(name.replace(/^claims\//, 'units/')) &&
      // Who builds it right now has no entry yet, and shows now and then that it lives.
      sentAt < Date.now() - dayMs,
  )
  if (!dryRun && going.length + claims.length > 0)
    await step(
      report,
      `Remove ${going.length === 1 ? 'one entry' : `${going.length} entries`} of ${remote}`,
      async (id) => {
        let done = 0
        await inParallel(atOnce, going, async ({ name }) => {
          signal.throwIfAborted()
          await remote.delete(name)
          report({ type: 'step-progress', id, done: ++done, total: going.length, measure: 'items' })
        })
        await inParallel(atOnce, claims, async ({ name }) => {
          const claim = await remote.documents?.read(name)
          if (claim !== undefined) await remote.documents?.remove(name, claim.version)
        })
      },
    )
  return { entries: going.length, claims: claims.length, freed, left }
}

async function inventoryOf(remote: RemoteStore, prefix: string): Promise<readonly RemoteEntry[]> {
  if (remote.inventory === undefined)
    throw new YoeError('USAGE', `${remote} does not say how old its entries are`, {
      hint: 'let a rule of the storage itself delete what is old: nothing that is gone harms a build',
    })
  const entries: RemoteEntry[] = []
  for await (const entry of remote.inventory(prefix)) if (isOurs(entry.name)) entries.push(entry)
  return entries
}

/** Whether something that a shared cache lists is an entry or a claim: what else lies there is somebody else's. */
export function isOurs(name: string): boolean {
  return /^(units|claims)\/[A-Za-z0-9_]{1,40}\/[0-9a-f]{64}$/.test(name)
}

/** Names of entries in shared caches of results that are `<arch>/<hash>`. */
export function entryNames(results: Iterable<string>): ReadonlySet<string> {
  const names = new Set<string>()
  for (const result of results) {
    const [arch = '', hash = ''] = result.split('/')
    names.add(entryName(arch, hash))
  }
  return names
}
