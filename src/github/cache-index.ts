import { createHash } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { constants, zstdCompressSync, zstdDecompressSync } from 'node:zlib'
import type { ActionsCache } from './cache.ts'

/** Where an entry is, as some job wrote down. */
interface Row {
  /** The pack that it is in; undefined: it is an entry of its own. */
  readonly pack: string | undefined
  /** Days since 1970 when it was written down. */
  readonly day: number
}

/** GitHub drops what nobody used for a week; what is listed longer would only be asked for in vain. */
const days = 8
const mostRows = 30_000
const mostBytes = 8 * 2 ** 20
/** Of jobs that end at the same instant, each needs about one more. */
const attempts = 8
const head = 'yoe-index/1\n'

/**
 * What a repository's Actions cache holds, written down by the jobs themselves: one look-up tells all, while asking for each
 * name would take a request, and listing needs a permission that a job seldom has.
 *
 * Each branch has a series of its own, so that the newest index of the base is found beside a pull request's. It is a hint:
 * what it promises may be gone, and what it leaves out is built again.
 */
export class CacheIndex {
  readonly #entries: Pick<ActionsCache, 'newest' | 'append'>
  readonly #branches: readonly string[]
  readonly #today: number
  readonly #fresh = new Map<string, Row>()
  #loaded: Promise<ReadonlyMap<string, Row>> | undefined
  #known: ReadonlyMap<string, Row> = new Map()
  #unsaved = false

  /** @param branches refs whose entries this run may read, its own first */
  constructor(entries: Pick<ActionsCache, 'newest' | 'append'>, branches: readonly string[], now = Date.now()) {
    this.#entries = entries
    this.#branches = [...new Set(branches)]
    this.#today = Math.floor(now / 86_400_000)
  }

  /** What is known of `name`; `load`: asks the cache for it, once. Undefined: nothing. @throws {YoeError} FETCH_FAILED */
  async row(name: string): Promise<Row | undefined> {
    return this.#fresh.get(name) ?? (await this.#rows()).get(name)
  }

  /** The pack of a name, as far as that is known already. */
  packOf(name: string): string | undefined {
    return (this.#fresh.get(name) ?? this.#known.get(name))?.pack
  }

  /** @throws {YoeError} FETCH_FAILED */
  async names(): Promise<ReadonlySet<string>> {
    return new Set([...(await this.#rows()).keys(), ...this.#fresh.keys()])
  }

  #rows(): Promise<ReadonlyMap<string, Row>> {
    this.#loaded ??= this.#load()
    return this.#loaded
  }

  async #load(): Promise<ReadonlyMap<string, Row>> {
    const found = await Promise.all(this.#branches.map(async (branch) => (await this.#last(branch)).rows))
    // The nearest branch is asked first, and so it wins.
    this.#known = new Map(found.toReversed().flatMap((rows) => [...rows]))
    return this.#known
  }

  async #last(branch: string): Promise<{ readonly rows: ReadonlyMap<string, Row>; readonly number: number }> {
    const found = await this.#entries.newest(seriesOf(branch), async (path) => this.#parse(await readFile(path)))
    return { rows: found?.value ?? new Map(), number: /^\d{1,9}$/.test(found?.mark ?? '') ? Number(found?.mark) : -1 }
  }

  /** Writes down where something is now. */
  note(name: string, pack?: string): void {
    this.#fresh.set(name, { pack, day: this.#today })
    this.#unsaved = true
  }

  /**
   * Makes what was noted known to other runs. Each index has a number that only one job can take, and holds what the one
   * before it held: jobs that end at the same instant lose nothing of each other.
   *
   * @throws {YoeError} FETCH_FAILED
   */
  async save(): Promise<void> {
    const [branch] = this.#branches
    if (!this.#unsaved || branch === undefined) return
    this.#unsaved = false
    const refused = new Set<number>()
    for (let attempt = 0; attempt < attempts; attempt++) {
      if (attempt > 0) await sleep(Math.random() * 200 * attempt)
      const last = await this.#last(branch)
      const rows = new Map([...last.rows, ...this.#fresh])
      let number = last.number + 1
      // A number that somebody reserved and never wrote stays taken.
      while (attempt > 2 && refused.has(number)) number++
      const saved = await this.#entries.append(seriesOf(branch), String(number), (path) =>
        writeFile(path, format(rows)),
      )
      if (saved !== 'exists') return
      refused.add(number)
    }
  }

  /** Rows that read well and are not too old; of anything else, none. */
  #parse(bytes: Buffer): ReadonlyMap<string, Row> {
    const rows = new Map<string, Row>()
    let text: string
    try {
      text = zstdDecompressSync(bytes, { maxOutputLength: mostBytes }).toString('latin1')
    } catch {
      return rows
    }
    if (!text.startsWith(head)) return rows
    for (const line of text.slice(head.length).split('\n').slice(0, mostRows)) {
      const [, name, day, pack] = /^([\w-][\w./-]{0,250}) (\d{1,6}) (-|packs\/[0-9a-f]{16})$/.exec(line) ?? []
      if (name === undefined || Number(day) <= this.#today - days) continue
      rows.set(name, { pack: pack === '-' ? undefined : pack, day: Number(day) })
    }
    return rows
  }
}

function format(rows: ReadonlyMap<string, Row>): Buffer {
  const newest = [...rows].toSorted(([, a], [, b]) => b.day - a.day).slice(0, mostRows)
  const lines = newest.map(([name, { pack = '-', day }]) => `${name} ${day} ${pack}\n`)
  return zstdCompressSync(Buffer.from(head + lines.join(''), 'latin1'), {
    params: { [constants.ZSTD_c_compressionLevel]: 3 },
  })
}

function seriesOf(branch: string): string {
  return `index/${createHash('sha256').update(branch).digest('hex').slice(0, 12)}`
}
