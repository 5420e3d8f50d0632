/** Lets `burst` through at once and then `perMinute`, in the order in which they ask. */
export class TokenBucket {
  readonly #burst: number
  readonly #perMs: number
  readonly #clock: Clock
  #tokens: number
  #at: number
  #queue: Promise<void> = Promise.resolve()

  constructor(burst: number, perMinute: number, clock: Clock = systemClock) {
    this.#burst = burst
    this.#perMs = perMinute / 60_000
    this.#clock = clock
    this.#tokens = burst
    this.#at = clock.now()
  }

  take(): Promise<void> {
    const turn = this.#queue.then(async () => {
      this.#refill()
      if (this.#tokens < 1) {
        await this.#clock.sleep((1 - this.#tokens) / this.#perMs)
        this.#refill()
      }
      this.#tokens -= 1
    })
    this.#queue = turn
    return turn
  }

  /** How many would be let through at once. */
  get free(): number {
    this.#refill()
    return Math.floor(this.#tokens)
  }

  #refill(): void {
    const now = this.#clock.now()
    this.#tokens = Math.min(this.#burst, this.#tokens + (now - this.#at) * this.#perMs)
    this.#at = now
  }
}

/** Time, so that tests need not wait. Milliseconds. */
export interface Clock {
  now(): number
  sleep(ms: number): Promise<void>
}

export const systemClock: Clock = {
  now: () => Date.now(),
  sleep: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
}
