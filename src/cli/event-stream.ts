import { closeSync, constants, createWriteStream, fstatSync, openSync } from 'node:fs'
import { Socket } from 'node:net'
import type { Writable } from 'node:stream'
import { YoeError } from '#engine/errors.ts'
import type { Event, Reporter } from '#engine/events.ts'
import { version } from '#engine/version.ts'
import { errorData } from './show-error.ts'

/** Named in the first line; a field may be added under the same name, but none changes its meaning. */
const eventFormat = 'yoe-events/1'

/** Bytes that wait for a slow reader at most; beyond them the output of builds is left out, which a line tells. */
const mostWaiting = 16 * 2 ** 20

/** Milliseconds that a reader may take nothing at the end before it is given up. */
const patience = 3000

/** What happens, as NDJSON, for programs. */
export interface EventStream {
  readonly report: Reporter
  /** The last line. Resolves when all is written, or nobody reads it. */
  end(outcome: { readonly code: number } | { readonly errors: readonly Record<string, unknown>[] }): Promise<void>
}

/**
 * Opens what `--events` names: a file, `-` for standard output, or the number of an open descriptor. Whoever reads there
 * never holds up the work: neither by reading slowly nor by going away.
 *
 * @param command that runs, for the first line
 * @param gone told once when the reader has gone
 * @throws {YoeError} USAGE when it can't be written to
 */
export function openEventStream(to: string, command: string, gone: (why: string) => void): EventStream {
  const stream = opened(to)
  let dead = false
  let left = 0
  stream.on('error', (failure: NodeJS.ErrnoException) => {
    if (dead) return
    dead = true
    gone(failure.code === 'EPIPE' ? 'nobody reads them any more' : failure.message)
  })
  const line = (fields: Record<string, unknown>): void => {
    if (!dead) stream.write(`${JSON.stringify({ time: Date.now(), ...fields })}\n`)
  }
  line({ type: 'run-started', format: eventFormat, yoe: version, command })
  return {
    report(event) {
      if (dead) return
      if (stream.writableLength > mostWaiting) {
        // How things stand is told again by a later event; what a build printed is in its log.
        if (event.type === 'unit-output' || event.type === 'step-progress') {
          left++
          return
        }
      } else if (left > 0) {
        line({ type: 'events-left-out', count: left })
        left = 0
      }
      line(eventData(event))
    },
    async end(outcome) {
      line({ type: 'run-ended', ...outcome })
      await new Promise<void>((resolve) => {
        if (dead) return resolve()
        let before = stream.writableLength
        const timer = setInterval(() => {
          if (stream.writableLength < before) before = stream.writableLength
          else stream.destroy()
        }, patience)
        stream.once('close', () => {
          clearInterval(timer)
          resolve()
        })
        stream.end()
      })
    },
  }
}

/** An event as plain data: its error as `--json` has it. */
function eventData(event: Event): Record<string, unknown> {
  if (event.type !== 'unit-ended' || event.error === undefined) return { ...event }
  return { ...event, error: errorData(event.error) }
}

function opened(to: string): Writable {
  const number = to === '-' ? 1 : /^\d{1,9}$/.test(to) ? Number(to) : undefined
  try {
    if (number !== undefined) return ofDescriptor(number)
    // Not blocking: a pipe that nobody reads is told, not waited for.
    const { O_WRONLY, O_CREAT, O_TRUNC, O_NONBLOCK } = constants
    return ofOwn(openSync(to, O_WRONLY | O_CREAT | O_TRUNC | O_NONBLOCK, 0o644))
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : ''
    const why = code === 'ENXIO' ? 'nobody reads from it' : code === 'EBADF' ? 'it is not open' : code
    throw new YoeError('USAGE', `events can't be written to ${to}: ${why}`, {
      hint: 'name a file, - for standard output, or the number of an open descriptor',
      cause,
    })
  }
}

/** A descriptor of this process's own, closed with the stream. */
function ofOwn(fd: number): Writable {
  const info = fstatSync(fd)
  if (info.isDirectory()) {
    closeSync(fd)
    throw Object.assign(new Error('a folder'), { code: 'EISDIR' })
  }
  return info.isFIFO() || info.isSocket()
    ? new Socket({ fd, readable: false, writable: true })
    : createWriteStream('', { fd })
}

/** One that whoever started us has opened. */
function ofDescriptor(fd: number): Writable {
  // Node writes to its own standard streams at once, and would wait for a slow reader: a pipe is opened once more.
  if (fd <= 2 && fstatSync(fd).isFIFO()) return ofOwn(openSync(`/proc/self/fd/${fd}`, constants.O_WRONLY))
  if (fd <= 2 && !fstatSync(fd).isFile()) return fd === 1 ? process.stdout : process.stderr
  return ofOwn(fd)
}
