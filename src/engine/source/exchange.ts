import { createReadStream } from 'node:fs'
import type { ClientRequest, IncomingMessage } from 'node:http'
import { setTimeout as pause } from 'node:timers/promises'
import { YoeError } from '../errors.ts'
import { Arrival } from './arrival.ts'
import { receive } from './body.ts'
import { Connections, retryOf, troubleOf } from './http.ts'
import { defaultFetchLimits, type FetchLimits } from './limits.ts'
import type { Pace } from './pace.ts'
import { rangeHeaders } from './resume.ts'
import { seconds, Trouble } from './trouble.ts'
import { redirectTarget } from './url.ts'

/** Bytes of a file that are sent. */
export interface FilePart {
  /** Absolute. */
  readonly path: string
  readonly start: number
  readonly size: number
}

export type RequestHeaders = Readonly<Record<string, string>>

/** One request to a service that is spoken with: a bucket, a registry. */
export interface ExchangeRequest {
  readonly method: 'GET' | 'HEAD' | 'PUT' | 'POST' | 'PATCH' | 'DELETE'
  readonly url: string
  /** For the server that is asked, and none that it redirects to; a function is called for each try. */
  readonly headers?: RequestHeaders | (() => Promise<RequestHeaders>)
  readonly body?: string | FilePart
  /**
   * Absolute: where the body of a good answer goes, which goes on where it broke off, if the server can do that. Without it,
   * a body is a text of at most 4 MiB.
   */
  readonly into?: string
  /** Follow where it leads (GET and HEAD alone); else that is the answer. Default: no. */
  readonly follow?: boolean
  /** Told how many bytes of a file came or went, and of how many. */
  readonly progress?: ((done: number, total: number | undefined) => void) | undefined
  readonly signal?: AbortSignal | undefined
}

export interface ExchangeAnswer {
  readonly status: number
  /** By their names in lower case. */
  readonly headers: Readonly<Record<string, string | undefined>>
  /** '' where the body went into a file. */
  readonly text: string
}

export interface ExchangeOptions {
  readonly limits?: Partial<FetchLimits>
  /** Past every proxy: for services of this very machine or its host. Default: no. */
  readonly direct?: boolean
  /** Bounds bytes that go out and come in. */
  readonly pace?: { readonly up?: Pace | undefined; readonly down?: Pace | undefined }
}

/** Slower services are given up sooner than a source whose only home they are: without a cache a build goes on. */
const cacheLimits: FetchLimits = { ...defaultFetchLimits, connect: 10_000, header: 60_000, retries: 2, backoff: 250 }
const largestText = 4 * 2 ** 20
/** Bytes of a file that are read and sent at a time. */
const piece = 2 ** 18

/**
 * Requests to services, with the limits, proxies and retries of everything that reaches the network. Overload and what
 * goes wrong on the way is tried again; every other answer is one, whatever its status.
 */
export class Exchange {
  readonly #limits: FetchLimits
  readonly #pace: NonNullable<ExchangeOptions['pace']>
  readonly #connections: Connections

  constructor(options: ExchangeOptions = {}) {
    this.#limits = { ...cacheLimits, ...options.limits }
    this.#pace = options.pace ?? {}
    this.#connections = options.direct === true ? new Connections({}) : new Connections()
  }

  /** @throws {YoeError} FETCH_FAILED when there is no answer; CANCELLED, DISK_FULL, PERMISSION */
  async ask(request: ExchangeRequest): Promise<ExchangeAnswer> {
    const { into, progress } = request
    if (into === undefined) return this.#tries(request, undefined)
    const arrival = new Arrival(into, this.#pace.down, progress)
    try {
      const answer = await this.#tries(request, arrival)
      if (!isGood(answer.status)) await arrival.discard()
      return answer
    } catch (failure) {
      await arrival.discard()
      throw failure
    }
  }

  async #tries(request: ExchangeRequest, arrival: Arrival | undefined): Promise<ExchangeAnswer> {
    const { retries, backoff } = this.#limits
    for (let tries = 1; ; tries++) {
      try {
        const { answer, again } = await this.#once(request, arrival)
        if (again === false || tries > retries) return answer
        await this.#rest(again === true ? backoff * 2 ** (tries - 1) : again, request)
      } catch (failure) {
        if (request.signal?.aborted === true) throw new YoeError('CANCELLED', 'a transfer was cancelled')
        if (!(failure instanceof Trouble)) throw failure
        if (failure.retry === false || tries > retries) {
          const often = tries > 1 ? ` (tried ${tries} times)` : ''
          throw new YoeError('FETCH_FAILED', `${new URL(request.url).host}: ${failure.message}${often}`)
        }
        await this.#rest(failure.retry === true ? backoff * 2 ** (tries - 1) : failure.retry, request)
      }
    }
  }

