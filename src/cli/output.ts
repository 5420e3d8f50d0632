import type { WriteStream } from 'node:tty'

type Stream = Pick<WriteStream, 'write'> & { readonly isTTY?: boolean; readonly columns?: number }

const styles = {
  bold: [1, 22],
  dim: [2, 22],
  red: [31, 39],
  green: [32, 39],
  yellow: [33, 39],
  cyan: [36, 39],
} as const

export type Style = keyof typeof styles

/**
 * Where a command's answers go. Results are printed to standard output, progress and failures to standard error, so that
 * a pipe gets results alone. Colours only on a terminal (`NO_COLOR` and `TERM=dumb` turn them off).
 */
export class Output {
  /** One JSON document on standard output instead of text for people. */
  readonly json: boolean
  readonly #out: Stream
  readonly #err: Stream
  readonly #env: Readonly<Record<string, string | undefined>>

  constructor(out: Stream, err: Stream, env: Readonly<Record<string, string | undefined>>, json: boolean) {
    this.#out = out
    this.#err = err
    this.#env = env
    this.json = json
  }

  /** Progress may redraw itself. */
  get interactive(): boolean {
    return this.#err.isTTY === true && this.#env['CI'] === undefined && this.#env['TERM'] !== 'dumb'
  }

  get columns(): number {
    return Math.max(20, this.#err.columns ?? 80)
  }

  /** A line of the result. */
  print(line = ''): void {
    this.#out.write(`${line}\n`)
  }

  /** The whole result, for `--json`. */
  printJson(value: unknown): void {
    this.#out.write(`${JSON.stringify(value, undefined, 2)}\n`)
  }

  /** A line about the work. */
  tell(line: string): void {
    this.#err.write(`${line}\n`)
  }

  /** Raw text to standard error, for progress that redraws itself. */
  draw(text: string): void {
    this.#err.write(text)
  }

  /** Styled for standard output. */
  paint(style: Style, text: string): string {
    return this.#styled(this.#out, style, text)
  }

  /** Styled for standard error. */
  paintError(style: Style, text: string): string {
    return this.#styled(this.#err, style, text)
  }

  #styled(stream: Stream, style: Style, text: string): string {
    if (stream.isTTY !== true || this.#env['TERM'] === 'dumb' || (this.#env['NO_COLOR'] ?? '') !== '') return text
    const [on, off] = styles[style]
    return `\u001b[${on}m${text}\u001b[${off}m`
  }
}

/** `1.4 GiB`, `12 KiB`, `7 B`. */
export function bytes(count: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB']
  let value = count
  let unit = 0
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024
    unit++
  }
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`
}

/** `2m 05s`, `3.4s`, `120ms`. */
export function duration(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)}ms`
  if (ms < 60_000) return `${(ms / 1000).toFixed(1)}s`
  const seconds = Math.round(ms / 1000)
  const minutes = Math.floor(seconds / 60)
  if (minutes < 60) return `${minutes}m ${String(seconds % 60).padStart(2, '0')}s`
  return `${Math.floor(minutes / 60)}h ${String(minutes % 60).padStart(2, '0')}m`
}

/** Rows as aligned columns; the last column is not padded. */
export function table(rows: readonly (readonly string[])[]): readonly string[] {
  const widths: number[] = []
  for (const row of rows) {
    row.forEach((cell, column) => {
      widths[column] = Math.max(widths[column] ?? 0, visibleLength(cell))
    })
  }
  return rows.map((row) =>
    row
      .map((cell, column) =>
        column === row.length - 1 ? cell : cell + ' '.repeat((widths[column] ?? 0) - visibleLength(cell)),
      )
      .join('  ')
      .trimEnd(),
  )
}

function visibleLength(text: string): number {
  return text.replaceAll(/\u001b\[[0-9;]*m/g, '').length
}
