import { readFile, writeFile } from 'node:fs/promises'
import type { Documents } from '#engine/store/remote.ts'
import type { ActionsCache } from './cache.ts'

const removed = '-'
/** Of the uploads that a job may make at once. */
const keptForResults = 20

/**
 * Documents in a cache whose entries never change: each version is an entry of its own, numbered, and of all jobs that
 * want to write a number, the service lets one. A version that says nothing stands for no document.
 */
export class CacheDocuments implements Documents {
  /** Each version is an upload, of which a repository has few a minute. */
  readonly changeMs = 60_000
  readonly #entries: Pick<ActionsCache, 'newest' | 'append' | 'uploadsFree'>

  constructor(entries: Pick<ActionsCache, 'newest' | 'append' | 'uploadsFree'>) {
    this.#entries = entries
  }

  /** Results come first: what is left of the uploads of this minute is for claims. */
  ready(): boolean {
    return this.#entries.uploadsFree >= keptForResults
  }

  async create(name: string, text: string): Promise<string | undefined> {
    const first = await this.#write(name, 0, text)
    if (first !== undefined) return first
    const last = await this.#newest(name)
    return last?.text === removed ? this.#write(name, last.number + 1, text) : undefined
  }

  async read(name: string): Promise<{ readonly text: string; readonly version: string } | undefined> {
    const last = await this.#newest(name)
    return last === undefined || last.text === removed ? undefined : { text: last.text, version: String(last.number) }
  }

  replace(name: string, version: string, text: string): Promise<string | undefined> {
    return this.#write(name, Number(version) + 1, text)
  }

  async remove(name: string, version: string): Promise<void> {
    await this.#write(name, Number(version) + 1, removed)
  }

  async #newest(name: string): Promise<{ readonly text: string; readonly number: number } | undefined> {
    const found = await this.#entries.newest(name, (path) => readFile(path, 'utf8'))
    const number = Number(found?.mark)
    return found === undefined || !Number.isSafeInteger(number) ? undefined : { text: found.value, number }
  }

  async #write(name: string, number: number, text: string): Promise<string | undefined> {
    const saved = await this.#entries.append(name, String(number), (path) => writeFile(path, text))
    return saved === 'saved' ? String(number) : undefined
  }
}
