import { YoeError } from '#engine/errors.ts'
import { statusOf, withRetries } from '../rest-retry.ts'

/** One entry of the repository's Actions cache, as the REST API lists it. */
export interface CacheEntry {
  readonly id: number
  readonly key: string
  /** The branch or pull request that it belongs to: `refs/heads/main`. */
  readonly ref: string
  /** Bytes. */
  readonly size: number
  /** Milliseconds since 1970. */
  readonly lastUsed: number
}

export interface Repository {
  readonly owner: string
  readonly repo: string
  readonly token: string
  /** `https://api.github.com`. */
  readonly apiUrl: string
}

/** The part of the REST API that @actions/cache lacks. A job's token has 1,000 requests an hour for the whole repository. */
export class CacheRest {
  readonly #where: Repository

  constructor(where: Repository) {
    this.#where = where
  }

  /** All entries whose key starts so, those used last first; one request for each hundred. @throws {YoeError} FETCH_FAILED */
  async *list(prefix: string): AsyncGenerator<CacheEntry> {
    const { owner, repo } = this.#where
    const octokit = await this.#octokit()
    for (let page = 1; ; page++) {
      const { data } = await this.#told(`list the Actions cache of ${owner}/${repo}`, 'read', () =>
        octokit.rest.actions.getActionsCacheList({ owner, repo, key: prefix, per_page: 100, page }),
      )
      for (const entry of data.actions_caches) {
        const { id, key, ref, size_in_bytes: size, last_accessed_at: used } = entry
        if (id === undefined || key === undefined || ref === undefined) continue
        yield { id, key, ref, size: size ?? 0, lastUsed: used === undefined ? 0 : Date.parse(used) }
      }
      if (data.actions_caches.length < 100) return
    }
  }

  /** Deletes one entry; that it is gone already is fine. @throws {YoeError} FETCH_FAILED */
  async delete(id: number): Promise<void> {
    const { owner, repo } = this.#where
    const octokit = await this.#octokit()
    await this.#told(`delete from the Actions cache of ${owner}/${repo}`, 'write', () =>
      octokit.rest.actions.deleteActionsCacheById({ owner, repo, cache_id: id }).catch((failure: unknown) => {
        if (statusOf(failure) !== 404) throw failure
      }),
    )
  }

  async #octokit() {
    const { getOctokit } = await import('@actions/github')
    return getOctokit(this.#where.token, { baseUrl: this.#where.apiUrl, log: silentLog })
  }

  async #told<T>(what: string, need: 'read' | 'write', call: () => Promise<T>): Promise<T> {
    try {
      return await withRetries(call)
    } catch (failure) {
      const status = statusOf(failure)
      const denied = status === 401 || status === 403 || status === 404
      throw new YoeError('FETCH_FAILED', `could not ${what}: ${status ?? 'no answer'}`, {
        hint: denied ? `give the job \`permissions: { actions: ${need} }\`` : undefined,
        cause: failure,
      })
    }
  }
}

const silentLog = { debug() {}, info() {}, warn() {}, error() {} }
