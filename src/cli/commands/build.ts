import type { NodeReport } from '#engine/build/executor.ts'
import { YoeError } from '#engine/errors.ts'
import { plansToBuild, unitHere } from '#toolkit/dev/plans.ts'
import { defaultJobs, makePlans } from '#toolkit/planning.ts'
import type { RebuildWish } from '#toolkit/rebuilding.ts'
import { rebuilds, withDependencies } from '#toolkit/rebuilding.ts'
import type { Workspace } from '#toolkit/workspace.ts'
import { catalogOf, shadowOption, showShadows } from '../catalog.ts'
import type { Invocation } from '../command.ts'
import { command, projectOptions, refreshOption, remoteCacheOptions, workerOption } from '../command.ts'
import type { Output } from '../output.ts'
import { duration, table } from '../output.ts'
import { projectOf, workspaceOf } from '../project.ts'
import { remember } from '../remember.ts'
import { showPlans } from '../show-plan.ts'
import { shown } from '../shown.ts'

export const buildOptions = {
  ...projectOptions,
  ...refreshOption,
  jobs: { type: 'string', short: 'j', value: 'N', help: 'units built at the same time (default: as configured, or 5)' },
  'keep-going': { type: 'boolean', short: 'k', help: 'after a failure, go on with what does not depend on it' },
  ...workerOption,
  ...remoteCacheOptions,
} as const

export const build = command({
  usage: 'build [UNIT…]',
  summary: 'build units and images',
  details: `Builds units into packages and images into disks; without a name, the project's default image. What did not change is
taken from the cache.

  yoe build
  yoe build sensord
  yoe build gateway-image --machine qemu-arm64
  yoe build --dry-run
  yoe build --force sensord         although nothing changed
  yoe build --clean sensord         and with nothing that earlier builds left
  yoe build --no-cache sensord      and all that it is made of
  yoe build --with-deps sensord     it, and every unit that it is built from
  yoe build --all --class image     every image of the machine
  yoe build --list-targets          every image with every machine`,
  options: {
    ...buildOptions,
    force: { type: 'boolean', help: 'build the named units although nothing changed' },
    clean: {
      type: 'boolean',
      help: 'build the named units from nothing: their folders and cache_dirs are emptied first',
    },
    'no-cache': {
      type: 'boolean',
      help: 'build the named units and all that they are made of, using no cached result',
    },
    'with-deps': { type: 'boolean', help: 'the named units and every unit that they are built from' },
    'dry-run': { type: 'boolean', help: 'say what would be built, and why' },
    all: { type: 'boolean', help: 'build everything that the machine can have' },
    class: { type: 'string', value: 'CLASS', help: 'with --all: only unit, image, or what this class declared' },
    'list-targets': { type: 'boolean', help: 'list every image with every machine, and build nothing' },
    ...shadowOption,
  },
  positionals: [0, Number.POSITIVE_INFINITY],
  completes: ['target'],
  async run(invocation) {
    const { values, output } = invocation
    const start = performance.now()
    const workspace = workspaceOf(invocation)
    if (values['list-targets']) {
      refuseBeside(invocation)
      await listTargets(invocation)
      return 0
    }
    refuseNonsense(invocation)
    const targets = await targetsHere(invocation, workspace)
    if (values['show-shadows']) showShadows(await catalogOf(invocation, targets), output)
    const jobs = jobCount(values.jobs, workspace)
    if (values.jobs !== undefined) await remember(workspace, 'parallel_builds', jobs)
    const named = await (values['dry-run'] ? makePlans : plansToBuild)(workspace, {
      machine: values.machine,
      distro: values.distro,
      targets,
      refresh: values.refresh,
    })
    const plans = values['with-deps'] ? named.map(withDependencies) : named
    const wish: RebuildWish = { force: values.force, clean: values.clean, noCache: values['no-cache'] }
    if (values['dry-run']) {
      const [{ inspectPlan }, { sharedResults }] = await Promise.all([
        import('#toolkit/inspect.ts'),
        import('#toolkit/shared-results.ts'),
      ])
      const inspected = plans.map(async (plan) => ({
        plan,
        states: await inspectPlan(plan, rebuilds(plan.targets, wish), (missing) => sharedResults(plan, missing)),
      }))
      showPlans(await Promise.all(inspected), output)
      return 0
    }
    const { outputsOf } = await import('#toolkit/outputs.ts')
    const done: {
      readonly reports: readonly NodeReport[]
      readonly outputs: readonly { unit: string; path: string }[]
    }[] = []
    for (const plan of plans) {
      const there = rebuilds(plan.targets, wish).size > 0 ? undefined : await outputsOf(plan)
      if (there !== undefined) {
        done.push({ reports: [], outputs: there })
        continue
      }
      const { buildTargets } = await import('#toolkit/building.ts')
      done.push(await buildTargets(plan, { ...wish, jobs, keepGoing: values['keep-going'] }))
    }
    summarize(
      output,
      done.flatMap(({ reports }) => reports),
      done.flatMap(({ outputs }) => outputs),
      performance.now() - start,
    )
    return 0
  },
})

type ProjectInvocation = Invocation<typeof projectOptions>

type Targeted = ProjectInvocation & {
  readonly values: { readonly all: boolean; readonly class: string | undefined }
}

