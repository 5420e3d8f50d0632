import type { IndexScan } from './binary-index.ts'
import { NameTable } from './name-table.ts'

/** The records of an index while its text is read: their names, and their kept fields one after the other. */
export class ScannedRecords {
  readonly names: NameTable
  /** Pairs of provided name id and record id. */
  readonly provides: number[] = []
  /** The kept fields; another buffer after each {@link ScannedRecords.room}. */
  bytes: Buffer
  #used = 0
  readonly #recordName: number[] = []
  readonly #recordStart: number[] = [0]
  readonly #first: string[] = []
  #refused = 0
  readonly #called: string

  /** @param called what an entry is that has no name: "a stanza" */
  constructor(text: Buffer, called: string) {
    this.names = new NameTable(text)
    this.bytes = Buffer.allocUnsafe(Math.max(4096, text.length >>> 1))
    this.#called = called
  }

  /** @param start where its name begins in the text @returns its id */
  begin(start: number, end: number): number {
    this.#recordName.push(this.names.add(start, end))
    return this.#recordName.length - 1
  }

  /** Makes room in {@link ScannedRecords.bytes} for the fields of what was begun. @returns where it begins */
  room(size: number): number {
    const { bytes } = this
    if (this.#used + size > bytes.length) {
      this.bytes = Buffer.allocUnsafe(Math.max(bytes.length * 2, this.#used + size))
      bytes.copy(this.bytes, 0, 0, this.#used)
    }
    return this.#used
  }

  /** @param at where its fields end */
  end(at: number): void {
    this.#used = at
    this.#recordStart.push(at)
  }

  /** Counts an entry that is left out. @param name as the text has it */
  refuse(name: string, reason: string): void {
    this.#refused++
    if (this.#first.length === 5) return
    const shown = name.slice(0, 60).replaceAll(/[^\x21-\x7e]/g, '?')
    this.#first.push(`${shown === '' ? this.#called : shown}: ${reason}`)
  }

  scan(more: Pick<IndexScan, 'joins' | 'essential' | 'required'>): IndexScan {
    const { names, provides } = this
    return {
      nameStart: names.start,
      nameEnd: names.end,
      nameHash: names.hash,
      nameCount: names.count,
      recordName: Uint32Array.from(this.#recordName),
      recordStart: Uint32Array.from(this.#recordStart),
      recordCount: this.#recordName.length,
      records: this.bytes.subarray(0, this.#used),
      provides,
      ...more,
      refused: { count: this.#refused, first: this.#first },
    }
  }
}
