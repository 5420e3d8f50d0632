import { mkdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { YoeError } from '#engine/errors.ts'
import type { Reporter } from '#engine/events.ts'
import type { Machine } from '#engine/project/model.ts'
import { type Acceleration, explainAcceleration, probeAcceleration } from './qemu/accel.ts'
import { type Console, type ImageFiles, qemuCommand } from './qemu/command.ts'
import { findFirmware, requireFiles, requireQemu } from './qemu/host.ts'
import { mergePorts, type PortForward, requireFreePorts } from './qemu/ports.ts'
import { guestCpus, kvmFault, startChild, startFailure } from './qemu/process.ts'

export interface RunOptions {
  readonly image: string
  readonly machine: Machine
  readonly files: ImageFiles
  /** `keep` writes to the disk's own file: only for a copy, never for an object of the store. */
  readonly disk: 'keep' | 'discard'
  /** Laid over the machine's forwards, later ones over earlier: local.star's, then the command line's. */
  readonly ports: readonly PortForward[]
  /** Bytes, over the machine's. */
  readonly memory?: number
  /** A window for the guest's screen; the console stays on the terminal. Default: the machine's. */
  readonly display?: boolean
  readonly network?: 'open' | 'restricted'
  readonly cacheRoot?: string
  readonly report: Reporter
  readonly signal?: AbortSignal
}

export interface DaemonOptions extends RunOptions {
  /** Absolute folder for the serial log, the process id and the control socket. */
  readonly runDir: string
}

/** A guest in the background. `kill PID` ends it. */
export interface RunningGuest {
  readonly pid: number
  readonly serialLog: string
  /** QMP, on a Unix socket. */
  readonly control: string
  readonly ports: readonly PortForward[]
}

interface Prepared {
  readonly qemu: string
  readonly ports: readonly PortForward[]
  readonly acceleration: Acceleration
  readonly args: (acceleration: Acceleration, console: Console, control?: string) => readonly string[]
}

/**
 * Runs an image with its console on this terminal until the guest powers off or its user leaves it (ctrl-a x).
 *
 * @throws {YoeError} PORT_IN_USE, TOOL_MISSING, PERMISSION, BOOT_FAILED when QEMU does not start, CANCELLED
 */
export async function runImage(options: RunOptions): Promise<void> {
  const { qemu, ports, acceleration, args } = await prepare(options)
  tell(options, ports, 'ctrl-a x ends it, ctrl-a h shows more')
  const run = (how: Acceleration): Promise<string> => inTerminal(options, qemu, args(how, { kind: 'terminal' }), ports)
  const fault = await run(acceleration)
  if (fault === '') return
  const fallback: Acceleration = { kind: 'tcg', reason: `KVM gave up on this guest: ${fault}` }
  explainAcceleration(fallback, options.report)
  await run(fallback)
}

/** @returns KVM's message when it gave up, else nothing */
async function inTerminal(
  { signal, image, files }: RunOptions,
  qemu: string,
  args: readonly string[],
  ports: readonly PortForward[],
): Promise<string> {
  const child = await startChild(qemu, args, ['inherit', 'inherit', 'pipe'])
  const stop = (): void => void child.stop()
  signal?.addEventListener('abort', stop)
  if (signal?.aborted === true) stop()
  let said = ''
  let fault = ''
  child.process.stderr?.on('data', (chunk) => {
    said = (said + String(chunk)).slice(-16_384)
    // QEMU would keep the guest, stopped, for somebody to look at.
    fault ||= kvmFault(said) ?? ''
    if (fault !== '') stop()
  })
  const ended = await child.ended
  signal?.removeEventListener('abort', stop)
  if (signal?.aborted === true) throw new YoeError('CANCELLED', `the run of ${image} was ended`)
  if (fault !== '') return fault
  if (ended.kind !== 'exited' || ended.code !== 0) throw await startFailure(said, files.disk, ports)
  return ''
}

/**
 * Starts an image in the background; it outlives this process. Resolves when QEMU runs and its ports are bound.
 *
 * @throws {YoeError} as {@link runImage} does
 */
export async function runDaemon(options: DaemonOptions): Promise<RunningGuest> {
  const { qemu, ports, acceleration, args } = await prepare(options)
  await mkdir(options.runDir, { recursive: true })
  const file = (name: string): string => join(options.runDir, `${options.image}.${name}`)
  const [serialLog, pidFile, control] = [file('serial.log'), file('pid'), file('qmp')]
  await rm(control, { force: true })
  const { spawn } = await import('node:child_process')
  // Not a child that dies with this process: QEMU forks, and its parent ends once the guest runs.
  const child = spawn(qemu, args(acceleration, { kind: 'daemon', log: serialLog, pidFile }, control), {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let said = ''
  child.stderr.on('data', (chunk) => {
    said = (said + String(chunk)).slice(-16_384)
  })
  const code = await new Promise<number | null>((resolve, reject) => {
    child.on('error', reject)
    child.on('close', resolve)
  })
  if (code !== 0) throw await startFailure(said, options.files.disk, ports)
  const pid = Number((await readFile(pidFile, 'utf8')).trim())
  tell(options, ports, `kill ${pid} ends it; its console: ${serialLog}`)
  return { pid, serialLog, control, ports }
}

async function prepare(options: RunOptions): Promise<Prepared> {
  const { machine, files, disk } = options
  const qemu = await requireQemu(machine.arch)
  await requireFiles(files, disk === 'keep')
  const firmware = await findFirmware(machine, files)
  const ports = mergePorts(machine.qemu?.ports ?? [], options.ports)
  await requireFreePorts(ports)
  const acceleration = await probeAcceleration(
    machine.arch,
    options.cacheRoot === undefined ? {} : { cacheRoot: options.cacheRoot },
  )
  explainAcceleration(acceleration, options.report)
  const args = (how: Acceleration, console: Console, control?: string): readonly string[] =>
    qemuCommand({
      machine,
      files,
      disk,
      ports,
      console,
      acceleration: how.kind,
      cpus: guestCpus(machine.arch, how.kind),
      display: options.display ?? machine.qemu?.display === 'gtk',
      network: options.network ?? 'open',
      ...(firmware === undefined ? {} : { firmware }),
      ...(options.memory === undefined ? {} : { memory: options.memory }),
      ...(control === undefined ? {} : { control }),
    }).args
  return { qemu, ports, acceleration, args }
}

function tell({ image, report }: RunOptions, ports: readonly PortForward[], how: string): void {
  const ssh = ports.find(({ guest }) => guest === 22)
  const login = ssh === undefined ? '' : `; ssh -p ${ssh.host} root@127.0.0.1 logs in`
  report({ type: 'notice', message: `${image} starts${login}; ${how}` })
}
