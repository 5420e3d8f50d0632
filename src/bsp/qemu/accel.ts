import { spawn } from 'node:child_process'
import { access, constants, mkdir, mkdtemp, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'
import { type Arch, hostArch } from '#engine/arch.ts'
import type { Reporter } from '#engine/events.ts'
import { findProgram } from './host.ts'
import { probeGuests } from './probe-guest.ts'
import { kvmFault } from './process.ts'
import { qemuArchs } from './tables.ts'

/** How guests run here: by the processor itself, or by QEMU's translator, and then why and what to type for better. */
export type Acceleration =
  | { readonly kind: 'kvm' }
  | { readonly kind: 'tcg'; readonly reason: string; readonly hint?: string }

export interface ProbeOptions {
  /** `$YOE_CACHE`: keeps the answer for other processes, as long as this machine is up and /dev/kvm stays as it is. */
  readonly cacheRoot?: string
  /** QEMU's path; default: the one in PATH. */
  readonly qemu?: string
  /** Default /dev/kvm. */
  readonly device?: string
  /** Milliseconds for the guest to end; default 4000. */
  readonly patience?: number
}

const answers = new Map<string, Promise<Acceleration>>()

/**
 * Whether guests of `arch` can use KVM, found out by running one: a device that is there, opens and even runs a few
 * instructions may still fail at the next. Asked once per process, and with `cacheRoot` once per boot of this machine.
 */
export function probeAcceleration(arch: Arch, options: ProbeOptions = {}): Promise<Acceleration> {
  const key = JSON.stringify([arch, options.qemu, options.device])
  const known = answers.get(key)
  if (known !== undefined) return known
  const answer = probe(arch, options)
  answers.set(key, answer)
  return answer
}

async function probe(arch: Arch, options: ProbeOptions): Promise<Acceleration> {
  const device = options.device ?? '/dev/kvm'
  const host = hostArch()
  if (host !== arch) return { kind: 'tcg', reason: `this machine is ${host ?? process.arch}, the guest ${arch}` }
  const found = await stat(device).catch(() => undefined)
  if (found === undefined)
    return {
      kind: 'tcg',
      reason: `there is no ${device}`,
      hint: 'enable virtualisation in the firmware, or nested virtualisation where this machine is a guest itself',
    }
  const allowed = await access(device, constants.R_OK | constants.W_OK).then(
    () => true,
    () => false,
  )
  if (!allowed)
    return {
      kind: 'tcg',
      reason: `${userInfo().username} may not use ${device}`,
      hint: `sudo usermod -aG kvm ${userInfo().username}, then log in again`,
    }
  const qemu = options.qemu ?? (await findProgram(qemuArchs[arch].binary))
  if (qemu === undefined) return { kind: 'tcg', reason: `${qemuArchs[arch].binary} is not installed` }
  const state = `${await bootId()} ${qemu} ${device} ${found.rdev} ${found.mode} ${found.ctimeMs} ${process.getuid?.()}`
  const file = options.cacheRoot === undefined ? undefined : join(options.cacheRoot, `kvm-${arch}.json`)
  const kept = file === undefined ? undefined : await readKept(file, state)
  if (kept !== undefined) return kept
  const started = await startGuest(arch, qemu, options.patience ?? 4000)
  const answer: Acceleration =
    started === undefined
      ? { kind: 'kvm' }
      : { kind: 'tcg', reason: `${device} is there, but ${started}`, hint: 'sudo dmesg | grep -i kvm says more' }
  if (file !== undefined) await keep(file, state, answer)
  return answer
}

/**
 * Runs the probe guest.
 *
 * @returns why it did not end as it must; undefined when it did
 */
export async function startGuest(
  arch: Arch,
  qemu: string,
  patience: number,
  accel: readonly [name: string, cpu: string] = ['kvm', 'host'],
): Promise<string | undefined> {
  const folder = await mkdtemp(join(tmpdir(), 'yoe-kvm-'))
  try {
    const { image, args, exitCode } = probeGuests[arch]
    const path = join(folder, 'guest')
    await writeFile(path, image)
    const fixed = ['-nodefaults', '-display', 'none', '-no-reboot', '-m', '64']
    return await new Promise((resolve) => {
      const child = spawn(qemu, ['-accel', accel[0], '-cpu', accel[1], ...fixed, ...args(path)], {
        stdio: ['ignore', 'ignore', 'pipe'],
      })
      let said = ''
      let late = false
      const timer = setTimeout(() => {
        late = true
        child.kill('SIGKILL')
      }, patience)
      child.stderr.setEncoding('utf8').on('data', (text: string) => {
        said = (said + text).slice(0, 4096)
        // QEMU stops the guest then and waits for somebody to look at it.
        if (kvmFault(said) !== undefined) child.kill('SIGKILL')
      })
      child.on('error', (error) => resolve(error.message))
      child.on('close', (code, signal) => {
        clearTimeout(timer)
        if (code === exitCode) return resolve(undefined)
        const line = said.split('\n').find((text) => text !== '' && !text.includes('warning:'))
        if (line !== undefined) return resolve(`a guest does not run: ${line.replace(/^qemu-system-\w+: /, '')}`)
        resolve(late ? `a guest of a few instructions takes over ${patience} ms` : `QEMU ended with ${signal ?? code}`)
      })
    })
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** Says once why a guest will be slow. */
export function explainAcceleration(acceleration: Acceleration, report: Reporter): void {
  if (acceleration.kind === 'kvm') return
  const { reason, hint } = acceleration
  const message = `without KVM the guest is emulated, 10 to 20 times slower: ${reason}`
  report({ type: 'notice', message: hint === undefined ? message : `${message} (${hint})` })
}

async function bootId(): Promise<string> {
  return (await readFile('/proc/sys/kernel/random/boot_id', 'utf8').catch(() => '')).trim()
}

/** A "no" may have been a bad moment: it is asked for again after this many milliseconds. */
const doubtAfter = 3_600_000

async function readKept(file: string, state: string): Promise<Acceleration | undefined> {
  try {
    const kept: unknown = JSON.parse(await readFile(file, 'utf8'))
    if (typeof kept !== 'object' || kept === null || !('state' in kept) || kept.state !== state) return undefined
    if (!('reason' in kept)) return { kind: 'kvm' }
    if (!('at' in kept) || typeof kept.at !== 'number' || Math.abs(Date.now() - kept.at) > doubtAfter) return undefined
    return { kind: 'tcg', reason: String(kept.reason), ...('hint' in kept ? { hint: String(kept.hint) } : {}) }
  } catch {
    return undefined
  }
}

/** Best effort: without it the next process asks again. */
async function keep(file: string, state: string, answer: Acceleration): Promise<void> {
  const temp = `${file}.${process.pid}`
  try {
    await mkdir(join(file, '..'), { recursive: true })
    await writeFile(temp, JSON.stringify({ state, at: Date.now(), ...answer }))
    await rename(temp, file)
  } catch {
    await rm(temp, { force: true }).catch(() => {})
  }
}
