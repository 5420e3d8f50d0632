/** Bounds on talking to a server; times in milliseconds, sizes in bytes. */
export interface FetchLimits {
  readonly connect: number
  /** From the connection to the end of the answer's header. */
  readonly header: number
  /** Without a byte of the body. */
  readonly stall: number
  /** Fewer than `slowBytes` within `slowWindow` is a stall too. */
  readonly slowWindow: number
  readonly slowBytes: number
  readonly redirects: number
  /** Tries of one address after the first. */
  readonly retries: number
  /** Before the first retry; doubles for each further one. */
  readonly backoff: number
  /** A server that asks for a longer pause (Retry-After) is left alone. */
  readonly longestPause: number
  /** Of a body whose size nobody declared. */
  readonly maxSize: number
  /** Downloads at a time. */
  readonly parallel: number
}

export const defaultFetchLimits: FetchLimits = {
  connect: 30_000,
  header: 30_000,
  stall: 30_000,
  slowWindow: 60_000,
  slowBytes: 60 * 1024,
  redirects: 10,
  retries: 3,
  backoff: 500,
  longestPause: 60_000,
  maxSize: 8 * 2 ** 30,
  parallel: 8,
}
