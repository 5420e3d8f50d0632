import { setTimeout as sleep } from 'node:timers/promises'
import { LogFile } from '#engine/build/log.ts'
import { YoeError } from '#engine/errors.ts'
import { type Reporter, step } from '#engine/events.ts'
import type { Check } from '#engine/project/model.ts'
import type { BootStage, CheckReport } from './boot-report.ts'
import { watchConsole } from './console.ts'
import { type GuestShell, openShell, type ThrowawayKey, waitForBanner } from './guest-ssh.ts'
import { type QemuOptions, qemuCommand } from './qemu/command.ts'
import { freePort } from './qemu/ports.ts'
import { type Ended, kvmFault, startChild, startFailure } from './qemu/process.ts'
import { connectQmp, type Qmp } from './qemu/qmp.ts'

export interface AttemptOptions {
  readonly image: string
  readonly checks: readonly Check[]
  readonly qemu: string
  readonly serialLog: string
  /** Of this run alone, for sockets. */
  readonly folder: string
  readonly key: ThrowawayKey
  /** Milliseconds. */
  readonly timeout: number
  readonly acceleration: 'kvm' | 'tcg'
  readonly command: Omit<QemuOptions, 'acceleration' | 'console' | 'ports' | 'control'>
  readonly report: Reporter
  readonly signal?: AbortSignal
}

export type Attempt =
  | {
      readonly kind: 'done'
      readonly stages: readonly { readonly name: BootStage; readonly ms: number }[]
      readonly checks: readonly CheckReport[]
      readonly errors: readonly YoeError[]
      readonly ms: number
      /** The guest died of something that no processor does: it was QEMU's translator. */
      readonly emulatorFault: boolean
    }
  /** Somebody else took the free port before QEMU could. */
  | { readonly kind: 'port-taken'; readonly error: YoeError }
  | { readonly kind: 'kvm-broken'; readonly why: string }

/** Milliseconds that a guest may take for what should be quick, by how it runs. */
const patience = {
  /** From SSH to a login prompt on the console. */
  login: { kvm: 30_000, tcg: 120_000 },
  /** From SSH's first banner to a login that works: keys may be put in place a little later. */
  ssh: { kvm: 15_000, tcg: 60_000 },
  powerOff: { kvm: 30_000, tcg: 120_000 },
} as const

const stageTexts: Readonly<Record<BootStage, string>> = {
  start: 'QEMU started',
  firmware: 'first output',
  kernel: 'kernel',
  init: 'init',
  login: 'login prompt',
  ssh: 'SSH login',
  checks: 'checks done',
  'power-off': 'powered off',
}

/** Serial output kept, in bytes: the first and the last half. */
const serialBytes = 32 * 2 ** 20

