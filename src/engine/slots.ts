/** Lets at most `free` pieces of work run at a time, the others by their urgency, else in the order in which they asked. */
export class Slots {
  #free: number
  readonly #waiting: { readonly urgency: number; readonly start: () => void }[] = []

  constructor(free: number) {
    this.#free = free
  }

  async use<T>(work: () => Promise<T>, urgency = 0): Promise<T> {
    if (this.#free > 0) this.#free--
    else
      await new Promise<void>((start) => {
        const after = this.#waiting.findIndex((other) => other.urgency < urgency)
        this.#waiting.splice(after < 0 ? this.#waiting.length : after, 0, { urgency, start })
      })
    try {
      return await work()
    } finally {
      const next = this.#waiting.shift()
      if (next === undefined) this.#free++
      else next.start()
    }
  }
}
