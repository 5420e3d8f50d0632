import { YoeError } from '#engine/errors.ts'
import { feedTarget, targetTitle } from '#toolkit/feed-target.ts'
import { makePlans } from '#toolkit/planning.ts'
import { feedKey, fillRepository, installSnippet, publishFeed } from '#toolkit/publishing.ts'
import { command } from '../command.ts'
import { workspaceOf } from '../project.ts'
import { buildOptions, jobCount } from './build.ts'

export const publish = command({
  usage: 'publish [UNIT…] --to PLACE',
  summary: 'bring the signed package feed to a folder or a bucket',
  details: `Builds what the named units and images (or the default image) install, puts the packages into the project's own
repository under repo/, signs it with the project's feed key, and brings it to a folder that any web server can serve,
or to a bucket (credentials as AWS's own tools find them); names of several distros, to a feed of each. What is published
there already stays on offer. A publish that is stopped leaves the old feed whole; of two at once, both end up in the
feed.

  yoe publish --to public
  yoe publish sensord --to /srv/feed --url https://feed.example.com
  yoe publish station-alpine station-debian --to public
  yoe publish --to 's3://acme-feed/trixie?region=eu-central-1' --keep 5`,
  options: {
    ...buildOptions,
    to: { type: 'string', value: 'PLACE', help: 'the folder or bucket (s3://…) to publish to' },
    url: {
      type: 'string',
      value: 'URL',
      help: "the address that it is served at, for the page; default: that of the project's feed",
    },
    keep: { type: 'string', value: 'N', help: 'versions of each package that stay on offer: 3 unless given' },
  },
  positionals: [0, Number.POSITIVE_INFINITY],
  completes: ['target'],
  async run(invocation) {
    const { values, positionals, output, cwd } = invocation
    if (values.to === undefined) throw new YoeError('USAGE', 'say where to publish', { hint: 'yoe publish --to DIR' })
    const to = feedTarget(values.to, cwd)
    const keep = countOf(values.keep)
    const workspace = workspaceOf(invocation)
    const jobs = jobCount(values.jobs, workspace)
    const plans = await makePlans(workspace, {
      machine: values.machine,
      distro: values.distro,
      targets: positionals,
      refresh: values.refresh,
    })
    // All keys are there, and everything is built, before anything is published.
    const feeds = await inTurn(plans, async (plan) => ({ plan, key: await feedKey(plan) }))
    const filled = await inTurn(feeds, async ({ plan, key }) => {
      const options = { jobs, keepGoing: values['keep-going'], force: false }
      return { plan, key, repository: await fillRepository(plan, key, options) }
    })
    const published = await inTurn(filled, async ({ plan, key, repository }) => {
      const feed = await publishFeed(plan, repository, key, { to, url: values.url, keep })
      return { plan, key, ...feed }
    })
    const url = published[0]?.url
    if (output.json) {
      output.printJson({
        to: targetTitle(to),
        ...(url === undefined ? {} : { url }),
        feeds: published.map(({ plan, packages, fingerprint }) => ({ distro: plan.distro, packages, fingerprint })),
      })
      return 0
    }
    for (const { plan, packages, fingerprint } of published)
      output.print(`${targetTitle(to)} offers ${packages} packages for ${plan.distro}, signed by ${fingerprint}`)
    for (const { plan, key } of published) {
      output.print()
      output.print(published.length === 1 ? 'On a device:' : `On a device with ${plan.distro}:`)
      const lines = await installSnippet(plan, url ?? 'https://FEED', key)
      for (const line of lines.split('\n')) output.print(`  ${line}`)
    }
    return 0
  },
})

/** One after another, in their order. */
async function inTurn<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<readonly R[]> {
  const results: R[] = []
  for (const item of items) results.push(await work(item))
  return results
}

function countOf(text: string | undefined): number | undefined {
  if (text === undefined || /^[1-9]\d{0,5}$/.test(text)) return text === undefined ? undefined : Number(text)
  throw new YoeError('USAGE', `--keep ${text}: no number of versions`, { hint: 'yoe publish --to DIR --keep 3' })
}
