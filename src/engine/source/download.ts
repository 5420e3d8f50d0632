import { createHash, type Hash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { copyFile, type FileHandle, open, rename, rm, stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { YoeError } from '../errors.ts'
import { step } from '../events.ts'
import { Slots } from '../slots.ts'
import { errorCode, makeFolder, requireSpace, writeFailure } from '../store/disk.ts'
import { tempName } from '../store/temp.ts'
import { type Fetched, type Fetcher, type FetchRequest, NotThere } from './fetcher.ts'
import { type Answer, ask, Connections } from './http.ts'
import { defaultFetchLimits, type FetchLimits } from './limits.ts'
import { candidates, type Mirrors } from './mirrors.ts'
import { offlineHint } from './offline.ts'
import { Trouble } from './trouble.ts'
import { shownUrl } from './url.ts'

export interface FetcherOptions {
  readonly mirrors: Mirrors
  /** Only `file:` addresses may be used. */
  readonly offline: boolean
  /** Where unfinished downloads lie, such as `$YOE_CACHE/tmp`; it exists. Beside the destination when left out. */
  readonly temp?: string
  readonly limits?: Partial<FetchLimits>
}

/** The bytes came whole, but they are others than declared. */
export class DigestMismatch extends YoeError {
  readonly expected: string
  readonly got: string
  /** The server answered with a page for people. */
  readonly webPage: boolean

  constructor(title: string, url: string, expected: string, got: string, webPage: boolean) {
    super(
      'DIGEST_MISMATCH',
      `${title} from ${url} is not what was declared\n  expected sha256 ${expected}\n  got      sha256 ${got}`,
      {
        hint: webPage
          ? 'the server answered with a web page: open the address in a browser'
          : `if this content is meant, declare it: sha256 = "${got}"; else another mirror may have the right one`,
      },
    )
    this.expected = expected
    this.got = got
    this.webPage = webPage
  }
}

/** The {@link Fetcher} of the product: http, https and file addresses. */
export function createFetcher(options: FetcherOptions): Fetcher {
  const limits = { ...defaultFetchLimits, ...options.limits }
  const session: Session = { limits, connections: new Connections(), down: new Set() }
  const slots = new Slots(limits.parallel)
  return {
    locate: (url) => candidates([url], options.mirrors),
    fetch: (request) =>
      slots.use(() => step(request.report, `Fetch ${request.title}`, (id) => fetchOnce(request, id, options, session))),
  }
}

interface Session {
  readonly limits: FetchLimits
  readonly connections: Connections
  /** Servers that could not be reached: from then on they come last and get one try. */
  readonly down: Set<string>
}

async function fetchOnce(
  request: FetchRequest,
  id: string,
  options: FetcherOptions,
  session: Session,
): Promise<Fetched> {
  const folder = options.temp ?? dirname(request.dest)
  const download = new Download(request, id, join(folder, tempName()), session)
  try {
    await makeFolder(dirname(request.dest))
    const fetched = await tryAll(request, download, options, session)
    await download.commit()
    return fetched
  } catch (failure) {
    if (request.signal?.aborted === true) throw new YoeError('CANCELLED', `fetching ${request.title} was cancelled`)
    throw failure instanceof YoeError ? failure : await writeFailure(failure, request.dest, request.size)
  } finally {
    await download.discard()
  }
}

async function tryAll(
  request: FetchRequest,
  download: Download,
  options: FetcherOptions,
  session: Session,
): Promise<Fetched> {
  const failures: string[] = []
  let mismatch: DigestMismatch | undefined
  let absent = 0
  const isDown = (url: string): boolean => session.down.has(originOf(url))
  const urls = request.located === true ? request.urls : candidates(request.urls, options.mirrors)
  const ordered = [...urls.filter((url) => !isDown(url)), ...urls.filter(isDown)]
  for (const url of ordered) {
    if (options.offline && !url.startsWith('file:')) {
      failures.push(`${shownUrl(url)}: not asked, since yoe works offline`)
      continue
    }
    try {
      return await tryOne(url, request, download, session)
    } catch (failure) {
      if (failure instanceof DigestMismatch) mismatch = failure
      else if (!(failure instanceof Trouble)) throw failure
      else if (failure.about === 'absent') absent++
      const reason = failure instanceof DigestMismatch ? `other content (sha256 ${failure.got})` : failure.message
      failures.push(`${shownUrl(url)}: ${reason}`)
      if (url !== ordered.at(-1))
        request.report({ type: 'notice', message: `${request.title}: ${failures.at(-1)}; trying elsewhere` })
    }
  }
  if (mismatch !== undefined) throw mismatch
  const Failure = absent > 0 && absent === failures.length ? NotThere : YoeError
  throw new Failure('FETCH_FAILED', `${request.title} can't be fetched\n  ${failures.join('\n  ')}`, {
    hint: options.offline
      ? offlineHint
      : 'check the address, or name a mirror: YOE_MIRRORS=https://its.host/=https://mirror.host/',
  })
}

/** One address, with its retries. @throws {Trouble} saying how often it was tried; {@link DigestMismatch} */
async function tryOne(url: string, request: FetchRequest, download: Download, session: Session): Promise<Fetched> {
  const { limits } = session
  const retries = session.down.has(originOf(url)) ? 0 : limits.retries
  // With a digest to decide in the end, another server may go on where one broke off.
  if (request.sha256 === undefined) download.forget()
  else download.validator = undefined
  for (let tries = 1; ; tries++) {
    try {
      if (url.startsWith('file:')) return await download.take(await localAnswer(url), request)
      const answer = await ask(url, download, session.connections, limits, request)
      session.down.delete(originOf(url))
      return await download.take(answer, request)
    } catch (failure) {
      if (failure instanceof DigestMismatch) {
        const patched = download.resumed
        download.forget()
        // One of the parts may be the wrong one: it gets a chance from the start.
        if (patched) continue
      }
      if (!(failure instanceof Trouble)) throw failure
      if (failure.about === 'part') download.forget()
      if (failure.about === 'unreachable') session.down.add(originOf(url))
      const often = tries > 1 ? ` (tried ${tries} times)` : ''
      if (failure.retry === false || tries > retries) throw new Trouble(failure.message + often, false, failure.about)
      const wait = failure.retry === true ? limits.backoff * 2 ** (tries - 1) : failure.retry
      await pause(wait, undefined, request.signal === undefined ? {} : { signal: request.signal })
    }
  }
}

function originOf(url: string): string {
  return URL.canParse(url) ? new URL(url).origin : url
}

async function localAnswer(url: string): Promise<Answer> {
  if (!URL.canParse(url) || new URL(url).host !== '') throw new Trouble('is no path of this machine', false)
  const path = fileURLToPath(url)
  const found = await stat(path).catch(() => undefined)
  if (found?.isFile() !== true) throw new Trouble('there is no such file', false, 'absent')
  const body = localChunks(path)
  const shown = shownUrl(url)
  return {
    offset: 0,
    size: found.size,
    validator: undefined,
    framed: true,
    contentType: '',
    url: shown,
    body,
    discard() {},
  }
}

async function* localChunks(path: string): AsyncGenerator<Uint8Array> {
  try {
    for await (const chunk of createReadStream(path, { highWaterMark: 2 ** 20 })) yield chunk
  } catch (failure) {
    throw new Trouble(`can't be read (${errorCode(failure)})`, false)
  }
}

/** The unfinished file of one request: survives tries, so that a broken download goes on where it broke. */
class Download {
  readonly #request: FetchRequest
  readonly #id: string
  readonly #temp: string
  readonly #limits: FetchLimits
  #file: FileHandle | undefined
  #sum: Hash = createHash('sha256')
  #told = 0
  /** Bytes on disk and in the digest. */
  offset = 0
  validator: string | undefined
  /** Whether what lies there came in more than one answer. */
  resumed = false

  constructor(request: FetchRequest, id: string, temp: string, { limits }: Session) {
    this.#request = request
    this.#id = id
    this.#temp = temp
    this.#limits = limits
  }

  /** Starts from nothing. */
  forget(): void {
    this.offset = 0
    this.validator = undefined
    this.resumed = false
    this.#sum = createHash('sha256')
  }

  /**
   * Writes an answer's body behind what is there and checks the whole.
   *
   * @throws {Trouble} when it is not whole or too much; {@link DigestMismatch}
   */
  async take(answer: Answer, request: FetchRequest): Promise<Fetched> {
    if (answer.offset === 0) this.forget()
    else this.resumed = true
    this.validator = answer.validator
    const limit = request.size ?? request.maxSize ?? this.#limits.maxSize
    try {
      this.#check(answer, limit)
      if (answer.size !== undefined) await requireSpace(dirname(this.#temp), answer.size - this.offset)
    } catch (failure) {
      answer.discard()
      throw failure
    }
    try {
      await this.#write(answer, limit)
    } catch (failure) {
      // Without a digest to decide in the end and without the server's word that it is the same file, a part is worth nothing.
      if (request.sha256 === undefined && this.validator === undefined) this.forget()
      throw failure
    }
    if (request.size !== undefined && this.offset !== request.size) {
      const got = this.offset
      this.forget()
      throw new Trouble(`sent ${got} bytes, ${request.size} were expected`, true)
    }
    const got = this.#sum.copy().digest('hex')
    if (request.sha256 !== undefined && got !== request.sha256) {
      throw new DigestMismatch(
        request.title,
        answer.url,
        request.sha256,
        got,
        answer.contentType.startsWith('text/html'),
      )
    }
    return { url: answer.url, sha256: got, size: this.offset }
  }

  /** What can be refused before the first byte. */
  #check({ size, framed }: Answer, limit: number): void {
    const decided = this.#request.sha256 !== undefined || this.#request.size !== undefined
    if (!framed && !decided) throw new Trouble('does not say where its answer ends', false)
    if (size === undefined) return
    if (this.#request.size !== undefined && size !== this.#request.size) {
      throw new Trouble(`offers ${size} bytes, ${this.#request.size} were expected`, false)
    }
    if (size > limit) throw new Trouble(`offers ${size} bytes, at most ${limit} are accepted`, false)
  }

  async #write(answer: Answer, limit: number): Promise<void> {
    this.#file ??= await open(this.#temp, 'wx', 0o644)
    await this.#file.truncate(this.offset)
    for await (const chunk of answer.body) {
      if (this.offset + chunk.length > limit) {
        this.forget()
        throw new Trouble(`sends more than ${limit} bytes`, false)
      }
      await writeAll(this.#file, chunk, this.offset)
      this.#sum.update(chunk)
      this.offset += chunk.length
      this.#tell(answer.size)
    }
  }

  #tell(total: number | undefined): void {
    const now = performance.now()
    if (now - this.#told < 100) return
    this.#told = now
    const known = this.#request.size ?? total
    this.#request.report({
      type: 'step-progress',
      id: this.#id,
      done: this.offset,
      measure: 'bytes',
      ...(known === undefined ? {} : { total: known }),
    })
  }

  /** Makes the whole, verified file visible under its name. */
  async commit(): Promise<void> {
    const { dest } = this.#request
    await this.#file?.datasync()
    await this.#file?.close()
    this.#file = undefined
    try {
      await rename(this.#temp, dest)
    } catch (failure) {
      if (errorCode(failure) !== 'EXDEV') throw failure
      await moveAcross(this.#temp, dest)
    }
  }

  async discard(): Promise<void> {
    await this.#file?.close()
    this.#file = undefined
    await rm(this.#temp, { force: true })
  }
}

async function writeAll(file: FileHandle, chunk: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < chunk.length; ) {
    done += (await file.write(chunk, done, chunk.length - done, position + done)).bytesWritten
  }
}

/** To another file system nothing can be renamed: a copy beside the destination is. */
async function moveAcross(from: string, dest: string): Promise<void> {
  const near = join(dirname(dest), `${tempName()}-${basename(dest)}`.slice(0, 200))
  try {
    await copyFile(from, near)
    const file = await open(near, 'r+')
    await file.datasync().finally(() => file.close())
    await rename(near, dest)
  } finally {
    await rm(near, { force: true })
  }
}
