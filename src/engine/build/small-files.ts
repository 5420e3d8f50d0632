import { readSync } from 'node:fs'
import type { TreeFile } from './destdir.ts'

/** The content of larger files costs more than opening them, and there are fewer. */
const largest = 64 << 10
/** Of all together. */
const most = 64 << 20
const slabSize = 1 << 20

class InMemory implements TreeFile {
  readonly content: Buffer

  constructor(content: Buffer) {
    this.content = content
  }

  read(buffer: Buffer, position: number): number {
    return this.content.copy(buffer, 0, position)
  }

  [Symbol.dispose](): void {}
}

/**
 * The content of small files, as many as memory is to hold. A package of tens of thousands is read more than once, and
 * opening one costs more than its bytes.
 */
export class SmallFiles<Key> {
  readonly #contents = new Map<Key, Buffer>()
  #slab = Buffer.alloc(0)
  #used = 0
  #total = 0

  /** Reads an open file of `size` bytes. @returns false when it is too large, or not what it was said to be */
  keep(key: Key, file: number, size: number): boolean {
    if (size > largest || this.#total + size > most) return false
    if (this.#used + size > this.#slab.length) {
      this.#slab = Buffer.allocUnsafeSlow(slabSize)
      this.#used = 0
    }
    if (size > 0 && readSync(file, this.#slab, this.#used, size, 0) !== size) return false
    this.#contents.set(key, this.#slab.subarray(this.#used, this.#used + size))
    this.#used += size
    this.#total += size
    return true
  }

  open(key: Key): TreeFile | undefined {
    const content = this.#contents.get(key)
    return content === undefined ? undefined : new InMemory(content)
  }

  clear(): void {
    this.#contents.clear()
    this.#slab = Buffer.alloc(0)
  }
}
