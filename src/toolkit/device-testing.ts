import { spawn } from 'node:child_process'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { UnitLog } from '#engine/build/unit-log.ts'
import { openUnitLog } from '#engine/build/unit-log.ts'
import { shellOnDevice } from '#engine/build/unit-shell.ts'
import type { TestResult, UnitTestReport } from '#engine/build/unit-tests.ts'
import { defaultLimits } from '#engine/build/worker.ts'
import { YoeError } from '#engine/errors.ts'
import type { Check, Unit } from '#engine/project/model.ts'
import { errorCode } from '#engine/store/disk.ts'
import type { Catalog } from './catalog-view.ts'
import { type DeviceAddress, quoted } from './dev/deploy.ts'
import { findName } from './introspect/naming.ts'

/** What ssh itself exits with when it does not get there. */
const unreached = 255

/**
 * Runs tests on a device that is up, by the system's own ssh with the user's keys and settings: of units, with an empty
 * `$DESTDIR`, and the upstream's own suite where the unit has one; of images, those that the boot test runs. Nothing is
 * built, and nothing installed but the package of a suite.
 *
 * @throws {YoeError} USAGE for what has no tests; CHECK_FAILED when the device can't be reached; failed tests are in the reports
 * @see seed, Testing: HIL mode, on-device upstream tests
 */
export async function testOnDevice(
  catalog: Catalog,
  names: readonly string[],
  device: DeviceAddress,
): Promise<readonly UnitTestReport[]> {
  const units = await Promise.all(names.map((name) => testedUnit(catalog, name)))
  const { buildRoot, report, signal } = catalog.workspace
  const folder = join(buildRoot, 'device')
  await mkdir(folder, { recursive: true })
  const reports: UnitTestReport[] = []
  for (const unit of units) {
    const path = join(folder, `${unit.name}.log`)
    const log = openUnitLog(path, unit.name, report)
    try {
      const tests: TestResult[] = []
      for (const test of testsOf(unit, catalog.format)) tests.push(await runTest(device, test, log, signal))
      reports.push({ unit: unit.name, id: `${unit.name} on ${device.host}`, tests, log: path })
    } finally {
      log.close()
    }
  }
  return reports
}

interface DeviceTest extends Check {
  readonly shell: readonly string[]
}

function testsOf(unit: Unit, { onDevice }: Catalog['format']): readonly DeviceTest[] {
  if (unit.kind === 'image') return unit.checks.map((check) => ({ ...check, shell: ['/bin/sh', '-c'] }))
  if (unit.kind !== 'package') return []
  const shell = shellOnDevice(unit)
  const suite = `/usr/lib/yoe-tests/${unit.name}/run.sh`
  const install = `[ -x ${suite} ] || ${onDevice.add(`${unit.name}-tests`)}`
  const upstream = {
    name: 'upstream',
    command: `${install}; exec ${suite}`,
    at: unit.at,
    shell: ['/bin/sh', '-e', '-c'],
  }
  return [...unit.tests.map((test) => ({ ...test, shell })), ...(unit.upstreamTests ? [upstream] : [])]
}

async function testedUnit(catalog: Catalog, name: string): Promise<Unit> {
  const found = await findName(catalog, name)
  const unit = found.kind === 'unit' ? found.unit : undefined
  if (unit !== undefined && testsOf(unit, catalog.format).length > 0) return unit
  throw new YoeError('USAGE', `${unit?.name ?? name} has no tests`, {
    at: unit?.at,
    hint: 'tests = [test("works", run = "…")] in its declaration',
  })
}

async function runTest(
  device: DeviceAddress,
  { name, command, shell, at }: DeviceTest,
  log: UnitLog,
  signal: AbortSignal,
): Promise<TestResult> {
  log.note(`test ${name}`)
  log.line(`+ ${command}`)
  const start = performance.now()
  const remote = ['env', 'DESTDIR=', 'SYSROOT=', ...shell, command].map(quoted).join(' ')
  const timeout = AbortSignal.timeout(defaultLimits.wallSeconds * 1000)
  const code = await overSsh(device, remote, log, AbortSignal.any([signal, timeout]))
  if (signal.aborted) throw new YoeError('CANCELLED', `the tests on ${device.host} were cancelled`)
  const ms = performance.now() - start
  if (code === 0) return { name, ok: true, ms, at }
  const { tail } = log.excerpt()
  const printed = tail.slice(tail.lastIndexOf(`=== test ${name}`) + 1).filter((line) => line !== `+ ${command}`)
  if (code === unreached)
    throw new YoeError('CHECK_FAILED', `${device.host} can't be reached: ${printed.at(-1) ?? 'ssh does not say why'}`, {
      hint: `this has to work: ssh ${device.port === undefined ? '' : `-p ${device.port} `}${device.user}@${device.host}`,
    })
  const why = code === null ? `it ran longer than ${defaultLimits.wallSeconds} s` : `exit code ${code}`
  log.line(`failed: ${why}`)
  return { name, ok: false, ms, why, tail: printed, at }
}

/** @returns the exit code; null when it was ended */
function overSsh(
  { host, user, port }: DeviceAddress,
  remote: string,
  log: UnitLog,
  signal: AbortSignal,
): Promise<number | null> {
  const where = port === undefined ? [] : ['-p', String(port)]
  const ssh = spawn('ssh', [...where, '-l', user, '--', host, remote], { stdio: ['ignore', 'pipe', 'pipe'], signal })
  for (const stream of [ssh.stdout, ssh.stderr]) stream.on('data', log.write)
  return new Promise((resolve, reject) => {
    ssh.on('error', (failure) => {
      if (signal.aborted) resolve(null)
      else if (errorCode(failure) !== 'ENOENT') reject(failure)
      else reject(new YoeError('TOOL_MISSING', 'ssh is not installed', { hint: 'sudo apt-get install openssh-client' }))
    })
    ssh.on('close', resolve)
  })
}
