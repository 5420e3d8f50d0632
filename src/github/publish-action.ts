import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { YoeError } from '#engine/errors.ts'
import { Artifacts } from './artifacts.ts'
import { openEngine } from './engine.ts'
import type { Engine } from './engine-port.ts'
import type { Host } from './host.ts'
import { flagInput, folderInput } from './inputs.ts'
import { ActionsReporter } from './reporter.ts'
import { renderPublish } from './summary-plan.ts'
import { tellFailure } from './tell-failure.ts'

/** Publishes what the cells of this run made as one signed feed; reads this run's artifacts only, never the cache. */
export async function publishAction(host: Host, open: () => Promise<Engine> = openEngine): Promise<void> {
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
  const directory = folderInput(host.input, 'directory')
  const upload = flagInput(host.input, 'upload')
  const signingKey = host.input('signing-key')
  if (signingKey !== '') for (const line of signingKey.split('\n')) if (line.length > 8) host.mask(line)
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
    const to = join(context.workspace, directory)
    await mkdir(to, { recursive: true })
    const engine = await open()
    const report = await engine.publish({
      projectDir: join(context.workspace, project),
      feeds,
      to,
      signingKey: signingKey === '' ? undefined : signingKey,
      report: reporter.report,
      signal: host.signal,
    })
    host.output('directory', report.dir)
    if (upload) {
      const { url } = await artifacts.feed('feed', report.dir)
      host.output('artifact-url', url)
      host.output('feed-url', url)
    }
    reporter.line(`Published ${report.packages} packages to ${directory}, signed by ${report.keyFingerprint}`)
    host.summary(renderPublish(report, artifacts.uploaded))
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
