import type { StarlarkError } from 'starlark-wasm'
import type { Position, YoeErrorCode } from '../errors.ts'
import { YoeError } from '../errors.ts'
import { didYouMean } from '../nearest.ts'

const codes: Readonly<Record<StarlarkError['kind'], YoeErrorCode>> = {
  syntax: 'STAR_SYNTAX',
  resolve: 'STAR_EVAL',
  eval: 'STAR_EVAL',
  limit: 'STAR_LIMIT',
  load: 'LOAD_NOT_FOUND',
  cancelled: 'CANCELLED',
  template: 'STAR_EVAL',
  internal: 'STAR_LIMIT',
}

/** A load fails because of something that was told already, and need not be told again. */
export class Consequence extends YoeError {}

/**
 * What the interpreter found, as failures that a user can meet: one for each error of a file.
 * @param names that files may use beside their own: builtins
 */
export function toYoeErrors(failure: StarlarkError, names: readonly string[]): readonly YoeError[] {
  return [failure, ...failure.others]
    .filter(({ cause }) => !(cause instanceof Consequence))
    .map((each) => toYoeError(each, names))
}

function toYoeError(failure: StarlarkError, names: readonly string[]): YoeError {
  // What a resolver or reader of ours threw says it best; the interpreter knows the load statement.
  const cause = failure.cause instanceof YoeError ? failure.cause : undefined
  const outer = failure.frames.filter((frame) => frame.position !== undefined).at(-1)?.position
  const at = position(failure.kind === 'eval' ? (outer ?? failure.position) : failure.position)
  if (cause !== undefined)
    return new YoeError(cause.code, cause.message, { at: cause.at ?? at, hint: cause.hint, cause: failure })
  const inner = position(failure.position)
  const elsewhere = inner !== undefined && at !== undefined && (inner.file !== at.file || inner.line !== at.line)
  return new YoeError(
    failure.kind === 'load' && /cycle/.test(failure.message) ? 'LOAD_CYCLE' : codes[failure.kind],
    failure.message.replace(/^fail: /, ''),
    {
      at,
      // What a class says by fail() is said for whoever calls it: where it stands helps nobody.
      hint: failure.message.startsWith('fail: ')
        ? undefined
        : elsewhere
          ? `it happened at ${inner.file}:${inner.line}, called from here`
          : suggestion(failure.message, names),
      cause: failure,
    },
  )
}

function suggestion(message: string, names: readonly string[]): string | undefined {
  const name = /^undefined: (\w+)$/.exec(message)?.[1]
  return name === undefined ? undefined : didYouMean(name, names)
}

function position(found: StarlarkError['position']): Position | undefined {
  return found === undefined
    ? undefined
    : { file: found.file, line: Math.max(1, found.line), column: Math.max(1, found.column) }
}
