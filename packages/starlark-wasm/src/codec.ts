import { StarlarkError, type StarlarkErrorKind, type StarlarkFrame, type StarlarkPosition } from './errors.ts'
import type { References } from './references.ts'
import {
  type HostBuiltin,
  HostValue,
  type KeywordArguments,
  StandardValue,
  StarlarkFloat,
  StarlarkForeign,
  StarlarkFunction,
  type StarlarkInput,
  StarlarkStruct,
  StarlarkTuple,
  type StarlarkValue,
} from './values.ts'
import type { WireReader, WireWriter } from './wire.ts'

/** Tags of values; go/encode.go has the same list. */
const Tag = {
  none: 0,
  false: 1,
  true: 2,
  int: 3,
  negativeInt: 4,
  bigInt: 5,
  float: 6,
  string: 7,
  bytes: 8,
  list: 9,
  tuple: 10,
  dict: 11,
  set: 12,
  struct: 13,
  callable: 14,
  hostValue: 15,
  foreign: 16,
  hostFunction: 17,
  standard: 18,
} as const

/** Kinds of failure; go/failure.go has the same list. */
const failureKinds: readonly StarlarkErrorKind[] = [
  'syntax',
  'resolve',
  'eval',
  'limit',
  'load',
  'cancelled',
  'template',
  'internal',
]

const maxDepth = 200

/** Turns values into messages and back, for one session. */
export class Codec {
  readonly #references: References
  readonly #makeFunction: (id: number, name: string) => StarlarkFunction

  constructor(references: References, makeFunction: (id: number, name: string) => StarlarkFunction) {
    this.#references = references
    this.#makeFunction = makeFunction
  }

  /**
   * @param name what a host builtin in this place is called
   * @throws {TypeError} for what Starlark has no value for
   */
  write(out: WireWriter, value: StarlarkInput, name = 'builtin', depth = 0): void {
    if (depth > maxDepth) throw new TypeError(`value is nested deeper than ${maxDepth} levels or contains itself`)
    switch (typeof value) {
      case 'string':
        out.byte(Tag.string).string(value)
        return
      case 'boolean':
        out.byte(value ? Tag.true : Tag.false)
        return
      case 'number':
        writeInteger(out, value)
        return
      case 'bigint':
        out.byte(Tag.bigInt).string(value.toString())
        return
      default:
        if (value === null) out.byte(Tag.none)
        else if (isBuiltin(value)) out.byte(Tag.hostFunction).uint(this.#references.builtinId(value, name)).string(name)
        else this.#writeObject(out, value, depth)
    }
  }

  #writeObject(out: WireWriter, value: ObjectInput, depth: number): void {
    if (isArray(value)) {
      this.#writeItems(out.byte(Tag.list), value, value.length, depth)
    } else if (value instanceof HostValue) {
      out.byte(Tag.hostValue).uint(this.#references.sendHostValue(value)).string(value.typeName).string(value.text)
      this.writeFields(out, value.attributes, depth)
    } else if (value instanceof Map) {
      out.byte(Tag.dict).uint(value.size)
      for (const [key, item] of value) {
        this.write(out, key, undefined, depth + 1)
        this.write(out, item, typeof key === 'string' ? key : undefined, depth + 1)
      }
    } else if (value instanceof StarlarkTuple) {
      this.#writeItems(out.byte(Tag.tuple), value.items, value.items.length, depth)
    } else if (value instanceof StarlarkStruct) {
      this.writeFields(out.byte(Tag.struct).string(value.typeName), value.fields, depth)
    } else if (value instanceof StarlarkFloat) {
      out.byte(Tag.float).float(value.value)
    } else if (value instanceof Set) {
      this.#writeItems(out.byte(Tag.set), value, value.size, depth)
    } else if (value instanceof Uint8Array) {
      out.byte(Tag.bytes).blob(value)
    } else if (value instanceof StarlarkFunction) {
      out.byte(Tag.callable).uint(this.#references.functionId(value))
    } else if (value instanceof StandardValue) {
      out.byte(Tag.standard).string(value.name)
    } else if (value instanceof StarlarkForeign) {
      throw new TypeError(`a ${value.typeName} can't be sent back to Starlark`)
    } else {
      throw new TypeError('Starlark has no value for this object: use a Map or a StarlarkStruct')
    }
  }

  #writeItems(out: WireWriter, items: Iterable<StarlarkInput>, size: number, depth: number): void {
    out.uint(size)
    for (const item of items) this.write(out, item, undefined, depth + 1)
  }

  writeFields(out: WireWriter, fields: ReadonlyMap<string, StarlarkInput>, depth = 0): void {
    out.uint(fields.size)
    for (const [name, field] of fields) this.write(out.string(name), field, name, depth + 1)
  }

  writeArguments(out: WireWriter, args: readonly StarlarkInput[], kwargs: KeywordArguments): void {
    this.#writeItems(out, args, args.length, 0)
    this.writeFields(out, asMap(kwargs))
  }

  read(from: WireReader): StarlarkValue {
    const tag = from.byte()
    switch (tag) {
      case Tag.none:
        return null
      case Tag.false:
        return false
      case Tag.true:
        return true
      case Tag.int:
        return from.uint()
      case Tag.negativeInt:
        return -from.uint()
      case Tag.bigInt:
        return BigInt(from.string())
      case Tag.float:
        return new StarlarkFloat(from.float())
      case Tag.string:
        return from.string()
      case Tag.bytes:
        return from.blob()
      case Tag.list:
        return this.readItems(from)
      case Tag.tuple:
        return new StarlarkTuple(this.readItems(from))
      case Tag.dict:
        return this.#readDict(from)
      case Tag.set:
        return new Set(this.readItems(from))
      case Tag.struct: {
        const typeName = from.name()
        return new StarlarkStruct(this.readFields(from), typeName)
      }
      case Tag.callable: {
        const id = from.uint()
        const name = from.name()
        return this.#references.receiveFunction(id, () => this.#makeFunction(id, name))
      }
      case Tag.hostValue:
        return this.#references.hostValue(from.uint())
      case Tag.foreign: {
        const typeName = from.name()
        return new StarlarkForeign(typeName, from.string())
      }
      default:
        throw new RangeError(`starlark-wasm: unknown value tag ${tag}`)
    }
  }

  readItems(from: WireReader): StarlarkValue[] {
    const items: StarlarkValue[] = []
    for (let left = from.uint(); left > 0; left--) items.push(this.read(from))
    return items
  }

  #readDict(from: WireReader): Map<StarlarkValue, StarlarkValue> {
    const dict = new Map<StarlarkValue, StarlarkValue>()
    for (let left = from.uint(); left > 0; left--) {
      const key = this.read(from)
      dict.set(key, this.read(from))
    }
    return dict
  }

