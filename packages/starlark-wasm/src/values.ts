import type { BuiltinCall } from './builtin.ts'

/** A Starlark float. Plain numbers are Starlark ints, so that `1` and `1.0` stay apart on both sides. */
export class StarlarkFloat {
  readonly value: number

  constructor(value: number) {
    this.value = value
  }
}

/** A Starlark tuple. Arrays are Starlark lists. */
export class StarlarkTuple<Item = StarlarkValue> {
  readonly items: readonly Item[]

  constructor(items: readonly Item[]) {
    this.items = items
  }
}

/** A Starlark struct: immutable named fields, which compare and print in the order of their names. */
export class StarlarkStruct<Field = StarlarkValue> {
  readonly fields: ReadonlyMap<string, Field>
  /** What `str()` shows before the parenthesis. Structs with different names are never equal. */
  readonly typeName: string

  constructor(fields: ReadonlyMap<string, Field>, typeName = 'struct') {
    this.fields = fields
    this.typeName = typeName
  }
}

/** How a HostValue looks to Starlark code. */
export interface HostValueAppearance {
  /** What `str()` and `repr()` give. Default: `<type name>`. */
  readonly text?: string
  /** What `value.name` gives. Frozen, and copied when the value is sent. */
  readonly attributes?: ReadonlyMap<string, StarlarkInput>
}

/**
 * An object of the host that Starlark code passes around without looking into it. The very same object comes back as an
 * argument of a builtin, so subclass it and test with `instanceof`. To Starlark it is immutable, hashable, true, and
 * equal to itself only.
 */
export class HostValue {
  /** What `type()` gives. */
  readonly typeName: string
  readonly text: string
  readonly attributes: ReadonlyMap<string, StarlarkInput>

  constructor(typeName: string, appearance: HostValueAppearance = {}) {
    this.typeName = typeName
    this.text = appearance.text ?? `<${typeName}>`
    this.attributes = appearance.attributes ?? new Map()
  }
}

/** A value of a type that has no counterpart here, such as a module. It can't be sent back. */
export class StarlarkForeign {
  readonly typeName: string
  readonly text: string

  constructor(typeName: string, text: string) {
    this.typeName = typeName
    this.text = text
  }
}

/** A value that the interpreter itself has. See `standard`. */
export class StandardValue {
  readonly name: string

  constructor(name: string) {
    this.name = name
  }
}

/**
 * What the interpreter can predeclare by itself: starlark-go's `struct` constructor and its `json` and `math` modules.
 * `time` is left out, since its results depend on the clock.
 */
export const standard: Readonly<Record<'struct' | 'json' | 'math', StandardValue>> = {
  struct: new StandardValue('struct'),
  json: new StandardValue('json'),
  math: new StandardValue('math'),
}

export interface CallOptions {
  /** Aborts the call when it next awaits something; running Starlark code itself is bounded by the limits. */
  readonly signal?: AbortSignal | undefined
}

/** Keyword arguments by name, in order. Use a Map where names may be anything, such as `__proto__`. */
export type KeywordArguments = ReadonlyMap<string, StarlarkInput> | Readonly<Record<string, StarlarkInput>>

type Invoke = (args: readonly StarlarkInput[], kwargs: KeywordArguments, options: CallOptions) => Promise<StarlarkValue>

/** What a function is, wherever it stands. */
export interface FunctionIdentity {
  /**
   * SHA-256, in hexadecimal digits, of all that the function can see and do: its code without positions, comments and
   * texts that stand alone, its defaults, what it captured, the globals and predeclared values that it names (of a
   * struct only the fields that it names), and the same of every function among these. Builtins count by their name.
   */
  readonly digest: string
  /** Names of the parameters without a default. */
  readonly required: readonly string[]
  /** The files that hold the function and those that it can reach, in the order in which its code meets them. */
  readonly files: readonly string[]
  /** Names of the predeclared builtins that it can reach, sorted. */
  readonly builtins: readonly string[]
}

/**
 * A function that lives in Starlark. One Starlark function is one StarlarkFunction for as long as it is held;
 * letting go of it lets go of the function.
 */
export class StarlarkFunction {
  readonly name: string
  readonly #invoke: Invoke
  readonly #identify: () => Promise<FunctionIdentity>

  /** For the session: functions are only ever received. */
  constructor(name: string, invoke: Invoke, identify: () => Promise<FunctionIdentity>) {
    this.name = name
    this.#invoke = invoke
    this.#identify = identify
  }

  /**
   * To be asked when the files that the function comes from were executed: before, globals may still change. What the
   * function captured is frozen by it.
   *
   * @throws {StarlarkError} `limit` for what is too large or nested too deeply; `eval` for values without an identity
   */
  identity(): Promise<FunctionIdentity> {
    return this.#identify()
  }

  /**
   * Calls the function in a Starlark thread of its own, with its own budget.
   *
   * @throws {StarlarkError} as an evaluation does
   */
  call(
    args: readonly StarlarkInput[] = [],
    kwargs: KeywordArguments = {},
    options: CallOptions = {},
  ): Promise<StarlarkValue> {
    return this.#invoke(args, kwargs, options)
  }
}

/**
 * What arrives from Starlark: `None` as null, ints as numbers or, beyond 2^53, bigints; lists and ranges as arrays;
 * dicts as Maps in their own order; sets as Sets; bytes as Uint8Array. Dict keys that are tuples or structs are objects
 * here, so look those up by walking the Map.
 */
export type StarlarkValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | readonly StarlarkValue[]
  | ReadonlyMap<StarlarkValue, StarlarkValue>
  | ReadonlySet<StarlarkValue>
  | StarlarkFloat
  | StarlarkTuple
  | StarlarkStruct
  | StarlarkFunction
  | HostValue
  | StarlarkForeign

/** What Starlark can be given. Numbers must be integers within 2^53: wrap others in StarlarkFloat or use a bigint. */
export type StarlarkInput =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | readonly StarlarkInput[]
  | ReadonlyMap<StarlarkInput, StarlarkInput>
  | ReadonlySet<StarlarkInput>
  | StarlarkFloat
  | StarlarkTuple<StarlarkInput>
  | StarlarkStruct<StarlarkInput>
  | StarlarkFunction
  | HostValue
  | HostBuiltin
  | StandardValue
  | StarlarkForeign

/**
 * A builtin that is written in TypeScript. A promise parks the calling Starlark thread, and other evaluations go on.
 * What it throws surfaces as a StarlarkError with a backtrace, whose `cause` is the thrown value.
 */
export type HostBuiltin = (call: BuiltinCall) => StarlarkInput | undefined | Promise<StarlarkInput | undefined>
