import { hash } from 'node:crypto'
import type { StarlarkModule } from './module.ts'
import type { StarlarkInput } from './values.ts'

/** What the language allows beyond its core. Each is starlark-go's `syntax.FileOptions` field of the same name. */
export interface Dialect {
  /** The `set` builtin. */
  readonly set: boolean
  readonly while: boolean
  /** `if`, `for` and `while` at the top level of a file. */
  readonly topLevelControl: boolean
  /** Assigning a global more than once. */
  readonly globalReassign: boolean
  /** `load` binds globals, which other files can load in turn, instead of names of the file alone. */
  readonly loadBindsGlobally: boolean
  readonly recursion: boolean
}

export const defaultDialect: Dialect = {
  set: true,
  while: false,
  topLevelControl: true,
  globalReassign: true,
  loadBindsGlobally: false,
  recursion: false,
}

/** The dialect as go/program.go reads it. */
export function dialectBits(dialect: Dialect): number {
  const { set, while: loops, topLevelControl, globalReassign, loadBindsGlobally, recursion } = dialect
  return [set, loops, topLevelControl, globalReassign, loadBindsGlobally, recursion].reduce(
    (bits, allowed, i) => bits | (allowed ? 1 << i : 0),
    0,
  )
}

export interface EnvironmentOptions {
  /**
   * The names that files see without loading them. Values are frozen; a function is a builtin of that name. Use a Map
   * where names may be anything, such as `__proto__`.
   */
  readonly predeclared?: ReadonlyMap<string, StarlarkInput> | Readonly<Record<string, StarlarkInput>>
  /** Default: `defaultDialect`, or the dialect of `extends`. */
  readonly dialect?: Partial<Dialect>
  /**
   * An environment whose names are seen too, unless predeclared anew, and whose modules are reused: a module that was
   * evaluated there is not evaluated again. So do later phases build on earlier ones.
   */
  readonly extends?: Environment
}

/** What a file sees, and the modules that were evaluated with it. Made by `StarlarkSession.environment`. */
export class Environment {
  readonly id: number
  readonly dialect: Dialect
  /** All predeclared names, sorted. */
  readonly names: readonly string[]
  /** Tells environments apart as far as a compiled program depends on them. */
  readonly fingerprint: string
  readonly #base: Environment | undefined
  readonly #modules = new Map<string, Promise<StarlarkModule>>()

  constructor(id: number, version: string, dialect: Dialect, own: Iterable<string>, base: Environment | undefined) {
    this.id = id
    this.dialect = dialect
    this.#base = base
    this.names = [...new Set([...(base?.names ?? []), ...own])].sort()
    this.fingerprint = hash('sha256', JSON.stringify([version, dialectBits(dialect), this.names]))
  }

  /** The module that was evaluated here or in the environment that this one extends, or is under evaluation. */
  find(moduleId: string): Promise<StarlarkModule> | undefined {
    return this.#modules.get(moduleId) ?? this.#base?.find(moduleId)
  }

  /** Evaluates a module unless that was done or is under way. A failed one is forgotten. */
  evaluateOnce(moduleId: string, evaluate: () => Promise<StarlarkModule>): Promise<StarlarkModule> {
    const known = this.find(moduleId)
    if (known !== undefined) return known
    const evaluation = evaluate()
    this.#modules.set(moduleId, evaluation)
    evaluation.catch(() => this.#modules.delete(moduleId))
    return evaluation
  }
}
