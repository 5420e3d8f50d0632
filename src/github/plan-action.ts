import { writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { changedFiles } from './changes.ts'
import { openEngine } from './engine.ts'
import type { Engine, PlannedCell } from './engine-port.ts'
import type { Host } from './host.ts'
import { cellPatterns, choiceInput, folderInput, mappingInput, numberInput } from './inputs.ts'
import { type Matrix, mostJobs, planMatrix } from './matrix.ts'
import { ActionsReporter } from './reporter.ts'
import { renderPlan } from './summary-plan.ts'
import { tellFailure } from './tell-failure.ts'

/** Lists the cells that this run must build, as a matrix. */
export async function planAction(host: Host, open: () => Promise<Engine> = openEngine): Promise<void> {
  const { context, env } = host
  const project = folderInput(host.input, 'project')
  const patterns = cellPatterns(host.input, 'cells')
  const runners = mappingInput(host.input, 'runners')
  const only = choiceInput((name) => host.input(name) || 'auto', 'only', ['auto', 'all', 'affected'])
  const maxJobs = numberInput(host.input, 'max-jobs', { min: 1, max: mostJobs })
  const token = host.input('github-token')
  const localCommand = `yoe ci${project === '.' ? '' : ` --project ${project}`}`
  const reporter = new ActionsReporter({ write: host.write, project, localCommand })
  const started = Date.now()
  let cells: readonly PlannedCell[]
  let matrix: Matrix
  let changed: readonly string[] | undefined
  try {
    const engine = await open()
    const projectDir = join(context.workspace, project)
    cells = (await engine.plan({ projectDir, cells: patterns, report: reporter.report, signal: host.signal })).cells
    // A push to the default branch builds everything by default: it is what pull requests restore from.
    const narrow =
      only === 'affected' || (only === 'auto' && context.trust !== 'default-branch' && context.trust !== 'tag')
    changed = narrow ? await changedFiles(context, project, token, reporter) : undefined
    matrix = planMatrix({ cells, runners, changed, maxJobs })
  } catch (failure) {
    throw tellFailure(host, reporter, failure, { title: 'plan', localCommand, ms: Date.now() - started })
  }
  const report = join(env['RUNNER_TEMP'] ?? tmpdir(), 'yoe-plan.json')
  await writeFile(report, `${JSON.stringify({ cells, changed, matrix }, null, 2)}\n`)
  host.output('matrix', JSON.stringify(matrix))
  host.output('count', String(matrix.include.length))
  host.output('report', report)
  const kept = new Set(matrix.include.flatMap(({ cell }) => cell.split(',')))
  for (const row of matrix.include) reporter.line(`${row.cell} on ${row.runner}`)
  const dropped = cells.filter(({ cell }) => !kept.has(cell))
  if (dropped.length > 0) reporter.line(`not affected: ${dropped.map(({ cell }) => cell).join(', ')}`)
  host.summary(renderPlan(matrix, dropped))
}
