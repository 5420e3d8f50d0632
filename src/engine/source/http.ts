import { type ClientRequest, type IncomingMessage, Agent as PlainAgent } from 'node:http'
import { Agent as SecureAgent } from 'node:https'
import { receive } from './body.ts'
import { type FetchRequest, Unauthorized } from './fetcher.ts'
import type { FetchLimits } from './limits.ts'
import { type Place, placeOf, type Resume, rangeHeaders } from './resume.ts'
import { seconds, Trouble } from './trouble.ts'
import { redirectTarget, shownUrl } from './url.ts'

/** A body on its way. Its bytes are as the server stores them: nothing is asked for compressed or inflated. */
export interface Answer extends Place {
  /** Whether a broken-off body can be told from a whole one without knowing its size or digest. */
  readonly framed: boolean
  readonly contentType: string
  readonly url: string
  readonly body: AsyncIterable<Uint8Array>
  /** Gives up a body of which nothing was read. */
  discard(): void
}

/** Connections kept open between downloads, through the proxy of HTTP_PROXY, HTTPS_PROXY and NO_PROXY where one is set. */
export class Connections {
  readonly #plain: PlainAgent
  readonly #secure: SecureAgent

  /** @param proxyEnv where proxies are named; none in there: every connection is direct */
  constructor(proxyEnv: NodeJS.ProcessEnv = process.env) {
    this.#plain = new PlainAgent({ keepAlive: true, proxyEnv })
    this.#secure = new SecureAgent({ keepAlive: true, proxyEnv })
  }

  async request(url: URL, method: string, headers: Record<string, string>): Promise<ClientRequest> {
    if (url.protocol === 'http:') {
      const { request } = await import('node:http')
      return request(url, { agent: this.#plain, method, headers })
    }
    const { request } = await import('node:https')
    return request(url, { agent: this.#secure, method, headers })
  }
}

/**
 * Asks for `address`, following redirects.
 *
 * @param how headers are for that server alone; with them, being asked who we are is {@link Unauthorized}
 * @throws {Trouble} when there is no usable answer; what `signal` was aborted with
 */
export async function ask(
  address: string,
  resume: Resume,
  connections: Connections,
  limits: FetchLimits,
  how: Pick<FetchRequest, 'headers' | 'post' | 'signal'>,
): Promise<Answer> {
  const { headers: own, post, signal } = how
  if (!URL.canParse(address)) throw new Trouble('is no address', false)
  let url = new URL(address)
  const { origin } = url
  for (let hops = 0; ; hops++) {
    if (url.protocol !== 'http:' && url.protocol !== 'https:')
      throw new Trouble(`${url.protocol} is not supported`, false)
    const type: Record<string, string> = post === undefined ? {} : { 'content-type': post.type }
    const headers = {
      ...{ 'accept-encoding': 'identity', 'user-agent': 'yoe' },
      ...rangeHeaders(resume),
      ...type,
      ...(url.origin === origin ? own : {}),
    }
    const request = await connections.request(url, post === undefined ? 'GET' : 'POST', headers)
    const response = await answered(request, limits, signal, post?.body)
    const status = response.statusCode ?? 0
    const challenge = response.headers['www-authenticate'] ?? response.headers['lfs-authenticate']?.toString()
    if (status === 401 && own !== undefined && url.origin === origin && challenge !== undefined) {
      response.destroy()
      throw new Unauthorized(shownUrl(url.href), challenge)
    }
    if (![301, 302, 303, 307, 308].includes(status)) return usable(response, url, resume, limits, signal)
    response.destroy()
    // What was sent is not left out on the way.
    if (post !== undefined && status < 307) throw new Trouble(`redirects what it was sent (HTTP ${status})`, false)
    if (hops >= limits.redirects) throw new Trouble(`redirects more than ${limits.redirects} times`, false)
    const target = redirectTarget(url, response.headers.location)
    if (!target.ok) throw new Trouble(target.reason, false)
    url = target.url
  }
}

/** The answer's header, within the time there is for it. */
function answered(
  request: ClientRequest,
  limits: FetchLimits,
  signal: AbortSignal | undefined,
  body = '',
): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const late = (reason: string) => () =>
      request.destroy(new Trouble(reason, true, reason.startsWith('no connection') ? 'unreachable' : undefined))
    let timer = setTimeout(late(`no connection within ${seconds(limits.connect)}`), limits.connect)
    const connected = (): void => {
      clearTimeout(timer)
      timer = setTimeout(late(`no answer within ${seconds(limits.header)}`), limits.header)
    }
    const aborted = (): void => void request.destroy(signal?.reason)
    const settle = (): void => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', aborted)
    }
    request.on('socket', (socket) => {
      if (!socket.connecting) connected()
      else socket.once('encrypted' in socket ? 'secureConnect' : 'connect', connected)
    })
    request.on('response', (response) => {
      settle()
      resolve(response)
    })
    request.on('error', (failure) => {
      settle()
      reject(signal?.aborted === true ? signal.reason : troubleOf(failure))
    })
    if (signal?.aborted === true) aborted()
    else signal?.addEventListener('abort', aborted, { once: true })
    request.end(body)
  })
}

