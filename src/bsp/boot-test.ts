import { mkdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { YoeError } from '#engine/errors.ts'
import type { Reporter } from '#engine/events.ts'
import type { Check, Machine } from '#engine/project/model.ts'
import { replaceFile } from '#engine/store/replace-file.ts'
import { type Attempt, type AttemptOptions, attemptBoot } from './boot-attempt.ts'
import { type BootOutcome, type BootReport, junit } from './boot-report.ts'
import { keyCredential, makeKey } from './guest-ssh.ts'
import { type Acceleration, explainAcceleration, probeAcceleration } from './qemu/accel.ts'
import type { ImageFiles } from './qemu/command.ts'
import { findFirmware, requireFiles, requireProgram, requireQemu } from './qemu/host.ts'
import { guestCpus, removeFolder, runFolder } from './qemu/process.ts'

export interface BootTestOptions {
  /** The image unit's name. */
  readonly image: string
  readonly machine: Machine
  readonly files: ImageFiles
  readonly checks: readonly Check[]
  /** Absolute folder for serial.log, boot.json and junit.xml; made when it is not there. */
  readonly logDir: string
  /** Milliseconds for everything, from QEMU's start to its end; default 5 minutes with KVM, 15 without. */
  readonly timeout?: number
  /** Bytes, over the machine's. */
  readonly memory?: number
  /** Default `restricted`: a guest under test reaches neither this host nor anything beyond. */
  readonly network?: 'open' | 'restricted'
  /** Default: probed. */
  readonly acceleration?: Acceleration
  /** `$YOE_CACHE`, for the probe's answer. */
  readonly cacheRoot?: string
  readonly report: Reporter
  readonly signal?: AbortSignal
}

/** Milliseconds. */
const defaultTimeouts = { kvm: 5 * 60_000, tcg: 15 * 60_000 } as const

/**
 * Boots an image without changing it, waits for its login prompt, logs in over SSH, runs its checks and powers it off.
 * The serial log and both reports are there whatever the outcome. A guest that fails is an outcome, not an exception:
 * its errors are BOOT_FAILED, with the stage and the end of the serial log, and CHECK_FAILED, at the check's line.
 *
 * @throws {YoeError} TOOL_MISSING, BOOT_FAILED and PERMISSION for files that can't be used, CANCELLED
 */
export async function bootTest(options: BootTestOptions): Promise<BootOutcome> {
  const { machine, files, report } = options
  const qemu = await requireQemu(machine.arch)
  await requireProgram('ssh', 'openssh-client')
  await requireFiles(files, false)
  const firmware = await findFirmware(machine, files)
  let acceleration = options.acceleration ?? (await probeAcceleration(machine.arch, probeOptions(options)))
  await mkdir(options.logDir, { recursive: true })
  const serialLog = join(options.logDir, 'serial.log')
  const folder = await runFolder()
  try {
    const key = await makeKey(folder)
    for (let tries = 1; ; tries++) {
      explainAcceleration(acceleration, report)
      const attempt = await attemptBoot({
        ...options,
        qemu,
        serialLog,
        folder,
        key,
        timeout: options.timeout ?? defaultTimeouts[acceleration.kind],
        acceleration: acceleration.kind,
        command: {
          machine,
          files,
          disk: 'discard',
          cpus: guestCpus(machine.arch, acceleration.kind),
          display: false,
          network: options.network ?? 'restricted',
          credentials: keyCredential(key.publicKey),
          once: true,
          ...(firmware === undefined ? {} : { firmware }),
          ...(options.memory === undefined ? {} : { memory: options.memory }),
        },
      } satisfies AttemptOptions)
      if (attempt.kind === 'port-taken' && tries < 5) continue
      if (attempt.kind === 'kvm-broken') {
        acceleration = { kind: 'tcg', reason: `KVM gave up on this guest: ${attempt.why}` }
        continue
      }
      if (attempt.kind === 'done' && attempt.emulatorFault && tries < 3) {
        const message = `${options.image} died of a fault of QEMU's emulation, not of its own: booting it again`
        report({ type: 'warning', message, hint: 'a newer QEMU, or KVM' })
        continue
      }
      return await conclude(options, acceleration, serialLog, attempt)
    }
  } finally {
    await removeFolder(folder)
  }
}

function probeOptions({ cacheRoot }: BootTestOptions): { readonly cacheRoot?: string } {
  return cacheRoot === undefined ? {} : { cacheRoot }
}

async function conclude(
  options: BootTestOptions,
  acceleration: Acceleration,
  serialLog: string,
  attempt: Exclude<Attempt, { readonly kind: 'kvm-broken' }>,
): Promise<BootOutcome> {
  if (attempt.kind === 'port-taken') throw attempt.error
  const { errors } = attempt
  const report: BootReport = {
    image: options.image,
    machine: options.machine.name,
    arch: options.machine.arch,
    ok: errors.length === 0,
    acceleration: acceleration.kind,
    ...(acceleration.kind === 'tcg' ? { accelerationReason: acceleration.reason } : {}),
    stages: attempt.stages,
    checks: attempt.checks,
    serialLog,
    ms: attempt.ms,
    ...(errors.length === 0 ? {} : { reason: errors.map(({ message }) => message).join('\n') }),
  }
  await replace(join(options.logDir, 'boot.json'), `${JSON.stringify(report, undefined, 2)}\n`)
  await replace(join(options.logDir, 'junit.xml'), junit(report))
  const cancelled = errors.find(({ code }) => code === 'CANCELLED')
  if (cancelled !== undefined) throw cancelled
  return { report, errors }
}

async function replace(path: string, text: string): Promise<void> {
  try {
    await replaceFile(path, text)
  } catch (cause) {
    const full = cause instanceof Error && 'code' in cause && cause.code === 'ENOSPC'
    throw new YoeError(full ? 'DISK_FULL' : 'PERMISSION', `${path} can't be written`, {
      cause,
      hint: full ? 'free some space, then run this again' : `ls -ld ${dirname(path)}`,
    })
  }
}
