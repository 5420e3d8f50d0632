import { rm, stat } from 'node:fs/promises'
import { inParallel } from '../../in-parallel.ts'
import type { ExchangeAnswer } from '../../source/exchange.ts'
import type { Documents, RemoteEntry, RemoteStore, Sending, Transfer } from '../remote.ts'
import { sharedStart } from '../remote.ts'
import { sha256Of } from './file-digest.ts'
import { checkName } from './names.ts'
import { abortAbandoned, uploadParts } from './s3-multipart.ts'
import { type BucketRequest, type BucketRequests, onlyNew, refusal } from './s3-requests.ts'

export interface BucketStoreOptions {
  readonly requests: BucketRequests
  readonly bucket: string
  /** Of all names, without a slash at its end; '' for none. */
  readonly prefix: string
  /** A path for something unfinished, on a disk with room. */
  readonly temp: () => string
  /** As people know it: `team`. */
  readonly title: string
}

const lookUpsAtOnce = 16
/** Bytes from which on an entry is sent in parts: below, what that takes beside costs more than it gains. */
const severalParts = 64 * 2 ** 20

/** A bucket of any service that speaks S3's protocol, as a shared store. */
export class BucketStore implements RemoteStore {
  readonly documents: Documents = {
    create: (name, text) => this.#write(name, text, { 'if-none-match': '*' }),
    versions: async (folder) => {
      const found = new Map<string, string>()
      for await (const { contents } of this.#pages(folder))
        for (const [name, entry] of contents) {
          const tag = /<ETag>([^<]{1,200})<\/ETag>/.exec(entry)?.[1]
          if (tag !== undefined) found.set(name, plain(tag))
        }
      return found
    },
    read: (name) => this.#read(name),
    replace: (name, version, text) => this.#write(name, text, { 'if-match': version }),
    remove: async (name, version) => {
      // Services that know no condition on deleting still get asked for one version only.
      if ((await this.#read(name))?.version !== version) return
      const answer = await this.#ask({ method: 'DELETE', key: this.#key(name), headers: { 'if-match': version } })
      if (!isGood(answer) && ![404, 409, 412].includes(answer.status)) throw refusal(answer, `delete ${name}`)
    },
  }
  readonly #options: BucketStoreOptions
  /** The prefix with its slash. */
  readonly #start: string
  #swept = false

  constructor(options: BucketStoreOptions) {
    this.#options = options
    this.#start = options.prefix === '' ? '' : `${options.prefix}/`
  }

  async get<T>(name: string, read: (path: string) => Promise<T>, transfer: Transfer = {}): Promise<T | undefined> {
    const into = this.#options.temp()
    try {
      const { progress, signal } = transfer
      const answer = await this.#ask({ method: 'GET', key: this.#key(name), into, progress, signal })
      if (answer.status === 404 && !isNoBucket(answer)) return undefined
      if (!isGood(answer)) throw refusal(answer, `read ${name}`)
      return await read(into)
    } finally {
      await rm(into, { force: true })
    }
  }

  async put(
    name: string,
    fill: (path: string) => Promise<void>,
    { progress, signal, replace = false }: Sending = {},
  ): Promise<'saved' | 'exists'> {
    const key = this.#key(name)
    const path = this.#options.temp()
    try {
      await fill(path)
      const { size } = await stat(path)
      if (size > severalParts) {
        const { requests } = this.#options
        if (!replace && (await this.has([name])).size > 0) return 'exists'
        const sweeping = this.#swept ? undefined : abortAbandoned(requests, `${this.#start}units/`).catch(() => {})
        this.#swept = true
        try {
          return await uploadParts(requests, key, { path, size, replace, progress, signal })
        } finally {
          await sweeping
        }
      }
      const body = { path, start: 0, size, sha256: await sha256Of(path) }
      const answer = await this.#ask({
        ...{ method: 'PUT', key, body, progress, signal },
        headers: onlyNew(replace),
      })
      if (answer.status === 412 || answer.status === 409) return 'exists'
      if (!isGood(answer)) throw refusal(answer, `write ${name}`)
      return 'saved'
    } finally {
      await rm(path, { force: true })
    }
  }

  /** Lists as long as that takes fewer requests in a row than asking for each name, and asks for the others. */
  async has(names: readonly string[]): Promise<ReadonlySet<string>> {
    const wanted = names.toSorted()
    const found = new Set<string>()
    let open = wanted
    const pages = Math.floor(names.length / lookUpsAtOnce)
    if (pages > 0) {
      let read = 0
      for await (const { contents, last } of this.#pages(sharedStart(wanted))) {
        for (const name of open) if (contents.has(name)) found.add(name)
        open = last === undefined ? [] : open.filter((name) => name > last)
        if (open.length === 0 || ++read === pages) break
      }
    }
    await inParallel(lookUpsAtOnce, open, async (name) => {
      const answer = await this.#ask({ method: 'HEAD', key: this.#key(name) })
      if (isGood(answer)) found.add(name)
      else if (answer.status !== 404) throw refusal(answer, `look for ${name}`)
    })
    return found
  }

  async *list(prefix: string): AsyncGenerator<string> {
    for await (const { contents } of this.#pages(prefix)) yield* contents.keys()
  }

  async *inventory(prefix: string): AsyncGenerator<RemoteEntry> {
    for await (const { contents } of this.#pages(prefix))
      for (const [name, entry] of contents) {
        const size = Number(/<Size>(\d{1,15})<\/Size>/.exec(entry)?.[1])
        const sentAt = Date.parse(/<LastModified>([^<]{1,40})<\/LastModified>/.exec(entry)?.[1] ?? '')
        if (!Number.isNaN(size) && !Number.isNaN(sentAt)) yield { name, size, sentAt }
      }
  }

  async delete(name: string): Promise<void> {
    const answer = await this.#ask({ method: 'DELETE', key: this.#key(name) })
    if (!isGood(answer) && answer.status !== 404) throw refusal(answer, `delete ${name}`)
  }

  toString(): string {
    return this.#options.title
  }

  #key(name: string): string {
    return `${this.#start}${checkName(name)}`
  }

  #ask(request: BucketRequest): Promise<ExchangeAnswer> {
    return this.#options.requests.ask(request)
  }

  /** Names in their order, each with the XML that tells of it, and the last one that is known so far; undefined: that were all. */
  async *#pages(
    prefix: string,
  ): AsyncGenerator<{ readonly contents: ReadonlyMap<string, string>; readonly last: string | undefined }> {
    for (let token: string | undefined; ; ) {
      const query = {
        ...{ 'list-type': '2', 'encoding-type': 'url', prefix: this.#start + prefix },
        ...(token === undefined ? {} : { 'continuation-token': token }),
      }
      const answer = await this.#ask({ method: 'GET', key: '', query })
      if (!isGood(answer)) throw refusal(answer, 'be listed')
      const contents = new Map<string, string>()
      for (const [, entry = ''] of answer.text.matchAll(/<Contents>(.{1,10000}?)<\/Contents>/gs)) {
        const name = decoded(/<Key>([^<]{1,3000})<\/Key>/.exec(entry)?.[1] ?? '')
        if (name?.startsWith(this.#start) === true) contents.set(name.slice(this.#start.length), entry)
      }
      const next = /<NextContinuationToken>([^<]{1,4000})<\/NextContinuationToken>/.exec(answer.text)?.[1]
      const more = /<IsTruncated>true<\/IsTruncated>/.test(answer.text) && next !== undefined && next !== token
      yield { contents, last: more ? ([...contents.keys()].at(-1) ?? '') : undefined }
      if (!more) return
      token = plain(next)
    }
  }

  async #read(name: string): Promise<{ readonly text: string; readonly version: string } | undefined> {
    const answer = await this.#ask({ method: 'GET', key: this.#key(name) })
    if (answer.status === 404 && !isNoBucket(answer)) return undefined
    const version = answer.headers['etag']
    if (!isGood(answer) || version === undefined) throw refusal(answer, `read ${name}`)
    return { text: answer.text, version }
  }

  async #write(name: string, text: string, headers: Readonly<Record<string, string>>): Promise<string | undefined> {
    const answer = await this.#ask({ method: 'PUT', key: this.#key(name), body: text, headers })
    // 409: another one is being written at this moment.
    if ([404, 409, 412].includes(answer.status) && !isNoBucket(answer)) return undefined
    const version = answer.headers['etag']
    if (!isGood(answer) || version === undefined) throw refusal(answer, `write ${name}`)
    return version
  }
}

export function isGood({ status }: ExchangeAnswer): boolean {
  return status >= 200 && status < 300
}

function isNoBucket({ text }: ExchangeAnswer): boolean {
  return text.includes('<Code>NoSuchBucket</Code>')
}

function decoded(key: string): string | undefined {
  try {
    return decodeURIComponent(key.replaceAll('+', ' '))
  } catch {
    return undefined
  }
}

/** Tokens are not percent-encoded, but text of XML. */
function plain(text: string): string {
  const entities: Readonly<Record<string, string>> = { lt: '<', gt: '>', quot: '"', apos: "'", amp: '&', '#34': '"' }
  return text.replace(/&([a-z]+|#34);/g, (whole, name: string) => entities[name] ?? whole)
}
