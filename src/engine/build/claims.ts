import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { YoeError } from '../errors.ts'
import type { Reporter } from '../events.ts'
import { shown } from '../shown.ts'
import type { Documents } from '../store/remote.ts'

export interface ClaimsOptions {
  /** Of a store that every machine of the run writes to. */
  readonly documents: Documents
  /** Who works here, for the others' messages: `job 3 of run 17`. */
  readonly holder: string
  readonly report: Reporter
  /** Work of fewer expected milliseconds is done by everybody who needs it: asking would take as long. */
  readonly worthMs?: number
  /** Milliseconds between two signs of life. */
  readonly beatMs?: number
  /** Milliseconds without one after which a holder counts as dead. */
  readonly deadMs?: number
  /** Milliseconds between two looks at a claim of somebody else: at first, and at most. */
  readonly pollMs?: readonly [number, number]
}

export interface Wanted<T> {
  /** Letters, digits, `.`, `_`, `-`, with `/` between them: the same on every machine for the same result. */
  readonly name: string
  /** For messages. */
  readonly title: string
  /** The result, when somebody has finished it. */
  readonly look: () => Promise<T | undefined>
  /** Runs the waiting; who has a place gives it away meanwhile. */
  readonly wait: (waiting: () => Promise<void>) => Promise<void>
  readonly signal: AbortSignal
  /** Milliseconds since 1970 from which on nobody waits here. */
  readonly until?: number | undefined
}

/** The right, among all machines, to make one thing. */
export interface Claim {
  /** True when somebody else may have taken it over: a look whether there is a result already is due. */
  readonly doubtful: boolean
  /** The result is where everybody finds it. */
  done(): Promise<void>
  /** There won't be one from here. */
  giveUp(): Promise<void>
}

/**
 * What the machines of one run agree on through a store that they share, without anybody who coordinates: who makes what.
 *
 * A claim is a document that one machine creates and keeps changing while it lives. Nobody compares clocks: who waits
 * measures on its own how long the document stays the same, and takes over what no longer changes. A finished claim stays
 * as a mark, so that who creates one knows without another look that nobody has made the result. Claims only save work:
 * entries of the store never change, so two that make the same, after a take-over, leave one result.
 */
export class Claims {
  readonly #options: Required<ClaimsOptions>
  #down = false

  constructor(options: ClaimsOptions) {
    const beatMs = Math.max(20_000, options.documents.changeMs ?? 0)
    this.#options = { worthMs: 3_000, beatMs, deadMs: 4.5 * beatMs, pollMs: [500, beatMs / 4], ...options }
  }

