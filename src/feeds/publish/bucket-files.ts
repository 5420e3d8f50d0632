import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { YoeError } from '#engine/errors.ts'
import type { ExchangeAnswer } from '#engine/source/exchange.ts'
import { sha256Of } from '#engine/store/remotes/file-digest.ts'
import { isGood } from '#engine/store/remotes/s3.ts'
import { type BucketRequest, type BucketRequests, refusal } from '#engine/store/remotes/s3-requests.ts'
import { tempName } from '#engine/store/temp.ts'
import type { KnownFile } from './atomic.ts'

/** When a file may be put. */
export type Condition =
  /** Whatever is there. */
  | 'always'
  /** Nothing is there. */
  | 'new'
  /** What is there is still this version. */
  | { readonly version: string }

export interface BucketFilesOptions {
  readonly requests: BucketRequests
  /** As people know the place: `s3://bucket/prefix`. */
  readonly place: string
  /** Of all names, without a slash at its end; '' for none. */
  readonly prefix: string
  /** Absolute folder for what is on its way. */
  readonly temp: string
}

/** The files of a feed in a bucket, by their paths. All throw PUBLISH_FAILED for an answer that is a refusal. */
export class BucketFiles {
  readonly place: string
  readonly #requests: BucketRequests
  readonly #start: string
  readonly #temp: string

  constructor({ requests, place, prefix, temp }: BucketFilesOptions) {
    this.place = place
    this.#requests = requests
    this.#start = prefix === '' ? '' : `${prefix}/`
    this.#temp = temp
  }

