import { writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { junit } from '#bsp/boot-report.ts'
import { userErrors, YoeError } from '#engine/errors.ts'
import { type Artifacts, artifactName } from './artifacts.ts'
import { deltaToBase, keepContents } from './base.ts'
import type { CellInputs } from './cell-inputs.ts'
import { renderSection } from './comment.ts'
import type { RunContext } from './context.ts'
import type { Delta } from './delta.ts'
import type { CellReport, Engine, Phase, UnitReport } from './engine-port.ts'
import { bug, type Host } from './host.ts'
import { memoryOf } from './memory.ts'
import type { PackedCache } from './packed-cache.ts'
import type { ActionsReporter } from './reporter.ts'
import { renderSummary } from './summary.ts'

const resume = 'The time limit is over. What is done is saved: run this job again, and it goes on from there.'

/** What one cell of a step is given. */
export interface CellTask {
  readonly host: Host
  readonly engine: Engine
  readonly cell: string
  readonly through: Phase
  readonly inputs: CellInputs
  readonly reporter: ActionsReporter
  readonly cache: PackedCache | undefined
  readonly artifacts: Artifacts
  /** Milliseconds since 1970 after which no unit is started. */
  readonly deadline: number
  readonly localCommand: string
  /** Bytes that its part of the job's page may have. */
  readonly pageBytes: number
}

/** What a cell leaves, by the names of the action's outputs. */
export interface CellOutcome {
  readonly ok: boolean
  /** Units that did not have to be built. */
  readonly kept: number
  readonly outputs: Readonly<Record<string, string>>
  /** What a reviewer is told of it, as Markdown. */
  readonly section: string
}

/** Restores, builds and tests one cell as far as asked for, tells what it came to, and never throws what a user can meet. */
export async function runOneCell(task: CellTask): Promise<CellOutcome> {
  const { host, engine, cell, inputs, reporter, cache, artifacts, localCommand } = task
  const { context } = host
  const started = Date.now()
  const uploadedBefore = artifacts.uploaded.length
  const outputs: Record<string, string> = {}
  let report: CellReport | undefined
  let delta: Delta | undefined
  let failure: unknown
  try {
    report = await engine.runCell({
      cell,
      trusted: context.readOnly === undefined,
      through: task.through,
      projectDir: join(context.workspace, inputs.project),
      remote: cache,
      // A run that anybody can cause gets no key, whatever the workflow says.
      cacheKey: inputs.cacheKey === '' || context.readOnly !== undefined ? undefined : inputs.cacheKey,
      report: reporter.report,
      signal: host.signal,
      deadline: task.deadline,
      jobs: inputs.jobs,
      bootTimeout: inputs.bootTimeout,
      memory: cache === undefined ? undefined : memoryOf(cache, context, cell),
      feed: inputs.upload.includes('feed'),
      signs: context.mayPublish,
    })
    delta = cache === undefined ? undefined : await deltaToBase(cache, context, report)
    if (report.boot?.ok === false) failure = bootFailure(report, localCommand)
  } catch (thrown) {
    failure = thrown
  }
  try {
    if (report !== undefined) await share(task, report, outputs)
    if (report !== undefined && failure === undefined && cache !== undefined) await keepContents(cache, context, report)
  } catch (thrown) {
    failure ??= thrown
  }

  const late = failure !== undefined && Date.now() > task.deadline ? [resume] : []
  const errors = failure === undefined ? [] : (userErrors(failure) ?? [new YoeError('TASK_FAILED', bug(failure))])
  if (failure !== undefined) reporter.fail(errors)
  for (const line of late) reporter.line(line)
  const units = report?.units ?? unitsOf(reporter)
  const file = join(tempOf(host), `${artifactName('yoe-report', cell)}.json`)
  const facts = { cell, ok: failure === undefined, commit: context.sha, localCommand, ...report, units, delta }
  const all = { ...facts, cache: cache?.numbers, errors: errors.map(plainError) }
  await writeFile(file, `${JSON.stringify(all, null, 2)}\n`)
  outputs['report'] = file
  if (inputs.upload.includes('report'))
    await artifacts.text(artifactName('report', cell), file).catch((thrown: unknown) => {
      if (failure === undefined) reporter.fail(userErrors(thrown) ?? [new YoeError('PUBLISH_FAILED', bug(thrown))])
      failure ??= thrown
    })
  host.summary(
    renderSummary(
      {
        title: cell,
        ms: Date.now() - started,
        localCommand,
        units,
        report,
        delta,
        annotations: reporter.annotations,
        artifacts: artifacts.uploaded.slice(uploadedBefore),
        notes: [...late, ...notesOf(task, report, delta)],
        ...(failure === undefined ? {} : { failure: { errors, tails: tailsOf(reporter, errors) } }),
      },
      task.pageBytes,
    ),
  )
  const kept = units.filter(({ outcome }) => outcome === 'restored' || outcome === 'cached').length
  const section = renderSection({ cell, commit: shownCommit(context), units, report, delta, errors, localCommand })
  return { ok: failure === undefined, kept, outputs, section }
}

export function tempOf({ env }: Pick<Host, 'env'>): string {
  return env['RUNNER_TEMP'] ?? tmpdir()
}

/** Uploads what was asked for, and names it in the outputs. */
async function share(
  { host, cell, inputs, artifacts }: CellTask,
  report: CellReport,
  outputs: Record<string, string>,
): Promise<void> {
  const { upload } = inputs
  if (report.disk !== undefined) {
    outputs['image'] = report.disk.path
    outputs['sha256'] = report.disk.sha256
    if (upload.includes('image')) outputs['artifact-url'] = (await artifacts.image(cell, report.disk.path)).url
  }
  if (report.feedDir !== undefined && upload.includes('feed'))
    outputs['feed-url'] = (await artifacts.feed(artifactName('feed', cell), report.feedDir)).url
  if (report.boot !== undefined) {
    const file = join(tempOf(host), `${artifactName('junit', cell)}.xml`)
    await writeFile(file, junit(report.boot))
    outputs['junit'] = file
    if (upload.includes('report') || !report.boot.ok) await artifacts.text(artifactName('junit', cell), file)
    if (!report.boot.ok) await artifacts.text(artifactName('serial', cell), report.boot.serialLog)
  }
}

function bootFailure({ boot, image }: CellReport, localCommand: string): YoeError {
  const hint = `the serial log is an artifact of this run; try it with: ${localCommand}`
  const failed = boot?.checks.filter(({ ok }) => !ok) ?? []
  if (failed.length > 0)
    return new YoeError(
      'CHECK_FAILED',
      `${failed.length} of ${image}'s checks failed: ${failed.map(({ name }) => name).join(', ')}`,
      { hint },
    )
  return new YoeError('BOOT_FAILED', `${image} did not pass its boot test: ${boot?.reason ?? 'it did not come up'}`, {
    hint,
  })
}

/** What is known of the units of a run that failed. */
function unitsOf(reporter: ActionsReporter): readonly UnitReport[] {
  return reporter.units.map(({ name, outcome, why, ms, error }) => ({
    name,
    outcome: outcome === 'running' ? 'cancelled' : outcome,
    why,
    ms,
    ...(error?.at === undefined ? {} : { at: error.at }),
  }))
}

/** The last lines of each error's log, in the order of the errors. */
function tailsOf(reporter: ActionsReporter, errors: readonly YoeError[]): readonly (readonly string[])[] {
  const failed = reporter.units.filter(({ outcome }) => outcome === 'failed')
  return errors.map((error) => {
    const unit = failed.find(({ name }) => name === error.unit) ?? (errors.length === 1 ? failed[0] : undefined)
    return unit === undefined || unit.tail.length === 0 ? (error.log?.tail ?? []) : unit.tail
  })
}

function notesOf({ host, cache, through, inputs }: CellTask, report: CellReport | undefined, delta: Delta | undefined) {
  const { context } = host
  const compares = context.event === 'pull_request' && through !== 'units' && report !== undefined
  return [
    ...(context.readOnly === undefined ? [] : [`Nothing was saved for other runs: ${context.readOnly}.`]),
    // What may be published is signed by the job that publishes.
    ...(report?.throwawayKey === true && inputs.upload.includes('feed') && !context.mayPublish
      ? ['The feed is signed with a key that only this run had: no device trusts it.']
      : []),
    ...(compares && cache !== undefined && delta === undefined
      ? [
          `Nothing to compare the image with: the run of the base commit ${context.change?.base.slice(0, 12) ?? ''} did not keep its list.`,
        ]
      : []),
  ]
}

/** Of a pull request the commit that its author knows, not that of the merge that was built. */
const shownCommit = ({ change, sha }: RunContext): string => change?.head ?? sha

const plainError = ({ code, message, hint, at, unit }: YoeError) => ({ code, message, hint, at, unit })
