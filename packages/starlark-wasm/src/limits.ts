/** Bounds of everything that Starlark code can use up. All are per session unless they say otherwise. */
export interface Limits {
  /**
   * Steps of the interpreter per executed file and per call of a function. Visits of elements within a step count too. A loop of ten million turns takes about 70 million.
   */
  readonly steps: number
  /** Nested Starlark calls. Above about 2,000, V8's own stack may end first, which costs the session. */
  readonly callDepth: number
  /** Depth of the syntax tree of one file. starlark-go's parser has a bound of its own: about 80 nested brackets. */
  readonly nesting: number
  /** Bytes of one source file. */
  readonly sourceBytes: number
  /** MiB of live data. Twice this, and 64 MiB, is the most that the session's memory can grow to. */
  readonly memoryMiB: number
  /** Milliseconds of one execution, not counting the time that it awaits builtins. */
  readonly milliseconds: number
  /** Bytes of one value on its way between Starlark and TypeScript. */
  readonly messageBytes: number
  /** Distinct modules that `load` statements may reach in one evaluation. Its entries are not counted. */
  readonly loads: number
}

export const defaultLimits: Limits = {
  steps: 50_000_000,
  callDepth: 200,
  nesting: 1_000,
  sourceBytes: 4 << 20,
  memoryMiB: 256,
  milliseconds: 60_000,
  messageBytes: 64 << 20,
  loads: 1_000,
}

/** Pages of 64 KiB that the WebAssembly memory may grow to. */
export function maximumPages(limits: Limits): number {
  return Math.min(65_536, (limits.memoryMiB * 2 + 64) * 16)
}

/** @throws {RangeError} when a limit is not a positive integer */
export function completeLimits(chosen: Partial<Limits>): Limits {
  const limits = { ...defaultLimits, ...chosen }
  for (const [name, value] of Object.entries(limits)) {
    if (!Number.isSafeInteger(value) || value <= 0) throw new RangeError(`limit ${name} must be a positive integer`)
  }
  return limits
}
