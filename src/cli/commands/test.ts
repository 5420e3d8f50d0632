import { neutralise } from '#engine/build/log.ts'
import type { UnitTestReport } from '#engine/build/unit-tests.ts'
import { YoeError } from '#engine/errors.ts'
import type { Catalog } from '#toolkit/catalog-view.ts'
import { catalogOf } from '../catalog.ts'
import type { Invocation } from '../command.ts'
import { command, projectOptions, remoteCacheOptions, workerOption } from '../command.ts'
import type { Output } from '../output.ts'
import { duration, table } from '../output.ts'
import { buildOptions, jobCount } from './build.ts'

const options = {
  ...projectOptions,
  jobs: buildOptions.jobs,
  ...workerOption,
  ...remoteCacheOptions,
  target: { type: 'string', value: 'HOST', help: 'run the tests of the named units and images on this device' },
} as const

export const test = command({
  usage: 'test [UNIT…]',
  summary: 'run the tests of units',
  details: `Runs what units declare with tests = […], each in the sandbox of its unit: $DESTDIR has the unit's packages unpacked, and the
sysroot has them beside what they need. Units are built first where they changed; without a name, every unit that has tests.
Exit 1 when a test fails. Tests of images run in a guest: yoe run IMAGE --boot-test. With --target, tests of units and
images run on a device that is up, by ssh, and nothing is built.

  yoe test
  yoe test sensord --json
  yoe test gateway-image --target root@dev-pi.local`,
  options,
  positionals: [0, Number.POSITIVE_INFINITY],
  completes: ['target'],
  async run(invocation) {
    const { values, positionals, output } = invocation
    const catalog = await catalogOf(invocation, positionals)
    const reports = await (values.target === undefined ? inSandbox(catalog, invocation) : onDevice(catalog, invocation))
    const ok = reports.every(({ tests }) => tests.every((one) => one.ok))
    if (output.json) output.printJson({ ok, units: reports })
    else show(reports, output)
    return ok ? 0 : 1
  },
})

type TestInvocation = Invocation<typeof options>

async function inSandbox(catalog: Catalog, { values, positionals }: TestInvocation) {
  const { testUnits } = await import('#toolkit/unit-testing.ts')
  return testUnits(catalog, positionals, jobCount(values.jobs, catalog.workspace))
}

async function onDevice(catalog: Catalog, { values, positionals }: TestInvocation) {
  const { target = '', jobs, worker } = values
  const beside = jobs === undefined ? worker && '--worker' : '--jobs'
  if (beside !== undefined)
    throw new YoeError('USAGE', `--target builds nothing: ${beside} says nothing beside it`, {
      hint: `leave out ${beside}`,
    })
  if (positionals.length === 0)
    throw new YoeError('USAGE', 'say what to test on the device', { hint: `yoe test IMAGE --target ${target}` })
  const { parseDevice } = await import('#toolkit/dev/deploy.ts')
  const { testOnDevice } = await import('#toolkit/device-testing.ts')
  return testOnDevice(catalog, positionals, parseDevice(target))
}

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
