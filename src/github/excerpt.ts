const headBytes = 64 * 1024
const tailBytes = 256 * 1024

/** The beginning and the end of a log of any length, in bounded memory. */
export class LogExcerpt {
  #head = ''
  #tail: string[] = []
  #tailLength = 0
  #dropped = 0

  add(text: string): void {
    const room = headBytes - this.#head.length
    this.#head += text.slice(0, room)
    if (text.length <= room) return
    const rest = text.slice(Math.max(room, text.length - tailBytes))
    this.#dropped += text.length - Math.max(0, room) - rest.length
    this.#tail.push(rest)
    this.#tailLength += rest.length
    while (this.#tail[0] !== undefined && this.#tailLength - this.#tail[0].length >= tailBytes) {
      const gone = this.#tail.shift()?.length ?? 0
      this.#tailLength -= gone
      this.#dropped += gone
    }
  }

  toString(): string {
    const gap =
      this.#dropped === 0 ? '' : `\n… ${this.#dropped} characters left out: the whole log is on the runner …\n`
    return this.#head + gap + this.#tail.join('')
  }
}
