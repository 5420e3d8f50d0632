/** What a shared store did for one run. */
export class RemoteCounts {
  /** As messages name it. */
  readonly name: string
  readonly #hits = new Set<string>()
  readonly #misses = new Set<string>()
  /** Bytes of the entries that came from it. */
  restoredBytes = 0
  sent = 0
  /** Bytes. */
  sentBytes = 0

  constructor(name: string) {
    this.name = name
  }

  get hits(): number {
    return this.#hits.size
  }

  /** What it was asked for and never had, each once. */
  get misses(): number {
    return this.#misses.size
  }

  had(entry: string, size: number): void {
    this.#hits.add(entry)
    this.#misses.delete(entry)
    this.restoredBytes += size
  }

  missed(entry: string): void {
    if (!this.#hits.has(entry)) this.#misses.add(entry)
  }

  took(size: number): void {
    this.sent++
    this.sentBytes += size
  }
}
