import type { YoeError } from './errors.ts'

/** What a unit's turn came to. */
export type UnitOutcome = 'built' | 'cached' | 'restored' | 'failed' | 'skipped' | 'cancelled'

/**
 * What the engine tells while it works, in the order in which it happens. The engine prints nothing: a terminal, a
 * plain log, the groups of GitHub Actions and NDJSON (`--events`) are reporters of these same events.
 * Durations are in milliseconds, sizes in bytes.
 */
export type Event =
  | { readonly type: 'step-started'; readonly id: string; readonly title: string; readonly unit?: string }
  | {
      readonly type: 'step-progress'
      readonly id: string
      readonly done: number
      readonly total?: number
      readonly measure: 'bytes' | 'items'
    }
  | {
      readonly type: 'step-ended'
      readonly id: string
      readonly ms: number
      readonly ok: boolean
      readonly note?: string
    }
  | {
      readonly type: 'unit-started'
      readonly unit: string
      readonly title: string
      readonly why: string
      readonly log: string
    }
  /** What is done for it now: `unpack zlib-1.3.tar.gz`, `task build`. */
  | { readonly type: 'unit-phase'; readonly unit: string; readonly title: string }
  | { readonly type: 'unit-output'; readonly unit: string; readonly text: string }
  | {
      readonly type: 'unit-ended'
      readonly unit: string
      readonly outcome: UnitOutcome
      readonly ms: number
      readonly error?: YoeError
    }
  /** How far all units that have to be built are; whenever that changes. */
  | {
      readonly type: 'build-progress'
      readonly done: number
      readonly total: number
      /** Expected milliseconds until the end, where most of what is left was built before. */
      readonly remainingMs?: number
    }
  | {
      readonly type: 'warning'
      readonly message: string
      readonly hint?: string
      readonly at?: { readonly file: string; readonly line: number }
    }
  | { readonly type: 'notice'; readonly message: string }

export type Reporter = (event: Event) => void

/** Reports nothing: for tests, and for work whose progress nobody waits for. */
export const silent: Reporter = () => {}

let stepCount = 0

/** Runs `work` as one told, timed step; what it throws passes through. */
export async function step<T>(
  report: Reporter,
  title: string,
  work: (id: string) => Promise<T>,
  unit?: string,
): Promise<T> {
  const id = `s${++stepCount}`
  const start = performance.now()
  report({ type: 'step-started', id, title, ...(unit === undefined ? {} : { unit }) })
  try {
    const result = await work(id)
    report({ type: 'step-ended', id, ms: performance.now() - start, ok: true })
    return result
  } catch (failure) {
    report({ type: 'step-ended', id, ms: performance.now() - start, ok: false })
    throw failure
  }
}
