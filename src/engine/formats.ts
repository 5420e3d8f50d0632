import type { Arch } from './arch.ts'
import type { Worker } from './build/worker.ts'
import type { Resolver } from './catalog/closure.ts'
import type { Alternatives, Feed, FeedOrigin, PackageRecord, VersionScheme } from './catalog/package.ts'
import type { Difference } from './compare-tars.ts'
import type { Position } from './errors.ts'
import type { Reporter } from './events.ts'
import type { DeclaredAccount } from './image/declared-accounts.ts'
import type { FeedDeclaration, PackageUnit } from './project/model.ts'
import type { PublicKeyFile } from './project/settings.ts'
import type { LibraryOwner } from './qa/links.ts'
import type { Surroundings } from './qa/package-parts.ts'
import type { Fetcher } from './source/fetcher.ts'

/** One file of a feed's index. */
export interface IndexFile {
  /** As the upstream calls it: `main/binary-amd64/Packages.xz`. */
  readonly path: string
  /** Bytes. */
  readonly size: number
  readonly sha256: string
}

/** An index that was verified once, and is known by its digests since. */
export interface LockedIndex {
  readonly files: readonly IndexFile[]
  /** Where that is written. */
  readonly at: Position
}

/** The index that a feed's upstream has now, verified. */
export interface LatestIndex {
  readonly suite: string
  /** Of the release that names it; milliseconds since 1970. */
  readonly date: number
  readonly files: readonly IndexFile[]
}

/** An index that lies in a module. */
export interface KeptIndex {
  /** Relative to the module's folder. */
  readonly file: string
  /** When it was made; milliseconds since 1970. */
  readonly date: number
  readonly packages: number
  /** Whether it is another than before. */
  readonly moved: boolean
}

/** What opening a feed needs from the outside. */
export interface FeedEnvironment {
  readonly arch: Arch
  /** Absolute folder of the module that declares the feed (its keyring lies there). */
  readonly moduleRoot: string
  /** `$YOE_CACHE`. */
  readonly cacheRoot: string
  readonly fetcher: Fetcher
  /** Never fetch; what is cached and still valid is enough or it is an error. */
  readonly offline: boolean
  /** Ask the upstream for a newer index even though a verified one is at hand. */
  readonly refresh: boolean
  /** The index to use, whatever the upstream has by now; not when `refresh` is set. */
  readonly index?: LockedIndex | undefined
  /** Without `index` it is an error, unless the feed has nothing for the architecture. */
  readonly mustBeLocked?: boolean
  /** Milliseconds since 1970. */
  readonly now: () => number
  readonly report: Reporter
  readonly signal?: AbortSignal
}

/** What one machine verified of a feed, for another one. */
export interface FeedKnowledge {
  /** The format's own; '' where the objects are enough, since the project's lock names them. */
  readonly text: string
  readonly files: readonly IndexFile[]
  /** Milliseconds since 1970 after which it is not believed any more; undefined: it does not expire. */
  readonly until: number | undefined
}

/** A built package's file. */
export interface PackedPackage {
  readonly record: PackageRecord
  /** File name as a repository shows it: `app_1.0-r0_amd64.deb`. */
  readonly filename: string
  /** Absolute. */
  readonly path: string
  readonly sha256: string
  readonly size: number
}

export interface PackInput {
  readonly unit: PackageUnit
  readonly arch: Arch
  readonly distro: string
  /** Absolute folder whose content becomes the package; only read, never followed out of. */
  readonly destdir: string
  /** Absolute folder for the finished files. */
  readonly outdir: string
  /** Runtime dependencies that the unit declares, already resolved to package names of this distro. */
  readonly runtimeDeps: readonly Alternatives[]
  /**
   * Who brings a shared library: soname (`libz.so.1`) to package name and version, from what the unit was built with.
   * A needed soname that nobody brings, nor the package itself, is a finding. `version` is the oldest that serves, ''
   * for any.
   */
  readonly libraries: ReadonlyMap<string, LibraryOwner>
  readonly around: Surroundings
  /** Told of checks that are skipped needlessly. */
  readonly report: Reporter
  readonly maintainer: string
  /** Seconds since 1970: every time stamp in the package. */
  readonly sourceDateEpoch: number
}

