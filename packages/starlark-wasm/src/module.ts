import type { Environment } from './environment.ts'
import type { StarlarkPosition } from './errors.ts'
import type { StarlarkValue } from './values.ts'

/** A `load` statement: the module as it is written, and where. */
export interface LoadStatement {
  readonly module: string
  readonly position: StarlarkPosition | undefined
}

/** A compiled file. */
export interface Program {
  readonly id: number
  readonly file: string
  readonly environment: Environment
  /** In the order of the source; a module may occur more than once. */
  readonly loads: readonly LoadStatement[]
  /** What `StarlarkSession.restore` makes the program from, in any session of the same version. */
  readonly bytecode: Uint8Array
}

type ReadGlobal = (name: string) => StarlarkValue

/** A file that was executed. Its globals are frozen. */
export class StarlarkModule {
  readonly id: number
  readonly file: string
  /** Names of its globals, sorted. */
  readonly names: readonly string[]
  readonly #read: ReadGlobal

  /** For the session: modules come from evaluating files. */
  constructor(id: number, file: string, names: readonly string[], read: ReadGlobal) {
    this.id = id
    this.file = file
    this.names = names
    this.#read = read
  }

  /**
   * @returns a copy of the global's value, or undefined when there is no such global
   * @throws {StarlarkError} for a value that can't cross: nested too deeply, too large, or text that is no UTF-8
   */
  get(name: string): StarlarkValue | undefined {
    return this.names.includes(name) ? this.#read(name) : undefined
  }
}
