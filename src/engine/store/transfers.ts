import type { Reporter } from '../events.ts'
import { step } from '../events.ts'
import { Slots } from '../slots.ts'
import type { Transfer } from './remote.ts'

/** Most entries are small: what they take is the way there and back, not the line. */
const atOnce = 24
/** Milliseconds between two events about one transfer. */
const tellEvery = 100

/** Entries on their way, a few at a time; each is told as a step from its first byte on, so that a miss is no step. */
export class Transfers {
  readonly #report: Reporter
  readonly #signal: AbortSignal | undefined
  readonly #slots = new Slots(atOnce)

  constructor(report: Reporter, signal: AbortSignal | undefined) {
    this.#report = report
    this.#signal = signal
  }

  /**
   * @param title `Restore zlib from team`
   * @param urgency higher ones first
   */
  run<T>(title: string, work: (transfer: Transfer) => Promise<T>, urgency = 0): Promise<T> {
    return this.#slots.use(() => this.#told(title, work), urgency)
  }

  async #told<T>(title: string, work: (transfer: Transfer) => Promise<T>): Promise<T> {
    const end = Promise.withResolvers<void>()
    let id: string | undefined
    let told = 0
    let shown: Promise<void> | undefined
    const progress = (done: number, total: number | undefined): void => {
      shown ??= step(this.#report, title, (given) => {
        id = given
        return end.promise
      }).catch(() => {})
      const now = performance.now()
      if (id === undefined || (now - told < tellEvery && done !== total)) return
      told = now
      const size = total === undefined ? {} : { total }
      this.#report({ type: 'step-progress', id, done, measure: 'bytes', ...size })
    }
    try {
      const result = await work({ progress, ...(this.#signal === undefined ? {} : { signal: this.#signal }) })
      end.resolve()
      return result
    } catch (failure) {
      end.reject(failure)
      throw failure
    } finally {
      // Where nothing moved, nobody waits for it.
      end.promise.catch(() => {})
      await shown
    }
  }
}
