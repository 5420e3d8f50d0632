/** Of a tar, which is made of blocks. */
const block = 512

/**
 * Regroups bytes into chunks of one size, in two buffers by turns: a chunk is written over by the next but one. All but a
 * file's content comes in whole blocks.
 */
export class Chunks {
  readonly #size: number
  #buffer: Buffer
  #other: Buffer | undefined
  #used = 0

  /** @param size of a chunk, a multiple of 512 bytes */
  constructor(size: number) {
    this.#size = size
    this.#buffer = Buffer.allocUnsafeSlow(size)
  }

  /** Where the next bytes belong: at most `wanted`, and at least one. */
  room(wanted: number): Buffer {
    return this.#buffer.subarray(this.#used, Math.min(this.#used + wanted, this.#size))
  }

  /** @returns a chunk that is full now */
  advance(count: number): Buffer | undefined {
    this.#used += count
    if (this.#used < this.#size) return undefined
    const full = this.#buffer
    this.#buffer = this.#other ?? Buffer.allocUnsafeSlow(this.#size)
    this.#other = full
    this.#used = 0
    return full
  }

  /** Zeros up to the end of a block. */
  align(): Buffer | undefined {
    const missing = (block - (this.#used % block)) % block
    this.#buffer.fill(0, this.#used, this.#used + missing)
    return this.advance(missing)
  }

  /** @returns whether there was room; otherwise they are to be added */
  put(bytes: Buffer): boolean {
    const end = this.#used + bytes.length
    if (end >= this.#size) return false
    this.#buffer.set(bytes, this.#used)
    this.#used = end
    return true
  }

  *add(bytes: Buffer): Generator<Buffer, void, undefined> {
    for (let at = 0; at < bytes.length; ) {
      const count = bytes.copy(this.#buffer, this.#used, at)
      at += count
      const full = this.advance(count)
      if (full !== undefined) yield full
    }
  }

  *end(): Generator<Buffer, void, undefined> {
    if (this.#used > 0) yield this.#buffer.subarray(0, this.#used)
  }
}
