import { neutralise } from '#engine/build/log.ts'
import type { Event, Reporter, UnitOutcome } from '#engine/events.ts'
import type { Output, Style } from './output.ts'
import { bytes, duration } from './output.ts'
import { shown } from './shown.ts'

const marks: Readonly<Record<UnitOutcome, readonly [string, Style]>> = {
  built: ['built', 'green'],
  cached: ['cached', 'dim'],
  restored: ['restored', 'cyan'],
  failed: ['failed', 'red'],
  skipped: ['skipped', 'yellow'],
  cancelled: ['cancelled', 'yellow'],
}

/** Milliseconds between two drawings of the running work. */
const redrawEvery = 100

/** Lines of running work that are drawn at most; a terminal is not only for us. */
const mostDrawn = 12

interface Running {
  readonly title: string
  readonly since: number
  /** What is done for it now, or how far it is. */
  detail: string
}

interface Progress {
  readonly done: number
  readonly total: number
  /** When the end is expected, by `performance.now()`. */
  readonly end: number | undefined
}

/**
 * Tells people what the engine does: on a terminal what runs is redrawn below what is done; elsewhere each finished
 * unit is one line. Steps that end within a second are not worth a line.
 */
export function createReporter(
  output: Output,
  options: { readonly quiet: boolean; readonly verbose: boolean },
): { readonly report: Reporter; close(): void } {
  const running = new Map<string, Running>()
  const whys = new Map<string, string>()
  let progress: Progress | undefined
  let drawn = 0
  let timer: NodeJS.Timeout | undefined

  const erase = (): void => {
    if (drawn > 0) output.draw(`\u001b[${drawn}A\u001b[J`)
    drawn = 0
  }
  const draw = (): void => {
    erase()
    const now = performance.now()
    const lines = [...running.values()].map(
      ({ title, since, detail }) => `  ${title}  ${duration(now - since)}${detail === '' ? '' : `  ${detail}`}`,
    )
    const more = lines.length - mostDrawn
    const shownLines = more > 0 ? [...lines.slice(0, mostDrawn), `  and ${more} more`] : lines
    if (progress !== undefined && shownLines.length > 0) shownLines.push(`  ${progressLine(progress, now)}`)
    const text = shownLines.map((line) => `${output.paintError('cyan', clipped(line, output.columns))}\n`)
    output.draw(text.join(''))
    drawn = text.length
  }
  const tell = (line: string): void => {
    if (options.quiet) return
    erase()
    output.tell(line)
    if (output.interactive) draw()
  }
  const start = (id: string, title: string): void => {
    running.set(id, { title, since: performance.now(), detail: '' })
    if (output.interactive && !options.quiet && timer === undefined) {
      timer = setInterval(draw, redrawEvery)
      timer.unref()
    }
  }

  const report = (event: Event): void => {
    switch (event.type) {
      case 'step-started':
        start(event.id, event.unit === undefined ? event.title : `${nameOf(event.unit)}: ${event.title}`)
        return
      case 'step-progress': {
        const entry = running.get(event.id)
        if (entry !== undefined) entry.detail = progressText(event)
        return
      }
      case 'step-ended': {
        const title = running.get(event.id)?.title ?? ''
        running.delete(event.id)
        if (event.ok && event.ms >= 1000) tell(`  ${output.paintError('dim', `${title} ${duration(event.ms)}`)}`)
        return
      }
      case 'unit-started':
        whys.set(event.unit, event.why)
        start(event.unit, event.title)
        return
      case 'unit-phase': {
        const entry = running.get(event.unit)
        if (entry !== undefined) entry.detail = shown(event.title)
        return
      }
      case 'unit-output':
        if (options.verbose)
          for (const line of event.text.trimEnd().split('\n'))
            tell(`${output.paintError('dim', `${event.unit} │`)} ${neutralise(line)}`)
        return
      case 'unit-ended': {
        running.delete(event.unit)
        const [word, style] = marks[event.outcome]
        if (event.outcome === 'cached' && !options.verbose) return
        const why = whys.get(event.unit)
        const note = why === undefined || event.outcome !== 'built' ? '' : output.paintError('dim', `  (${why})`)
        tell(`${output.paintError(style, word.padEnd(9))} ${event.unit}  ${duration(event.ms)}${note}`)
        return
      }
      case 'build-progress': {
        const { done, total, remainingMs } = event
        const end = remainingMs === undefined ? undefined : performance.now() + remainingMs
        progress = done === total ? undefined : { done, total, end }
        return
      }
      case 'warning': {
        erase()
        const where = event.at === undefined ? '' : `${event.at.file}:${event.at.line}: `
        output.tell(`${output.paintError('yellow', 'warning')}: ${shown(where + event.message)}`)
        if (event.hint !== undefined) output.tell(`  ${output.paintError('cyan', 'hint')}: ${shown(event.hint)}`)
        return
      }
      case 'notice':
        tell(event.message)
        return
      default:
        event satisfies never
    }
  }
  return {
    report,
    close() {
      clearInterval(timer)
      erase()
    },
  }
}

/** `debian/zlib.x86_64` is zlib to people who look at one line. */
function nameOf(unit: string): string {
  return unit.replace(/^[^/]*\//, '').replace(/\.[^.]*$/, '')
}

function clipped(line: string, columns: number): string {
  return line.length < columns ? line : `${line.slice(0, columns - 2)}…`
}

function progressLine({ done, total, end }: Progress, now: number): string {
  const left = end === undefined || end <= now ? '' : `, about ${duration(Math.ceil((end - now) / 1000) * 1000)} left`
  return `${done} of ${total} built${left}`
}

function progressText(event: Extract<Event, { type: 'step-progress' }>): string {
  const show = (count: number): string => (event.measure === 'bytes' ? bytes(count) : String(count))
  if (event.total === undefined || event.total === 0) return show(event.done)
  return `${Math.floor((100 * event.done) / event.total)}% of ${show(event.total)}`
}