/** One boot, from QEMU's start to its end; whatever happens, nothing of it runs when this resolves. */
export async function attemptBoot(options: AttemptOptions): Promise<Attempt> {
  const { acceleration, folder, report, image } = options
  const port = await freePort()
  const ports = [{ host: port, guest: 22 }]
  const control = `${folder}/qmp`
  const { args } = qemuCommand({ ...options.command, acceleration, ports, control, console: { kind: 'output' } })

  const serial = new LogFile(options.serialLog, serialBytes)
  const stages: { name: BootStage; ms: number }[] = []
  const checks: CheckReport[] = []
  const errors: YoeError[] = []
  const started = performance.now()
  const elapsed = (): number => Math.round(performance.now() - started)
  const reach = (name: BootStage): void => {
    stages.push({ name, ms: elapsed() })
    report({ type: 'notice', message: `${image}: ${stageTexts[name]} after ${(elapsed() / 1000).toFixed(1)} s` })
  }
  const failed = (text: string, hint?: string): YoeError =>
    new YoeError('BOOT_FAILED', `${image} ${text} (${progress(stages)})`, {
      log: { path: options.serialLog, tail: serial.tail(40) },
      hint,
      unit: image,
    })

  const child = await startChild(options.qemu, args, ['ignore', 'pipe', 'pipe'])
  reach('start')
  const over = new AbortController()
  const limits = [AbortSignal.timeout(options.timeout), over.signal]
  const signal = AbortSignal.any(options.signal === undefined ? limits : [...limits, options.signal])

  // Whatever ends the test before its time; first come, first served.
  const trouble = Promise.withResolvers<Trouble>()
  signal.addEventListener('abort', () => trouble.resolve({ kind: 'aborted' }))
  void child.ended.then((ended) => trouble.resolve({ kind: 'ended', ended }))
  let said = ''
  child.process.stderr?.on('data', (chunk) => {
    said = (said + String(chunk)).slice(0, 16_384)
    const fault = kvmFault(said)
    if (acceleration === 'kvm' && fault !== undefined) trouble.resolve({ kind: 'kvm', why: fault })
  })
  const login = Promise.withResolvers<void>()
  const watcher = watchConsole({
    text: (text) => serial.write(text),
    stage: (stage) => {
      reach(stage)
      if (stage === 'login') login.resolve()
    },
    // The lines that say why often follow.
    deadEnd: (line, meaning) => void sleep(700).then(() => trouble.resolve({ kind: 'dead', line, meaning })),
  })
  child.process.stdout?.on('data', (chunk: Buffer) => watcher.push(chunk))
  let qmp: Qmp | undefined
  const connecting = connectQmp(control, 20_000, signal).then((connected) => {
    qmp = connected
  })

  let shell: GuestShell | undefined
  /** What is done just now, to be named when time runs out. */
  let doing = 'reach its login prompt'
  const story = async (): Promise<Trouble | undefined> => {
    if (!(await waitForBanner(port, signal))) return trouble.promise
    const opened = await logIn(port, options, signal)
    if (typeof opened === 'string') return { kind: 'failed', text: `refuses the SSH login: ${opened}`, hint: keyHint }
    shell = opened
    reach('ssh')
    const prompted = await within(patience.login[acceleration], login.promise, signal)
    if (!prompted) return { kind: 'failed', text: 'answers over SSH but shows no login prompt', hint: consoleHint }
    for (const check of options.checks) {
      doing = `end its check ${check.name}`
      const { result, error } = await runCheck(check, options, opened, signal)
      if (signal.aborted) return trouble.promise
      checks.push(result)
      if (error !== undefined) errors.push(error)
    }
    if (options.checks.length > 0) reach('checks')
    doing = 'power off'
    const { powerOff: limit } = patience
    return powerOff(opened, () => qmp, child.ended, limit[acceleration], signal)
  }

  let found: Trouble | undefined
  try {
    const told = trouble.promise.then(async (reason) => {
      // Once asked to, the guest may end.
      if (reason.kind !== 'ended' || doing !== 'power off') return reason
      return new Promise<never>(() => {})
    })
    found = await Promise.race([story(), told])
    if (found === undefined) reach('power-off')
  } finally {
    over.abort()
    await Promise.all([shell?.close(), child.stop(), connecting])
    qmp?.close()
    watcher.end()
    serial.close()
  }
  if (found?.kind === 'kvm') return { kind: 'kvm-broken', why: found.why }
  if (found !== undefined) {
    const error = await explain(found)
    if (error.code === 'PORT_IN_USE') return { kind: 'port-taken', error }
    errors.unshift(error)
  }
  const emulatorFault = acceleration === 'tcg' && found?.kind === 'dead' && hasImpossibleFlags(serial.tail(300))
  return { kind: 'done', stages, checks, errors, ms: elapsed(), emulatorFault }

  async function explain(reason: Exclude<Trouble, { readonly kind: 'kvm' }>): Promise<YoeError> {
    switch (reason.kind) {
      case 'failed':
        return failed(reason.text, reason.hint)
      case 'dead':
        return failed(`does not boot, ${reason.meaning}: ${reason.line}`)
      case 'ended':
        if (serial.tail(1).length === 0) return startFailure(said, options.command.files.disk, ports)
        return failed(`ended before it should: ${ending(reason.ended, qmp)}`)
      case 'aborted': {
        if (options.signal?.aborted === true)
          return new YoeError('CANCELLED', `the boot test of ${image} was cancelled`)
        const limit = `within ${Math.round(options.timeout / 1000)} s`
        const reached = (stage: BootStage): boolean => stages.some(({ name }) => name === stage)
        if (stages.length === 1) return failed(`said nothing on its serial console ${limit}`, consoleHint)
        if (reached('login') && !reached('ssh')) return failed(`has no SSH server that answers ${limit}`, serverHint)
        return failed(`did not ${doing} ${limit}`, 'more time: --timeout 20m')
      }
      default:
        return reason satisfies never
    }
  }
}

type Trouble =
  | { readonly kind: 'failed'; readonly text: string; readonly hint?: string }
  | { readonly kind: 'dead'; readonly line: string; readonly meaning: string }
  | { readonly kind: 'ended'; readonly ended: Ended }
  | { readonly kind: 'kvm'; readonly why: string }
  | { readonly kind: 'aborted' }

/**
 * Whether a kernel's last words show EFLAGS with bits that are always 0 (3, 5, 15 and 22 to 31). QEMU 7.2 makes such,
 * and the kernel dies of them.
 *
 * @see Intel SDM volume 1, 3.4.3
 */
function hasImpossibleFlags(lines: readonly string[]): boolean {
  return lines.some((line) => {
    const [, flags] = /\bEFLAGS: ([0-9a-f]{8})\b/.exec(line) ?? []
    return flags !== undefined && (Number.parseInt(flags, 16) & 0xffc08028) !== 0
  })
}

