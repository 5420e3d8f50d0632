import type { Position } from '../errors.ts'
import type { NamedKey } from '../store/named-keys.ts'
import type { RemoteCache } from '../store/remotes/declaration.ts'

/** `cache(…)` of a project: where results are kept where nobody says otherwise, and how long those that nobody used shall be. */
export interface CacheSettings {
  /** Absolute, or relative to the project's root. */
  readonly path?: string
  /** Days that results are kept which nobody used and no image of the project needs. */
  readonly retentionDays?: number
  /** Bytes that everything in the cache may take together. */
  readonly budget?: number
  /** Shared with other machines, nearest first. */
  readonly remote?: readonly RemoteCache[]
  /** Whose signatures are believed, and nothing without one; absent: what this machine's own cache key signed. */
  readonly signing?: readonly NamedKey[]
}

/** `feed(…)` of a project: where its devices find its packages, and whose signatures on them they believe. */
export interface ProjectFeed {
  /** Of what `yoe publish` writes; without a slash at its end. */
  readonly url: string
  readonly keys: readonly PublicKeyFile[]
  readonly at: Position
}

/** A file of the project that holds public keys. */
export interface PublicKeyFile {
  /** Relative to the project: `keys/gateway.rsa.pub`. */
  readonly file: string
  /** Base64; '' as long as it is missing. */
  readonly content: string
}

/** `sources(…)` of a project: where things are fetched from, never what, so no part of any key. */
export interface Sources {
  /** Addresses that start with a key are asked for at its value first. */
  readonly mirrors: Readonly<Record<string, string>>
  /** What tasks with a network find in GOPROXY, npm_config_registry and PIP_INDEX_URL. */
  readonly goProxy?: string
  readonly npmRegistry?: string
  readonly pipIndex?: string
}
