import { inspectPlan } from '#toolkit/inspect.ts'
import { makePlan } from '#toolkit/planning.ts'
import { command, projectOptions, refreshOption } from '../command.ts'
import { workspaceOf } from '../project.ts'
import { showPlan } from '../show-plan.ts'

export const plan = command({
  usage: 'plan [UNIT…]',
  summary: 'say what a build would do, and why',
  details: `Resolves everything that the named units (or the default image) need, and says for each whether it is cached or will be
built, and what changed. Builds nothing.

  yoe plan
  yoe plan sensord --json
  yoe plan --refresh      what newer packages of the distro would change`,
  options: { ...projectOptions, ...refreshOption },
  positionals: [0, Number.POSITIVE_INFINITY],
  async run(invocation) {
    const { values, positionals, output } = invocation
    const made = await makePlan(workspaceOf(invocation), {
      machine: values.machine,
      distro: values.distro,
      targets: positionals,
      refresh: values.refresh,
    })
    showPlan(made, await inspectPlan(made), output)
    return 0
  },
})
