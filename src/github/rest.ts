import type { getOctokit } from '@actions/github'
import { YoeError, type YoeErrorCode } from '#engine/errors.ts'
import { type Clock, systemClock } from './actions-cache/bucket.ts'
import { statusOf, withRetries } from './rest-retry.ts'

export interface Repository {
  readonly owner: string
  readonly repo: string
  readonly token: string
  /** `https://api.github.com`. */
  readonly apiUrl: string
}

export type Octokit = ReturnType<typeof getOctokit>
type At = Pick<Repository, 'owner' | 'repo'>

/**
 * GitHub's API for one repository, with retries, and with errors that name the permission that a token lacks. A job's
 * token has 1,000 requests an hour for the whole repository: ask by pages of a hundred, never one by one.
 */
export class GitHubRest {
  readonly #where: Repository
  readonly #clock: Clock
  #octokit: Promise<Octokit> | undefined

  constructor(where: Repository, clock: Clock = systemClock) {
    this.#where = where
    this.#clock = clock
  }

  /**
   * Calls the API; all of `call` is done again while the answer is one that passes.
   *
   * @param what completes "could not …"
   * @param permission of the job's token: `contents: write`
   * @throws {YoeError} of this code, the client's error as its cause
   */
  async call<T>(
    what: string,
    permission: string,
    call: (octokit: Octokit, at: At) => Promise<T>,
    code: YoeErrorCode = 'FETCH_FAILED',
  ): Promise<T> {
    this.#octokit ??= connect(this.#where)
    const octokit = await this.#octokit
    const { owner, repo } = this.#where
    try {
      return await withRetries(() => call(octokit, { owner, repo }), this.#clock)
    } catch (failure) {
      if (failure instanceof YoeError) throw failure
      const hint = isDenied(failure) ? `give the job \`permissions: { ${permission} }\`` : undefined
      throw new YoeError(code, `could not ${what}: ${reasonOf(failure)}`, { hint, cause: failure })
    }
  }
}

/** Whether a call was refused for what its token may do; GitHub answers 404 where a token may not even look. */
export function isDenied(failure: unknown): boolean {
  const status = statusOf(failure instanceof YoeError ? failure.cause : failure)
  return status === 401 || status === 403 || status === 404
}

/** Whether something of this name is there already. */
export function isTaken(failure: unknown): boolean {
  return statusOf(failure) === 422 && failure instanceof Error && /already.?exists/i.test(failure.message)
}

/** Follows pages of a hundred to their end. */
export async function* pages<T>(ask: (page: number) => Promise<readonly T[]>): AsyncGenerator<T> {
  for (let page = 1; ; page++) {
    const items = await ask(page)
    yield* items
    if (items.length < 100) return
  }
}

async function connect({ token, apiUrl }: Repository): Promise<Octokit> {
  const { getOctokit } = await import('@actions/github')
  return getOctokit(token, { baseUrl: apiUrl, log: { debug() {}, info() {}, warn() {}, error() {} } })
}

/** The status and GitHub's own first line; no answer has none that is worth telling. */
function reasonOf(failure: unknown): string {
  const status = statusOf(failure)
  if (status === undefined || !(failure instanceof Error)) return 'no answer'
  return `${status}, ${failure.message.split('\n')[0]?.replaceAll(/ - https?:\S+/g, '') ?? ''}`
}
