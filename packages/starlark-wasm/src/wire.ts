/**
 * The flat byte strings that cross between TypeScript and the interpreter. Counts, ids and lengths are unsigned
 * varints, text is UTF-8 after its length. go/wire.go is the other side and must change together with this file.
 */
export class WireWriter {
  #bytes = Buffer.allocUnsafe(4096)
  #size = 0

  /** What was written since `reset`. Valid until the next write. */
  get bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#size)
  }

  get size(): number {
    return this.#size
  }

  reset(): this {
    this.#size = 0
    return this
  }

  byte(value: number): this {
    this.#room(1)
    this.#bytes[this.#size++] = value
    return this
  }

  /** @param value an integer from 0 to 2^53-1 */
  uint(value: number): this {
    this.#room(8)
    let rest = value
    while (rest >= 0x80) {
      this.#bytes[this.#size++] = (rest % 0x80) | 0x80
      rest = Math.floor(rest / 0x80)
    }
    this.#bytes[this.#size++] = rest
    return this
  }

  float(value: number): this {
    this.#room(8)
    this.#size = this.#bytes.writeDoubleLE(value, this.#size)
    return this
  }

  /** @throws {TypeError} when the text holds half of a surrogate pair, which has no UTF-8 */
  string(text: string): this {
    const { length } = text
    if (length < 40) {
      this.#room(length + 1)
      const start = this.#size
      this.#bytes[start] = length
      for (let i = 0; i < length; i++) {
        const unit = text.charCodeAt(i)
        if (unit >= 0x80) return this.#longString(text)
        this.#bytes[start + 1 + i] = unit
      }
      this.#size = start + 1 + length
      return this
    }
    return this.#longString(text)
  }

  #longString(text: string): this {
    if (!text.isWellFormed()) throw new TypeError('text holds a lone surrogate, which Starlark strings cannot')
    const size = Buffer.byteLength(text)
    this.uint(size)
    this.#room(size)
    this.#size += this.#bytes.write(text, this.#size)
    return this
  }

  blob(bytes: Uint8Array): this {
    this.uint(bytes.length)
    return this.raw(bytes)
  }

  raw(bytes: Uint8Array): this {
    this.#room(bytes.length)
    this.#bytes.set(bytes, this.#size)
    this.#size += bytes.length
    return this
  }

  #room(more: number): void {
    if (this.#size + more <= this.#bytes.length) return
    const larger = Buffer.allocUnsafe(Math.max(this.#bytes.length * 2, this.#size + more))
    larger.set(this.bytes)
    this.#bytes = larger
  }
}

/** Reads one message in place; it must be read to its end before the memory it lies in changes. */
export class WireReader {
  readonly #bytes: Buffer
  readonly #names: string[]
  #at: number

  /** @param names texts that crossed before and are numbers now; the reader adds the new ones */
  constructor(bytes: Buffer, offset: number, names: string[]) {
    this.#bytes = bytes
    this.#at = offset
    this.#names = names
  }

  byte(): number {
    const value = this.#bytes[this.#at++]
    if (value === undefined) throw new RangeError('starlark-wasm: message ends early')
    return value
  }

  uint(): number {
    let value = this.byte()
    if (value < 0x80) return value
    value &= 0x7f
    for (let scale = 0x80; ; scale *= 0x80) {
      const next = this.byte()
      value += (next & 0x7f) * scale
      if (next < 0x80) return value
    }
  }

  float(): number {
    const value = this.#bytes.readDoubleLE(this.#at)
    this.#at += 8
    return value
  }

  string(): string {
    const start = this.#advance()
    const bytes = this.#bytes
    const end = this.#at
    if (end - start > 24) return bytes.toString('utf8', start, end)
    let text = ''
    for (let i = start; i < end; i++) {
      const unit = bytes[i] ?? 0
      if (unit >= 0x80) return bytes.toString('utf8', start, end)
      text += String.fromCharCode(unit)
    }
    return text
  }

  /** A copy. */
  blob(): Uint8Array {
    const start = this.#advance()
    return new Uint8Array(this.#bytes.subarray(start, this.#at))
  }

  /** A text that crosses once and is a number afterwards; see nameTable in go/encode.go. */
  name(): string {
    const code = this.uint()
    if (code >= 2) {
      const known = this.#names[code - 2]
      if (known === undefined) throw new RangeError(`starlark-wasm: unknown name ${code - 2}`)
      return known
    }
    const text = this.string()
    if (code === 1) this.#names.push(text)
    return text
  }

  #advance(): number {
    const size = this.uint()
    const start = this.#at
    this.#at += size
    return start
  }
}
