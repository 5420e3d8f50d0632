import { resolve } from 'node:path'
import { YoeError } from '#engine/errors.ts'
import { makePlan } from '#toolkit/planning.ts'
import { feedKey, fillRepository, installSnippet, publishFeed } from '#toolkit/publishing.ts'
import { command } from '../command.ts'
import { workspaceOf } from '../project.ts'
import { buildOptions, jobCount } from './build.ts'

export const publish = command({
  usage: 'publish [UNIT…] --to DIR',
  summary: 'write the signed package feed to a folder',
  details: `Builds what the named units and images (or the default image) install, puts the packages into the project's own
repository under repo/, signs it with the project's feed key, and brings it to a folder that any web server can serve.
What is published there already stays on offer. A publish that is stopped leaves the old feed whole.

  yoe publish --to public
  yoe publish sensord --to /srv/feed --url https://feed.example.com`,
  options: {
    ...buildOptions,
    to: { type: 'string', value: 'DIR', help: 'the folder to publish to' },
    url: { type: 'string', value: 'URL', help: 'the address that the folder is served at, for the page' },
  },
  positionals: [0, Number.POSITIVE_INFINITY],
  completes: ['target'],
  async run(invocation) {
    const { values, positionals, output, cwd } = invocation
    if (values.to === undefined) throw new YoeError('USAGE', 'say where to publish', { hint: 'yoe publish --to DIR' })
    const to = resolve(cwd, values.to)
    const workspace = workspaceOf(invocation)
    const jobs = jobCount(values.jobs, workspace)
    const plan = await makePlan(workspace, {
      machine: values.machine,
      distro: values.distro,
      targets: positionals,
      refresh: values.refresh,
    })
    const key = await feedKey(plan)
    const repository = await fillRepository(plan, key, { jobs, keepGoing: values['keep-going'], force: false })
    const published = await publishFeed(plan, repository, key, { to, url: values.url })
    if (output.json) {
      output.printJson({ directory: to, ...published })
      return 0
    }
    output.print(`${to} offers ${published.packages} packages, signed by ${published.fingerprint}`)
    output.print()
    output.print('On a device:')
    for (const line of installSnippet(plan, values.url ?? 'https://FEED').split('\n')) output.print(`  ${line}`)
    return 0
  },
})