  /**
   * Reads a file.
   *
   * @returns what `read` makes of the local copy, and the version for a {@link Condition}; undefined: there is none
   */
  async get<T>(
    path: string,
    read: (local: string) => Promise<T>,
  ): Promise<{ readonly value: T; readonly version: string } | undefined> {
    const into = join(this.#temp, tempName())
    try {
      const answer = await this.#ask({ method: 'GET', key: this.#start + path, into })
      if (answer.status === 404 && !isNoBucket(answer)) return undefined
      const version = answer.headers['etag']
      if (!isGood(answer) || version === undefined) throw this.#refused(answer, `read ${path}`)
      return { value: await read(into), version }
    } finally {
      await rm(into, { force: true })
    }
  }

  /** Bytes; undefined: there is no such file. */
  async size(path: string): Promise<number | undefined> {
    const answer = await this.#ask({ method: 'HEAD', key: this.#start + path })
    if (answer.status === 404) return undefined
    if (!isGood(answer)) throw this.#refused(answer, `look for ${path}`)
    return Number(answer.headers['content-length'])
  }

  /** @returns whether the condition held, and it was put */
  async put(path: string, content: string | Uint8Array, condition: Condition): Promise<boolean> {
    const local = join(this.#temp, tempName())
    try {
      await writeFile(local, content)
      const [size, sha256] = [Buffer.byteLength(content), await sha256Of(local)]
      return await this.putFile(path, { path: local, size, sha256 }, condition)
    } finally {
      await rm(local, { force: true })
    }
  }

  /** @returns whether the condition held, and it was put */
  async putFile(path: string, { path: local, size, sha256 }: KnownFile, condition: Condition): Promise<boolean> {
    const answer = await this.#ask({
      ...{ method: 'PUT', key: this.#start + path, body: { path: local, start: 0, size, sha256 } },
      headers: { ...headersOf(path), ...conditionHeaders(condition) },
    })
    if (isGood(answer)) return true
    // 409: another one is being written at this moment; 404: what was to be replaced is gone.
    const lost = [409, 412].includes(answer.status) || (answer.status === 404 && typeof condition === 'object')
    if (condition !== 'always' && lost && !isNoBucket(answer)) return false
    throw this.#refused(answer, `write ${path}`)
  }

  /** Every file below a folder, with how long ago it was put, in milliseconds of the service's own clock. */
  async *list(folder: string): AsyncGenerator<{ readonly path: string; readonly age: number }> {
    for (let token: string | undefined; ; ) {
      const query = {
        ...{ 'list-type': '2', 'encoding-type': 'url', prefix: `${this.#start}${folder}/` },
        ...(token === undefined ? {} : { 'continuation-token': token }),
      }
      const answer = await this.#ask({ method: 'GET', key: '', query })
      if (!isGood(answer)) throw this.#refused(answer, 'be listed')
      const now = Date.parse(answer.headers['date'] ?? '') || Date.now()
      for (const [, contents = ''] of answer.text.matchAll(/<Contents>(.*?)<\/Contents>/gs)) {
        const key = decodeURIComponent((/<Key>([^<]{1,3000})<\/Key>/.exec(contents)?.[1] ?? '').replaceAll('+', ' '))
        const put = Date.parse(/<LastModified>([^<]{1,60})<\/LastModified>/.exec(contents)?.[1] ?? '')
        if (key.startsWith(this.#start) && !Number.isNaN(put))
          yield { path: key.slice(this.#start.length), age: now - put }
      }
      const next = /<NextContinuationToken>([^<]{1,4000})<\/NextContinuationToken>/.exec(answer.text)?.[1]
      if (!/<IsTruncated>true</.test(answer.text) || next === undefined || next === token) return
      token = next.replaceAll('&quot;', '"').replaceAll('&#34;', '"').replaceAll('&amp;', '&')
    }
  }

  async delete(path: string): Promise<void> {
    const answer = await this.#ask({ method: 'DELETE', key: this.#start + path })
    if (!isGood(answer) && answer.status !== 404) throw this.#refused(answer, `delete ${path}`)
  }

  async #ask(request: BucketRequest): Promise<ExchangeAnswer> {
    try {
      return await this.#requests.ask(request)
    } catch (failure) {
      if (!(failure instanceof YoeError) || failure.code !== 'FETCH_FAILED') throw failure
      const hint = failure.hint ?? 'publish again: what is there is whole, and what has arrived is not sent again'
      throw new YoeError('PUBLISH_FAILED', `${this.place}: ${failure.message}`, { hint, cause: failure })
    }
  }

  #refused(answer: ExchangeAnswer, what: string): YoeError {
    const { message, hint = '' } = refusal(answer, what)
    const known: readonly (readonly [RegExp, string])[] = [
      [/NoSuchBucket/, 'there is no such bucket: check --to'],
      [
        /AccessDenied|HTTP 403/,
        'these credentials may not: publishing needs s3:GetObject, s3:ListBucket and s3:PutObject',
      ],
      [/HTTP 404/, 'the service does not know that: check --to'],
    ]
    const fitting = known.find(([pattern]) => pattern.test(message))?.[1]
    return new YoeError('PUBLISH_FAILED', `${this.place}: ${message}`, {
      hint: hint === '' || fitting !== undefined ? (fitting ?? 'publish again: what is there is whole') : hint,
    })
  }
}

function isNoBucket({ text }: ExchangeAnswer): boolean {
  return text.includes('<Code>NoSuchBucket</Code>')
}

function conditionHeaders(condition: Condition): Readonly<Record<string, string>> {
  if (condition === 'always') return {}
  return condition === 'new' ? { 'if-none-match': '*' } : { 'if-match': condition.version }
}

const types: readonly (readonly [RegExp, string])[] = [
  [/\.deb$/, 'application/vnd.debian.binary-package'],
  [/\.html$/, 'text/html; charset=utf-8'],
  [/\/Release\.gpg$/, 'application/pgp-signature'],
  [/\.(gpg|asc)$/, 'application/pgp-keys'],
  [/\.gz$/, 'application/gzip'],
  [/\.xz$/, 'application/x-xz'],
  [/\/(InRelease|Release|Packages)$/, 'text/plain; charset=utf-8'],
]

/** Files that are named by their content never change; the others are old after a minute. */
function headersOf(path: string): Readonly<Record<string, string>> {
  const known = /\/pool\/|\/by-hash\//.test(path)
  return {
    'cache-control': known ? 'public, max-age=31536000, immutable' : 'public, max-age=60, must-revalidate',
    'content-type': types.find(([pattern]) => pattern.test(path))?.[1] ?? 'application/octet-stream',
  }
}
