/** FNV-1a over bytes. */
function hashBytes(text: Uint8Array, start: number, end: number): number {
  let hash = 0x811c9dc5
  for (let i = start; i < end; i++) hash = Math.imul(hash ^ (text[i] ?? 0), 0x01000193)
  return hash >>> 0
}

/** Interns names as ranges of one text. */
export class NameTable {
  readonly #text: Uint8Array
  start = new Uint32Array(1 << 16)
  end = new Uint32Array(1 << 16)
  hash = new Uint32Array(1 << 16)
  count = 0
  #table = new Int32Array(1 << 18).fill(-1)

  constructor(text: Uint8Array) {
    this.#text = text
  }

  /** The id of the name at [from, to), new or known. */
  add(from: number, to: number): number {
    const text = this.#text
    const hash = hashBytes(text, from, to)
    const mask = this.#table.length - 1
    let at = (hash ^ (hash >>> 15)) & mask
    for (;;) {
      const id = this.#table[at] ?? -1
      if (id === -1) break
      if (this.hash[id] === hash && this.#equal(id, from, to)) return id
      at = (at + 1) & mask
    }
    const id = this.count++
    if (id === this.start.length) this.#grow()
    this.start[id] = from
    this.end[id] = to
    this.hash[id] = hash
    this.#table[at] = id
    if (this.count * 2 > this.#table.length) this.#rehash()
    return id
  }

  #equal(id: number, from: number, to: number): boolean {
    const start = this.start[id] ?? 0
    if ((this.end[id] ?? 0) - start !== to - from) return false
    const text = this.#text
    for (let i = 0; i < to - from; i++) if (text[start + i] !== text[from + i]) return false
    return true
  }

  #grow(): void {
    const larger = (old: Uint32Array): Uint32Array<ArrayBuffer> => {
      const copy = new Uint32Array(old.length * 2)
      copy.set(old)
      return copy
    }
    this.start = larger(this.start)
    this.end = larger(this.end)
    this.hash = larger(this.hash)
  }

  #rehash(): void {
    const table = new Int32Array(this.#table.length * 2).fill(-1)
    const mask = table.length - 1
    for (let id = 0; id < this.count; id++) {
      const hash = this.hash[id] ?? 0
      let at = (hash ^ (hash >>> 15)) & mask
      while (table[at] !== -1) at = (at + 1) & mask
      table[at] = id
    }
    this.#table = table
  }
}
