import { spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { bootTest } from '#bsp/boot-test.ts'
import { keyCredential, makeKey, openShell, waitForBanner } from '#bsp/guest-ssh.ts'
import { explainAcceleration, probeAcceleration } from '#bsp/qemu/accel.ts'
import { type ImageFiles, qemuCommand } from '#bsp/qemu/command.ts'
import { findFirmware, requireQemu } from '#bsp/qemu/host.ts'
import { freePort } from '#bsp/qemu/ports.ts'
import { guestCpus } from '#bsp/qemu/process.ts'
import { silent } from '#engine/events.ts'
import type { Machine } from '#engine/project/model.ts'
import { alpineProject } from '../__tests__/support/alpine/project.ts'

/** Medians of the rounds, in milliseconds. */
export interface BootTimes {
  readonly acceleration: 'kvm' | 'tcg'
  /** The same QEMU command by itself, from its start to a login over SSH. */
  readonly bare: number
  /** The same of a boot test. */
  readonly ours: number
  /** What a boot test does before it starts QEMU. */
  readonly before: number
  /** Processor time of our own process during the whole test: all that is not the guest's. */
  readonly cpu: number
  /** From the request to QEMU's end. */
  readonly powerOff: number
}

/** How long an image takes from QEMU's start to a login, and how much of it is the boot test's; the two take turns. */
export async function benchBoot(machine: Machine, files: ImageFiles, rounds = 3): Promise<BootTimes> {
  const acceleration = await probeAcceleration(machine.arch)
  explainAcceleration(acceleration, (event) => 'message' in event && console.error(event.message))
  const taken = { bare: [], ours: [], before: [], cpu: [], powerOff: [] } satisfies Record<string, number[]>
  const times: Record<keyof typeof taken, number[]> = taken
  for (let round = 0; round < rounds; round++) {
    times.bare.push(await bareBoot(machine, files, acceleration.kind))
    const logDir = await mkdtemp(join(tmpdir(), 'yoe-bench-'))
    try {
      const start = performance.now()
      const cpu = process.cpuUsage()
      const options = { image: 'bench', machine, files, checks: [], logDir, acceleration, report: silent }
      const { report, errors } = await bootTest(options)
      const [failure] = errors
      if (failure !== undefined) throw failure
      const { user, system } = process.cpuUsage(cpu)
      const at = (stage: string): number => report.stages.find(({ name }) => name === stage)?.ms ?? Number.NaN
      times.ours.push(at('ssh'))
      times.before.push(performance.now() - start - report.ms)
      times.cpu.push((user + system) / 1000)
      times.powerOff.push(report.ms - Math.max(at('ssh'), at('login')))
    } finally {
      await rm(logDir, { recursive: true, force: true })
    }
  }
  const median = (key: keyof typeof taken): number =>
    Math.round(times[key].toSorted((a, b) => a - b)[Math.floor(times[key].length / 2)] ?? Number.NaN)
  return {
    acceleration: acceleration.kind,
    bare: median('bare'),
    ours: median('ours'),
    before: median('before'),
    cpu: median('cpu'),
    powerOff: median('powerOff'),
  }
}

/** QEMU with the words of a boot test and nobody who reads its console. */
async function bareBoot(machine: Machine, files: ImageFiles, acceleration: 'kvm' | 'tcg'): Promise<number> {
  const folder = await mkdtemp(join(tmpdir(), 'yoe-bench-'))
  const key = await makeKey(folder)
  const port = await freePort()
  const firmware = await findFirmware(machine, files)
  const { args } = qemuCommand({
    machine,
    files,
    acceleration,
    disk: 'discard',
    console: { kind: 'output' },
    ports: [{ host: port, guest: 22 }],
    cpus: guestCpus(machine.arch, acceleration),
    display: false,
    network: 'restricted',
    credentials: keyCredential(key.publicKey),
    once: true,
    ...(firmware === undefined ? {} : { firmware }),
  })
  const start = performance.now()
  const child = spawn(await requireQemu(machine.arch), args, { stdio: 'ignore' })
  const ended = new Promise((resolve) => child.on('close', resolve))
  try {
    const limit = AbortSignal.timeout(15 * 60_000)
    await waitForBanner(port, limit)
    const shell = await openShell(port, key, folder, limit)
    const ms = performance.now() - start
    if (typeof shell === 'string') throw new Error(shell)
    await shell.close()
    return ms
  } finally {
    child.kill('SIGKILL')
    await ended
    await rm(folder, { recursive: true, force: true })
  }
}

/** Alpine's base with SSH, built for this machine from the mirror of the tests. */
async function alpineImage(t: TestContext): Promise<ImageFiles> {
  const image = 'image(name = "thing", version = "1.0", artifacts = ["base", "ssh-server"])\n'
  const project = await alpineProject(t, { 'images/thing.star': image })
  const { code, stderr } = await project.yoe(['build', 'thing'], { env: project.env })
  if (code !== 0) throw new Error(stderr)
  const folder = join(project.root, 'build/alpine/thing.qemu-x86_64')
  return { disk: join(folder, 'thing.img'), kernel: join(folder, 'vmlinuz'), initrd: join(folder, 'initrd.img') }
}

if (import.meta.main)
  test('boot', async (t) => {
    const at = { file: 'machines/bench.star', line: 1, column: 1 }
    const machine: Machine = {
      ...{ name: 'bench', module: '', at, arch: 'x86_64', description: '', partitions: [], packages: [] },
      ...{ distroPackages: {}, distroKernels: {} },
      kernel: { unit: 'linux', cmdline: 'console=ttyS0 root=LABEL=rootfs rootfstype=ext4 rw', deviceTrees: [] },
    }
    const { acceleration, ours, bare, before, cpu, powerOff } = await benchBoot(machine, await alpineImage(t))
    console.log(`Alpine, base and SSH, ${acceleration}:`)
    console.log('| QEMU alone to a login over SSH | boot test | before QEMU | our own processor time | power off |')
    console.log('|---:|---:|---:|---:|---:|')
    const seconds = [bare, ours, before, cpu, powerOff].map((ms) => `${(ms / 1000).toFixed(2)} s`)
    console.log(`| ${seconds.join(' | ')} |`)
  })
