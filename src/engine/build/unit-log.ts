import type { Reporter } from '../events.ts'
import { cleaner, LogFile } from './log.ts'
import { defaultLimits } from './worker.ts'

/** The log of one unit's build: kept on disk, told to whoever listens, and short enough at its end to be shown. */
export interface UnitLog {
  /** Absolute. */
  readonly path: string
  /** Output of a program, as it comes. */
  readonly write: (chunk: Uint8Array) => void
  /** A line of ours. */
  line(text: string): void
  /** A heading of ours. */
  note(text: string): void
  /** What an error shows: the last lines, and where the rest is. */
  excerpt(): { readonly path: string; readonly tail: readonly string[] }
  close(): void
}

/** Lines of the log that an error shows, its last ones. */
const shownLines = 40

/** @param keeps bytes of it that are kept */
export function openUnitLog(
  path: string,
  unit: string,
  report: Reporter,
  keeps: number = defaultLimits.logBytes,
): UnitLog {
  const file = new LogFile(path, keeps)
  const emit = (text: string): void => {
    file.write(text)
    report({ type: 'unit-output', unit, text })
  }
  const lines = cleaner(emit)
  // Commands and names are the project's: as hostile as what programs print.
  const own = (text: string): void => {
    lines.end()
    lines.push(Buffer.from(`${text}\n`))
  }
  return {
    path,
    write: (chunk) => lines.push(chunk),
    line: (text) => own(text),
    note(text) {
      own(`=== ${text}`)
      report({ type: 'unit-phase', unit, title: text })
    },
    excerpt() {
      lines.end()
      return { path, tail: file.tail(shownLines) }
    },
    close() {
      lines.end()
      file.close()
    },
  }
}
