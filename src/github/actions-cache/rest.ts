import { GitHubRest, pages, type Repository } from '../rest.ts'
import { statusOf } from '../rest-retry.ts'

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

/** The part of the REST API that @actions/cache lacks. A job's token has 1,000 requests an hour for the whole repository. */
export class CacheRest {
  readonly #where: Repository
  readonly #rest: GitHubRest

  constructor(where: Repository) {
    this.#where = where
    this.#rest = new GitHubRest(where)
  }

  /** All entries whose key starts so, those used last first; one request for each hundred. @throws {YoeError} FETCH_FAILED */
  async *list(prefix: string): AsyncGenerator<CacheEntry> {
    const { owner, repo } = this.#where
    const entries = pages((page) =>
      this.#rest.call(`list the Actions cache of ${owner}/${repo}`, 'actions: read', async (octokit, at) => {
        const asked = { ...at, key: prefix, per_page: 100, page }
        return (await octokit.rest.actions.getActionsCacheList(asked)).data.actions_caches
      }),
    )
    for await (const { id, key, ref, size_in_bytes: size, last_accessed_at: used } of entries) {
      if (id === undefined || key === undefined || ref === undefined) continue
      yield { id, key, ref, size: size ?? 0, lastUsed: used === undefined ? 0 : Date.parse(used) }
    }
  }

  /** Deletes one entry; that it is gone already is fine. @throws {YoeError} FETCH_FAILED */
  async delete(id: number): Promise<void> {
    const { owner, repo } = this.#where
    await this.#rest.call(`delete from the Actions cache of ${owner}/${repo}`, 'actions: write', (octokit, at) =>
      octokit.rest.actions.deleteActionsCacheById({ ...at, cache_id: id }).catch((failure: unknown) => {
        if (statusOf(failure) !== 404) throw failure
      }),
    )
  }
}
