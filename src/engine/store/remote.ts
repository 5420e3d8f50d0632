/** What goes on while an entry travels. */
export interface Transfer {
  /** Told now and then how many bytes came or went, and of how many. */
  readonly progress?: ((done: number, total: number | undefined) => void) | undefined
  readonly signal?: AbortSignal | undefined
}

/** How an entry is sent. */
export interface Sending extends Transfer {
  /**
   * The entry that is there was found to be of no use (nobody whom the project names signed it): its place is taken,
   * where the storage can do that.
   */
  readonly replace?: boolean
  /** What it holds was quick to make: it may wait a little and travel together with others. */
  readonly quick?: boolean
}

/** An entry as a storage lists it. */
export interface RemoteEntry {
  readonly name: string
  /** Bytes. */
  readonly size: number
  /** When it came there: milliseconds since 1970, by the storage's clock. */
  readonly sentAt: number
}

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
  get<T>(name: string, read: (path: string) => Promise<T>, transfer?: Transfer): Promise<T | undefined>
  /**
   * Stores an entry, visible only when whole; `fill` writes it to the path that it is given. Entries do not change: who
   * comes second loses nothing, since equal names mean equal content.
   *
   * @throws {YoeError} FETCH_FAILED when the store failed: the caller loses this entry, not the build
   */
  put(name: string, fill: (path: string) => Promise<void>, sending?: Sending): Promise<'saved' | 'exists' | 'read-only'>
  /**
   * Which of these names it has, found out without downloading them: a hint, not a promise, and cheaper by the batch.
   *
   * @throws {YoeError} FETCH_FAILED
   */
  has(names: readonly string[]): Promise<ReadonlySet<string>>
  /** The names that start so; a hint, not a promise. @throws {YoeError} FETCH_FAILED */
  list(prefix: string): AsyncIterable<string>
  /** As {@link list}, with what the storage knows of each; absent where it can't say. @throws {YoeError} FETCH_FAILED */
  inventory?(prefix: string): AsyncIterable<RemoteEntry>
  /** That it is gone already is fine. @throws {YoeError} FETCH_FAILED */
  delete(name: string): Promise<void>
  /**
   * Its host keeps those from writing who may not: what nobody signed is as good as that, and is taken where a project
   * names no key. Default: no.
   */
  readonly vouched?: boolean
  /** Small texts that several machines change together; absent where the storage can't tell who came first. */
  readonly documents?: Documents
  /** Sends what waits and frees what is held; nothing is asked afterwards. @throws {YoeError} FETCH_FAILED */
  close?(): Promise<void>
  /** Names the store in messages: `the Actions cache`. */
  toString(): string
}

/**
 * Small texts beside the entries, each changed by one machine at a time: whoever read an older version is told that
 * somebody else was faster. Equal texts may be one version. Nothing that is read here is trusted.
 */
export interface Documents {
  /** Milliseconds that should lie between two changes of a document, where a change costs much. */
  readonly changeMs?: number
  /** False: a change would have to wait now, for what matters more. Default: never. */
  ready?(): boolean
  /**
   * Of all machines that try it at once, one succeeds.
   *
   * @param name as of entries, and none of theirs: `claims/x86_64/<hash>`
   * @returns its version; undefined: there is one already
   * @throws {YoeError} FETCH_FAILED
   */
  create(name: string, text: string): Promise<string | undefined>
  /**
   * The version of each document below a folder (`claims/x86_64/`); absent where the storage has no listing.
   *
   * @throws {YoeError} FETCH_FAILED
   */
  versions?(folder: string): Promise<ReadonlyMap<string, string>>
  /** @throws {YoeError} FETCH_FAILED */
  read(name: string): Promise<{ readonly text: string; readonly version: string } | undefined>
  /**
   * @param version of {@link create}, {@link read} or this
   * @returns the new version; undefined: it is another one by now, or gone
   * @throws {YoeError} FETCH_FAILED
   */
  replace(name: string, version: string, text: string): Promise<string | undefined>
  /** Removes that version; that it is another one by now, or gone, is fine. @throws {YoeError} FETCH_FAILED */
  remove(name: string, version: string): Promise<void>
}

/** How all of these names start: what a listing that finds them is asked for. */
export function sharedStart(names: readonly string[]): string {
  const [first = ''] = names
  let length = first.length
  for (const name of names) while (!name.startsWith(first.slice(0, length))) length--
  return first.slice(0, length)
}
