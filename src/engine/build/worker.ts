import type { LimitName } from './limits.ts'
import type { UpstreamProxies } from './upstream-proxy.ts'

/** Whether something can be used here, and if not why and what to type. */
export type Usability = { readonly ok: true } | { readonly ok: false; readonly reason: string; readonly hint: string }

/** A folder or file of the host, seen by a task. Nothing else of the host is. */
export interface Mount {
  readonly source: string
  readonly target: string
  readonly writable: boolean
}

/** Bounds on one run; what they mean when crossed is in the error. */
export interface Limits {
  readonly wallSeconds: number
  readonly silenceSeconds: number
  readonly processes: number
  readonly memoryBytes: number
  readonly fileBytes: number
  /** Files and folders in each of its memory file systems: /tmp, /dev/shm. */
  readonly scratchEntries: number
  /** What a log keeps (log.ts); a run that prints more goes on. */
  readonly logBytes: number
  /** What a run may print in all. */
  readonly outputBytes: number
}

/** What holds where nobody says otherwise (limits.ts). */
export const defaultLimits: Limits = {
  wallSeconds: 4 * 3600,
  silenceSeconds: 30 * 60,
  processes: 512,
  memoryBytes: 16 * 2 ** 30,
  fileBytes: 16 * 2 ** 30,
  scratchEntries: 1_000_000,
  logBytes: 100 * 2 ** 20,
  outputBytes: 16 * 2 ** 30,
}

/** Services that the user named, which a network leads to wherever they are. */
export interface Reach {
  readonly services: readonly { readonly host: string; readonly port: number }[]
  /** What this machine's own traffic goes through. */
  readonly proxies?: UpstreamProxies
}

export interface Run {
  /**
   * Absolute folder that is `/` of the run, read-only. `host` means the host's own programs and their settings (/usr,
   * /bin, /lib, /etc), read-only: only for making the first tools root.
   */
  readonly root: string | 'host'
  readonly argv: readonly string[]
  /** The whole environment. */
  readonly env: Readonly<Record<string, string>>
  readonly cwd: string
  readonly mounts: readonly Mount[]
  /** Fresh, empty, writable memory file systems at these paths (sizes in bytes). /tmp always is one. */
  readonly tmpfs?: readonly { readonly target: string; readonly size: number }[]
  /**
   * A network of its own with nothing in it but loopback; with true, also an HTTP proxy there, told by the environment
   * (`http_proxy` and its kin), that leads out but not to this machine. For fetching, never for building.
   */
  readonly network: boolean
  /** With a network: what else it leads to. */
  readonly reach?: Reach | undefined
  /**
   * `user`: one id, shown as 0, without capabilities: building.
   * `install`: ids 0-65535 mapped onto an unprivileged range, so that chown, chroot and maintainer scripts work.
   */
  readonly identity: 'user' | 'install'
  readonly limits: Limits
  /** Bytes for standard input; it is empty otherwise. */
  readonly stdin?: Uint8Array
  /** Standard output and error as they come. */
  readonly output: (chunk: Uint8Array) => void
  /**
   * The run has a terminal of its own, which is shown on this process's: standard input, output and error are that, and
   * `output` is told nothing. The terminal of this process itself is out of its reach.
   */
  readonly terminal?: boolean
  /** Told now and then what the run's processes hold together, in bytes. */
  readonly memoryUsed?: ((bytes: number) => void) | undefined
  readonly signal?: AbortSignal
}

export type RunResult =
  | { readonly kind: 'exited'; readonly code: number }
  /** `limit`: the one that it crossed, if it was ended for that. */
  | { readonly kind: 'killed'; readonly why: string; readonly limit?: LimitName }

/** A place where commands run, seeing only what they are given. */
export interface Worker {
  readonly name: string
  probe(): Promise<Usability>
  /** Resolves when every process of the run is gone. @throws {YoeError} SANDBOX_UNAVAILABLE, CANCELLED */
  run(run: Run): Promise<RunResult>
  /**
   * Makes the tree at `path` (on the host) writable for runs of this worker, and readable by this process after a run
   * took permissions away; idempotent. Never to be called on a tree with hard links into a store.
   */
  prepareWritable(path: string): Promise<void>
  /** Makes the tree readable by this process after a run took permissions away; of files no other mode changes. */
  prepareReadable(path: string): Promise<void>
}
