import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { YoeError } from '#engine/errors.ts'
import { type Clock, systemClock } from './actions-cache/bucket.ts'
import { Artifacts } from './artifacts.ts'
import { openEngine } from './engine.ts'
import type { Engine, PublishedFeed, PublishReport, PublishRequest } from './engine-port.ts'
import type { Host } from './host.ts'
import { flagInput, folderInput, numberInput, placeInput, urlInput } from './inputs.ts'
import { publishToPages } from './publish-pages.ts'
import { releaseImages, releaseInputs } from './release-action.ts'
import { ActionsReporter } from './reporter.ts'
import { renderPublish } from './summary-plan.ts'
import { tellFailure } from './tell-failure.ts'

/** Publishes what the cells of this run made as one signed feed; reads this run's artifacts only, never the cache. */
export async function publishAction(
  host: Host,
  open: () => Promise<Engine> = openEngine,
  clock: Clock = systemClock,
): Promise<void> {
  const { context, env } = host
  if (!context.mayPublish)
    throw new YoeError(
      'PUBLISH_FAILED',
      `this run (${context.event} of ${context.ref || 'an unknown ref'}) must not publish: only the default branch and tags may`,
      {
        hint: "give the job `if: github.event_name == 'schedule'` or another condition that pull requests do not meet",
      },
    )
  const project = folderInput(host.input, 'project')
  const place = placeInput(host.input)
  const directory = folderInput(host.input, 'directory')
  const upload = flagInput(host.input, 'upload')
  const keep = numberInput(host.input, 'keep', { min: 1, max: 1000 }) ?? 3
  const url = urlInput(host.input)
  const token = host.input('github-token')
  const release = releaseInputs(host.input)
  const keys = {
    signingKey: secretInput(host, 'signing-key'),
    apkSigningKey: secretInput(host, 'apk-signing-key'),
    apkPassphrase: secretInput(host, 'apk-signing-passphrase'),
  }
  const reporter = new ActionsReporter({ write: host.write, project, localCommand: 'yoe publish' })
  const temp = env['RUNNER_TEMP'] ?? tmpdir()
  const started = Date.now()
  const artifacts = new Artifacts(context.runUrl, temp, host.write)
  const downloads = await mkdtemp(join(temp, 'yoe-feeds-'))
  try {
    const feeds = await artifacts.download('feed-', downloads)
    if (feeds.length === 0)
      throw new YoeError('PUBLISH_FAILED', 'no job of this run uploaded a feed', {
        hint: 'publish after the build jobs (`needs: build`), and let them upload: `upload: image, feed`',
      })
    const engine = await open()
    const request: PublishRequest = {
      projectDir: join(context.workspace, project),
      feeds,
      to: place === 'directory' ? join(context.workspace, directory) : place,
      keep,
      url,
      ...keys,
      report: reporter.report,
      signal: host.signal,
    }
    const report =
      place === 'pages'
        ? await publishToPages(host, {
            engine,
            request,
            artifacts,
            temp,
            token,
            keep,
            clock,
            say: (line) => reporter.line(line),
          })
        : await publishToPlace(engine, request, place)
    if (report.dir !== undefined) host.output('directory', report.dir)
    let address = report.url
    if (place === 'directory' && upload && report.dir !== undefined) {
      const uploaded = await artifacts.feed('feed', report.dir)
      host.output('artifact-url', uploaded.url)
      address ??= uploaded.url
    }
    if (address !== undefined) host.output('feed-url', address)
    const { url: served = report.dir ?? '', feeds: published } = report
    host.output('keyring', published.map(({ keyring }) => `${served}/${keyring}`).join('\n'))
    host.output('install', installAnywhere(published))
    const shown = place === 'directory' ? directory : (report.url ?? place)
    for (const { distro, packages, keyFingerprint } of published)
      reporter.line(`Published ${packages} packages for ${distro} to ${shown}, signed by ${keyFingerprint}`)
    host.summary(renderPublish(report, artifacts.uploaded))
    await releaseImages(host, release, artifacts, reporter, { project, folder: downloads })
  } catch (failure) {
    throw tellFailure(host, reporter, failure, {
      title: 'publish',
      localCommand: 'yoe publish',
      ms: Date.now() - started,
    })
  } finally {
    await rm(downloads, { recursive: true, force: true })
  }
}

/** A key or what opens it, kept out of the log; undefined when the input is empty. */
function secretInput(host: Pick<Host, 'input' | 'mask'>, name: string): string | undefined {
  const value = host.input(name)
  for (const line of value.split('\n')) if (line.trim().length > 3) host.mask(line)
  return value === '' ? undefined : value
}

/** Lines that a device of any of the distros can be given: it takes those of its own packages. */
function installAnywhere(feeds: readonly PublishedFeed[]): string {
  const [first, ...others] = feeds
  if (first === undefined || others.length === 0) return first?.install ?? ''
  const parts = feeds.map(({ install, tool }) => `command -v ${tool} >/dev/null; then\n${install}\n`)
  return `if ${parts.join('elif ')}fi`
}

async function publishToPlace(engine: Engine, request: PublishRequest, place: string): Promise<PublishReport> {
  if (place === 'directory') await mkdir(request.to, { recursive: true })
  return await engine.publish(request)
}
