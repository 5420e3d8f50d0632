import { type ChildProcess, type StdioOptions, spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Arch } from '#engine/arch.ts'
import { YoeError } from '#engine/errors.ts'
import { findProgram } from './host.ts'
import type { PortForward } from './ports.ts'
import { portError } from './ports.ts'

/** How a process ended. */
export type Ended =
  | { readonly kind: 'exited'; readonly code: number }
  | { readonly kind: 'killed'; readonly signal: string }
  | { readonly kind: 'unstarted'; readonly error: Error }

/** A child that never outlives this process, not even when this one is killed. */
export interface Child {
  readonly process: ChildProcess
  /** Settles when it is gone and its output is read; never rejects. */
  readonly ended: Promise<Ended>
  /** Asks it to end, and after `grace` milliseconds makes it. Resolves when it is gone. */
  stop(grace?: number): Promise<void>
}

/** Starts a program under the eye of the kernel: it is killed when this process dies in whatever way. */
export async function startChild(
  program: string,
  args: readonly string[],
  stdio: StdioOptions,
  env: NodeJS.ProcessEnv = process.env,
): Promise<Child> {
  const setpriv = await findProgram('setpriv')
  const argv = setpriv === undefined ? [program, ...args] : [setpriv, '--pdeathsig', 'KILL', '--', program, ...args]
  const [first = program, ...rest] = argv
  const child = spawn(first, rest, { stdio, env })
  const ended = new Promise<Ended>((resolve) => {
    child.on('error', (error) => resolve({ kind: 'unstarted', error }))
    child.on('close', (code, signal) =>
      resolve(signal === null ? { kind: 'exited', code: code ?? 0 } : { kind: 'killed', signal }),
    )
  })
  return {
    process: child,
    ended,
    stop: async (grace = 2000) => {
      child.kill('SIGTERM')
      const timer = setTimeout(() => child.kill('SIGKILL'), grace)
      await ended
      clearTimeout(timer)
    },
  }
}

/** A folder of this run alone, for keys and sockets, whose names must stay under 108 bytes. Whoever asks removes it. */
export async function runFolder(): Promise<string> {
  const base = Buffer.byteLength(tmpdir()) > 60 ? '/tmp' : tmpdir()
  return mkdtemp(join(base, 'yoe-vm-'))
}

export const removeFolder = (path: string): Promise<void> => rm(path, { recursive: true, force: true })

/**
 * What QEMU's own messages mean when it ended before the guest ran.
 *
 * @param said QEMU's standard error
 */
export async function startFailure(said: string, disk: string, ports: readonly PortForward[]): Promise<YoeError> {
  const lines = said.split('\n').filter((line) => line !== '' && !line.includes(' warning: '))
  const why = (lines.at(-1) ?? 'it said nothing').replace(/^qemu-system-\w+: /, '').slice(0, 500)
  const port = /Could not set up host forwarding rule 'tcp:[\d.]+:(\d+)-/.exec(said)?.[1]
  const taken = ports.find(({ host }) => host === Number(port))
  if (taken !== undefined) return portError(taken, undefined)
  if (/could not load PC BIOS/.test(said))
    return new YoeError('TOOL_MISSING', "QEMU's firmware is not installed", { hint: 'sudo apt-get install seabios' })
  if (/Failed to get (?:shared )?"\w+" lock/.test(said))
    return new YoeError('BOOT_FAILED', `another guest uses ${disk}`, { hint: 'end the other yoe run first' })
  if (/cannot (?:set up|allocate) (?:guest )?memory/i.test(said))
    return new YoeError('BOOT_FAILED', "this machine can't give the guest its memory", {
      hint: 'ask for less: --memory 512M',
    })
  return new YoeError('BOOT_FAILED', `QEMU did not start: ${why}`)
}

/** The message by which KVM says, on QEMU's standard error, that it can't go on with a guest. */
export function kvmFault(said: string): string | undefined {
  return /^(?:KVM internal error.*|error: kvm run failed.*)$/m.exec(said)?.[0]
}

/**
 * Processors for a guest: as many as are here, up to four. More speeds up no boot, but costs when they are emulated. Arm's
 * tell each other of every page that is unmapped, for which QEMU stops them all: two take three times as long as one.
 */
export function guestCpus(arch: Arch, acceleration: 'kvm' | 'tcg'): number {
  return arch === 'arm64' && acceleration === 'tcg' ? 1 : Math.min(4, availableParallelism())
}
