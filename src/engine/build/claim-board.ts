import { setTimeout as sleep } from 'node:timers/promises'
import { inParallel } from '../in-parallel.ts'
import type { Documents } from '../store/remote.ts'

const readsAtOnce = 8

/** How a wait for somebody else's claim ended; `stuck`: it did not change for too long, and is of that version. */
export type End = 'gone' | { readonly stuck: string }

export interface Watched {
  readonly name: string
  /** Milliseconds for which it may stay the same. */
  readonly deadMs: number
  /** Called after each look that saw it held. */
  readonly held: () => void
}

interface Watcher extends Watched {
  version: string
  since: number
  readonly ended: (end: End) => void
  readonly failed: (failure: unknown) => void
}

/**
 * Looks at the claims of other machines on behalf of all that wait here: by one listing where the store has listings, so
 * that hundreds of units that others build cost a request now and then. Time is this machine's own, and only passes.
 */
export class ClaimBoard {
  readonly #documents: Documents
  readonly #pollMs: readonly [number, number]
  readonly #watchers = new Set<Watcher>()
  /** What the last look saw. */
  #seen: ReadonlyMap<string, string> = new Map()
  #seenAt = Number.NEGATIVE_INFINITY
  #pause: number
  #looking = false

  /** @param pollMs milliseconds between two looks: while things happen, and at most */
  constructor(documents: Documents, pollMs: readonly [number, number]) {
    this.#documents = documents
    this.#pollMs = pollMs
    this.#pause = pollMs[0]
  }

  /** Whether another machine held it a moment ago. */
  knows(name: string): boolean {
    return this.#seen.has(name) && performance.now() - this.#seenAt < 2 * this.#pollMs[0]
  }

  /**
   * Waits for the end of a claim.
   *
   * @throws {YoeError} FETCH_FAILED; the reason of `signal`
   */
  async end(watched: Watched, signal: AbortSignal): Promise<End> {
    signal.throwIfAborted()
    const { promise, resolve: ended, reject: failed } = Promise.withResolvers<End>()
    const watcher: Watcher = { ...watched, version: '', since: performance.now(), ended, failed }
    const stop = (): void => failed(signal.reason)
    signal.addEventListener('abort', stop, { once: true })
    this.#watchers.add(watcher)
    this.#pause = this.#pollMs[0]
    void this.#look()
    try {
      return await promise
    } finally {
      this.#watchers.delete(watcher)
      signal.removeEventListener('abort', stop)
    }
  }

  async #look(): Promise<void> {
    if (this.#looking) return
    this.#looking = true
    try {
      while (this.#watchers.size > 0) {
        await sleep(this.#pause)
        const watchers = [...this.#watchers]
        const before = performance.now()
        const seen = await this.#versions(watchers.map(({ name }) => name))
        this.#seen = seen
        this.#seenAt = before
        this.#pause = Math.min(this.#pause * 1.5, this.#pollMs[1])
        for (const watcher of watchers) this.#compare(watcher, seen.get(watcher.name), before)
      }
    } catch (failure) {
      for (const { failed } of this.#watchers) failed(failure)
      this.#watchers.clear()
    } finally {
      this.#looking = false
    }
  }

  #compare(watcher: Watcher, version: string | undefined, now: number): void {
    if (version !== undefined && version !== watcher.version) {
      watcher.version = version
      watcher.since = now
    }
    if (version !== undefined && now - watcher.since <= watcher.deadMs) {
      watcher.held()
      return
    }
    this.#pause = this.#pollMs[0]
    watcher.ended(version === undefined ? 'gone' : { stuck: version })
  }

  async #versions(names: readonly string[]): Promise<ReadonlyMap<string, string>> {
    const { versions } = this.#documents
    if (versions !== undefined) {
      const folders = new Set(names.map((name) => name.slice(0, name.lastIndexOf('/') + 1)))
      const found = await Promise.all([...folders].map((folder) => versions(folder)))
      return new Map(found.flatMap((one) => [...one]))
    }
    const read = await inParallel(readsAtOnce, names, async (name) => {
      const document = await this.#documents.read(name)
      return document === undefined ? [] : [[name, document.version] as const]
    })
    return new Map(read.flat())
  }
}
