import { randomBytes } from 'node:crypto'
import { posix } from 'node:path'
import type { Position, YoeError } from '#engine/errors.ts'
import type { Event, UnitOutcome } from '#engine/events.ts'
import { LogExcerpt } from './excerpt.ts'
import { commandData, commandProperty, neutralText } from './neutral.ts'

/** What a unit's turn came to, as the events told it. */
export interface UnitRecord {
  readonly name: string
  readonly why: string
  readonly outcome: UnitOutcome | 'running'
  readonly ms: number
  readonly error?: YoeError
  /** The last lines that it printed, neutralised. */
  readonly tail: readonly string[]
}

export interface Annotation {
  readonly level: 'error' | 'warning'
  /** Whether GitHub shows it; those beyond its limit are for the job's page. */
  readonly shown: boolean
  readonly message: string
  readonly title?: string
  /** As in the checkout; undefined: not a file of it. */
  readonly file?: string
  readonly line?: number
}

/** How many annotations of each level a step has made. */
export type AnnotationCount = Record<Annotation['level'], number>

export interface ReporterOptions {
  /** Writes to the log of the step. */
  readonly write: (text: string) => void
  /** The project's folder within the checkout: `.` or `firmware`. */
  readonly project: string
  /** What reproduces this run on a laptop. */
  readonly localCommand: string
  /** A fresh secret for each use, so that no build can guess how to get the runner's attention back. */
  readonly token?: () => string
  /** Shared by the reporters of one step: the limit is the step's. */
  readonly count?: AnnotationCount
}

/** GitHub shows ten annotations of a level for each step and drops the rest without a word. */
const mostAnnotations = 10
const tailLines = 40
/** A step that takes less is not worth a line. */
const shortStep = 1000

/**
 * The engine's events as the log of a job: one group for each unit that was built, one line for all that were not; what
 * failed is never inside a closed group.
 */
export class ActionsReporter {
  readonly #options: ReporterOptions
  readonly #units = new Map<string, UnitRecord>()
  readonly #logs = new Map<string, LogExcerpt>()
  readonly #steps = new Map<string, string>()
  readonly #annotations: Annotation[] = []
  readonly #count: AnnotationCount
  #quiet = { restored: 0, cached: 0 }

  constructor(options: ReporterOptions) {
    this.#options = options
    this.#count = options.count ?? { error: 0, warning: 0 }
  }

  readonly report = (event: Event): void => {
    switch (event.type) {
      case 'unit-started': {
        this.#flushQuiet()
        const name = unitName(event.unit)
        this.#units.set(event.unit, { name, why: event.why, outcome: 'running', ms: 0, tail: [] })
        this.#logs.set(event.unit, new LogExcerpt())
        this.#line(`Building ${name}: ${event.why}`)
        break
      }
      case 'unit-output':
        this.#logs.get(event.unit)?.add(event.text)
        break
      case 'unit-ended':
        this.#unitEnded(event.unit, event.outcome, event.ms, event.error)
        break
      case 'step-started':
        if (event.unit === undefined) this.#steps.set(event.id, event.title)
        break
      case 'step-ended':
        this.#stepEnded(event.id, event.ms, event.ok, event.note)
        break
      case 'warning':
        this.#flushQuiet()
        this.annotate({
          level: 'warning',
          message: event.hint === undefined ? event.message : `${event.message}\n${event.hint}`,
          ...this.#place(event.at),
        })
        break
      case 'notice':
        this.#line(event.message)
        break
      case 'step-progress':
      case 'unit-phase':
      case 'build-progress':
        break
      default:
        event satisfies never
    }
  }

  /** In the order in which they started or were found. */
  get units(): readonly UnitRecord[] {
    return [...this.#units.values()]
  }

  /** All of them, those beyond the limit that GitHub shows included. */
  get annotations(): readonly Annotation[] {
    return this.#annotations
  }

  annotate(annotation: Omit<Annotation, 'shown'>): void {
    const { level, message, title, file, line } = annotation
    const shown = ++this.#count[level] <= mostAnnotations
    this.#annotations.push({ ...annotation, shown })
    if (!shown) {
      this.#line(`${level}: ${message}`)
      return
    }
    const properties = Object.entries({ title, file, line })
      .flatMap(([name, value]) => (value === undefined ? [] : [`${name}=${commandProperty(String(value))}`]))
      .join(',')
    this.#options.write(
      `::${level}${properties === '' ? '' : ` ${properties}`}::${commandData(neutralText(message))}\n`,
    )
  }

  /** Told on the run's page; sparing use of it: GitHub shows ten for a step. */
  notice(message: string): void {
    this.#flushQuiet()
    this.#options.write(`::notice::${commandData(neutralText(message))}\n`)
  }

