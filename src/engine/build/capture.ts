/** What a function is shown of what a command printed. */
const mostBytes = 1 << 20

/** Keeps the beginning of what a command prints. */
export class Capture {
  readonly #chunks: Uint8Array[] = []
  #size = 0
  #truncated = false

  add(chunk: Uint8Array): void {
    const room = mostBytes - this.#size
    if (chunk.length > room) this.#truncated = true
    // Whoever wrote the chunk may use its memory again.
    const part = chunk.slice(0, room)
    if (part.length > 0) this.#chunks.push(part)
    this.#size += part.length
  }

  /** What is no UTF-8 is shown as U+FFFD. */
  end(): { readonly output: string; readonly truncated: boolean } {
    return { output: Buffer.concat(this.#chunks).toString('utf8'), truncated: this.#truncated }
  }
}
