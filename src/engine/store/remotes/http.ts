import { rm } from 'node:fs/promises'
import { YoeError } from '../../errors.ts'
import { inParallel } from '../../in-parallel.ts'
import type { Exchange, ExchangeAnswer, ExchangeRequest } from '../../source/exchange.ts'
import type { RemoteStore, Transfer } from '../remote.ts'
import { checkName } from './names.ts'
import { type WebLogin, webLogin } from './web-login.ts'

export interface WebStoreOptions {
  readonly url: string
  readonly exchange: Exchange
  /** Where who asks is named; see {@link webLogin}. */
  readonly env: Readonly<Record<string, string | undefined>>
  /** A path for something unfinished, on a disk with room. */
  readonly temp: () => string
  /** As people know it: `team`. */
  readonly title: string
}

const lookUpsAtOnce = 16

/** Any server of files that a folder or a bucket holds, as a shared store that is read. */
export class WebStore implements RemoteStore {
  readonly #options: WebStoreOptions
  readonly #base: string
  #login: Promise<WebLogin> | undefined

  constructor(options: WebStoreOptions) {
    this.#options = options
    this.#base = options.url.replace(/\/*$/, '/')
  }

  async get<T>(
    name: string,
    read: (path: string) => Promise<T>,
    { progress, signal }: Transfer = {},
  ): Promise<T | undefined> {
    const into = this.#options.temp()
    try {
      const found = await this.#ask(name, { method: 'GET', into, progress, signal })
      return found ? await read(into) : undefined
    } finally {
      await rm(into, { force: true })
    }
  }

  async put(): Promise<'read-only'> {
    return 'read-only'
  }

  async has(names: readonly string[]): Promise<ReadonlySet<string>> {
    const found = await inParallel(lookUpsAtOnce, names, async (name) =>
      (await this.#ask(name, { method: 'HEAD' })) ? [name] : [],
    )
    return new Set(found.flat())
  }

  /** Servers of files don't agree on how to list them. */
  async *list(): AsyncGenerator<string> {
    yield* []
    throw new YoeError('FETCH_FAILED', 'a web server does not list what it has', {
      hint: 'list where the entries are written: the folder or the bucket behind it',
    })
  }

  async delete(): Promise<void> {
    throw new YoeError('FETCH_FAILED', 'a web server only gives what it has', {
      hint: 'delete where the entries are written: the folder or the bucket behind it',
    })
  }

  toString(): string {
    return this.#options.title
  }

  /** False when the server says that there is no such file. */
  async #ask(name: string, request: Omit<ExchangeRequest, 'url'>): Promise<boolean> {
    const url = this.#base + checkName(name)
    const { exchange, env } = this.#options
    this.#login ??= webLogin(new URL(this.#base), env)
    const { authorization, hint } = await this.#login
    const headers = authorization === undefined ? {} : { authorization }
    const answer: ExchangeAnswer = await exchange.ask({ ...request, url, headers, follow: true })
    if (answer.status === 404 || answer.status === 410) return false
    if (answer.status === 200) return true
    const denied = 'a bucket behind it says so of what it lacks, unless it may be listed'
    throw new YoeError('FETCH_FAILED', `could not read ${name}: HTTP ${answer.status}`, {
      hint: answer.status === 401 ? hint : answer.status === 403 ? `${hint}; ${denied}` : undefined,
    })
  }
}
