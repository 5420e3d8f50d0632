import { inspectPlan } from '#toolkit/inspect.ts'
import { makePlans } from '#toolkit/planning.ts'
import { sharedResults } from '#toolkit/shared-results.ts'
import { catalogOf, shadowOption, showShadows } from '../catalog.ts'
import { command, projectOptions, refreshOption, remoteCacheOptions } from '../command.ts'
import { workspaceOf } from '../project.ts'
import { showPlans } from '../show-plan.ts'

export const plan = command({
  usage: 'plan [UNIT…]',
  summary: 'say what a build would do, and why',
  details: `Resolves everything that the named units (or the default image) need, and says for each whether it is cached, comes from a
shared cache or will be built, and what changed. Builds and downloads nothing.

  yoe plan
  yoe plan sensord --json
  yoe plan --refresh      what newer packages of the distro would change`,
  options: { ...projectOptions, ...refreshOption, ...remoteCacheOptions, ...shadowOption },
  positionals: [0, Number.POSITIVE_INFINITY],
  completes: ['target'],
  async run(invocation) {
    const { values, positionals, output } = invocation
    if (values['show-shadows']) showShadows(await catalogOf(invocation, positionals), output)
    const plans = await makePlans(workspaceOf(invocation), {
      machine: values.machine,
      distro: values.distro,
      targets: positionals,
      refresh: values.refresh,
    })
    showPlans(
      await Promise.all(
        plans.map(async (made) => ({
          plan: made,
          states: await inspectPlan(made, new Map(), (missing) => sharedResults(made, missing)),
        })),
      ),
      output,
    )
    return 0
  },
})