function usable(
  response: IncomingMessage,
  url: URL,
  resume: Resume,
  limits: FetchLimits,
  signal: AbortSignal | undefined,
): Answer {
  const { headers } = response
  const status = response.statusCode ?? 0
  try {
    if (status !== 200 && status !== 206 && (status !== 416 || resume.offset === 0))
      throw new Trouble(
        `HTTP ${status}${phrase(response)}`,
        retryOf(status, headers['retry-after'], limits),
        status === 404 || status === 410 ? 'absent' : undefined,
      )
    const length = headers['content-length'] === undefined ? undefined : Number(headers['content-length'])
    return {
      ...placeOf(response, resume),
      framed: length !== undefined || headers['transfer-encoding'] !== undefined,
      contentType: headers['content-type'] ?? '',
      url: shownUrl(url.href),
      body: receive(response, length, limits, signal),
      discard: () => void response.destroy(),
    }
  } catch (failure) {
    response.destroy()
    throw failure
  }
}

/** Whether a status may be another one soon: overload and time-outs are, what the client did wrong is not. */
export function retryOf(status: number, after: string | undefined, limits: FetchLimits): boolean | number {
  if (status < 500 && status !== 408 && status !== 429) return false
  if (after === undefined) return true
  const pause = /^\d+$/.test(after) ? Number(after) * 1000 : Date.parse(after) - Date.now()
  if (!Number.isFinite(pause)) return true
  return pause > limits.longestPause ? false : Math.max(0, pause)
}

function phrase(response: IncomingMessage): string {
  const text = (response.statusMessage ?? '').replace(/[^\x20-\x7e]/g, '').slice(0, 60)
  const after = response.headers['retry-after']
  return `${text === '' ? '' : ` ${text}`}${after === undefined ? '' : ` (retry after ${after.slice(0, 40)})`}`
}

const reasons: Readonly<Record<string, readonly [reason: string, retry: boolean, about?: 'unreachable']>> = {
  ENOTFOUND: ['the host is not found (DNS)', false, 'unreachable'],
  EAI_AGAIN: ['the host can not be looked up now (DNS)', true, 'unreachable'],
  ECONNREFUSED: ['connection refused', true, 'unreachable'],
  EHOSTUNREACH: ['the host is not reachable', true, 'unreachable'],
  ENETUNREACH: ['the network is not reachable', true, 'unreachable'],
  ETIMEDOUT: ['no connection in time', true, 'unreachable'],
  ECONNRESET: ['the connection broke before an answer', true],
  EPIPE: ['the connection broke before an answer', true],
  HPE_HEADER_OVERFLOW: ['the header of the answer is too long', false],
}

/** Why an exchange failed, and whether another try may help; what is no failure of the network is told as it is. */
export function troubleOf(failure: unknown): Trouble {
  if (failure instanceof Trouble) return failure
  const code = failure instanceof Error && 'code' in failure && typeof failure.code === 'string' ? failure.code : ''
  const known = reasons[code]
  if (known !== undefined) return new Trouble(...known)
  if (code.startsWith('HPE_')) return new Trouble(`the answer is not HTTP (${code})`, true)
  const message = failure instanceof Error ? (failure.message.split('\n')[0] ?? '') : 'unknown'
  return new Trouble(`${code === '' || message.includes(code) ? '' : `${code}: `}${message}`, false)
}
