import { YoeError } from '../errors.ts'
import type { ControlGroup } from './cgroup.ts'
import type { LimitName } from './limits.ts'
import { descendants, tooMuchMemory, watch } from './watch.ts'
import type { Run, RunResult } from './worker.ts'

/** How long a run may take to end after it was asked to, before it is ended (ms). Actions kills us after 7.5 s. */
const patience = 3000

/** SIGXFSZ as shells tell it. */
const fileTooLarge = 128 + 25

const mebibytes = (bytes: number): number => Math.round(bytes / 2 ** 20)

/** Holds one run to its limits while it prints, and ends it when it is cancelled, in whatever worker it is. */
export class Supervision {
  /** The end of what was printed, for whoever has to find out why nothing ran. */
  tail = ''
  readonly #run: Run
  readonly #end: () => void
  readonly #wall: NodeJS.Timeout
  readonly #silence: NodeJS.Timeout
  #printed = 0
  #killed: Extract<RunResult, { kind: 'killed' }> | undefined
  #first: number | undefined
  #group: ControlGroup | undefined
  #stopped = false
  #stopWatching = (): void => {}

  /** @param end kills every process of the run at once; may be called more than once, and when all are gone */
  constructor(run: Run, end: () => void) {
    const { limits, signal } = run
    this.#run = run
    this.#end = end
    this.#wall = setTimeout(
      () => this.crossed(`it ran longer than ${limits.wallSeconds} s`, 'time'),
      limits.wallSeconds * 1000,
    )
    this.#silence = setTimeout(
      () => this.crossed(`it printed nothing for ${limits.silenceSeconds} s`, 'silence'),
      limits.silenceSeconds * 1000,
    )
    signal?.addEventListener('abort', this.#abort, { once: true })
  }

  /** What the run printed. */
  readonly received = (chunk: Buffer): void => {
    const { limits, output } = this.#run
    this.#silence.refresh()
    this.#printed += chunk.length
    if (this.#printed > limits.outputBytes)
      this.crossed(`it printed more than ${mebibytes(limits.outputBytes)} MiB`, 'output')
    else output(chunk)
    this.tail = (this.tail + chunk.toString('latin1', Math.max(0, chunk.length - 2000))).slice(-2000)
  }

  /** Ends the run, for a reason that it is told. */
  readonly crossed = (why: string, limit?: LimitName): void => {
    this.#killed ??= { kind: 'killed', why, ...(limit === undefined ? {} : { limit }) }
    this.#end()
  }

  /**
   * To be called before the run's own command runs.
   *
   * @param pid of the process, as this process sees it, that all others of the run are below of
   */
  started(pid: number, group: ControlGroup): void {
    if (this.#stopped) {
      group.remove()
      return
    }
    const { limits, memoryUsed } = this.#run
    this.#first = pid
    this.#group = group
    this.#stopWatching = watch(pid, limits, this.crossed, (bytes) => {
      memoryUsed?.(bytes)
      this.#checkGroup()
    })
  }

  #checkGroup(): void {
    if ((this.#group?.oomKills() ?? 0) > 0) this.crossed(tooMuchMemory(this.#run.limits), 'memory')
  }

  /** To be called when the run is over, however. */
  stop(): void {
    this.#stopped = true
    clearTimeout(this.#wall)
    clearTimeout(this.#silence)
    this.#stopWatching()
    this.#checkGroup()
    this.#group?.remove()
    this.#run.signal?.removeEventListener('abort', this.#abort)
  }

  /**
   * What became of the run.
   * @param code its exit status; undefined when there was none
   * @returns undefined when it ended for no reason known here, and without a status
   * @throws {YoeError} CANCELLED
   */
  result(code: number | undefined): RunResult | undefined {
    refuseCancelled(this.#run)
    if (this.#killed !== undefined) return this.#killed
    if (code === fileTooLarge)
      return {
        kind: 'killed',
        why: `it wrote a file of more than ${mebibytes(this.#run.limits.fileBytes)} MiB`,
        limit: 'file',
      }
    return code === undefined ? undefined : { kind: 'exited', code }
  }

  readonly #abort = (): void => {
    const first = this.#first
    if (first !== undefined) for (const pid of descendants(first)) killQuietly(pid, 'SIGTERM')
    setTimeout(this.#end, first === undefined ? 0 : patience).unref()
  }
}

/** @throws {YoeError} CANCELLED */
export function refuseCancelled(run: Run): void {
  if (run.signal?.aborted) throw new YoeError('CANCELLED', `${run.argv[0]} was cancelled`)
}

export function killQuietly(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal)
  } catch {
    // It has ended by itself.
  }
}
