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

interface Running {
  readonly title: string
  readonly since: number
  progress: string
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
  let drawn = 0
  let timer: NodeJS.Timeout | undefined

  const erase = (): void => {
    if (drawn > 0) output.draw(`\u001b[${drawn}A\u001b[J`)
    drawn = 0
  }
  const draw = (): void => {
    erase()
    const now = performance.now()
    const lines = [...running.values()].map(({ title, since, progress }) => {
      const line = `  ${title}${progress} ${duration(now - since)}`
      return line.length < output.columns ? line : `${line.slice(0, output.columns - 2)}…`
    })
    for (const line of lines) output.draw(`${output.paintError('cyan', line)}\n`)
    drawn = lines.length
  }
  const tell = (line: string): void => {
    if (options.quiet) return
    erase()
    output.tell(line)
    if (output.interactive) draw()
  }
  const start = (id: string, title: string): void => {
    running.set(id, { title, since: performance.now(), progress: '' })
    if (output.interactive && !options.quiet && timer === undefined) {
      timer = setInterval(draw, redrawEvery)
      timer.unref()
    }
  }

  const report = (event: Event): void => {
    switch (event.type) {
      case 'step-started':
        start(event.id, event.title)
        return
      case 'step-progress': {
        const entry = running.get(event.id)
        if (entry !== undefined) entry.progress = progressText(event)
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
        start(event.unit, `building ${event.title}`)
        return
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

function progressText(event: Extract<Event, { type: 'step-progress' }>): string {
  const show = (count: number): string => (event.measure === 'bytes' ? bytes(count) : String(count))
  if (event.total === undefined || event.total === 0) return ` ${show(event.done)}`
  return ` ${Math.floor((100 * event.done) / event.total)}% of ${show(event.total)}`
}
