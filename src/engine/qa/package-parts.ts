import type { Arch } from '../arch.ts'
import type { ScannedTree } from '../build/destdir.ts'
import type { PackageUnit } from '../project/model.ts'
import type { Program } from './programs.ts'

/** One package of a unit, about to be written. */
export interface PackagePart {
  /** What follows `<unit>-` in its name; '' for the unit's main package. */
  readonly suffix: string
  readonly name: string
  readonly tree: ScannedTree
  readonly programs: readonly Program[]
}

/** What packages are checked against beside themselves: where they were built, and what they will lie beside. */
export interface Surroundings {
  /** Absolute folder with the packages that the unit was built with, unpacked; undefined when nothing ran. */
  readonly sysroot?: string
  /** Absolute paths of the package files in there. */
  readonly packages: readonly string[]
  /** Absolute folders of the roots that tasks ran in. */
  readonly roots: readonly string[]
  /** What names this machine, and is in no package: its name, folders of the build, homes. */
  readonly traces: readonly string[]
  /** Milliseconds since 1970. */
  readonly now: number
}

/** For packages that were not built but put together. */
export const nowhere: Surroundings = { packages: [], roots: [], traces: [], now: 0 }

/** All packages of one unit. */
export interface CheckedUnit {
  readonly unit: PackageUnit
  /** Undefined for packages that are the same on every architecture. */
  readonly arch: Arch | undefined
  /** The main one first. */
  readonly parts: readonly PackagePart[]
  readonly around: Surroundings
  /** Seconds since 1970: of every file in the packages. */
  readonly sourceDateEpoch: number
}
