import { YoeError } from '#engine/errors.ts'
import { type Clock, systemClock } from './actions-cache/bucket.ts'
import { GitHubRest, type Repository } from './rest.ts'
import { statusOf } from './rest-retry.ts'

/** GitHub gives a deployment ten minutes. */
const limitMs = 10 * 60_000
const intervalMs = 5_000
/** @see https://github.com/actions/deploy-pages, which reads the same words */
const failures: Readonly<Record<string, string>> = {
  deployment_failed: 'it failed at GitHub',
  deployment_perms_error: 'GitHub found files or folders that it may not read',
  deployment_content_failed: 'GitHub could not unpack or accept the content of the site',
  deployment_cancelled: 'it was cancelled: another deployment took its place',
  deployment_lost: 'GitHub lost it',
}

export interface PagesSite {
  /** Without a slash at its end. */
  readonly url: string
}

/** A repository's GitHub Pages, deployed from an artifact of this run. */
export class Pages {
  readonly #rest: GitHubRest
  readonly #name: string
  readonly #clock: Clock

  constructor(where: Repository, clock: Clock = systemClock) {
    this.#rest = new GitHubRest(where, clock)
    this.#name = `${where.owner}/${where.repo}`
    this.#clock = clock
  }

  /** @throws {YoeError} PUBLISH_FAILED: Pages are not enabled, of another kind or private; the token may not ask */
  async site(): Promise<PagesSite> {
    const enable = `open https://github.com/${this.#name}/settings/pages and choose "GitHub Actions" as the source`
    const answer = await this.#rest.call(
      'ask about GitHub Pages',
      'pages: write, id-token: write',
      async (octokit, at) => {
        try {
          return (await octokit.rest.repos.getPages(at)).data
        } catch (failure) {
          if (statusOf(failure) === 404) return undefined
          throw failure
        }
      },
      'PUBLISH_FAILED',
    )
    if (answer === undefined) throw refuse(`GitHub Pages is not enabled for ${this.#name}`, enable)
    if (answer.build_type === 'legacy')
      throw refuse(`the Pages of ${this.#name} are built from a branch: artifacts can not be deployed`, enable)
    if (answer.public === false)
      throw refuse(
        `the Pages of ${this.#name} are private: neither devices nor this job can read them`,
        'make them public, or publish to a bucket: to: s3://bucket/prefix',
      )
    if (answer.html_url === undefined || !URL.canParse(answer.html_url))
      throw refuse(`GitHub does not say where the Pages of ${this.#name} are`, enable)
    return { url: answer.html_url.replace(/\/+$/, '') }
  }

  /**
   * Replaces the site by an artifact's content, and waits until GitHub serves it.
   *
   * @param version names the deployment: the commit
   * @throws {YoeError} PUBLISH_FAILED, CANCELLED
   */
  async deploy(artifact: number, version: string, signal: AbortSignal): Promise<PagesSite> {
    const until = this.#clock.now() + limitMs
    const { id, url } = await this.#create(artifact, version, until, signal)
    let status = ''
    try {
      while (this.#clock.now() < until) {
        if (signal.aborted) throw new YoeError('CANCELLED', 'the deployment was cancelled')
        status = (await this.#status(id)) ?? status
        if (status === 'succeed') return { url: url.replace(/\/+$/, '') }
        const why = failures[status]
        if (why !== undefined)
          throw refuse(`the deployment to ${url} did not succeed: ${why}`, 're-run this job; the site is as it was')
        await this.#clock.sleep(intervalMs)
      }
    } catch (failure) {
      if (failure instanceof YoeError && failure.code === 'CANCELLED') await this.#cancel(id)
      throw failure
    }
    await this.#cancel(id)
    throw refuse(
      `the deployment to ${url} was not done after 10 minutes (${status === '' ? 'no status' : status})`,
      'see https://www.githubstatus.com, and re-run this job',
    )
  }

  async #create(
    artifact_id: number,
    pages_build_version: string,
    until: number,
    signal: AbortSignal,
  ): Promise<{ readonly id: string | number; readonly url: string }> {
    for (;;) {
      const oidc_token = await identity()
      try {
        return await this.#rest.call(
          'create the deployment',
          'pages: write, id-token: write',
          async (octokit, at) => {
            const asked = { ...at, artifact_id, pages_build_version, oidc_token }
            const { data } = await octokit.rest.repos.createPagesDeployment(asked)
            return { id: data.id, url: data.page_url }
          },
          'PUBLISH_FAILED',
        )
      } catch (failure) {
        if (!(failure instanceof YoeError)) throw failure
        const waits = /in progress deployment/i.test(failure.message) && this.#clock.now() < until && !signal.aborted
        if (!waits) throw explained(failure)
        await this.#clock.sleep(intervalMs)
      }
    }
  }

  /** Undefined: GitHub does not know now; it may a moment later. */
  async #status(pages_deployment_id: string | number): Promise<string | undefined> {
    try {
      return await this.#rest.call('ask about the deployment', 'pages: write', async (octokit, at) => {
        const { data } = await octokit.rest.repos.getPagesDeployment({ ...at, pages_deployment_id })
        return data.status
      })
    } catch {
      return undefined
    }
  }

  /** A deployment that nobody waits for would surprise the next run. Whether it works out is nobody's matter. */
  async #cancel(pages_deployment_id: string | number): Promise<void> {
    const cancelling = this.#rest.call('cancel the deployment', 'pages: write', (octokit, at) =>
      octokit.rest.repos.cancelPagesDeployment({ ...at, pages_deployment_id }),
    )
    await cancelling.catch(() => {})
  }
}

/** Proves to Pages which run deploys. */
async function identity(): Promise<string> {
  try {
    const { getIDToken } = await import('@actions/core')
    return await getIDToken()
  } catch (failure) {
    throw new YoeError('PUBLISH_FAILED', 'this job has no identity to deploy to GitHub Pages with', {
      hint: 'give the job `permissions: { pages: write, id-token: write }`',
      cause: failure,
    })
  }
}

function explained(failure: YoeError): YoeError {
  const hint = /environment/i.test(failure.message)
    ? 'give the job `environment: { name: github-pages }`'
    : (failure.hint ?? 're-run this job; the site is as it was')
  return new YoeError('PUBLISH_FAILED', failure.message, { hint, cause: failure.cause })
}

function refuse(message: string, hint: string): YoeError {
  return new YoeError('PUBLISH_FAILED', message, { hint })
}