const consoleHint = "the kernel's command line needs console=ttyS0 (arm64: ttyAMA0), and the image a getty there"
const serverHint = 'the image needs an SSH server that is started at boot, and a network that asks DHCP for its address'
const keyHint =
  "the test's key comes by systemd credentials (systemd 252 or later, PermitRootLogin not 'no'); without them root needs an empty password and PermitEmptyPasswords"

/**
 * Tries until the key is in place. A server that was asked in vain a few times closes the door (PerSourcePenalties of
 * sshd_config(5)), so what it said before counts.
 */
async function logIn(port: number, options: AttemptOptions, signal: AbortSignal): Promise<GuestShell | string> {
  const until = performance.now() + patience.ssh[options.acceleration]
  for (let refusals = 0; ; ) {
    const opened = await openShell(port, options.key, options.folder, signal)
    if (typeof opened !== 'string' || signal.aborted || performance.now() > until) return opened
    if (opened.includes('Permission denied') && ++refusals === 3) return opened
    await sleep(2000, undefined, { signal }).catch(() => {})
  }
}

async function runCheck(
  check: Check,
  { image, report, serialLog }: AttemptOptions,
  shell: GuestShell,
  signal: AbortSignal,
): Promise<{ readonly result: CheckReport; readonly error?: YoeError }> {
  const start = performance.now()
  const timed = (ok: boolean, output: readonly string[]): CheckReport => ({
    name: check.name,
    ok,
    ms: Math.round(performance.now() - start),
    output: output.join('\n'),
  })
  const work = async (): Promise<readonly string[]> => {
    const { code, output } = await shell.run(check.command, signal)
    if (code === 0) return output
    const how = code === undefined ? 'did not end' : code === 255 ? 'lost its connection' : `exited with ${code}`
    throw new YoeError('CHECK_FAILED', `check ${check.name} of ${image} ${how}: ${check.command}`, {
      at: check.at,
      unit: image,
      log: { path: serialLog, tail: output },
    })
  }
  try {
    return { result: timed(true, await step(report, `check ${check.name}`, work, image)) }
  } catch (error) {
    if (!(error instanceof YoeError)) throw error
    return { result: timed(false, error.log?.tail ?? []), error }
  }
}

/** Asks the guest over SSH, then by its power button. */
async function powerOff(
  shell: GuestShell,
  qmp: () => Qmp | undefined,
  ended: Promise<Ended>,
  limit: number,
  signal: AbortSignal,
): Promise<Trouble | undefined> {
  const asked = 'if command -v systemctl >/dev/null; then systemctl poweroff; else poweroff; fi'
  void shell.run(asked, signal)
  if (!(await within(limit / 2, ended, signal))) {
    await qmp()?.request('system_powerdown')
    if (!(await within(limit / 2, ended, signal)))
      return signal.aborted
        ? { kind: 'aborted' }
        : { kind: 'failed', text: `does not power off within ${limit / 1000} s` }
  }
  await qmp()?.ended
  const end = await ended
  if (end.kind === 'exited' && end.code === 0 && !qmp()?.events.some(notPowerOff)) return undefined
  return { kind: 'failed', text: `was asked to power off, but ${ending(end, qmp())}` }
}

const notPowerOff = (event: string): boolean => event.startsWith('SHUTDOWN') && event !== 'SHUTDOWN guest-shutdown'

/** How a guest or its QEMU ended, in words. */
function ending(ended: Ended, qmp: Qmp | undefined): string {
  const event = qmp?.events.find((name) => name.startsWith('SHUTDOWN'))
  if (event === 'SHUTDOWN guest-shutdown') return 'it powered off'
  if (event === 'SHUTDOWN guest-reset') return 'it rebooted'
  if (event !== undefined) return `QEMU said ${event}`
  switch (ended.kind) {
    case 'exited':
      return `QEMU exited with ${ended.code}`
    case 'killed':
      return `QEMU was killed by ${ended.signal}`
    case 'unstarted':
      return ended.error.message
    default:
      return ended satisfies never
  }
}

/** Whether `work` settles in `ms`; false as well when `signal` aborts. */
async function within(ms: number, work: Promise<unknown>, signal: AbortSignal): Promise<boolean> {
  const over = new AbortController()
  const late = sleep(ms, false, { signal: AbortSignal.any([signal, over.signal]) }).catch(() => false)
  const done = await Promise.race([work.then(() => true), late])
  over.abort()
  return done
}

function progress(stages: readonly { readonly name: BootStage; readonly ms: number }[]): string {
  return stages.map(({ name, ms }) => `${stageTexts[name]} ${(ms / 1000).toFixed(1)} s`).join(', ')
}
