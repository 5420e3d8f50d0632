import type { IncomingMessage } from 'node:http'
import type { FetchLimits } from './limits.ts'
import { seconds, Trouble } from './trouble.ts'

/** Bytes that may have come before anybody wanted them. */
const ahead = 2 ** 20

/**
 * An answer's bytes, collected from now on: what has come before the connection breaks is not lost, as it would be with
 * Node's own iterator. Time is only counted while the network is waited for, not while the caller writes.
 *
 * @param length what the header said
 * @returns throws {@link Trouble} where the body breaks off, stalls or drips, and what `signal` was aborted with
 */
export function receive(
  response: IncomingMessage,
  length: number | undefined,
  limits: FetchLimits,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array> {
  const inbox = new Inbox(response)
  return bytes(inbox, length, limits, signal)
}

/** Chunks that came, and the end once it is known. */
class Inbox {
  readonly #response: IncomingMessage
  readonly #chunks: Uint8Array[] = []
  #held = 0
  #end: 'open' | 'whole' | 'broken' = 'open'
  #wake: () => void = () => {}

  constructor(response: IncomingMessage) {
    this.#response = response
    response.on('data', (chunk: Uint8Array) => {
      this.#chunks.push(chunk)
      this.#held += chunk.length
      if (this.#held >= ahead) response.pause()
      this.#wake()
    })
    response.on('end', () => this.#finish(response.complete ? 'whole' : 'broken'))
    response.on('error', () => this.#finish('broken'))
    response.on('close', () => this.#finish('broken'))
  }

  #finish(end: 'whole' | 'broken'): void {
    if (this.#end === 'open') this.#end = end
    this.#wake()
  }

  /** The next chunk; undefined when nothing came within `limit` milliseconds. */
  async take(limit: number, signal: AbortSignal | undefined): Promise<Uint8Array | 'whole' | 'broken' | undefined> {
    if (this.#chunks.length === 0 && this.#end === 'open') await this.#something(limit, signal)
    const chunk = this.#chunks.shift()
    if (chunk === undefined) return this.#end === 'open' ? undefined : this.#end
    this.#held -= chunk.length
    if (this.#held < ahead) this.#response.resume()
    return chunk
  }

  #something(limit: number, signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, limit)
      this.#wake = () => {
        clearTimeout(timer)
        signal?.removeEventListener('abort', this.#wake)
        resolve()
      }
      signal?.addEventListener('abort', this.#wake)
      if (signal?.aborted === true) this.#wake()
    })
  }

  close(): void {
    if (this.#end !== 'whole') this.#response.destroy()
  }
}

async function* bytes(
  inbox: Inbox,
  length: number | undefined,
  limits: FetchLimits,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array> {
  let got = 0
  let waited = 0
  let recent = 0
  try {
    for (;;) {
      const since = performance.now()
      const next = await inbox.take(limits.stall, signal)
      signal?.throwIfAborted()
      if (next === undefined) throw new Trouble(`no byte for ${seconds(limits.stall)} after ${got} bytes`, true)
      if (next === 'whole') return
      if (next === 'broken')
        throw new Trouble(`the connection broke after ${got}${length === undefined ? '' : ` of ${length}`} bytes`, true)
      got += next.length
      recent += next.length
      waited += performance.now() - since
      if (waited >= limits.slowWindow) {
        if (recent < limits.slowBytes) {
          throw new Trouble(`slower than ${limits.slowBytes} bytes in ${seconds(limits.slowWindow)}`, true)
        }
        waited = 0
        recent = 0
      }
      yield next
    }
  } finally {
    inbox.close()
  }
}