/** A package on this machine, ready to be put in a repository. */
export interface RepositoryEntry {
  readonly record: PackageRecord
  readonly path: string
  readonly sha256: string
  readonly size: number
}

export interface PublishInput {
  /** Absolute folder that becomes (or already is) the repository's root: `repo/<project>/debian`. */
  readonly root: string
  readonly project: string
  readonly distro: string
  /** The release that devices follow, where the format has such names: `trixie`. */
  readonly suite: string
  readonly arch: Arch
  readonly entries: readonly RepositoryEntry[]
  readonly signingKey: SigningKey
  /** Seconds since 1970: the Release file's Date. */
  readonly date: number
  readonly report: Reporter
}

/**
 * A private key as text (armored or PEM); never logged, never given to a worker. While a feed's key is replaced by
 * another, the text holds both, each signs, and either one is enough for a reader.
 */
export interface SigningKey {
  readonly privateKey: string
  readonly publicKey: string
  /** Shown in messages and pages; of several, that of the newest. */
  readonly fingerprint: string
}

/** Installing packages into an empty root file system, without privilege; the result is a tar. */
export interface InstallInput {
  readonly arch: Arch
  readonly distro: string
  /** Exactly what gets installed: a resolved closure whose files are at hand. */
  readonly packages: readonly RepositoryEntry[]
  /** Unpacked tools root whose installer is used; undefined: the host's (for the very first root). */
  readonly tools: string | undefined
  readonly worker: Worker
  /** A root file system tar to add to (its packages are installed already); undefined: from nothing. */
  readonly base?: string
  /** Absolute folder for intermediate files, empty, on the file system of `output`, removed by the caller. */
  readonly workdir: string
  /** Where the zstd-compressed tar goes; who keeps it flushes it to the disk. */
  readonly output: string
  readonly sourceDateEpoch: number
  readonly report: Reporter
  readonly log: (text: Uint8Array) => void
  /** Where `log` puts it, for errors. */
  readonly logPath: string
  readonly signal?: AbortSignal
}

/** Packages unpacked, without being installed, each by itself. */
export interface ExtractInput {
  /** Absolute paths of package files. */
  readonly packages: readonly string[]
  /** Absolute, exists, empty: gets a folder for each package, called by its index. */
  readonly dest: string
  /** Unpacked root whose programs do it. */
  readonly root: string
  readonly worker: Worker
  readonly log: (text: Uint8Array) => void
  readonly signal?: AbortSignal
}

/** A project's own feed, as its devices use it. */
export interface DeviceFeed {
  readonly project: string
  /** As it is published: {@link PublishInput.suite}. */
  readonly suite: string
  /** Where it is served, without a slash at its end. */
  readonly url: string
}

/** A text file of devices. */
export interface DeviceFile {
  /** Below the root, without a slash at its beginning. */
  readonly path: string
  readonly text: string
  /** Only where no package brings the file. */
  readonly isDefault: boolean
}

/** Where compilers look in a root file system of this format, relative to it. */
export interface SearchFolders {
  readonly libraries: readonly string[]
  readonly includes: readonly string[]
}

/** What the shell of a device is told, by its administrator. */
export interface OnDevice {
  /** The command that installs a package from the device's own feeds. @param name of a package: safe in a shell */
  add(name: string): string
  /**
   * Lines for `sh -eu`, in a folder of their own, that install package files, whatever versions there are: `$main`, and of
   * the arguments those that are installed already.
   */
  readonly addFiles: string
}