  async #rest(ms: number, { signal }: ExchangeRequest): Promise<void> {
    try {
      await pause(ms, undefined, signal === undefined ? {} : { signal })
    } catch {
      throw new YoeError('CANCELLED', 'a transfer was cancelled')
    }
  }

  async #once(
    request: ExchangeRequest,
    arrival: Arrival | undefined,
  ): Promise<{ answer: ExchangeAnswer; again: boolean | number }> {
    let url = new URL(request.url)
    const { origin } = url
    const { headers = {} } = request
    const own = typeof headers === 'function' ? await headers() : headers
    const range = arrival === undefined ? {} : rangeHeaders(arrival)
    for (let hops = 0; ; hops++) {
      const response = await this.#send(request, url, { ...range, ...(url.origin === origin ? own : {}) })
      const status = response.statusCode ?? 0
      if (request.follow !== true || ![301, 302, 303, 307, 308].includes(status))
        return this.#read(request, response, arrival)
      response.destroy()
      if (hops >= this.#limits.redirects)
        throw new Trouble(`redirects more than ${this.#limits.redirects} times`, false)
      const target = redirectTarget(url, response.headers.location)
      if (!target.ok) throw new Trouble(target.reason, false)
      url = target.url
    }
  }

  async #send(request: ExchangeRequest, url: URL, headers: RequestHeaders): Promise<IncomingMessage> {
    const { body, signal } = request
    const size = body === undefined ? 0 : typeof body === 'string' ? Buffer.byteLength(body) : body.size
    const client = await this.#connections.request(url, request.method, {
      'accept-encoding': 'identity',
      'user-agent': 'yoe',
      ...(body === undefined && !['PUT', 'POST', 'PATCH'].includes(request.method)
        ? {}
        : { 'content-length': `${size}` }),
      ...headers,
    })
    const turn = new Turn(client, this.#limits, signal)
    if (typeof body === 'string') client.end(body)
    else if (body === undefined) client.end()
    else await this.#upload(client, turn, body, request)
    turn.sent()
    return turn.response
  }

  /** Ends early when the server answers before it has all: then the answer says why. */
  async #upload(client: ClientRequest, turn: Turn, part: FilePart, { progress }: ExchangeRequest): Promise<void> {
    let done = 0
    const last = part.start + part.size - 1
    if (part.size > 0)
      for await (const chunk of createReadStream(part.path, { start: part.start, end: last, highWaterMark: piece })) {
        await this.#pace.up?.take(chunk.length)
        if (turn.over) return
        if (!client.write(chunk)) await turn.drained()
        done += chunk.length
        progress?.(done, part.size)
      }
    if (!turn.over) client.end()
  }

  async #read(
    { method, signal }: ExchangeRequest,
    response: IncomingMessage,
    arrival: Arrival | undefined,
  ): Promise<{ answer: ExchangeAnswer; again: boolean | number }> {
    const status = response.statusCode ?? 0
    const headers = Object.fromEntries(Object.entries(response.headers).map(([name, value]) => [name, String(value)]))
    const length = headers['content-length'] === undefined ? undefined : Number(headers['content-length'])
    const body = receive(response, method === 'HEAD' ? 0 : length, this.#limits, signal)
    const ended = status === 416 && arrival !== undefined && arrival.offset > 0
    if (arrival !== undefined && (isGood(status) || ended)) {
      await arrival.take(response, body)
      // To who asked for the whole, that is what came.
      return { answer: { status: 200, headers, text: '' }, again: false }
    }
    const again = isGood(status) ? false : retryOf(status, headers['retry-after'], this.#limits)
    return { answer: { status, headers, text: await textOf(body) }, again }
  }
}

const isGood = (status: number): boolean => status >= 200 && status < 300

/** One request on its way, until the header of its answer is there: within the time that each step has. */
class Turn {
  readonly response: Promise<IncomingMessage>
  /** The answer or the failure has come. */
  over = false
  readonly #client: ClientRequest
  readonly #limits: FetchLimits
  #timer: NodeJS.Timeout | undefined

  constructor(client: ClientRequest, limits: FetchLimits, signal: AbortSignal | undefined) {
    this.#client = client
    this.#limits = limits
    const late = (reason: string, ms: number): NodeJS.Timeout =>
      setTimeout(() => client.destroy(new Trouble(`${reason} within ${seconds(ms)}`, true)), ms)
    const connecting = late('no connection', limits.connect)
    const aborted = (): void => void client.destroy(new Trouble('cancelled', false))
    if (signal?.aborted === true) aborted()
    signal?.addEventListener('abort', aborted, { once: true })
    this.response = new Promise((resolve, reject) => {
      const settle = (): void => {
        this.over = true
        clearTimeout(connecting)
        clearTimeout(this.#timer)
        signal?.removeEventListener('abort', aborted)
      }
      client.on('socket', (socket) => {
        const connected = (): void => clearTimeout(connecting)
        if (!socket.connecting) connected()
        else socket.once('encrypted' in socket ? 'secureConnect' : 'connect', connected)
      })
      client.on('response', (response) => {
        settle()
        resolve(response)
      })
      client.on('error', (failure) => {
        settle()
        reject(troubleOf(failure))
      })
    })
    // It may fail while nobody waits for it yet.
    this.response.catch(() => {})
  }

  /** Everything is sent: the answer is due. */
  sent(): void {
    if (this.over) return
    const { header } = this.#limits
    const late = new Trouble(`no answer within ${seconds(header)}`, true)
    this.#timer = setTimeout(() => this.#client.destroy(late), header + this.#limits.connect)
  }

  /** The server has taken what was sent, or it is over. */
  drained(): Promise<void> {
    const { stall } = this.#limits
    return new Promise((resolve) => {
      const late = new Trouble(`takes no byte for ${seconds(stall)}`, true)
      const timer = setTimeout(() => this.#client.destroy(late), stall)
      const go = (): void => {
        clearTimeout(timer)
        for (const event of ['drain', 'response', 'close'] as const) this.#client.removeListener(event, go)
        resolve()
      }
      for (const event of ['drain', 'response', 'close'] as const) this.#client.on(event, go)
    })
  }
}

async function textOf(body: AsyncIterable<Uint8Array>): Promise<string> {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of body) {
    size += chunk.length
    if (size > largestText) throw new Trouble(`answers more than ${largestText} bytes`, false)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}
