import type { Position } from '../errors.ts'
import type { GitModule } from './reference.ts'

/** A module of a repository, on this machine. */
export interface Checkout {
  /** Absolute folder with exactly the module's files. */
  readonly root: string
  readonly commit: string
}

/** Where modules of repositories come from: evaluating a project asks, and knows neither a network nor a lock file. */
export interface ModuleSource {
  /**
   * @param at where it is asked for
   * @throws {YoeError} FETCH_FAILED, LOCK_STALE, MODULE_NOT_FOUND when the repository has no such folder
   */
  checkout(name: string, module: GitModule, at: Position): Promise<Checkout>
}
