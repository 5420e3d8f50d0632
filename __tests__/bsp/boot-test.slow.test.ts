import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { before, type TestContext, test } from 'node:test'
import type { Check } from '#engine/project/model.ts'
import { type BootTestOptions, bootTest } from '../../src/bsp/boot-test.ts'
import { type Guest, realGuest } from './guest.ts'
import { at, listeners, machineOf, processesWith, recorder, scratch, until } from './support.ts'

let guest: Guest | string = 'not made'
before(
  async () => {
    guest = await realGuest()
  },
  { timeout: 900_000 },
)

/** A test of the real guest. */
function booting(name: string, body: (t: TestContext, guest: Guest) => Promise<void>): void {
  test(name, { timeout: 600_000 }, (t) => (typeof guest === 'string' ? t.skip(guest) : body(t, guest)))
}

const check = (name: string, command: string, line = 7): Check => ({ name, command, at: { ...at, line } })

async function boot(
  t: TestContext,
  disk: string,
  files: Guest['files'],
  some: Partial<BootTestOptions> & { cmdline?: string },
) {
  const folder = await scratch(t)
  const { cmdline = '', ...rest } = some
  const kernel = { unit: 'linux', cmdline: `console=ttyS0 root=/dev/vda rw ${cmdline}`, deviceTrees: [] }
  const told = recorder()
  const outcome = await bootTest({
    image: 'demo',
    machine: machineOf({ kernel }),
    files: { disk, ...files },
    checks: [],
    logDir: join(folder, 'logs'),
    timeout: 400_000,
    report: told.report,
    ...rest,
  })
  assert.deepEqual(await processesWith(disk), [], 'QEMU is left')
  return { ...outcome, told, logDir: join(folder, 'logs') }
}

async function digest(path: string): Promise<string> {
  const sum = createHash('sha256')
  await pipeline(createReadStream(path, { highWaterMark: 2 ** 20 }), sum)
  return sum.digest('hex')
}

booting(
  'a real guest: boots, lets the test in beside its own keys, is checked, powers off, and stays as it was',
  async (t, { locked, files }) => {
    const before = await digest(locked)
    const watching = (async () => {
      const found: string[] = []
      await until(async () => {
        const [line = ''] = await processesWith(locked)
        const port = /127\.0\.0\.1:(\d+)-:22/.exec(line)?.[1]
        if (port !== undefined) found.push(...(await listeners(Number(port))))
        return found.length > 0
      }, 30_000)
      return found
    })()
    const { report, errors, logDir, told } = await boot(t, locked, files, {
      checks: [
        check('running', 'systemctl is-system-running --wait', 11),
        check('fails', "printf 'out\\033[2J\\n'; echo err >&2; exit 3", 12),
        check(
          'keys',
          'wc -l </root/.ssh/authorized_keys; grep -c -e somebody -e yoe-boot-test /root/.ssh/authorized_keys',
          13,
        ),
        check('much', 'seq 100000', 14),
        check('writes', 'dd if=/dev/zero of=/junk bs=1M count=8 2>/dev/null && sync', 15),
        check('is shut in', '! timeout 5 sh -c "exec 3<>/dev/tcp/10.0.2.2/22" 2>/dev/null', 16),
      ],
    })
    assert.deepEqual(await watching, ['0100007F'], 'its SSH port is open to others')
    assert.deepEqual(
      report.stages.map(({ name }) => name).filter((name) => name !== 'ssh' && name !== 'login'),
      ['start', 'kernel', 'init', 'checks', 'power-off'],
    )
    assert.deepEqual(
      report.checks.map(({ name, ok }) => `${name} ${ok}`),
      ['running true', 'fails false', 'keys true', 'much true', 'writes true', 'is shut in true'],
    )
    assert.equal(report.checks[1]?.output, 'out\nerr')
    assert.match(report.checks[2]?.output ?? '', /\n2$/)
    assert.equal(report.checks[3]?.output.split('\n').at(-1), '100000')
    assert.ok((report.checks[3]?.output.length ?? 0) < 10_000)
    assert.deepEqual(
      errors.map(({ code, at }) => `${code} ${at?.file}:${at?.line}`),
      ['CHECK_FAILED images/demo.star:12'],
    )
    assert.match(await readFile(join(logDir, 'junit.xml'), 'utf8'), /tests="7" failures="1"/)
    assert.match(await readFile(report.serialLog, 'utf8'), /login:[\s\S]*reboot: Power down/)
    assert.match(told.text(), /demo: SSH login after/)
    assert.equal(await digest(locked), before, 'the image was changed')
    t.diagnostic(report.stages.map(({ name, ms }) => `${name} ${ms}`).join(', '))
  },
)

booting('a real guest without credentials is entered by its empty password', async (t, { open, files }) => {
  const { report, errors } = await boot(t, open, files, { cmdline: 'systemd.import_credentials=no' })
  assert.deepEqual(errors, [])
  assert.equal(report.ok, true)
})

booting('a real guest that lets nobody in says so', async (t, { locked, files }) => {
  const { errors } = await boot(t, locked, files, { cmdline: 'systemd.import_credentials=no' })
  assert.equal(errors[0]?.code, 'BOOT_FAILED')
  assert.match(errors[0]?.message ?? '', /refuses the SSH login: .*Permission denied/)
  assert.match(errors[0]?.hint ?? '', /PermitRootLogin/)
})

const wrong: readonly (readonly [name: string, cmdline: string, timeout: number, message: RegExp])[] = [
  ['whose first process ends: a panic', 'init=/usr/bin/true', 300_000, /the kernel panicked: .*Attempted to kill init/],
  ['in the shell of its initramfs', 'break=top', 300_000, /the initramfs found no root file system: \(initramfs\)/],
  ['in emergency mode', 'systemd.unit=emergency.target', 300_000, /systemd gave up/],
  ['that never reaches its login prompt', 'init=/bin/sh', 25_000, /did not reach its login prompt within 25 s/],
  [
    'whose console is elsewhere',
    'console=ttyS1 console=tty0 quiet',
    15_000,
    /(?:said nothing|did not reach its login prompt)/,
  ],
]

for (const [name, cmdline, timeout, message] of wrong)
  booting(`a real guest ${name}`, async (t, { locked, files }) => {
    const { errors, report } = await boot(t, locked, files, { cmdline, timeout })
    assert.equal(errors[0]?.code, 'BOOT_FAILED')
    assert.match(errors[0]?.message ?? '', message)
    assert.ok(report.ms < timeout + 10_000)
  })