  /** Named values: the fields of a struct, or keyword arguments. */
  readFields(from: WireReader): Map<string, StarlarkValue> {
    const fields = new Map<string, StarlarkValue>()
    for (let left = from.uint(); left > 0; left--) {
      const name = from.name()
      fields.set(name, this.read(from))
    }
    return fields
  }
}

function writeInteger(out: WireWriter, value: number): void {
  if (!Number.isSafeInteger(value)) {
    throw new TypeError(`${value} is no safe integer: wrap it in StarlarkFloat, or use a bigint`)
  }
  if (value < 0) out.byte(Tag.negativeInt).uint(-value)
  else out.byte(Tag.int).uint(value)
}

type ObjectInput = Exclude<Extract<StarlarkInput, object>, HostBuiltin>

// typeof narrows the classes of the union to Function too.
const isBuiltin = (value: Extract<StarlarkInput, object>): value is HostBuiltin => typeof value === 'function'

// Array.isArray narrows a readonly array to any[].
const isArray = (value: ObjectInput): value is readonly StarlarkInput[] => Array.isArray(value)

export function asMap<T>(entries: ReadonlyMap<string, T> | Readonly<Record<string, T>>): ReadonlyMap<string, T> {
  return isMap(entries) ? entries : new Map(Object.entries(entries))
}

const isMap = <T>(entries: ReadonlyMap<string, T> | Readonly<Record<string, T>>): entries is ReadonlyMap<string, T> =>
  entries instanceof Map

/** A position, or undefined for a builtin, which has none. */
export function readPosition(from: WireReader): StarlarkPosition | undefined {
  const file = from.name()
  const line = from.uint()
  const column = from.uint()
  return line === 0 ? undefined : { file, line, column }
}

export function readFrames(from: WireReader): StarlarkFrame[] {
  const frames: StarlarkFrame[] = []
  for (let left = from.uint(); left > 0; left--) {
    const name = from.name()
    frames.push({ name, position: readPosition(from) })
  }
  return frames
}

/**
 * The counterpart of encoder.failure in go/failure.go.
 *
 * @param causeOf the exception that a builtin threw, by its number
 */
export function readFailure(from: WireReader, causeOf: (id: number) => unknown): StarlarkError {
  const kind = failureKinds[from.byte()] ?? 'internal'
  const message = from.string()
  const frames = readFrames(from)
  const causeId = from.uint()
  const diagnostics: { position: StarlarkPosition | undefined; message: string }[] = []
  for (let left = from.uint(); left > 0; left--) {
    const position = readPosition(from)
    diagnostics.push({ position, message: from.string() })
  }
  const [first, ...rest] = diagnostics
  const others = rest.map((each) => new StarlarkError(kind, each.message, { position: each.position }))
  const details = { position: first?.position, frames, others }
  return new StarlarkError(kind, message, causeId === 0 ? details : { ...details, cause: causeOf(causeId) })
}