  /** One annotation for each thing that went wrong, at the line of the `.star` file that caused it. */
  fail(errors: readonly YoeError[]): void {
    this.#flushQuiet()
    for (const error of errors) {
      const unit = error.unit === undefined ? '' : `${error.unit}: `
      const where =
        error.at !== undefined && this.#place(error.at).file === undefined ? `${error.at.file}:${error.at.line}: ` : ''
      this.annotate({
        level: 'error',
        title: error.unit === undefined ? error.code : `${error.unit}: ${error.code}`,
        message: `${where}${unit}${error.message}${error.hint === undefined ? '' : `\n${error.hint}`}`,
        ...this.#place(error.at),
      })
      const tail = error.log?.tail ?? []
      // What the unit printed was shown when it ended.
      if (tail.length > 0 && !this.units.some(({ name, outcome }) => name === error.unit && outcome === 'failed'))
        this.#raw(tail.slice(-tailLines).join('\n'))
    }
    this.#line(`On your machine: ${this.#options.localCommand}`)
  }

  /** Text that is ours or harmless either way. */
  line(text: string): void {
    this.#flushQuiet()
    this.#line(text)
  }

  #unitEnded(id: string, outcome: UnitOutcome, ms: number, error: YoeError | undefined): void {
    const name = unitName(id)
    const log = this.#logs.get(id)
    this.#logs.delete(id)
    const before = this.#units.get(id)
    const text = neutralText(log?.toString() ?? '')
    const tail = text === '' ? (error?.log?.tail ?? []).map(neutralText) : text.replace(/\n$/, '').split('\n')
    this.#units.set(id, {
      name,
      why: before?.why ?? '',
      outcome,
      ms,
      tail: tail.slice(-tailLines),
      ...(error === undefined ? {} : { error }),
    })
    if (outcome === 'restored' || outcome === 'cached') {
      this.#quiet[outcome]++
      return
    }
    this.#flushQuiet()
    if (outcome === 'built') this.#group(`✓ ${name} built in ${seconds(ms)}`, text)
    else if (outcome === 'failed') {
      if (tail.length > tailLines) this.#group(`${name}: its log`, text)
      this.#line(`✗ ${name} failed after ${seconds(ms)}${tail.length === 0 ? '' : '; the last lines of its log:'}`)
      this.#raw(tail.slice(-tailLines).join('\n'))
    } else this.#line(`- ${name} ${outcome}`)
  }

  #stepEnded(id: string, ms: number, ok: boolean, note: string | undefined): void {
    const title = this.#steps.get(id)
    this.#steps.delete(id)
    if (title === undefined || (ok && ms < shortStep)) return
    this.#flushQuiet()
    this.#line(`${ok ? '✓' : '✗'} ${title} (${seconds(ms)})${note === undefined ? '' : `: ${note}`}`)
  }

  #flushQuiet(): void {
    const { restored, cached } = this.#quiet
    this.#quiet = { restored: 0, cached: 0 }
    if (restored + cached === 0) return
    const parts = [restored === 0 ? '' : `${restored} restored`, cached === 0 ? '' : `${cached} at hand`]
    this.#line(`✓ units unchanged: ${parts.filter((part) => part !== '').join(', ')}`)
  }

  #group(title: string, text: string): void {
    this.#options.write(`::group::${commandData(neutralText(title))}\n`)
    this.#raw(text === '' ? '(it printed nothing)' : text)
    this.#options.write('::endgroup::\n')
  }

  #line(text: string): void {
    this.#options.write(`${neutralText(text)}\n`)
  }

  /** What a build printed: made harmless, and with the runner told not to listen. */
  #raw(text: string): void {
    if (text === '') return
    const token = (this.#options.token ?? (() => randomBytes(16).toString('hex')))()
    const body = neutralText(text)
    this.#options.write(`::stop-commands::${token}\n${body}${body.endsWith('\n') ? '' : '\n'}::${token}::\n`)
  }

  #place(at: Pick<Position, 'file' | 'line'> | undefined): { file?: string; line?: number } {
    if (at === undefined || at.file.startsWith('@') || at.file.startsWith('/')) return {}
    return { file: posix.join(this.#options.project, at.file), line: at.line }
  }
}

/** What a unit is called in its file: `debian/zlib.x86_64` is zlib. */
function unitName(id: string): string {
  return /^[^/]+\/(.+)\.[^.]+$/.exec(id)?.[1] ?? id
}

export function seconds(ms: number): string {
  if (ms < 59_950) return `${(ms / 1000).toFixed(1)} s`
  const whole = Math.round(ms / 1000)
  return `${Math.floor(whole / 60)} min ${whole % 60} s`
}
