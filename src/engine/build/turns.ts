import type { Outcome, Right, Rights, Wait, Wanted } from './rights.ts'
import type { Bounds, Share, Work } from './schedule.ts'
import { Places } from './schedule.ts'

/** For how long (ms) a node that asked other machines before it had a place keeps what it was given. */
const patienceMs = 3_000

export interface Candidate extends Wanted {
  readonly work: Work
}

/** A place here, and the right to build among all that could. */
export interface Turn {
  readonly share: Share
  readonly right: Right
  /** Gives the place away while something is waited for. */
  readonly pause: Wait
}

/** When which node is built here: it needs a place among those that run, and the right to be built by this machine. */
export class Turns {
  /** What runs here. */
  readonly places: Places
  /** Those that ask other machines before they have a place: as many as half of the places. */
  readonly #next: Places
  readonly #rights: Rights
  readonly #check: () => void
  /** Somebody who asked got no place in time: until one is taken, nobody asks before having one. */
  #crowded = false

  /** @param check throws when nothing more may begin */
  constructor(bounds: Bounds, rights: Rights, check: () => void) {
    this.places = new Places(bounds)
    const jobs = Math.max(2, Math.ceil(bounds.jobs / 2))
    this.#next = new Places({ jobs, memoryBytes: Number.POSITIVE_INFINITY, processors: 1 })
    this.#rights = rights
    this.#check = check
  }

  /** Calls `build` once it is this node's turn; not at all when another process or machine turns out to have built it. */
  async use(candidate: Candidate, build: (turn: Turn) => Promise<Outcome>): Promise<Outcome> {
    return (
      (await this.#ahead(candidate, build)) ??
      this.places.use(candidate.work, async (share) => {
        this.#check()
        const right = await this.#rights.to(candidate, (freed) => this.places.pause(candidate.work, freed))
        return 'outcome' in right ? right : this.#build(candidate.work, share, right, build)
      })
    )
  }

  /**
   * The way to the other machines and back costs no place here: the few that come next ask while all are taken. What gets
   * no place for a while gives its right back, for others that may have one.
   */
  async #ahead(candidate: Candidate, build: (turn: Turn) => Promise<Outcome>): Promise<Outcome | undefined> {
    if (!this.#rights.shared(candidate)) return undefined
    const { work } = candidate
    await this.#next.take(work)
    let asking = true
    const asked = (): void => {
      if (asking) this.#next.give(work)
      asking = false
    }
    try {
      if (this.#crowded) return undefined
      this.#check()
      const right = await this.#rights.to(candidate, (freed) => this.#next.pause(work, freed))
      if ('outcome' in right) return right
      const share = await this.places.take(work, patienceMs)
      asked()
      if (share === undefined) {
        this.#crowded = true
        await right.giveUp()
        return undefined
      }
      try {
        return await this.#build(work, share, right, build)
      } finally {
        this.places.give(work)
      }
    } finally {
      asked()
    }
  }

  async #build(work: Work, share: Share, right: Right, build: (turn: Turn) => Promise<Outcome>): Promise<Outcome> {
    this.#crowded = false
    try {
      const outcome = await build({ share, right, pause: (freed) => this.places.pause(work, freed) })
      await right.release()
      return outcome
    } catch (failure) {
      await right.giveUp()
      throw failure
    }
  }
}
