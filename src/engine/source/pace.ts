import { setTimeout as sleep } from 'node:timers/promises'

/** Keeps bytes of all that share it at a rate. */
export class Pace {
  readonly #perMs: number
  /** When what was taken so far has passed, by `performance.now()`. */
  #passed = 0

  /** @param bytesPerSecond more than 0 */
  constructor(bytesPerSecond: number) {
    this.#perMs = bytesPerSecond / 1000
  }

  /** Waits until `bytes` more may pass; the first ones pass at once. */
  async take(bytes: number): Promise<void> {
    const now = performance.now()
    const begin = Math.max(now, this.#passed)
    this.#passed = begin + bytes / this.#perMs
    if (begin > now) await sleep(begin - now)
  }
}