/** One package format: everything that the engine must not know about debs or apks. */
export interface PackageFormat {
  readonly name: string
  readonly distros: readonly string[]
  readonly versions: VersionScheme
  /** The format's spelling of an architecture: `amd64`. */
  archName(arch: Arch): string
  /** The version of the package that a unit becomes. @throws {YoeError} BAD_FIELD when the unit's is none of this format */
  packageVersion(unit: PackageUnit): string
  /** How packages are chosen, where it is not as apt does ({@link resolveClosure}). */
  resolver?(): Promise<Resolver>
  openFeed(feed: FeedDeclaration, environment: FeedEnvironment): Promise<Feed>
  /** Asks for the index of an architecture, without the packages that it lists; undefined when the feed has none for it. */
  latestIndex(feed: FeedDeclaration, environment: FeedEnvironment): Promise<LatestIndex | undefined>
  /**
   * What this machine knows of a feed that it opened, and all objects of that; undefined for one that has nothing for the
   * architecture. What is no longer in the cache is fetched.
   */
  knownFeed(feed: FeedDeclaration, environment: FeedEnvironment): Promise<FeedKnowledge | undefined>
  /**
   * Takes over what another machine knows: the feed then opens without being asked. Who may be believed is the caller's
   * matter; what is older than what is known here is left out.
   *
   * @returns what is wrong with it; undefined when nothing is
   */
  learnFeed(text: string, cacheRoot: string): Promise<string | undefined>
  /**
   * Brings the index that a module keeps of a feed to what upstream has now, verified; undefined when it keeps none for the
   * architecture.
   * @param anew also where it has none yet
   */
  keepIndex?(
    feed: FeedDeclaration,
    environment: FeedEnvironment,
    anew: boolean,
  ): Promise<readonly KeptIndex[] | undefined>
  /** Fetches (or finds) one package of an opened feed, verified by its signed digest; returns its absolute path. */
  fetchPackage(feed: FeedDeclaration, record: PackageRecord, environment: FeedEnvironment): Promise<string>
  /**
   * Digest of the object that a package of a feed was fetched as, where its index does not say it; undefined when it was
   * not fetched here.
   */
  packageObject?(origin: FeedOrigin, cacheRoot: string): string | undefined
  /** Checks what a build left and makes packages of it. @throws {YoeErrors} PACKAGE_QA and PACKAGE_INVALID, all together */
  pack(input: PackInput): Promise<readonly PackedPackage[]>
  /**
   * What a package file says about itself.
   * @param unit the unit that it was built from; undefined when it comes from elsewhere
   * @throws {YoeError} PACKAGE_INVALID
   */
  describe(path: string, unit?: PackageUnit): Promise<PackageRecord>
  /** What two files of one package, both made here, disagree about; empty when they are the same bytes. */
  compare(first: string, second: string): Promise<readonly Difference[]>
  /** @throws {YoeError} PACKAGE_INVALID when one can't be unpacked */
  extract(input: ExtractInput): Promise<void>
  /**
   * Refuses packages of units that can't be installed together, since they bring the same files, or accounts of one id.
   * @returns the accounts that they make with ids of their own
   * @throws {YoeErrors} INSTALL_FAILED for each two, with the line that settles it
   */
  refuseClashes(entries: readonly RepositoryEntry[]): Promise<readonly DeclaredAccount[]>
  /**
   * The shared libraries that a package file, or the packages installed in a root file system, bring: soname to package
   * and the oldest version that serves ('' for any).
   */
  libraries(path: string): Promise<ReadonlyMap<string, { readonly name: string; readonly version: string }>>
  searchFolders(arch: Arch): SearchFolders
  /** What package URLs call the format. @see the purl specification, types */
  readonly purlType: string
  /** Where an image says what a feed's package is licensed under, for people. */
  licencesIn(name: string): string
  publish(input: PublishInput): Promise<void>
  /** What tells a device where its project's feed is; undefined: the project names none. The keys are a package. */
  deviceFiles(feed: DeviceFeed | undefined): readonly DeviceFile[]
  readonly onDevice: OnDevice
  /** Whether a file seems to have public keys that feeds of this format are signed with: by its beginning, say. */
  knowsKeys(file: PublicKeyFile): boolean
  /** What a file with a project's public keys is called: `gateway.asc`. */
  publicKeyFile(project: string): Promise<string>
  installRoot(input: InstallInput): Promise<void>
}