type BuildInvocation = Parameters<typeof build.run>[0]

/** Options that say nothing together. @throws {YoeError} USAGE */
function refuseNonsense({ values }: BuildInvocation): void {
  const refuse = (message: string, hint: string): never => {
    throw new YoeError('USAGE', message, { hint })
  }
  if (values['no-cache'] && values['with-deps'])
    refuse('--no-cache builds all that the named units are made of; --with-deps adds nothing', 'leave out --with-deps')
  if (values.all && values['with-deps'])
    refuse('--all means every unit; --with-deps adds nothing', 'leave out --with-deps')
  if (values.clean && values.force) refuse('--clean builds anew, as --force does', 'leave out --force')
  if (values['no-cache'] && values.force) refuse('--no-cache builds anew, as --force does', 'leave out --force')
}

/** What is to be built; without a name in the source of a unit, that unit. @throws {YoeError} USAGE */
async function targetsHere(invocation: Targeted, workspace: Workspace): Promise<readonly string[]> {
  const targets = await targetsNamed(invocation)
  const { machine } = invocation.values
  const here = targets.length > 0 ? undefined : await unitHere(workspace, machine)
  if (here === undefined) return targets
  invocation.report({ type: 'notice', message: `${here}, whose source this is` })
  return [here]
}

/** The names that were given, or with `--all` every one. @throws {YoeError} USAGE */
async function targetsNamed(invocation: Targeted): Promise<readonly string[]> {
  const { values, positionals } = invocation
  if (!values.all) {
    if (values.class === undefined) return positionals
    throw new YoeError('USAGE', '--class chooses among --all', { hint: `yoe build --all --class ${values.class}` })
  }
  if (positionals.length > 0)
    throw new YoeError('USAGE', '--all takes no names', {
      hint: `yoe build --all, or yoe build ${positionals.join(' ')}`,
    })
  const { everyTarget } = await import('#toolkit/targets.ts')
  const names = everyTarget(await catalogOf(invocation), values.class)
  if (names.length > 0) return names
  throw new YoeError('USAGE', 'there is nothing to build', { hint: 'yoe list shows what the project has' })
}

/** `--list-targets` builds nothing, so options about building mean something else. @throws {YoeError} USAGE */
function refuseBeside({ values, positionals }: BuildInvocation): void {
  const about = [
    'force',
    'clean',
    'no-cache',
    'with-deps',
    'all',
    'dry-run',
    'keep-going',
    'class',
    'jobs',
    'worker',
  ] as const
  const given = about.find((name) => values[name] !== undefined && values[name] !== false)
  const beside = given === undefined ? positionals[0] : `--${given}`
  if (beside === undefined) return
  throw new YoeError('USAGE', `--list-targets builds nothing: ${beside} says nothing beside it`, {
    hint: 'yoe build --list-targets [--machine NAME] [--distro NAME]',
  })
}

async function listTargets(invocation: ProjectInvocation): Promise<void> {
  const { values, output } = invocation
  const { targetsOf } = await import('#toolkit/targets.ts')
  const { project } = await projectOf(invocation)
  const targets = targetsOf(project, values.distro).filter(
    ({ machine }) => values.machine === undefined || machine === values.machine,
  )
  if (output.json) {
    output.printJson({ targets })
    return
  }
  const rows = targets.map(({ image, machine, arch, distro, inert }) => [
    inert === undefined ? image : output.paint('dim', image),
    machine,
    arch,
    distro ?? '',
    inert === undefined ? '' : output.paint('dim', shown(inert)),
  ])
  for (const line of table(rows)) output.print(line)
}

/**
 * How many units are built at the same time: the option, YOE_JOBS, local.star, or 5.
 * @throws {YoeError} USAGE
 */
export function jobCount(option: string | undefined, { env, local }: Pick<Workspace, 'env' | 'local'>): number {
  const text = option ?? env['YOE_JOBS'] ?? ''
  if (text === '' && option === undefined) return local.settings.parallel_builds ?? defaultJobs
  const jobs = /^[0-9]{1,9}$/.test(text) ? Number(text) : 0
  if (jobs >= 1 && jobs <= 256) return jobs
  const asked = option === undefined ? `YOE_JOBS: ${JSON.stringify(text)}` : JSON.stringify(text)
  throw new YoeError('USAGE', `${asked} is no number of jobs`, {
    hint: option === undefined ? 'such as: YOE_JOBS=4' : 'say -j 4',
  })
}

function summarize(
  output: Output,
  reports: readonly NodeReport[],
  outputs: readonly { unit: string; path: string }[],
  ms: number,
): void {
  if (output.json) {
    output.printJson({
      ms: Math.round(ms),
      units: reports.map(({ node, outcome, why, ms: took }) => ({
        unit: node.unit.name,
        id: node.id,
        outcome,
        why,
        ms: Math.round(took),
      })),
      outputs,
    })
    return
  }
  const count = (outcome: string): number => reports.filter((report) => report.outcome === outcome).length
  const parts = (['built', 'restored', 'cached'] as const).flatMap((outcome) =>
    count(outcome) === 0 ? [] : [`${count(outcome)} ${outcome}`],
  )
  output.tell(output.paintError('dim', `${parts.join(', ') || 'nothing changed'} in ${duration(ms)}`))
  for (const { path } of outputs) output.print(path)
}
