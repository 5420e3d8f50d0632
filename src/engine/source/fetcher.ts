import { YoeError } from '../errors.ts'
import type { Reporter } from '../events.ts'

/** What is asked of the network, and what may be believed of the answer. */
export interface FetchRequest {
  /** Alternates for the same bytes, tried in order; each may be rewritten to mirrors first. */
  readonly urls: readonly string[]
  /** The addresses are what {@link Fetcher.locate} answered already: nothing is rewritten. */
  readonly located?: boolean
  /** Absolute; appears under this name only when whole and verified. */
  readonly dest: string
  /** Lowercase hex. When given, alone it decides whether the bytes are right. */
  readonly sha256?: string
  /** Exact size in bytes, from signed data or a declaration. */
  readonly size?: number
  /** Upper bound in bytes where the size is not known (default 8 GiB). */
  readonly maxSize?: number
  /**
   * Sent to the server that is asked, and to none that it redirects to. With them, an answer that asks who we are is
   * {@link Unauthorized}.
   */
  readonly headers?: Readonly<Record<string, string>>
  /** Sent to the server, whose answer is what is fetched. */
  readonly post?: { readonly type: string; readonly body: string }
  /** Names the download in progress and errors: `zlib-1.3.1.tar.xz`. */
  readonly title: string
  readonly report: Reporter
  readonly signal?: AbortSignal
}

/** The server wants to know first who asks. */
export class Unauthorized extends YoeError {
  /** Its WWW-Authenticate. */
  readonly challenge: string

  constructor(url: string, challenge: string) {
    super('FETCH_FAILED', `${url}: HTTP 401`, { hint: 'it is private, or there is no such thing' })
    this.challenge = challenge
  }
}

/** Every address was asked, and none of them has it. */
export class NotThere extends YoeError {}

export interface Fetched {
  /** The URL that answered, after rewriting and redirects. */
  readonly url: string
  readonly sha256: string
  readonly size: number
}

/** The engine's only way to the network: retries, resume, mirrors, limits and verification live behind it. */
export interface Fetcher {
  /**
   * @throws {YoeError} FETCH_FAILED when no URL answers (each with its reason; {@link NotThere}), DIGEST_MISMATCH naming both digests,
   *   CANCELLED, DISK_FULL
   */
  fetch(request: FetchRequest): Promise<Fetched>
  /** Where an address is really asked for, best first: for tools that reach the network themselves (git), and for what must come from one mirror. Default: there. */
  readonly locate?: (url: string) => readonly string[]
}
