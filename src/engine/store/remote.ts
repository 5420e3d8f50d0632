/**
 * A place that other machines share, holding one entry (a file) per unit. A miss is a value, a fault is thrown; nothing
 * that it answers is trusted. Retrying and rate limits are its own matter.
 */
export interface RemoteStore {
  /**
   * Calls `read` with a file that holds the entry and is gone afterwards.
   *
   * @param name parts of letters, digits, `.`, `_` and `-`, with `/` between them: `units/x86_64/<hash>`
   * @returns what `read` returned; undefined when there is no such entry
   * @throws {YoeError} FETCH_FAILED when the store could not be asked: that is not a miss
   */
  get<T>(name: string, read: (path: string) => Promise<T>): Promise<T | undefined>
  /**
   * Stores an entry, visible only when whole; `fill` writes it to the path that it is given. Entries never change: who
   * comes second loses nothing, since equal names mean equal content.
   *
   * @throws {YoeError} FETCH_FAILED when the store failed: the caller loses this entry, not the build
   */
  put(name: string, fill: (path: string) => Promise<void>): Promise<'saved' | 'exists' | 'read-only'>
  /** The names that start so; a hint, not a promise. @throws {YoeError} FETCH_FAILED */
  list(prefix: string): AsyncIterable<string>
  /** That it is gone already is fine. @throws {YoeError} FETCH_FAILED */
  delete(name: string): Promise<void>
  /** Names the store in messages: `the Actions cache`. */
  toString(): string
}
