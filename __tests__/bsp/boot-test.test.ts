import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { YoeError } from '#engine/errors.ts'
import { type BootTestOptions, bootTest } from '../../src/bsp/boot-test.ts'
import {
  at,
  bootSector,
  fakeFiles,
  fakeQemu,
  machineOf,
  processesWith,
  qemuOf,
  recorder,
  scratch,
  setPath,
  until,
} from './support.ts'

const kernel = "printf '[    0.000000] Linux version 6.12\\n'"

/** A boot test of files that nothing looks into. */
async function optionsOf(t: TestContext, some: Partial<BootTestOptions> = {}) {
  const folder = await scratch(t)
  const told = recorder()
  const options: BootTestOptions = {
    image: 'demo',
    machine: machineOf(),
    files: await fakeFiles(folder),
    checks: [{ name: 'c', command: 'true', at }],
    logDir: join(folder, 'logs'),
    timeout: 10_000,
    acceleration: { kind: 'tcg', reason: 'a test' },
    report: told.report,
    ...some,
  }
  return { options, told, folder }
}

const runFolders = async (): Promise<string[]> => (await readdir(tmpdir())).filter((name) => name.startsWith('yoe-vm-'))

const rows: readonly (readonly [
  name: string,
  script: string,
  timeout: number,
  code: string,
  message: RegExp,
  hint?: RegExp,
])[] = [
  [
    'a panic ends it at once',
    `${kernel}; echo '[ 1.0] Kernel panic - not syncing: no init'; exec sleep 60`,
    30_000,
    'BOOT_FAILED',
    /the kernel panicked: \[ 1\.0\] Kernel panic - not syncing: no init/,
  ],
  [
    'so does a shell for repairs',
    `${kernel}; printf '(initramfs) '; exec sleep 60`,
    30_000,
    'BOOT_FAILED',
    /the initramfs found no root file system: \(initramfs\)/,
  ],
  ['a guest that ends early', `${kernel}; exit 0`, 30_000, 'BOOT_FAILED', /ended before it should: QEMU exited with 0/],
  [
    'a QEMU that is killed',
    `${kernel}; kill -KILL $$`,
    30_000,
    'BOOT_FAILED',
    /ended before it should: QEMU was killed by SIGKILL/,
  ],
  [
    'a guest that never reaches its login prompt',
    `${kernel}; exec sleep 60`,
    800,
    'BOOT_FAILED',
    /did not reach its login prompt within 1 s \(QEMU started .*kernel/,
    /--timeout/,
  ],
  [
    'a guest that says nothing',
    'exec sleep 60',
    800,
    'BOOT_FAILED',
    /said nothing on its serial console within 1 s/,
    /console=ttyS0/,
  ],
  [
    'a guest without an SSH server',
    `${kernel}; printf 'demo login: '; exec sleep 60`,
    800,
    'BOOT_FAILED',
    /no SSH server that answers within 1 s .*login prompt/,
    /SSH server/,
  ],
  [
    'a QEMU without its firmware',
    `echo "qemu: could not load PC BIOS 'bios-256k.bin'" >&2; exit 1`,
    30_000,
    'TOOL_MISSING',
    /firmware is not installed/,
    /seabios/,
  ],
  [
    'a disk that another guest uses',
    `echo 'qemu-system-x86_64: Failed to get "write" lock' >&2; exit 1`,
    30_000,
    'BOOT_FAILED',
    /another guest uses .*disk.img/,
  ],
  [
    'a QEMU that does not know its options',
    `echo 'qemu-system-x86_64: unsupported machine type' >&2; exit 1`,
    30_000,
    'BOOT_FAILED',
    /QEMU did not start: unsupported machine type/,
  ],
]

for (const [name, script, timeout, code, message, hint] of rows)
  test(`boot test: ${name}`, async (t) => {
    const { options } = await optionsOf(t, { timeout })
    const mark = await fakeQemu(t, script)
    const before = await runFolders()
    const start = performance.now()
    const { report, errors } = await bootTest(options)
    assert.ok(performance.now() - start < 10_000, 'it took as long as its guest')
    assert.equal(report.ok, false)
    assert.equal(errors.length, 1)
    assert.equal(errors[0]?.code, code)
    assert.match(errors[0]?.message ?? '', message)
    if (hint !== undefined) assert.match(errors[0]?.hint ?? '', hint)
    assert.deepEqual(await processesWith(mark), [], 'processes are left')
    assert.deepEqual(await runFolders(), before, 'a folder of the run is left')
    assert.deepEqual((await readdir(options.logDir)).sort(), ['boot.json', 'junit.xml', 'serial.log'])
    const kept: unknown = JSON.parse(await readFile(join(options.logDir, 'boot.json'), 'utf8'))
    assert.deepEqual(kept, JSON.parse(JSON.stringify(report)))
  })

test('boot test: the end of the serial log is in the error', async (t) => {
  const { options } = await optionsOf(t)
  await fakeQemu(
    t,
    `${kernel}; for i in $(seq 60); do echo "line $i"; done; echo 'Kernel panic - not syncing: x'; exec sleep 60`,
  )
  const { errors, report } = await bootTest(options)
  assert.equal(errors[0]?.log?.path, report.serialLog)
  assert.equal(errors[0]?.log?.tail.length, 40)
  assert.equal(errors[0]?.log?.tail.at(-2), 'line 60')
})

test('boot test: a console that screams is bounded and harmless', async (t) => {
  const { options } = await optionsOf(t)
  const scream =
    "head -c 80000000 /dev/zero | tr '\\0' 'x'; printf '\\033]0;title\\007::set-output name=a::b\\r\\033[2J\\n'"
  await fakeQemu(t, `${kernel}; ${scream}; echo 'Kernel panic - not syncing: x'; exec sleep 60`)
  const { report } = await bootTest({ ...options, timeout: 60_000 })
  const log = await readFile(report.serialLog)
  assert.ok(log.length < 40 * 2 ** 20, `${log.length} bytes`)
  assert.doesNotMatch(log.toString('latin1'), /\x1b|\x07/)
})

test('boot test: names and outputs that are no XML are still a report', async (t) => {
  const { options } = await optionsOf(t, { image: 'a<b>&"c', timeout: 500 })
  await fakeQemu(t, 'exec sleep 60')
  await bootTest(options)
  const xml = await readFile(join(options.logDir, 'junit.xml'), 'utf8')
  assert.match(xml, /classname="demo-machine\/a&lt;b&gt;&amp;&quot;c" name="boot"/)
  assert.match(xml, /tests="1" failures="1"/)
})

test('boot test: KVM that gives up on the guest is not asked again', async (t) => {
  const { options, told } = await optionsOf(t, { acceleration: { kind: 'kvm' } })
  const script = `case "$*" in *'-accel kvm'*) echo 'KVM internal error. Suberror: 1' >&2; exec sleep 60;; esac`
  await fakeQemu(t, `${script}; ${kernel}; echo 'Kernel panic - not syncing: x'; exec sleep 60`)
  const { report } = await bootTest(options)
  assert.equal(report.acceleration, 'tcg')
  assert.match(report.accelerationReason ?? '', /KVM internal error/)
  assert.match(report.reason ?? '', /kernel panicked/)
  assert.match(told.text(), /KVM gave up on this guest/)
})

test('boot test: a port that is taken meanwhile is not the end', async (t) => {
  const { options, folder } = await optionsOf(t)
  const taken = `p=$(echo "$*" | sed 's/.*127.0.0.1:\\([0-9]*\\)-.*/\\1/'); echo "Could not set up host forwarding rule 'tcp:127.0.0.1:$p-:22'" >&2; exit 1`
  await fakeQemu(
    t,
    `if mkdir ${folder}/once 2>/dev/null; then ${taken}; fi; ${kernel}; echo 'Kernel panic - not syncing: x'; exec sleep 60`,
  )
  const { report } = await bootTest(options)
  assert.match(report.reason ?? '', /kernel panicked/)
})

test('boot test: a guest that dies of flags that no processor has is booted again, any other is not', async (t) => {
  const { options, told, folder } = await optionsOf(t)
  const dies = (flags: string): string =>
    `${kernel}; echo 'RSP: 0018:ffffcea6c04bb5e0 EFLAGS: ${flags}'; echo 'Kernel panic - not syncing: ${flags}'; exec sleep 60`
  await fakeQemu(t, `if mkdir ${folder}/once 2>/dev/null; then ${dies('011fd242')}; fi; ${dies('00010246')}`)
  const { report, errors } = await bootTest(options)
  assert.match(report.reason ?? '', /not syncing: 00010246/)
  assert.equal(errors.length, 1)
  assert.match(told.text(), /booting it again/)
})

for (const [name, trap] of [
  ['QEMU that listens', ''],
  ['QEMU that does not', "trap '' TERM; "],
] as const)
  test(`boot test: cancelled in mid-boot, by a ${name}, it leaves nothing but the log`, async (t) => {
    const controller = new AbortController()
    const { options } = await optionsOf(t, { signal: controller.signal })
    const mark = await fakeQemu(t, `${trap}${kernel}; exec sleep 60`)
    const before = await runFolders()
    const running = until(async () => (await processesWith(mark)).length > 0).then(() => controller.abort())
    const start = performance.now()
    await assert.rejects(bootTest(options), (error) => error instanceof YoeError && error.code === 'CANCELLED')
    await running
    assert.ok(performance.now() - start < 7000)
    assert.deepEqual(await processesWith(mark), [])
    assert.deepEqual(await runFolders(), before)
    assert.match(await readFile(join(options.logDir, 'serial.log'), 'utf8'), /Linux version/)
  })

test('boot test: its own death by kill -9 takes QEMU along', async (t) => {
  const { options, folder } = await optionsOf(t)
  const mark = await fakeQemu(t, `${kernel}; exec sleep 60`)
  const { report: _, ...plain } = options
  const module = pathToFileURL(join(import.meta.dirname, '../../src/bsp/boot-test.ts')).href
  const script = `import { bootTest } from ${JSON.stringify(module)}
    await bootTest({ ...JSON.parse(process.argv[1]), report: () => {} })`
  // What it can't tidy up goes with this folder.
  const child = spawn(process.execPath, ['--input-type=module', '-e', script, JSON.stringify(plain)], {
    stdio: 'ignore',
    env: { ...process.env, TMPDIR: folder },
  })
  t.after(() => child.kill('SIGKILL'))
  assert.ok(await until(async () => (await processesWith(mark)).length > 0, 15_000), 'QEMU did not start')
  child.kill('SIGKILL')
  assert.ok(await until(async () => (await processesWith(mark)).length === 0), 'QEMU outlived us')
})

test('boot test: a file that is not there is named', async (t) => {
  const { options } = await optionsOf(t)
  await rm(options.files.disk)
  await assert.rejects(bootTest(options), (error) => {
    assert.ok(error instanceof YoeError && error.code === 'BOOT_FAILED')
    assert.equal(error.message, `${options.files.disk} is not there`)
    assert.match(error.hint ?? '', /yoe build/)
    return true
  })
})

test('boot test: a missing QEMU names its package', async (t) => {
  const { options } = await optionsOf(t)
  setPath(t, '/nowhere')
  await assert.rejects(bootTest(options), (error) => {
    assert.ok(error instanceof YoeError && error.code === 'TOOL_MISSING')
    assert.equal(error.hint, 'sudo apt-get install qemu-system-x86')
    return true
  })
})

test('boot test: firmware boots a disk for real, and the image stays as it is', async (t) => {
  const { options, folder } = await optionsOf(t, {
    timeout: 6000,
    machine: machineOf({ qemu: qemuOf({ firmware: 'seabios', memory: 64 * 2 ** 20 }) }),
  })
  const disk = join(folder, 'boot.img')
  await writeFile(disk, bootSector('hello\r\ndemo login: '))
  const digest = async (): Promise<string> =>
    createHash('sha256')
      .update(await readFile(disk))
      .digest('hex')
  const before = await digest()
  const { report } = await bootTest({ ...options, files: { disk } })
  assert.deepEqual(
    report.stages.map(({ name }) => name),
    ['start', 'firmware', 'login'],
  )
  assert.match(report.reason ?? '', /no SSH server/)
  assert.equal(await digest(), before)
})
