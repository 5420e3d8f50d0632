import type { Contents, Thing } from './things.ts'

export interface Keeping {
  /** What was used since then stays (milliseconds since 1970). */
  readonly since: number
  /** Bytes that all of it may take together: what was used last stays, as far as it fits. */
  readonly budget?: number | undefined
  /** What stays whatever its age, and goes last when the budget is too small. */
  readonly needed: (thing: Thing) => boolean
  /** What stays in any case. */
  readonly fixed: (thing: Thing) => boolean
}

export interface Choice {
  readonly going: readonly Thing[]
  /** Objects that nothing lists any more that stays. */
  readonly objects: readonly string[]
  /** Bytes that come free. */
  readonly freed: number
  /** Bytes that stay. */
  readonly left: number
}

/** What of a cache is removed. An object that several things list counts once, and stays as long as one of them does. */
export function choose({ things, objects }: Contents, { since, budget, needed, fixed }: Keeping): Choice {
  const rank = (thing: Thing): number => (fixed(thing) ? 2 : needed(thing) ? 1 : 0)
  const ranks = new Map(things.map((thing) => [thing, rank(thing)]))
  const order = things
    .filter((thing) => ranks.get(thing) !== 0 || thing.usedAt >= since)
    .toSorted((a, b) => (ranks.get(b) ?? 0) - (ranks.get(a) ?? 0) || b.usedAt - a.usedAt)
  const staying = new Set<Thing>()
  const live = new Set<string>()
  let left = 0
  for (const thing of order) {
    const fresh = thing.objects.filter((sha256) => !live.has(sha256))
    const cost = thing.bytes + fresh.reduce((sum, sha256) => sum + (objects.get(sha256)?.bytes ?? 0), 0)
    if (budget !== undefined && left + cost > budget && ranks.get(thing) !== 2) continue
    staying.add(thing)
    for (const sha256 of fresh) live.add(sha256)
    left += cost
  }
  const going = things.filter((thing) => !staying.has(thing))
  const gone = [...new Set(going.flatMap((thing) => thing.objects))].filter(
    (sha256) => !live.has(sha256) && objects.has(sha256),
  )
  const ofObjects = gone.reduce((sum, sha256) => {
    const state = objects.get(sha256)
    return sum + (state === undefined || state.linked ? 0 : state.bytes)
  }, 0)
  return { going, objects: gone, freed: ofObjects + going.reduce((sum, { bytes }) => sum + bytes, 0), left }
}
