import { join } from 'node:path'
import { userErrors } from '#engine/errors.ts'
import { Artifacts } from './artifacts.ts'
import { ActionsCache } from './cache.ts'
import { type CellInputs, cellInputs } from './cell-inputs.ts'
import type { RunContext } from './context.ts'
import { openEngine } from './engine.ts'
import type { Engine, Phase } from './engine-port.ts'
import { type Host, Told } from './host.ts'
import { localCommandOf } from './local-command.ts'
import { runOneCell, tempOf } from './one-cell.ts'
import { PackedCache } from './packed-cache.ts'
import { prepareRunner } from './prepare.ts'
import type { Redactions } from './public-files.ts'
import { PullRequestComment } from './pull-request.ts'
import { ActionsReporter, type AnnotationCount } from './reporter.ts'
import { bytes, mostPageBytes, renderCache } from './summary.ts'
import { tellFailure } from './tell-failure.ts'

/**
 * Restores, builds and tests the cells of one job, one after the other, as far as asked for. One that fails does not
 * keep the others from being built.
 */
export async function cellAction(host: Host, wanted: Phase, open: () => Promise<Engine> = openEngine): Promise<void> {
  const started = Date.now()
  const { context } = host
  const inputs = cellInputs(host.input)
  const { cells, cacheKey, project } = inputs
  if (cacheKey !== '') host.mask(cacheKey)
  const through: Phase = wanted === 'boot-test' && !inputs.bootTest ? 'image' : wanted
  const count: AnnotationCount = { error: 0, warning: 0 }
  const reporterOf = (localCommand: string): ActionsReporter =>
    new ActionsReporter({ write: host.write, project, localCommand, count })
  const first = reporterOf(localCommandOf(cells[0] ?? '', project, context))
  const engine = await open()
  try {
    await ready(host, engine, inputs, through, first)
  } catch (failure) {
    const [localCommand, title] = [localCommandOf(cells[0] ?? '', project, context), cells.join(', ')]
    throw tellFailure(host, first, failure, { title, localCommand, ms: Date.now() - started })
  }
  const cache = openCache(host, inputs.token, first)
  const artifacts = new Artifacts(
    context.runUrl,
    tempOf(host),
    host.write,
    inputs.retentionDays,
    redactionsOf(host, inputs),
  )
  const comment = new PullRequestComment(host, inputs, first)
  const outputs = new Map<string, string[]>()
  let [ok, kept] = [true, 0]
  for (const cell of cells) {
    const localCommand = localCommandOf(cell, project, context)
    if (cells.length > 1) host.write(`\n${cell}\n`)
    const outcome = await runOneCell({
      ...{ host, engine, cell, through, inputs, cache, artifacts, localCommand },
      reporter: reporterOf(localCommand),
      deadline: started + inputs.timeLimit * 60_000,
      pageBytes: Math.floor(mostPageBytes / cells.length),
    })
    comment.tell(cell, outcome.section)
    ok &&= outcome.ok
    kept += outcome.kept
    for (const [name, value] of Object.entries(outcome.outputs))
      outputs.set(name, [...(outputs.get(name) ?? []), value])
  }
  for (const [name, values] of outputs) host.output(name, values.join('\n'))
  host.output('cache-hits', String(kept))
  if (cache !== undefined) {
    await prune(cache, context, inputs, first)
    await cache.close()
    host.summary(renderCache(cache.numbers))
  }
  await comment.told()
  if (!ok) throw new Told()
}

/** Keys and tokens that this step has, and where the runner keeps things: a self-hosted one is somebody's machine. */
function redactionsOf({ env, context }: Host, { cacheKey, token }: CellInputs): Redactions {
  const secrets = [cacheKey, token, env['ACTIONS_RUNTIME_TOKEN'] ?? '', env['ACTIONS_ID_TOKEN_REQUEST_TOKEN'] ?? '']
  const home = env['HOME'] ?? ''
  return [
    ...secrets.map((secret) => [secret, '***'] as const),
    [context.workspace, '.'],
    [tempOf({ env }), 'TEMP'],
    ...(home === '/' ? [] : [[home, '~'] as const]),
  ]
}

/** Checks that the cells exist, and that this runner can build (and boot) them. */
async function ready(
  host: Host,
  engine: Engine,
  { cells, project }: CellInputs,
  through: Phase,
  { report }: ActionsReporter,
): Promise<void> {
  const found = await engine.find({
    projectDir: join(host.context.workspace, project),
    cells,
    report,
    signal: host.signal,
  })
  if (host.env['YOE_SETUP'] === 'false') return
  const arches = [...new Set(found.map(({ arch }) => arch))]
  await prepareRunner(host, { qemu: through === 'boot-test', freeDisk: 'auto', arches })
}

/** The job's shared store; undefined where there is none (act without a cache service, a self-hosted runner cut off from it). */
export function openCache(host: Host, token: string, reporter: ActionsReporter): PackedCache | undefined {
  const { context, env } = host
  if (!ActionsCache.available(env)) {
    reporter.line('There is no Actions cache here: everything that this machine does not have is built.')
    return undefined
  }
  const entries = new ActionsCache({
    env,
    repository: token === '' ? undefined : { owner: context.owner, repo: context.repo, token, apiUrl: context.apiUrl },
    readOnly: context.readOnly,
    report: reporter.report,
  })
  return new PackedCache(entries, {
    branches: context.reads,
    writes: context.readOnly === undefined,
    report: reporter.report,
    temp: env['RUNNER_TEMP'],
  })
}

/** Keeps the project's entries within their budget; that this fails is no reason for a job to fail. */
async function prune(
  cache: PackedCache,
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
