import type { Arch } from '../arch.ts'
import type { Position } from '../errors.ts'

/** Plain data that survives JSON: what templates see and what hashes are made of. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json }

/** A file or folder inside the project (`module` is '') or one of its modules. `path` uses `/` and never leaves the root. */
export interface Place {
  readonly module: string
  readonly path: string
}

export type Source =
  /** A folder of this project or module, used as it is; its content is hashed. */
  | { readonly kind: 'path'; readonly place: Place }
  | { readonly kind: 'archive'; readonly urls: readonly string[]; readonly sha256: string; readonly at: Position }
  | { readonly kind: 'git'; readonly url: string; readonly commit: string; readonly at: Position }

export type Step =
  | { readonly kind: 'run'; readonly command: string }
  | {
      readonly kind: 'install'
      /** Copied as it is, or rendered by Go's text/template. */
      readonly template: boolean
      readonly source: Place
      /** May name environment variables of the task: `$DESTDIR/etc/app.conf`. */
      readonly dest: string
      readonly mode: number
      readonly at: Position
    }

export interface Task {
  readonly name: string
  readonly steps: readonly Step[]
  /** Only fetch tasks may reach the network. */
  readonly network: boolean
  readonly at: Position
}

/** What may differ between two results of a unit: nothing but the architecture, the machine too, or not even the architecture. */
export type Scope = 'arch' | 'machine' | 'noarch'

interface UnitBase {
  readonly name: string
  readonly version: string
  readonly release: number
  readonly description: string
  readonly license: string
  /** '' for the project itself. */
  readonly module: string
  /** The declaration, in the file that a user would edit (the call of the class, not the class). */
  readonly at: Position
  /** The class functions between `at` and the builtin, outermost first: `autotools`. */
  readonly builtVia: readonly string[]
  /** Undefined: visible to every distro. */
  readonly distro?: string
}

/** A unit that is built from source into a package. */
export interface PackageUnit extends UnitBase {
  readonly kind: 'package'
  readonly scope: Scope
  readonly source?: Source
  readonly patches: readonly Place[]
  readonly deps: readonly string[]
  readonly distroDeps: Readonly<Record<string, readonly string[]>>
  readonly runtimeDeps: readonly string[]
  readonly distroRuntimeDeps: Readonly<Record<string, readonly string[]>>
  readonly provides: readonly string[]
  readonly replaces: readonly string[]
  readonly conflicts: readonly string[]
  readonly services: readonly string[]
  readonly conffiles: readonly string[]
  readonly environment: Readonly<Record<string, string>>
  /** Name (or virtual name) of the toolchain unit whose root tasks run in. */
  readonly container: string
  readonly tasks: readonly Task[]
  /** Extra keyword arguments: template context. */
  readonly extra: Readonly<Record<string, Json>>
}

/** A unit whose result is a root file system to run tasks in: packages of the distro's own feed. */
export interface ToolchainUnit extends UnitBase {
  readonly kind: 'toolchain'
  readonly distro: string
  readonly packages: readonly string[]
  readonly provides: readonly string[]
}

export interface Partition {
  readonly label: string
  readonly type: 'ext4' | 'vfat'
  /** Bytes, or everything that is left. */
  readonly size: number | 'fill'
  readonly root: boolean
  readonly contents: readonly string[]
  readonly at: Position
}

export interface ImageUser {
  readonly name: string
  readonly uid?: number
  readonly groups: readonly string[]
  readonly shell: string
  readonly home: string
  /** crypt(3) text, '' for no password at all (development images), '!' for locked. */
  readonly password: string
  readonly authorizedKeys: readonly string[]
}

/** A command that the boot test runs in the guest over SSH; it passes on exit 0. */
export interface ImageCheck {
  readonly name: string
  readonly command: string
  readonly at: Position
}

/** A unit that installs packages into a root file system and makes a disk image of it. */
export interface ImageUnit extends UnitBase {
  readonly kind: 'image'
  readonly artifacts: readonly string[]
  readonly distroArtifacts: Readonly<Record<string, readonly string[]>>
  readonly exclude: readonly string[]
  /** Defaults to the machine's name. */
  readonly hostname?: string
  readonly timezone: string
  readonly locale: string
  readonly services: readonly string[]
  readonly users: readonly ImageUser[]
  /** Folders copied onto the root file system. */
  readonly overlays: readonly Place[]
  /** Overrides the machine's. */
  readonly partitions?: readonly Partition[]
  readonly checks: readonly ImageCheck[]
}

export type Unit = PackageUnit | ToolchainUnit | ImageUnit

export interface Kernel {
  /** Unit or feed package that brings /boot/vmlinuz*. */
  readonly unit: string
  readonly provides?: string
  readonly cmdline: string
}

export interface QemuConfig {
  readonly machine: string
  readonly cpu: string
  /** Bytes. */
  readonly memory: number
  readonly firmware?: 'seabios' | 'ovmf' | 'aavmf'
  readonly display: 'none' | 'gtk'
  /** Host port to guest port. */
  readonly ports: readonly { readonly host: number; readonly guest: number }[]
}

export interface Machine {
  readonly name: string
  readonly module: string
  readonly at: Position
  readonly arch: Arch
  readonly description: string
  readonly kernel?: Kernel
  readonly packages: readonly string[]
  readonly distroPackages: Readonly<Record<string, readonly string[]>>
  readonly partitions: readonly Partition[]
  readonly qemu?: QemuConfig
}

/** An upstream feed as a module declares it; its format decides what `options` hold. */
export interface FeedDeclaration {
  /** `<module>.<name>`. */
  readonly id: string
  readonly module: string
  readonly at: Position
  /** The registered package format that reads it. */
  readonly format: string
  readonly distro: string
  readonly options: Readonly<Record<string, Json>>
}

export interface ModuleInfo {
  readonly name: string
  readonly description: string
  /** Absolute folder that holds MODULE.star. */
  readonly root: string
  readonly at: Position
}

/**
 * A project, evaluated and checked; plain data, so that it can be kept between runs.
 * `modules` rise in priority, and the project itself outranks them all.
 */
export interface Project {
  readonly name: string
  readonly version: string
  readonly description: string
  /** Absolute folder of PROJECT.star. */
  readonly root: string
  readonly at: Position
  readonly defaults: { readonly machine?: string; readonly image?: string; readonly distro?: string }
  readonly modules: readonly ModuleInfo[]
  readonly machines: readonly Machine[]
  readonly units: readonly Unit[]
  readonly feeds: readonly FeedDeclaration[]
}
