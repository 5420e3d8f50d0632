import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { YoeError } from '../errors.ts'
import type { Reporter } from '../events.ts'
import { shown } from '../shown.ts'
import type { Documents } from '../store/remote.ts'
import { ClaimBoard, type End } from './claim-board.ts'

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
 * measures on its own how long the document stays the same, and takes over what no longer changes. Its end is its removal,
 * after the result is where everybody finds it; so what is listed is what is being built. Claims only save work: entries of
 * the store never change, so two that make the same, after a take-over, leave one result.
 */
export class Claims {
  readonly #options: Required<ClaimsOptions>
  readonly #board: ClaimBoard
  #down = false

  constructor(options: ClaimsOptions) {
    const beatMs = Math.max(20_000, options.documents.changeMs ?? 0)
    this.#options = { worthMs: 3_000, beatMs, deadMs: 4.5 * beatMs, pollMs: [250, beatMs / 4], ...options }
    this.#board = new ClaimBoard(options.documents, this.#options.pollMs)
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
        let version = this.#board.knows(name) ? undefined : await documents.create(name, mine.next())
        if (version === undefined) {
          const end = await this.#end(wanted)
          if (end === 'over') return undefined
          if (end !== 'gone') version = await documents.replace(name, end.stuck, mine.next())
          else {
            const found = await look()
            if (found !== undefined) return { found }
            // Somebody may have begun to write it, and died before anybody could read it.
            if (performance.now() - start > deadMs) return undefined
            await sleep(pollMs[0], undefined, { signal })
          }
        }
        if (version === undefined) continue
        const claim = this.#hold(name, version, mine)
        // A result comes before the end of its claim, so that there is none yet when there is none now.
        const found = await look().catch(async (failure: unknown) => {
          await claim.giveUp()
          throw failure
        })
        if (found === undefined) return { claim }
        await claim.done()
        return { found }
      }
    } catch (failure) {
      this.#giveUpOn(failure)
      return undefined
    }
  }

  /** Waits for the end of somebody else's claim: removed, or not kept up. */
  async #end({ name, title, look, wait, signal, until }: Wanted<unknown>): Promise<End | 'over'> {
    const { documents, deadMs, report } = this.#options
    const over = until === undefined ? undefined : AbortSignal.timeout(Math.max(0, until - Date.now()))
    let looks = 0
    let lookedAt = performance.now()
    const found = new AbortController()
    const tell = async (): Promise<void> => {
      const document = await documents.read(name)
      if (document === undefined) return
      report({ type: 'notice', message: `waiting for ${title}: ${holderOf(document.text)} builds it` })
    }
    const search = async (): Promise<void> => {
      if ((await look()) !== undefined) found.abort()
    }
    const held = (): void => {
      // What is over at once is not worth a word.
      if (++looks === 2) void tell().catch(() => {})
      // Its end may not have been written down.
      if (performance.now() - lookedAt < deadMs / 4) return
      lookedAt = performance.now()
      void search().catch(() => {})
    }
    let end: End | 'over' = 'over'
    await wait(async () => {
      const stops = [signal, found.signal, ...(over === undefined ? [] : [over])]
      try {
        end = await this.#board.end({ name, deadMs, held }, AbortSignal.any(stops))
      } catch (failure) {
        signal.throwIfAborted()
        if (found.signal.aborted) end = 'gone'
        else if (over?.aborted !== true) throw failure
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
    const remove = (): Promise<void> =>
      change(async (last) => {
        await documents.remove(name, last)
        return last
      })
    return {
      get doubtful() {
        return lost || performance.now() - alive > deadMs / 2 + beatMs
      },
      async done() {
        clearInterval(beat)
        if (documents.ready?.() === false) return
        await remove()
      },
      async giveUp() {
        clearInterval(beat)
        await remove()
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
    return JSON.stringify({ holder: this.#holder, id: this.#id, beat: this.#beat++ })
  }
}

/** What a claim says, which anybody who may write to the store could have written. */
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
