/**
 * What went wrong: the text of a file (`syntax`), its names (`resolve`), its execution (`eval`), a bound (`limit`),
 * finding or reading a file (`load`), an abort (`cancelled`), a template (`template`), or the interpreter (`internal`).
 */
export type StarlarkErrorKind = 'syntax' | 'resolve' | 'eval' | 'limit' | 'load' | 'cancelled' | 'template' | 'internal'

/** A place in a source file. Lines and columns count from 1, columns in Unicode code points; 0 is unknown. */
export interface StarlarkPosition {
  readonly file: string
  readonly line: number
  readonly column: number
}

/** One active call. Frames of builtins have no position. */
export interface StarlarkFrame {
  /** Name of the function, `<toplevel>` or `lambda`. */
  readonly name: string
  readonly position: StarlarkPosition | undefined
}

export interface StarlarkErrorDetails {
  readonly position?: StarlarkPosition | undefined
  readonly frames?: readonly StarlarkFrame[]
  readonly others?: readonly StarlarkError[]
  readonly cause?: unknown
}

/** Every failure of Starlark code, of its files and of its interpreter. Misuse of the API is a TypeError or an Error. */
export class StarlarkError extends Error {
  override readonly name = 'StarlarkError'
  readonly kind: StarlarkErrorKind
  /** Where it happened, as near as is known: the innermost frame that has a source. */
  readonly position: StarlarkPosition | undefined
  /** The calls that led there, innermost first. */
  readonly frames: readonly StarlarkFrame[]
  /** Further errors that the same request found, in the order of the source: this error is the first of them. */
  readonly others: readonly StarlarkError[]

  constructor(kind: StarlarkErrorKind, message: string, details: StarlarkErrorDetails = {}) {
    super(message, 'cause' in details ? { cause: details.cause } : {})
    this.kind = kind
    this.frames = details.frames ?? []
    this.position = details.position ?? this.frames.find((frame) => frame.position !== undefined)?.position
    this.others = details.others ?? []
  }

  /** The calls as starlark-go prints them, outermost first, and the message. */
  get backtrace(): string {
    const head = this.position === undefined ? '' : `${formatPosition(this.position)}: `
    if (this.frames.length === 0) return `${head}${this.message}`
    const [top] = this.frames
    const builtin = top !== undefined && top.position === undefined ? ` in ${top.name}` : ''
    const lines = this.frames
      .slice(builtin === '' ? 0 : 1)
      .map(
        (frame) => `  ${frame.position === undefined ? '<builtin>' : formatPosition(frame.position)}: in ${frame.name}`,
      )
      .reverse()
    return ['Traceback (most recent call last):', ...lines, `Error${builtin}: ${this.message}`].join('\n')
  }
}

/** `file:line:column`, without the parts that are unknown. */
export function formatPosition({ file, line, column }: StarlarkPosition): string {
  if (line === 0) return file
  return column === 0 ? `${file}:${line}` : `${file}:${line}:${column}`
}

/** The errors as one: the first, with the rest among its `others`. */
export function combineErrors(errors: readonly [StarlarkError, ...StarlarkError[]]): StarlarkError {
  const [first, ...rest] = errors
  if (rest.length === 0) return first
  const details = {
    position: first.position,
    frames: first.frames,
    others: [...first.others, ...rest.flatMap(flatten)],
  }
  return new StarlarkError(first.kind, first.message, 'cause' in first ? { ...details, cause: first.cause } : details)
}

const flatten = (error: StarlarkError): StarlarkError[] => [error, ...error.others]
