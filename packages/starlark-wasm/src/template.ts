import { StarlarkError } from './errors.ts'
import type { WireWriter } from './wire.ts'

/** Bounds and behaviour of one rendering. */
export interface TemplateOptions {
  /**
   * What a key that the context lacks comes to: an error (default), Go's `<no value>` (`default`), or the zero value.
   * With `zero` a map of mixed values, as every context is, still shows `<no value>`: that is Go's rule.
   */
  readonly missingKey?: 'error' | 'default' | 'zero'
  /** Default: 16 MiB. */
  readonly maxOutputBytes?: number
  /** Turns of loops and calls of templates. Default: 100,000. */
  readonly maxSteps?: number
}

/** The message of go/template.go, without the context. */
export function writeTemplate(out: WireWriter, name: string, text: string, options: TemplateOptions): void {
  out
    .string(name)
    .string(text)
    .string(options.missingKey ?? 'error')
  out.uint(options.maxOutputBytes ?? 16 << 20).uint(options.maxSteps ?? 100_000)
}

/**
 * The error with the position that Go's message begins with, `template: name:line:column: `. Go counts columns from 0, in
 * bytes, and gives none for errors of syntax.
 */
export function locateInTemplate(error: StarlarkError, name: string): StarlarkError {
  const prefix = `template: ${name}:`
  const found = error.message.startsWith(prefix)
    ? /^(\d+)(?::(\d+))?: (.*)$/s.exec(error.message.slice(prefix.length))
    : null
  const [, line = '0', column, message = error.message] = found ?? []
  const position = { file: name, line: Number(line), column: column === undefined ? 0 : Number(column) + 1 }
  return new StarlarkError(error.kind, message, { position })
}
