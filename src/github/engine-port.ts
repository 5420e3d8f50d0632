/**
 * The engine as the actions use it: four calls, each a request in and plain data out. The data is what the
 * `report` file holds, so it survives JSON. engine.ts fulfils it over the toolkit.
 */
import type { BootReport } from '#bsp/boot-report.ts'
import type { Arch } from '#engine/arch.ts'
import type { Position } from '#engine/errors.ts'
import type { Reporter, UnitOutcome } from '#engine/events.ts'
import type { RemoteStore } from '#engine/store/remote.ts'

/** How far a cell is taken; each includes those before it. */
export const phases = ['units', 'image', 'boot-test'] as const
export type Phase = (typeof phases)[number]

interface Request {
  /** Absolute folder of PROJECT.star. */
  readonly projectDir: string
  /** Where finished units are kept between runs; undefined: this machine's store only. */
  readonly remote?: RemoteStore | undefined
  readonly report: Reporter
  readonly signal?: AbortSignal | undefined
}

export interface PlanRequest extends Request {
  /** Patterns of cells (`*` matches within a part); empty: every machine with every image. */
  readonly cells: readonly string[]
}

export interface PlannedCell {
  /** `<machine>/<image>[/<distro>]`: what `yoe ci --cell` takes. */
  readonly cell: string
  readonly machine: string
  readonly image: string
  readonly distro: string
  readonly arch: Arch
  /** Files and folders (relative to the project, `/` between parts) that the cell's result depends on; undefined: unknown. */
  readonly inputs?: readonly string[]
}

export interface PlanReport {
  readonly cells: readonly PlannedCell[]
}

export interface CellRequest extends Request {
  /** The private key that signs entries of `remote`, as text; then only what it signed is read. Never logged. */
  readonly cacheKey?: string | undefined
  readonly cell: string
  /** False: anybody's code (a fork's pull request); what it makes is never read by a run with a key. */
  readonly trusted: boolean
  readonly through: Phase
  /** Milliseconds since 1970 after which no new unit is started: what is done is kept, the rest fails as CANCELLED. */
  readonly deadline?: number | undefined
  /**
   * What an earlier run was made of, as text of the engine's own: `recall` is asked when something is built, `keep` is given
   * what this run leaves to the next. Only shown, never trusted.
   */
  readonly memory?: { recall(): Promise<string | undefined>; keep(text: string): Promise<void> } | undefined
  /** Parallel units; undefined: as the machine can. */
  readonly jobs?: number | undefined
  /** Seconds for the boot test; undefined: as the acceleration found here needs. */
  readonly bootTimeout?: number | undefined
  /** Whether the repository of everything that the image installs is wanted, too: it needs every package at hand. */
  readonly feed: boolean
  /** False: that repository is signed with a key that nobody has afterwards, whatever keys this machine has. */
  readonly signs: boolean
}

export interface UnitReport {
  readonly name: string
  readonly outcome: UnitOutcome
  /** Why it was built, or that it was not: one line. */
  readonly why: string
  readonly ms: number
  readonly at?: Position
}

export interface CellReport {
  readonly cell: string
  readonly machine: string
  readonly image: string
  readonly distro: string
  readonly arch: Arch
  /** Every unit of the cell, dependencies first. */
  readonly units: readonly UnitReport[]
  /** From phase `image` on. `path` is absolute, `size` in bytes as stored (images are sparse). */
  readonly disk?: { readonly path: string; readonly sha256: string; readonly size: number }
  /** What is installed in the image, by name. Bytes as packaged; `license` of the project's own, as their units say. */
  readonly packages?: readonly {
    readonly name: string
    readonly version: string
    readonly size: number
    readonly arch?: string
    readonly sha256?: string
    readonly license?: string
  }[]
  /** Absolute folder of the project's own signed repository. */
  readonly feedDir?: string
  /** Whether that repository is signed by a key that only this run had: no device trusts it. */
  readonly throwawayKey?: boolean
  /** From phase `boot-test` on. */
  readonly boot?: BootReport
}

export interface PublishRequest extends Omit<Request, 'remote'> {
  /** Absolute folders of feeds that cells of this run made; all end up in one. */
  readonly feeds: readonly string[]
  /** Absolute folder, or a bucket (`s3://…`), to publish to; an existing feed there is added to. */
  readonly to: string
  /** The address that it is served at, when known. */
  readonly url?: string | undefined
  /** Versions of each package that stay on offer; undefined: the engine's default. */
  readonly keep?: number | undefined
  /** The address of a site that will be replaced by the folder: what it serves now is brought there first. */
  readonly live?: string | undefined
  /** The project's private keys as text; undefined: the project's own way of naming them. Never logged. */
  readonly signingKey?: string | undefined
  readonly apkSigningKey?: string | undefined
  /** What opens that one, where it is protected. */
  readonly apkPassphrase?: string | undefined
}

/** The packages of one distro at the place. */
export interface PublishedFeed {
  readonly distro: string
  /** The program that installs them. */
  readonly tool: string
  readonly packages: number
  /** The file beside the feed that devices trust, `<project>.gpg`. */
  readonly keyring: string
  /** What a device is told to trust. */
  readonly keyFingerprint: string
  /** Lines that add the feed to a device, ready to paste. */
  readonly install: string
}

export interface PublishReport {
  /** Absolute; undefined: a bucket. */
  readonly dir: string | undefined
  /** Where devices find the feed, when known; without a slash at its end. */
  readonly url?: string | undefined
  /** What a live site served: packages, and the bytes of those that had to be fetched; undefined: nothing. */
  readonly imported?: { readonly packages: number; readonly fetched: number } | undefined
  readonly packages: number
  /** One for each distro that this run has packages of; at least one. */
  readonly feeds: readonly PublishedFeed[]
}

export interface Engine {
  /** The cells of these names, without working out what they depend on. @throws {YoeError} USAGE when there is none */
  find(request: PlanRequest): Promise<readonly PlannedCell[]>
  /** @throws {YoeError} what is wrong with the project, all of it (YoeErrors) */
  plan(request: PlanRequest): Promise<PlanReport>
  /**
   * Restores, builds and tests one cell. What was done before a failure is told by events; a boot test that fails is
   * a result (`boot.ok`), not an exception.
   *
   * @throws {YoeError} the first failure, when all that could still finish has
   */
  runCell(request: CellRequest): Promise<CellReport>
  publish(request: PublishRequest): Promise<PublishReport>
}
