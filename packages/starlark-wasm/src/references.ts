import type { HostBuiltin, HostValue, StarlarkFunction } from './values.ts'

/** A Starlark function's number in the interpreter, and how often it crossed since `function` was made. */
interface Handle {
  readonly id: number
  sends: number
}

/** A builtin and the name that it was declared under. */
export interface DeclaredBuiltin {
  readonly name: string
  readonly run: HostBuiltin
}

/**
 * The objects that one side of a session holds for the other, by number. Each side counts how often it sent a number;
 * whoever lets go reports the count that it saw, so a number that was sent again meanwhile stays alive.
 */
export class References {
  readonly #builtins: DeclaredBuiltin[] = []
  readonly #builtinIds = new Map<HostBuiltin, Map<string, number>>()

  readonly #hostValues = new Map<number, { readonly value: HostValue; sends: number }>()
  readonly #hostValueIds = new WeakMap<HostValue, number>()
  #hostValueCount = 0

  readonly #functions = new Map<number, { readonly handle: Handle; readonly ref: WeakRef<StarlarkFunction> }>()
  readonly #handles = new WeakMap<StarlarkFunction, Handle>()
  readonly #collected = new FinalizationRegistry<Handle>((handle) => this.#released.push(handle))
  #released: Handle[] = []

  /** Builtins live as long as the session. */
  builtinId(run: HostBuiltin, name: string): number {
    const ids = this.#builtinIds.get(run) ?? new Map<string, number>()
    this.#builtinIds.set(run, ids)
    const known = ids.get(name)
    if (known !== undefined) return known
    const id = this.#builtins.push({ name, run }) - 1
    ids.set(name, id)
    return id
  }

  builtin(id: number): DeclaredBuiltin {
    return existing(this.#builtins[id], 'builtin', id)
  }

  sendHostValue(value: HostValue): number {
    const known = this.#hostValueIds.get(value)
    const id = known ?? ++this.#hostValueCount
    if (known === undefined) this.#hostValueIds.set(value, id)
    const entry = this.#hostValues.get(id) ?? { value, sends: 0 }
    entry.sends++
    this.#hostValues.set(id, entry)
    return id
  }

  hostValue(id: number): HostValue {
    return existing(this.#hostValues.get(id), 'host value', id).value
  }

  /** The interpreter collected one of the copies that were sent. */
  dropHostValue(id: number): void {
    const entry = this.#hostValues.get(id)
    if (entry !== undefined && --entry.sends === 0) this.#hostValues.delete(id)
  }

  /** The function with this number, made anew when nobody holds it. */
  receiveFunction(id: number, make: () => StarlarkFunction): StarlarkFunction {
    const entry = this.#functions.get(id)
    const held = entry?.ref.deref()
    if (entry !== undefined && held !== undefined) {
      entry.handle.sends++
      return held
    }
    const made = make()
    const handle = { id, sends: 1 }
    this.#functions.set(id, { handle, ref: new WeakRef(made) })
    this.#handles.set(made, handle)
    this.#collected.register(made, handle)
    return made
  }

  /** @throws {TypeError} for a function of another session */
  functionId(fn: StarlarkFunction): number {
    const handle = this.#handles.get(fn)
    if (handle === undefined) throw new TypeError(`function ${fn.name} belongs to another session`)
    return handle.id
  }

  /** Functions that were collected since the last call, for the interpreter to release. */
  takeReleased(): readonly Readonly<Handle>[] {
    if (this.#released.length === 0) return this.#released
    const released = this.#released
    this.#released = []
    for (const handle of released) {
      if (this.#functions.get(handle.id)?.handle === handle) this.#functions.delete(handle.id)
    }
    return released
  }

  /** How many objects each side keeps for the other, for tests and diagnosis. */
  get counts(): { readonly hostValues: number; readonly functions: number } {
    return { hostValues: this.#hostValues.size, functions: this.#functions.size }
  }
}

function existing<T>(entry: T | undefined, what: string, id: number): T {
  if (entry === undefined) throw new RangeError(`starlark-wasm: unknown ${what} ${id}`)
  return entry
}
