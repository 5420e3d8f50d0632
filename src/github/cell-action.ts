import { writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { junit } from '#bsp/boot-report.ts'
import { userErrors, YoeError } from '#engine/errors.ts'
import { Artifacts, artifactName } from './artifacts.ts'
import { basePackages, keepPackages } from './base.ts'
import { ActionsCache } from './cache.ts'
import type { RunContext } from './context.ts'
import { openEngine } from './engine.ts'
import type { CellReport, Engine, Phase, UnitReport } from './engine-port.ts'
import { bug, type Host, Told } from './host.ts'
import { cellInput, choiceInput, flagInput, folderInput, type GetInput, listInput, numberInput } from './inputs.ts'
import { ActionsReporter } from './reporter.ts'
import { bytes, renderSummary } from './summary.ts'

const uploads = ['image', 'feed', 'report', 'none'] as const

export interface CellInputs {
  readonly cell: string
  readonly project: string
  readonly token: string
  readonly jobs: number | undefined
  readonly cacheKey: string
  /** Gigabytes. */
  readonly cacheBudget: number | undefined
  /** Minutes. */
  readonly timeLimit: number
  readonly bootTest: boolean
  readonly bootTimeout: number | undefined
  readonly upload: readonly (typeof uploads)[number][]
  readonly retentionDays: number | undefined
}

/** The inputs of a step that works on one cell; those that its action.yml does not have are empty and get their default. */
export function cellInputs(get: GetInput): CellInputs {
  const or =
    (fallback: string): GetInput =>
    (name) =>
      get(name).trim() || fallback
  const upload = listInput(or('none'), 'upload').map((item) => choiceInput(() => item, 'upload', uploads))
  return {
    cell: cellInput(get),
    project: folderInput(get, 'project'),
    token: get('github-token'),
    jobs: numberInput(get, 'jobs', { min: 1, max: 1024 }),
    cacheKey: get('cache-key').trim(),
    cacheBudget: numberInput(get, 'cache-budget', { min: 1, max: 100_000 }),
    timeLimit: numberInput(or('330'), 'time-limit', { min: 1, max: 100_000 }) ?? 330,
    bootTest: flagInput(or('true'), 'boot-test'),
    bootTimeout: numberInput(get, 'boot-timeout', { min: 1, max: 100_000 }),
    upload,
    retentionDays: numberInput(get, 'retention-days', { min: 1, max: 400 }),
  }
}

/** Restores, builds and tests one cell as far as asked for, and tells what it came to. */
export async function cellAction(host: Host, wanted: Phase, open: () => Promise<Engine> = openEngine): Promise<void> {
  const started = Date.now()
  const { context, env } = host
  const inputs = cellInputs(host.input)
  const { cell, cacheKey } = inputs
  if (cacheKey !== '') host.mask(cacheKey)
  const through: Phase = wanted === 'boot-test' && !inputs.bootTest ? 'image' : wanted
  const localCommand = `yoe ci --cell ${cell}`
  const temp = env['RUNNER_TEMP'] ?? tmpdir()
  const reporter = new ActionsReporter({ write: host.write, project: inputs.project, localCommand })
  const cache = openCache(host, inputs.token, reporter)
  const artifacts = new Artifacts(context.runUrl, temp, host.write, inputs.retentionDays)
  let report: CellReport | undefined
  let base: CellReport['packages']
  let failure: unknown
  try {
    const engine = await open()
    report = await engine.runCell({
      cell,
      trusted: context.readOnly === undefined,
      through,
      projectDir: join(context.workspace, inputs.project),
      remote: cache,
      // A run that anybody can cause gets no key, whatever the workflow says.
      cacheKey: cacheKey === '' || context.readOnly !== undefined ? undefined : cacheKey,
      report: reporter.report,
      signal: host.signal,
      deadline: started + inputs.timeLimit * 60_000,
      jobs: inputs.jobs,
      bootTimeout: inputs.bootTimeout,
      feed: inputs.upload.includes('feed'),
    })
    base = cache === undefined ? undefined : await basePackages(cache, context, report)
    if (report.boot?.ok === false) failure = bootFailure(report, cell)
  } catch (thrown) {
    failure = thrown
  }
  try {
    if (report !== undefined) await share(host, inputs, report, artifacts)
    if (report !== undefined && failure === undefined && cache !== undefined) await keepPackages(cache, context, report)
  } catch (thrown) {
    failure ??= thrown
  }

  const errors = failure === undefined ? [] : (userErrors(failure) ?? [new YoeError('TASK_FAILED', bug(failure))])
  if (failure !== undefined) reporter.fail(errors)
  const failed = reporter.units.find(({ outcome }) => outcome === 'failed')
  const units = report?.units ?? unitsOf(reporter)
  const file = join(temp, `${artifactName('yoe-report', cell)}.json`)
  await writeFile(
    file,
    `${JSON.stringify({ cell, ok: failure === undefined, ...report, units, cache: cache?.numbers, errors: errors.map(plainError) }, null, 2)}\n`,
  )
  host.output('report', file)
  host.output(
    'cache-hits',
    String(units.filter(({ outcome }) => outcome === 'restored' || outcome === 'cached').length),
  )
  if (inputs.upload.includes('report'))
    await artifacts.text(artifactName('report', cell), file).catch((thrown: unknown) => (failure ??= thrown))
  host.summary(
    renderSummary({
      title: cell,
      ms: Date.now() - started,
      localCommand,
      units,
      report,
      base,
      cache: cache?.numbers,
      annotations: reporter.annotations,
      artifacts: artifacts.uploaded,
      notes: context.readOnly === undefined ? [] : [`Nothing was saved for other runs: ${context.readOnly}.`],
      ...(failure === undefined ? {} : { failure: { errors, tail: failed?.tail ?? errors[0]?.log?.tail ?? [] } }),
    }),
  )
  if (cache !== undefined) await prune(cache, context, inputs, reporter)
  await cache?.close()
  if (failure !== undefined) throw new Told()
}

/** The job's shared store; undefined where there is none (act without a cache service, a self-hosted runner cut off from it). */
export function openCache(host: Host, token: string, reporter: ActionsReporter): ActionsCache | undefined {
  const { context, env } = host
  if (!ActionsCache.available(env)) {
    reporter.line('There is no Actions cache here: everything that this machine does not have is built.')
    return undefined
  }
  return new ActionsCache({
    env,
    repository: token === '' ? undefined : { owner: context.owner, repo: context.repo, token, apiUrl: context.apiUrl },
    readOnly: context.readOnly,
    report: reporter.report,
  })
}

/** Keeps the project's entries within their budget; that this fails is no reason for a job to fail. */
async function prune(
  cache: ActionsCache,
  { readOnly }: RunContext,
  { cacheBudget }: CellInputs,
  reporter: ActionsReporter,
): Promise<void> {
  if (cacheBudget === undefined || readOnly !== undefined) return
  try {
    const freed = await cache.prune(cacheBudget * 1e9)
    if (freed > 0) reporter.line(`Deleted ${bytes(freed)} of cache entries that were not used for the longest time`)
  } catch (thrown) {
    const [error] = userErrors(thrown) ?? []
    if (error === undefined) throw thrown
    reporter.report({
      type: 'warning',
      message: error.message,
      ...(error.hint === undefined ? {} : { hint: error.hint }),
    })
  }
}

/** Uploads what was asked for, and names it in the outputs. */
async function share(host: Host, inputs: CellInputs, report: CellReport, artifacts: Artifacts): Promise<void> {
  const { cell, upload } = inputs
  if (report.disk !== undefined) {
    host.output('image', report.disk.path)
    host.output('sha256', report.disk.sha256)
    if (upload.includes('image')) host.output('artifact-url', (await artifacts.image(cell, report.disk.path)).url)
  }
  if (report.feedDir !== undefined && upload.includes('feed'))
    host.output('feed-url', (await artifacts.feed(artifactName('feed', cell), report.feedDir)).url)
  if (report.boot !== undefined) {
    const file = join(host.env['RUNNER_TEMP'] ?? tmpdir(), `${artifactName('junit', cell)}.xml`)
    await writeFile(file, junit(report.boot))
    host.output('junit', file)
    if (upload.includes('report') || !report.boot.ok) await artifacts.text(artifactName('junit', cell), file)
    if (!report.boot.ok) await artifacts.text(artifactName('serial', cell), report.boot.serialLog)
  }
}

function bootFailure({ boot, image }: CellReport, cell: string): YoeError {
  const failed = boot?.checks.filter(({ ok }) => !ok) ?? []
  if (failed.length > 0)
    return new YoeError(
      'CHECK_FAILED',
      `${failed.length} of ${image}'s checks failed: ${failed.map(({ name }) => name).join(', ')}`,
      {
        hint: `the serial log is an artifact of this run; try it with: yoe ci --cell ${cell}`,
      },
    )
  return new YoeError('BOOT_FAILED', `${image} did not pass its boot test: ${boot?.reason ?? 'it did not come up'}`, {
    hint: 'the serial log is an artifact of this run',
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

const plainError = ({ code, message, hint, at, unit }: YoeError) => ({ code, message, hint, at, unit })
