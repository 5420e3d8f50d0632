import type { Event, Reporter } from '#engine/events.ts'

/** How long a log may stay silent before people (and CI systems) take the run for dead. */
const everyMs = 60_000

/**
 * A reporter that tells, for logs that nobody redraws, what is still running when a minute went by since anything began
 * or ended: `still running: sensord (2 min), layer: disk (1 min)`. Keeps no process alive.
 */
export function withHeartbeat(report: Reporter, every = everyMs): Reporter {
  const running = new Map<string, { readonly title: string; readonly since: number }>()
  let timer: NodeJS.Timeout | undefined

  const beat = (): void => {
    const now = performance.now()
    const list = [...running.values()].map(({ title, since }) => `${title} (${age(now - since)})`)
    report({ type: 'notice', message: `still running: ${list.join(', ')}` })
  }
  const wind = (): void => {
    clearInterval(timer)
    timer = running.size === 0 ? undefined : setInterval(beat, every).unref()
  }
  return (event: Event) => {
    report(event)
    switch (event.type) {
      case 'unit-started':
        running.set(`unit ${event.unit}`, { title: event.title, since: performance.now() })
        return wind()
      case 'step-started':
        running.set(`step ${event.id}`, { title: event.title, since: performance.now() })
        return wind()
      case 'unit-ended':
        running.delete(`unit ${event.unit}`)
        return wind()
      case 'step-ended':
        running.delete(`step ${event.id}`)
        return wind()
      case 'step-progress':
      case 'unit-phase':
      case 'build-progress':
      case 'unit-output':
      case 'warning':
      case 'notice':
        return
      default:
        event satisfies never
    }
  }
}

function age(ms: number): string {
  const seconds = Math.round(ms / 1000)
  return seconds < 60 ? `${seconds} s` : `${Math.floor(seconds / 60)} min`
}
