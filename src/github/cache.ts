import { createHash } from 'node:crypto'
import { mkdir, rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { YoeError } from '#engine/errors.ts'
import type { Reporter } from '#engine/events.ts'
import { type RemoteStore, type Sending, sharedStart } from '#engine/store/remote.ts'
import { type Clock, systemClock, TokenBucket } from './actions-cache/bucket.ts'
import { CacheClient } from './actions-cache/process.ts'
import { type CacheEntry, CacheRest } from './actions-cache/rest.ts'
import { judgeRestore, judgeSave, restoredFile } from './actions-cache/verdict.ts'
import type { Repository } from './rest.ts'

/** What a job's use of the Actions cache came to. Bytes as stored. */
export interface CacheNumbers {
  readonly hits: number
  readonly misses: number
  readonly saved: number
  /** Somebody had saved the same already. */
  readonly existing: number
  /** Not saved: this run may only read. */
  readonly refused: number
  /** Could not be asked or saved, after retries. */
  readonly faults: number
  readonly bytesRestored: number
  readonly bytesSaved: number
}

export interface ActionsCacheOptions {
  /** The environment with the service's address and token; process.env in an action. */
  readonly env: NodeJS.ProcessEnv
  /** For listing and deleting; undefined: both are faults that say what is missing. */
  readonly repository?: Repository | undefined
  /** Why this run must not write (a pull request from a fork); undefined: it may try. */
  readonly readOnly?: string | undefined
  readonly report: Reporter
  readonly clock?: Clock
}

/** The repository has 200 uploads and 1,500 downloads a minute for all its jobs together; one job stays well below. */
const uploads = { burst: 40, perMinute: 60 }
const downloads = { burst: 200, perMinute: 300 }
/** The longest that one call waits for a rate limit to pass: still cheaper than building a kernel again. */
const patienceMs = 120_000
const longestKey = 512
const prefix = 'yoe1-'

/**
 * GitHub's Actions cache as one of the engine's remote stores: one immutable entry per name, through the unmodified
 * @actions/cache. Nothing that it answers is trusted: the engine checks signatures and digests of all that it reads.
 */
export class ActionsCache implements RemoteStore {
  /** A run reads what its own branch, its base and the default branch wrote; see docs/decisions/cache-trust.md. */
  readonly vouched = true
  readonly #options: ActionsCacheOptions
  readonly #client: CacheClient
  readonly #clock: Clock
  readonly #up: TokenBucket
  readonly #down: TokenBucket
  readonly #numbers = {
    hits: 0,
    misses: 0,
    saved: 0,
    existing: 0,
    refused: 0,
    faults: 0,
    bytesRestored: 0,
    bytesSaved: 0,
  }
  #readOnly: string | undefined
  #told = false

  constructor(options: ActionsCacheOptions) {
    this.#options = options
    this.#client = new CacheClient(options.env)
    this.#clock = options.clock ?? systemClock
    this.#up = new TokenBucket(uploads.burst, uploads.perMinute, this.#clock)
    this.#down = new TokenBucket(downloads.burst, downloads.perMinute, this.#clock)
    this.#readOnly = options.readOnly
  }

  /** Whether this job has a cache service at all (a laptop has none). */
  static available(env: NodeJS.ProcessEnv): boolean {
    const { ACTIONS_RUNTIME_TOKEN: token, ACTIONS_RESULTS_URL: results, ACTIONS_CACHE_URL: older } = env
    return Boolean(token) && Boolean(results ?? older)
  }

  get numbers(): CacheNumbers {
    return { ...this.#numbers }
  }

  /** Uploads that would go out without waiting. */
  get uploadsFree(): number {
    return this.#up.free
  }

  async get<T>(name: string, read: (path: string) => Promise<T>): Promise<T | undefined> {
    return (await this.#read(address(name), name, false, read))?.value
  }

  /**
   * Reads the newest entry of a series, of the nearest branch that has one.
   * @returns undefined when there is none
   * @throws {YoeError} FETCH_FAILED
   */
  newest<T>(
    series: string,
    read: (path: string) => Promise<T>,
  ): Promise<{ readonly mark: string; readonly value: T } | undefined> {
    return this.#read(seriesAddress(series, ''), series, true, read)
  }

  async #read<T>(where: Address, name: string, newest: boolean, read: (path: string) => Promise<T>) {
    const found = await this.#restore(where, name, newest)
    if (found === undefined) return undefined
    try {
      return { mark: found.key.slice(where.key.length), value: await read(found.file) }
    } finally {
      await rm(dirname(found.file), { recursive: true, force: true })
    }
  }

  /** Stores an entry; a run that may not write says so once and goes on. */
  async put(
    name: string,
    fill: (path: string) => Promise<void>,
    { replace = false }: Sending = {},
  ): Promise<'saved' | 'exists' | 'read-only'> {
    if (this.#readOnly !== undefined) return this.#refuse(this.#readOnly)
    if (replace) await this.#remove(name)
    return this.#send(address(name), name, fill)
  }

  /**
   * Adds an entry to a series, one at a time; of all jobs that use a mark, one succeeds.
   * @param mark what the entry's key ends with
   * @throws {YoeError} FETCH_FAILED
   */
  async append(
    series: string,
    mark: string,
    fill: (path: string) => Promise<void>,
  ): Promise<'saved' | 'exists' | 'read-only'> {
    if (this.#readOnly !== undefined) return this.#refuse(this.#readOnly)
    return this.#send(seriesAddress(series, mark), series, fill)
  }

  async #send(
    { key, path, counted }: Address,
    name: string,
    fill: (path: string) => Promise<void>,
  ): Promise<'saved' | 'exists' | 'read-only'> {
    const folder = await this.#client.staging()
    const file = join(folder, path)
    await mkdir(dirname(file), { recursive: true })
    try {
      await fill(file)
      const { size } = await stat(file)
      const until = this.#clock.now() + patienceMs
      let failed: string | undefined
      for (;;) {
        await this.#up.take()
        const verdict = judgeSave(await this.#client.ask('save', key, path))
        switch (verdict.kind) {
          case 'saved':
            if (counted) this.#numbers.saved++
            this.#numbers.bytesSaved += size
            return 'saved'
          case 'exists':
            // After a failed upload it is our own reservation that is in the way.
            if (failed !== undefined) throw this.#fault(`save ${name}`, failed)
            if (counted) this.#numbers.existing++
            return 'exists'
          case 'read-only':
            this.#readOnly = verdict.reason
            return this.#refuse(verdict.reason)
          case 'rate-limited':
            await this.#wait(verdict.seconds, until, `save ${name}`)
            break
          case 'fault':
            if (failed !== undefined) throw this.#fault(`save ${name}`, verdict.reason)
            failed = verdict.reason
            break
          default:
            verdict satisfies never
        }
      }
    } finally {
      await rm(file, { force: true })
    }
  }

  /** An entry can't be overwritten; a job that may delete (`actions: write`) makes room for another one. */
  async #remove(name: string): Promise<void> {
    if (this.#options.repository === undefined) return
    try {
      await this.delete(name)
    } catch (failure) {
      // Then it stays, is of no use to anybody, and GitHub drops it after a week.
      if (!(failure instanceof YoeError)) throw failure
    }
  }

  /** The file that holds the entry, and its key; undefined when the cache lacks it. */
  async #restore({ key, path, counted }: Address, name: string, newest: boolean) {
    const until = this.#clock.now() + patienceMs
    for (let attempt = 1; ; attempt++) {
      await this.#down.take()
      const answer = await this.#client.ask('restore', key, path, newest)
      const verdict = judgeRestore(answer, key, newest)
      switch (verdict.kind) {
        case 'hit': {
          const file = restoredFile(answer.said, await this.#client.staging())
          const size = file === undefined ? undefined : (await stat(file).catch(() => undefined))?.size
          if (file === undefined || size === undefined)
            throw this.#fault(`restore ${name}`, 'the download left no file')
          // Nothing that we save is empty: the entry was evicted between the look-up and the download.
          if (size === 0) return this.#miss(counted)
          if (counted) this.#numbers.hits++
          this.#numbers.bytesRestored += size
          return { file, key: verdict.key }
        }
        case 'miss':
          return this.#miss(counted)
        case 'denied':
          throw this.#fault(`restore ${name}`, verdict.reason)
        case 'rate-limited':
          await this.#wait(verdict.seconds, until, `restore ${name}`)
          break
        case 'fault':
          if (attempt === 2) throw this.#fault(`restore ${name}`, verdict.reason)
          break
        default:
          verdict satisfies never
      }
    }
  }

  /** @throws {YoeError} FETCH_FAILED */
  async has(names: readonly string[]): Promise<ReadonlySet<string>> {
    const wanted = new Set(names)
    const found = new Set<string>()
    for await (const name of this.list(sharedStart(names))) if (wanted.has(name)) found.add(name)
    return found
  }

  /** The names that start so, on any branch that this run can see or not: a hint, not a promise. @throws {YoeError} FETCH_FAILED */
  async *list(start: string): AsyncGenerator<string> {
    const seen = new Set<string>()
    for await (const { key } of this.#rest('list').list(prefix + start)) {
      if (!key.startsWith(prefix + start) || seen.has(key)) continue
      seen.add(key)
      yield key.slice(prefix.length)
    }
  }

  /** Deletes every branch's entry of a name. @throws {YoeError} FETCH_FAILED */
  async delete(name: string): Promise<void> {
    const rest = this.#rest('delete')
    const { key } = address(name)
    for await (const entry of rest.list(key)) if (entry.key === key) await rest.delete(entry.id)
  }

  /** Deletes the entries that were used longest ago until our entries hold at most `budget` bytes; returns the bytes freed. */
  async prune(budget: number): Promise<number> {
    const rest = this.#rest('prune')
    const entries: CacheEntry[] = []
    for await (const entry of rest.list(prefix)) entries.push(entry)
    entries.sort((a, b) => b.lastUsed - a.lastUsed)
    let kept = 0
    let freed = 0
    for (const { id, size } of entries) {
      if (kept + size <= budget) kept += size
      else {
        await rest.delete(id)
        freed += size
      }
    }
    return freed
  }

  /** Ends the client's process and removes its files, restored ones included. */
  async close(): Promise<void> {
    await this.#client.close()
  }

  toString(): string {
    return 'the Actions cache'
  }

  #rest(verb: string): CacheRest {
    const { repository } = this.#options
    if (repository === undefined)
      throw new YoeError('FETCH_FAILED', `could not ${verb} the Actions cache: no token`, {
        hint: 'leave the `github-token` input at its default',
      })
    return new CacheRest(repository)
  }

  #miss(counted: boolean): undefined {
    if (counted) this.#numbers.misses++
    return undefined
  }

  #refuse(reason: string): 'read-only' {
    this.#numbers.refused++
    if (!this.#told) {
      this.#told = true
      this.#options.report({
        type: 'notice',
        message: `Nothing is saved to the Actions cache: ${reason}. Entries of the base branch are read.`,
      })
    }
    return 'read-only'
  }

  async #wait(seconds: number, until: number, what: string): Promise<void> {
    if (this.#clock.now() + seconds * 1000 > until) throw this.#fault(what, `rate limited for ${seconds} s more`)
    await this.#clock.sleep(seconds * 1000)
  }

  #fault(what: string, reason: string): YoeError {
    this.#numbers.faults++
    return new YoeError('FETCH_FAILED', `the Actions cache could not ${what}: ${reason}`)
  }
}

interface Address {
  readonly key: string
  /** Relative to the staging folder; it goes into the entry's version, so that only equal paths are found. */
  readonly path: string
  /** Whether it is a result, and shows in the job's numbers; series are this cache's own bookkeeping. */
  readonly counted: boolean
}

/** All entries of a series have one path, so that the service finds them by the start of their keys. */
function seriesAddress(series: string, mark: string): Address {
  const { path } = address(series)
  return { key: `${prefix}${series}/${mark}`, path, counted: false }
}

/**
 * Where a name is kept. The service finds entries by prefix of the key, too; since the path, which the entry's version
 * hashes, differs for each key, only the very key is ever found.
 */
function address(name: string): Address {
  const digest = createHash('sha256').update(name).digest('hex')
  const plain = prefix + name
  const key = plain.length <= longestKey && /^[\w./+~=@-]+$/.test(name) ? plain : `${prefix}${digest}`
  return { key, path: `entries/${digest}`, counted: true }
}
