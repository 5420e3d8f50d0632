import type { StarlarkFrame, StarlarkPosition } from './errors.ts'
import type { StarlarkValue } from './values.ts'

/** One call of a HostBuiltin. */
export interface BuiltinCall {
  /** The name under which the builtin was declared. */
  readonly name: string
  readonly args: readonly StarlarkValue[]
  /** Keyword arguments, in the order of the call. Starlark refuses duplicates. */
  readonly kwargs: ReadonlyMap<string, StarlarkValue>
  /**
   * The Starlark frames that led to the call, innermost first: `frames[0]` made the call, the last one is the top
   * level of the file under evaluation or the function that the host called.
   */
  readonly frames: readonly StarlarkFrame[]
  /** Where the call stands in the source; its `file` is the one whose code calls the builtin. */
  readonly position: StarlarkPosition | undefined
  /** The signal of the evaluation or call that this is a part of. */
  readonly signal: AbortSignal | undefined
}
