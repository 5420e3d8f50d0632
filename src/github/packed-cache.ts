import { randomBytes } from 'node:crypto'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { YoeError } from '#engine/errors.ts'
import type { Reporter } from '#engine/events.ts'
import type { Documents, RemoteStore, Sending } from '#engine/store/remote.ts'
import type { ActionsCache, CacheNumbers } from './cache.ts'
import { CacheDocuments } from './cache-documents.ts'
import { CacheIndex } from './cache-index.ts'
import { type Piece, pieceOf, readPack, writePack } from './cache-packs.ts'

export interface PackedCacheOptions {
  /** Refs whose entries this run may read, its own first. */
  readonly branches: readonly string[]
  /** False: this run may only read. */
  readonly writes: boolean
  readonly report: Reporter
  /** Absolute folder for what waits and what was taken apart; default: the system's. */
  readonly temp?: string | undefined
}

/** A pack is sent when it has so many entries, or bytes, or when its first entry has waited so long. */
const full = { pieces: 50, bytes: 16 * 2 ** 20, ms: 30_000 }
/** Larger entries travel alone. */
const mostPieceBytes = 2 ** 20
/** How often other runs are told what is new, at most. */
const indexMs = 60_000

/**
 * The Actions cache as the engine uses it: an entry costs three requests to save and two to restore, whatever its size, and
 * a repository has 200 uploads a minute. So what is small and was quick to make travels in packs, and an index says where
 * everything is. What took long is sent the moment it is done, alone: nobody builds a kernel twice for a pack's sake.
 */
export class PackedCache implements RemoteStore {
  readonly vouched = true
  readonly documents?: Documents
  readonly #entries: ActionsCache
  readonly #index: CacheIndex
  readonly #options: PackedCacheOptions
  readonly #packs = new Map<string, Promise<ReadonlyMap<string, string>>>()
  readonly #sent: Promise<void>[] = []
  readonly #packed = { found: 0, packsFound: 0, foundLate: 0, sent: 0, packsSent: 0 }
  #folder: Promise<string> | undefined
  #waiting: Piece[] = []
  #timer: NodeJS.Timeout | undefined
  #indexed = performance.now()
  #told = false

  constructor(entries: ActionsCache, options: PackedCacheOptions) {
    this.#entries = entries
    this.#options = options
    this.#index = new CacheIndex(entries, options.branches)
    if (options.writes) this.documents = new CacheDocuments(entries)
  }

  /** Of results, whether they travelled alone or in packs. */
  get numbers(): CacheNumbers {
    const { hits, misses, saved, ...others } = this.#entries.numbers
    const { found, packsFound, sent, packsSent, foundLate } = this.#packed
    return { ...others, hits: hits - packsFound + found, misses: misses - foundLate, saved: saved - packsSent + sent }
  }

  async get<T>(name: string, read: (path: string) => Promise<T>): Promise<T | undefined> {
    const known = this.#index.packOf(name)
    // Most of what is asked for by itself is large: an image, what another job was waited for.
    const alone = known === undefined ? await this.#entries.get(name, read) : undefined
    if (alone !== undefined) return alone
    const pack = known ?? (await this.#index.row(name))?.pack
    const file = pack === undefined ? undefined : (await this.#opened(pack)).get(name)
    if (file === undefined) return undefined
    this.#packed.found++
    if (known === undefined) this.#packed.foundLate++
    return read(file)
  }

  /** See {@link ActionsCache.newest}. */
  newest: ActionsCache['newest'] = (series, read) => this.#entries.newest(series, read)

  /** See {@link ActionsCache.append}. */
  append: ActionsCache['append'] = (series, mark, fill) => this.#entries.append(series, mark, fill)

  async has(names: readonly string[]): Promise<ReadonlySet<string>> {
    const known = await this.#index.names()
    return new Set(names.filter((name) => known.has(name)))
  }

  async *list(prefix: string): AsyncGenerator<string> {
    for (const name of await this.#index.names()) if (name.startsWith(prefix)) yield name
  }

  async put(
    name: string,
    fill: (path: string) => Promise<void>,
    sending: Sending = {},
  ): Promise<'saved' | 'exists' | 'read-only'> {
    const piece = sending.quick === true && this.#options.writes ? await this.#piece(name, fill) : undefined
    if (piece !== undefined) {
      this.#waiting.push(piece)
      const bytes = this.#waiting.reduce((sum, { size }) => sum + size, 0)
      if (this.#waiting.length >= full.pieces || bytes >= full.bytes) this.#send()
      this.#timer ??= setTimeout(() => this.#send(), full.ms).unref()
      return 'saved'
    }
    const saved = await this.#entries.put(name, fill, sending)
    if (saved !== 'read-only') this.#index.note(name)
    this.#tellSoon()
    return saved
  }

  async #piece(name: string, fill: (path: string) => Promise<void>): Promise<Piece | undefined> {
    const folder = join(await this.#temp(), 'waiting')
    await mkdir(folder, { recursive: true })
    const path = join(folder, randomBytes(8).toString('hex'))
    await fill(path)
    const piece = await pieceOf(name, path, mostPieceBytes)
    if (piece === undefined) await rm(path)
    return piece
  }

  /** Sends what waits as one entry, in the background. */
  #send(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    const pieces = this.#waiting
    this.#waiting = []
    if (pieces.length === 0) return
    this.#sent.push(
      this.#quietly(async () => {
        const pack = `packs/${randomBytes(8).toString('hex')}`
        const saved = await this.#entries.put(pack, (path) => writePack(path, pieces))
        if (saved === 'saved') {
          for (const { name } of pieces) this.#index.note(name, pack)
          this.#packed.packsSent++
          this.#packed.sent += pieces.length
        }
        for (const { path } of pieces) await rm(path, { force: true })
      }).then(() => this.#tellSoon()),
    )
  }

  #tellSoon(): void {
    if (performance.now() - this.#indexed < indexMs) return
    this.#indexed = performance.now()
    this.#sent.push(this.#quietly(() => this.#index.save()))
  }

  /** What fails here loses entries for later runs, and nothing of this one. */
  async #quietly(work: () => Promise<void>): Promise<void> {
    try {
      await work()
    } catch (failure) {
      if (!(failure instanceof YoeError)) throw failure
      if (this.#told) return
      this.#told = true
      this.#options.report({ type: 'warning', message: failure.message, hint: 'later runs build some of this again' })
    }
  }

  #opened(pack: string): Promise<ReadonlyMap<string, string>> {
    const known = this.#packs.get(pack)
    if (known !== undefined) return known
    const opened = this.#temp().then(async (folder) => {
      const files = await this.#entries.get(pack, (path) => readPack(path, join(folder, pack)))
      if (files !== undefined) this.#packed.packsFound++
      return files ?? new Map<string, string>()
    })
    this.#packs.set(pack, opened)
    return opened
  }

  #temp(): Promise<string> {
    this.#folder ??= mkdtemp(join(this.#options.temp ?? tmpdir(), 'yoe-packs-'))
    return this.#folder
  }

  delete(name: string): Promise<void> {
    return this.#entries.delete(name)
  }

  /** See {@link ActionsCache.prune}. */
  prune(budget: number): Promise<number> {
    return this.#entries.prune(budget)
  }

  /** Sends what waits, tells other runs, and removes what was held here. */
  async close(): Promise<void> {
    this.#send()
    await Promise.all(this.#sent)
    await this.#quietly(() => this.#index.save())
    const folder = await this.#folder
    if (folder !== undefined) await rm(folder, { recursive: true, force: true })
    await this.#entries.close()
  }

  toString(): string {
    return String(this.#entries)
  }
}
