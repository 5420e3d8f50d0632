import { dockerLogin } from '../../containers/docker-login.ts'
import { endpointOf } from '../../containers/reference.ts'
import { readToken, tokenAddress } from '../../containers/token.ts'
import { YoeError } from '../../errors.ts'
import type { Exchange, ExchangeAnswer, ExchangeRequest, RequestHeaders } from '../../source/exchange.ts'

export interface RepositoryOptions {
  /** `ghcr.io/acme/cache` */
  readonly image: string
  readonly exchange: Exchange
  readonly env: Readonly<Record<string, string | undefined>>
  /** Ask for permission to write, too. */
  readonly push: boolean
}

export interface RepositoryRequest extends Omit<ExchangeRequest, 'url' | 'headers'> {
  readonly headers?: RequestHeaders
}

/** Requests to one repository of a registry, which is shown who asks once it wants to know. */
export class RepositoryRequests {
  readonly #options: RepositoryOptions
  readonly #base: string
  readonly #repository: string
  #shown: string | undefined

  constructor(options: RepositoryOptions) {
    this.#options = options
    const { url, repository } = endpointOf({ name: options.image, tag: '' })
    this.#base = url
    this.#repository = repository
  }

  /**
   * The answer, whatever its status.
   * @param path below the repository (`manifests/…`), or an address that the registry itself gave
   * @throws {YoeError} FETCH_FAILED when there is none
   */
  async ask(path: string, request: RepositoryRequest): Promise<ExchangeAnswer> {
    const url = new URL(path, `${this.#base}v2/${this.#repository}/`)
    const attempt = (): Promise<ExchangeAnswer> => {
      const shown = this.#shown !== undefined && url.origin === new URL(this.#base).origin
      const headers = { ...request.headers, ...(shown ? { authorization: this.#shown ?? '' } : {}) }
      return this.#options.exchange.ask({ ...request, url: url.href, headers })
    }
    const answer = await attempt()
    if (answer.status !== 401) return answer
    // Tokens last some minutes; what was good before may be too old now.
    const known = this.#shown
    this.#shown = await this.#permission(answer.headers['www-authenticate'] ?? '')
    return this.#shown === undefined || this.#shown === known ? answer : attempt()
  }

  async #permission(challenge: string): Promise<string | undefined> {
    const { exchange, env, push } = this.#options
    const login = await dockerLogin(new URL(this.#base).host, env)
    const basic = login === undefined ? undefined : `Basic ${Buffer.from(login).toString('base64')}`
    if (/^basic\b/i.test(challenge)) return basic
    const url = tokenAddress(
      challenge,
      this.#base,
      this.#repository,
      push && login !== undefined ? 'pull,push' : 'pull',
    )
    if (url === undefined) return undefined
    const headers = basic === undefined ? {} : { authorization: basic }
    const { status, text } = await exchange.ask({ method: 'GET', url: url.href, headers })
    if (status !== 200) return undefined
    try {
      const token = readToken(text)
      return token === undefined ? undefined : `Bearer ${token}`
    } catch (failure) {
      if (failure instanceof SyntaxError) return undefined
      throw failure
    }
  }
}

/** What an answer that is none means; says nothing that the registry repeats of the request. */
export function refusal({ status }: ExchangeAnswer, what: string, image: string): YoeError {
  const host = image.split('/')[0] ?? image
  const hint = [401, 403, 404].includes(status) ? `log in with an account that may: docker login ${host}` : undefined
  return new YoeError('FETCH_FAILED', `could not ${what}: HTTP ${status}`, { hint })
}
