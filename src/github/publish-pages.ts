import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { YoeError } from '#engine/errors.ts'
import { Exchange } from '#engine/source/exchange.ts'
import { siteState } from '#feeds/publish/live-site.ts'
import type { Clock } from './actions-cache/bucket.ts'
import type { Artifacts } from './artifacts.ts'
import type { Engine, PublishReport, PublishRequest } from './engine-port.ts'
import type { Host } from './host.ts'
import { Pages } from './pages.ts'
import { megabytes, packSite } from './pages-archive.ts'

export interface PagesPublish {
  readonly engine: Engine
  /** Its `to` is replaced by a folder of this job. */
  readonly request: PublishRequest
  readonly artifacts: Artifacts
  /** RUNNER_TEMP. */
  readonly temp: string
  readonly token: string
  readonly keep: number
  readonly clock: Clock
  /** Writes a line to the log. */
  readonly say: (line: string) => void
}

/** Others that may publish while this one prepares, one after the other, before it gives up. */
const mostAttempts = 5

/**
 * Publishes to the repository's GitHub Pages. A deployment replaces all of the site: what it serves now is brought here
 * first and verified, and when it is another one by the time of the deployment, all begins again on top of that.
 *
 * @throws {YoeError} PUBLISH_FAILED, and then the site is as it was
 */
export async function publishToPages(
  { context, signal }: Pick<Host, 'context' | 'signal'>,
  { engine, request, artifacts, temp, token, keep, clock, say }: PagesPublish,
): Promise<PublishReport> {
  const { owner, repo, apiUrl, sha } = context
  const pages = new Pages({ owner, repo, apiUrl, token }, clock)
  const { url: address } = await pages.site()
  // What devices use may be another one, before which something of the project's own stands.
  const url = request.url ?? address
  const exchange = new Exchange()
  for (let attempt = 1; attempt <= mostAttempts; attempt++) {
    const fresh = (): string => `${clock.now()}-${attempt}`
    const before = await siteState({ url: address, exchange, fresh: fresh() })
    const work = await mkdtemp(join(temp, 'yoe-pages-'))
    try {
      const to = join(temp, 'yoe-pages')
      await rm(to, { recursive: true, force: true })
      await mkdir(to)
      const report = await engine.publish({ ...request, to, url, live: address })
      const archive = join(work, 'artifact.tar')
      const { files, bytes } = await packSite(to, archive, keep)
      say(`The site has ${megabytes(bytes)} of 1000 MB, in ${files} files`)
      const artifact = await artifacts.site(archive)
      if ((await siteState({ url: address, exchange, fresh: fresh() })) !== before) {
        say(`Another run published to ${address} meanwhile: adding to that`)
        continue
      }
      await pages.deploy(artifact, sha, signal)
      return { ...report, url }
    } finally {
      await rm(work, { recursive: true, force: true })
    }
  }
  throw new YoeError('PUBLISH_FAILED', `others published to ${address} ${mostAttempts} times meanwhile`, {
    hint: 'let such jobs wait for each other: `concurrency: { group: pages, cancel-in-progress: false }`',
  })
}
