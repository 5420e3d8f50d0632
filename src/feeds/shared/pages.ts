import { readSync } from 'node:fs'

/** Bytes that are read at once. */
const pageSize = 16 << 10

/** Fills `target` from `position`; false when the file ends before. */
export function fill(fd: number, target: Uint8Array, position: number): boolean {
  for (let at = 0; at < target.length; ) {
    const got = readSync(fd, target, at, target.length - at, position + at)
    if (got === 0) return false
    at += got
  }
  return true
}

/** A part of an open file, read in pages that stay: neighbours come together, and a large closure touches many. */
export class Pages {
  readonly #file: number
  readonly #start: number
  readonly #size: number
  readonly #pages = new Map<number, Buffer>()

  /** @param start of the part, in bytes; `size` likewise */
  constructor(file: number, start: number, size: number) {
    this.#file = file
    this.#start = start
    this.#size = size
  }

  /** The bytes at [from, to) of the part, not to be changed; undefined when the file ends before. */
  read(from: number, to: number): Buffer | undefined {
    const first = from - (from % pageSize)
    if (to > first + pageSize) {
      const bytes = Buffer.allocUnsafe(to - from)
      return fill(this.#file, bytes, this.#start + from) ? bytes : undefined
    }
    let page = this.#pages.get(first)
    if (page === undefined) {
      page = Buffer.allocUnsafeSlow(Math.min(pageSize, this.#size - first))
      if (!fill(this.#file, page, this.#start + first)) return undefined
      this.#pages.set(first, page)
    }
    return page.subarray(from - first, to - first)
  }
}
