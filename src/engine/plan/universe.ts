import type { Arch } from '../arch.ts'
import type { Resolver } from '../catalog/closure.ts'
import type { Feed, PackageRecord, VersionScheme } from '../catalog/package.ts'
import type { View } from '../catalog/view.ts'
import type { PackageUnit } from '../project/model.ts'

/** What names mean and what feeds hold: all that resolving needs, none of it I/O. */
export interface Universe {
  readonly view: View
  readonly arch: Arch
  /** The format's spelling of `arch`. */
  readonly packageArch: string
  /** In declaration order: of a package that several have, the newest version wins, then the feed declared first. */
  readonly feeds: readonly Feed[]
  readonly versions: VersionScheme
  /** How packages are chosen; undefined: as apt does. */
  readonly resolver?: Resolver | undefined
  /** The version of the package that a unit becomes. @throws {YoeError} */
  readonly packageVersion: (unit: PackageUnit) => string
  /** Closures that were found before, by a key of everything that they depend on; forgetting one only costs time. */
  readonly known?: KnownClosures
  /** The machine that builds, for units with `container_arch = "host"`; undefined: it is like the target. */
  readonly host?: HostSide
}

/** The machine that builds. */
export interface HostSide {
  readonly arch: Arch
  /** The format's spelling of `arch`. */
  readonly packageArch: string
  /** Feeds for that architecture; undefined as long as nothing asked for them. */
  readonly feeds: readonly Feed[] | undefined
  /** They were asked for and can't be opened: only what can't do without asks again. */
  readonly unavailable?: boolean
}

/** Thrown by resolving when something wants a root of the machine that builds: to be answered with feeds for it. */
export class HostFeedsNeeded extends Error {
  override readonly name = 'HostFeedsNeeded'
  /** Whether it can't be had otherwise. */
  readonly must: boolean

  constructor(must: boolean) {
    super('feeds of the machine that builds are needed')
    this.must = must
  }
}

export interface KnownClosures {
  get(key: string): readonly PackageRecord[] | undefined
  set(key: string, closure: readonly PackageRecord[]): void
}