  /** Whether work of so many expected milliseconds (undefined: unknown) is worth a claim. */
  worth(ms: number | undefined): boolean {
    if (this.#down || this.#options.documents.ready?.() === false) return false
    return ms === undefined || ms >= this.#options.worthMs
  }

  /**
   * Waits until the result is there or this machine is the one to make it.
   *
   * @returns undefined when nobody can say: the store of the claims failed (a warning, once), or `until` is over
   */
  async acquire<T>(wanted: Wanted<T>): Promise<{ readonly found: T } | { readonly claim: Claim } | undefined> {
    const { documents, deadMs, pollMs } = this.#options
    const { name, look, signal } = wanted
    try {
      for (const start = performance.now(); ; ) {
        const mine = new Text(this.#options.holder)
        const created = await documents.create(name, mine.next())
        if (created !== undefined) return { claim: this.#hold(name, created, mine) }
        const free = await this.#freed(wanted)
        if (free === 'over') return undefined
        const found = await look()
        if (found !== undefined) return { found }
        if (free === 'gone') {
          // Somebody may have begun to write it, and died before anybody could read it.
          if (performance.now() - start > deadMs) return undefined
          await sleep(pollMs[0], undefined, { signal })
          continue
        }
        const taken = await documents.replace(name, free.version, mine.next())
        if (taken !== undefined) return { claim: this.#hold(name, taken, mine) }
      }
    } catch (failure) {
      this.#giveUpOn(failure)
      return undefined
    }
  }

  /** Waits for the end of somebody else's claim: finished, removed, or not kept up. */
  async #freed({
    name,
    title,
    look,
    wait,
    signal,
    until = Number.POSITIVE_INFINITY,
  }: Wanted<unknown>): Promise<{ readonly version: string } | 'gone' | 'over'> {
    const { documents, deadMs, pollMs } = this.#options
    let seen = await documents.read(name)
    if (seen === undefined) return 'gone'
    if (stateOf(seen.text) === 'done') return seen
    this.#options.report({ type: 'notice', message: `waiting for ${title}: ${holderOf(seen.text)} builds it` })
    let end: { readonly version: string } | 'gone' | 'over' = 'over'
    await wait(async () => {
      let since = performance.now()
      let [pause] = pollMs
      let polls = 0
      while (Date.now() < until) {
        await sleep(pause, undefined, { signal }).catch(() => {})
        signal.throwIfAborted()
        pause = Math.min(pause * 1.5, pollMs[1])
        const now = await documents.read(name)
        if (now === undefined) {
          end = 'gone'
          return
        }
        if (now.version !== seen?.version) since = performance.now()
        seen = now
        if (stateOf(now.text) === 'done' || performance.now() - since > deadMs) {
          end = now
          return
        }
        // Its end may not have been written down: where changes are dear, the result comes first.
        if (++polls % 4 === 0 && (await look()) !== undefined) {
          end = now
          return
        }
      }
    })
    return end
  }

  #hold(name: string, created: string, text: Text): Claim {
    const { documents, beatMs, deadMs } = this.#options
    let version = created
    let alive = performance.now()
    let lost = false
    let changing = Promise.resolve()
    /** One after the other: each needs the version that the last one gave. */
    const change = (to: (version: string) => Promise<string | undefined>): Promise<void> => {
      changing = changing.then(async () => {
        if (lost) return
        try {
          const next = await to(version)
          if (next === undefined) lost = true
          else version = next
          alive = performance.now()
        } catch (failure) {
          // Whether it is still ours shows at the next beat.
          if (!(failure instanceof YoeError)) throw failure
        }
      })
      return changing
    }
    const beat = setInterval(() => {
      void change((last) => documents.replace(name, last, text.next()))
    }, beatMs)
    beat.unref()
    return {
      get doubtful() {
        return lost || performance.now() - alive > deadMs / 2 + beatMs
      },
      async done() {
        clearInterval(beat)
        if (documents.ready?.() === false) return
        await change((last) => documents.replace(name, last, JSON.stringify({ state: 'done' })))
      },
      async giveUp() {
        clearInterval(beat)
        await change(async (last) => {
          await documents.remove(name, last)
          return last
        })
      },
    }
  }

  #giveUpOn(failure: unknown): void {
    if (!(failure instanceof YoeError) || failure.code !== 'FETCH_FAILED') throw failure
    if (this.#down) return
    this.#down = true
    this.#options.report({
      type: 'warning',
      message: failure.message,
      hint: 'this run goes on without asking what other machines build',
    })
  }
}

/** What a claim says while it is held: never the same twice, on any machine. */
class Text {
  readonly #holder: string
  readonly #id = randomUUID()
  #beat = 0

  constructor(holder: string) {
    this.#holder = holder
  }

  next(): string {
    return JSON.stringify({ state: 'building', holder: this.#holder, id: this.#id, beat: this.#beat++ })
  }
}

/** What a claim says, which anybody who may write to the store could have written. */
function stateOf(text: string): unknown {
  return field(text, 'state')
}

function holderOf(text: string): string {
  const holder = field(text, 'holder')
  return typeof holder === 'string' && holder !== '' ? shown(holder.slice(0, 100)) : 'another machine'
}

function field(text: string, name: string): unknown {
  try {
    const document: unknown = JSON.parse(text)
    return new Map(Object.entries(Object(document))).get(name)
  } catch {
    return undefined
  }
}
