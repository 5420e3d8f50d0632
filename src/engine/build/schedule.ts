import type { Node } from '../plan/graph.ts'
import { dependenciesOf, inOrder } from '../plan/graph.ts'

/** What a node is expected to take, from earlier builds or by a guess. */
export interface Expected {
  readonly ms: number
  /** At its peak, all processes of a run together. */
  readonly memoryBytes: number
}

/** Work that wants a place. */
export interface Work {
  /** Expected milliseconds from its start until the last target that waits for it is done. */
  readonly path: number
  readonly memoryBytes: number
}

/** What work may use while it has its place. */
export interface Share {
  /** At least 1. */
  readonly processors: number
}

interface Waiting {
  readonly work: Work
  readonly start: (share: Share) => void
  /** How many later ones were started while this one did not fit. */
  passed: number
}

/** Bounds on what runs at the same time. */
export interface Bounds {
  readonly jobs: number
  /** Of all expected peaks together. One alone may always run, whatever it takes. */
  readonly memoryBytes: number
  readonly processors: number
}

/** What runs at the same time: the longest way to go first, within a number of jobs and a sum of memory. */
export class Places {
  readonly #bounds: Bounds
  readonly #running = new Set<Work>()
  readonly #waiting: Waiting[] = []
  #held = 0
  #picking = false

  constructor(bounds: Bounds) {
    this.#bounds = bounds
  }

  /** Until {@link go} was called as often, nothing is started: more to choose from is about to come. */
  hold(): void {
    this.#held++
  }

  /** What this turn of the event loop still asks for is among what is chosen from. */
  go(): void {
    this.#held--
    this.#pickSoon()
  }

  async use<T>(work: Work, run: (share: Share) => Promise<T>): Promise<T> {
    const share = await this.take(work)
    try {
      return await run(share)
    } finally {
      this.give(work)
    }
  }

  /** For work that holds a place and only waits for a while. */
  async pause<T>(work: Work, wait: () => Promise<T>): Promise<T> {
    this.give(work)
    try {
      return await wait()
    } finally {
      await this.take(work)
    }
  }

  /** A place until {@link give}; undefined when there was none for so many milliseconds. */
  take(work: Work): Promise<Share>
  take(work: Work, withinMs: number): Promise<Share | undefined>
  take(work: Work, withinMs?: number): Promise<Share | undefined> {
    return new Promise((resolve) => {
      const waiting = { work, start: resolve, passed: 0 }
      const after = this.#waiting.findIndex((other) => other.work.path < work.path)
      this.#waiting.splice(after < 0 ? this.#waiting.length : after, 0, waiting)
      this.#pickSoon()
      if (withinMs === undefined) return
      const over = (): void => {
        const index = this.#waiting.indexOf(waiting)
        if (index < 0) return
        this.#waiting.splice(index, 1)
        resolve(undefined)
      }
      setTimeout(over, withinMs).unref()
    })
  }

  give(work: Work): void {
    this.#running.delete(work)
    this.#pickSoon()
  }

  /** What has just ended makes others ready, which ask for a place before this turn of the event loop is over. */
  #pickSoon(): void {
    if (this.#picking || this.#held > 0) return
    this.#picking = true
    setImmediate(() => {
      this.#picking = false
      if (this.#held === 0) this.#pick()
    })
  }

  #pick(): void {
    const { jobs, memoryBytes } = this.#bounds
    const chosen: Waiting[] = []
    let blocked: Waiting | undefined
    for (const waiting of [...this.#waiting]) {
      if (this.#running.size >= jobs) break
      // Smaller work may pass what does not fit, but not for ever.
      if (blocked !== undefined && blocked.passed >= jobs) break
      const used = this.#running.values().reduce((sum, work) => sum + work.memoryBytes, 0)
      if (this.#running.size > 0 && used + waiting.work.memoryBytes > memoryBytes) {
        blocked ??= waiting
        continue
      }
      if (blocked !== undefined) blocked.passed++
      this.#running.add(waiting.work)
      this.#waiting.splice(this.#waiting.indexOf(waiting), 1)
      chosen.push(waiting)
    }
    for (const { work, start } of chosen) start({ processors: this.#processorsFor(work) })
  }

  /**
   * Whoever has the longest way to go may use all processors, since the end waits for it; who runs beside it an equal
   * part. So at most about twice as much runs as there are processors, and the last one is never left with a part.
   */
  #processorsFor(work: Work): number {
    const { processors } = this.#bounds
    const longest = this.#running.values().reduce((most, other) => (other.path > most.path ? other : most))
    return longest === work ? processors : Math.max(1, Math.ceil(processors / this.#running.size))
  }
}

/** For every node, the milliseconds from its start to the end of the target that takes longest after it. */
export function longestPaths(targets: readonly Node[], msOf: (node: Node) => number): ReadonlyMap<Node, number> {
  const after = new Map<Node, number>()
  const paths = new Map<Node, number>()
  for (const node of inOrder(targets).toReversed()) {
    const path = (after.get(node) ?? 0) + msOf(node)
    paths.set(node, path)
    for (const dependency of dependenciesOf(node)) after.set(dependency, Math.max(after.get(dependency) ?? 0, path))
  }
  return paths
}

/** A part of what is available now, in bytes: the rest is for what runs beside the build. */
export function memoryBudget(): number {
  return Math.floor(process.availableMemory() * 0.8)
}
