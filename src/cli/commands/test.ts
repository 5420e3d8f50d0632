import { neutralise } from '#engine/build/log.ts'
import type { UnitTestReport } from '#engine/build/unit-tests.ts'
import { catalogOf } from '../catalog.ts'
import { command, projectOptions, workerOption } from '../command.ts'
import type { Output } from '../output.ts'
import { duration, table } from '../output.ts'
import { buildOptions, jobCount } from './build.ts'

export const test = command({
  usage: 'test [UNIT…]',
  summary: 'run the tests of units',
  details: `Runs what units declare with tests = […], each in the sandbox of its unit: $DESTDIR has the unit's packages unpacked, and the
sysroot has them beside what they need. Units are built first where they changed; without a name, every unit that has tests.
Exit 1 when a test fails. Tests of images run in a guest: yoe run IMAGE --boot-test.

  yoe test
  yoe test sensord --json`,
  options: { ...projectOptions, jobs: buildOptions.jobs, ...workerOption },
  positionals: [0, Number.POSITIVE_INFINITY],
  completes: ['unit'],
  async run(invocation) {
    const { values, positionals, output } = invocation
    const { testUnits } = await import('#toolkit/unit-testing.ts')
    const catalog = await catalogOf(invocation, positionals)
    const reports = await testUnits(catalog, positionals, jobCount(values.jobs, catalog.workspace))
    const ok = reports.every(({ tests }) => tests.every((one) => one.ok))
    if (output.json) output.printJson({ ok, units: reports })
    else show(reports, output)
    return ok ? 0 : 1
  },
})

function show(reports: readonly UnitTestReport[], output: Output): void {
  const mark = (ok: boolean): string => (ok ? output.paint('green', 'ok') : output.paint('red', 'failed'))
  const ran = reports.flatMap(({ unit, tests }) => tests.map((one) => ({ unit, ...one })))
  const rows = ran.map(({ unit, name, ok, ms, why = '' }) => [
    mark(ok),
    unit,
    name,
    output.paint('dim', duration(ms)),
    why,
  ])
  for (const [index, line] of table(rows).entries()) {
    output.print(line)
    for (const said of ran[index]?.tail ?? []) output.print(`  ${output.paint('dim', '│')} ${neutralise(said)}`)
  }
  const failed = reports.filter(({ tests }) => tests.some(({ ok }) => !ok))
  for (const { log } of failed) output.print(output.paint('dim', log))
  const all = reports.flatMap(({ tests }) => tests)
  const passed = all.filter(({ ok }) => ok).length
  output.print(
    all.length === 0 ? 'no unit has tests' : `${mark(passed === all.length)} ${passed} of ${all.length} tests`,
  )
}
