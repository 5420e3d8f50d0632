import { neutralise } from '#engine/build/log.ts'
import { makePlans } from '#toolkit/planning.ts'
import type { Reproduction, ReproductionReport } from '#toolkit/reproduce.ts'
import { command, projectOptions, workerOption } from '../command.ts'
import type { Output } from '../output.ts'
import { duration } from '../output.ts'
import { workspaceOf } from '../project.ts'
import { buildOptions, jobCount } from './build.ts'

/** More than these of one package are counted, not shown. */
const shownDifferences = 20

export const reproduce = command({
  usage: 'reproduce [UNIT…]',
  summary: 'build packages a second time and compare every byte',
  details: `Builds units once more with another folder, order of files, number of processors and time, and compares the packages
with those that are there. For an image, all units that it is made of. What differs is shown file by file, and both
packages are kept in the unit's folder below build/ for a closer look (diffoscope). Exit 1 when something differs.

  yoe reproduce sensord
  yoe reproduce gateway-image --json`,
  options: { ...projectOptions, jobs: buildOptions.jobs, ...workerOption },
  positionals: [0, Number.POSITIVE_INFINITY],
  completes: ['target'],
  async run(invocation) {
    const { values, positionals, output } = invocation
    const workspace = workspaceOf(invocation)
    const jobs = jobCount(values.jobs, workspace)
    const plans = await makePlans(workspace, { machine: values.machine, distro: values.distro, targets: positionals })
    const { reproduce: buildTwice } = await import('#toolkit/reproduce.ts')
    const reports: ReproductionReport[] = []
    for (const plan of plans) reports.push(await buildTwice(plan, jobs))
    const units = reports.flatMap((report) => report.units)
    const ok = units.every(({ differing }) => differing.length === 0)
    const [varied, missing] = [
      [...new Set(reports.flatMap((report) => report.varied))],
      [...new Set(reports.flatMap((report) => report.missing))],
    ]
    if (output.json) output.printJson({ ok, varied, missing, units })
    else show({ varied, missing, units }, output)
    return ok ? 0 : 1
  },
})

function show({ varied, missing, units }: ReproductionReport, output: Output): void {
  for (const each of units) showUnit(each, output)
  const same = units.filter(({ differing }) => differing.length === 0).length
  const mark = same === units.length ? output.paint('green', 'ok') : output.paint('red', 'differs')
  output.print(units.length === 0 ? 'no packages to build' : `${mark} ${same} of ${units.length} units are the same`)
  output.print(output.paint('dim', `varied: ${varied.join(', ')}`))
  for (const line of missing) output.print(output.paint('dim', `not varied: ${line}`))
}

function showUnit({ unit, ms, differing }: Reproduction, output: Output): void {
  const mark = differing.length === 0 ? output.paint('green', 'same') : output.paint('red', 'differs')
  output.print(`${mark} ${unit} ${output.paint('dim', duration(ms))}`)
  for (const { name, first, second, differences } of differing) {
    output.print(`  ${name}`)
    for (const { path, what } of differences.slice(0, shownDifferences)) {
      output.print(`    ${neutralise(path)}  ${neutralise(what)}`)
    }
    const more = differences.length - shownDifferences
    if (more > 0) output.print(`    and ${more} more`)
    output.print(output.paint('dim', `    ${first}\n    ${second}`))
  }
}
