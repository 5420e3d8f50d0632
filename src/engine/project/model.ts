import type { Arch } from '../arch.ts'
import type { Limits } from '../build/worker.ts'
import type { Alternatives, Dependency, Provided } from '../catalog/package.ts'
import type { Base } from '../containers/dockerfile.ts'
import type { ImageReference } from '../containers/reference.ts'
import type { Position } from '../errors.ts'
import type { GitModule } from '../modules/reference.ts'
import type { CacheSettings, ProjectFeed, Sources } from './settings.ts'

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
  | {
      readonly kind: 'git'
      readonly url: string
      /** A full commit id, or the name of a tag or branch, whose commit `yoe.lock` holds. */
      readonly ref: string
      readonly refKind: 'commit' | 'tag' | 'branch'
      /** What `ref` means; undefined until the lock (or the repository) has told. */
      readonly commit?: string
      /** What dev mode follows beside the pin. */
      readonly branch?: string
      /** `false`: none; paths: only these. Undefined: all, with those in them. */
      readonly submodules?: false | readonly string[]
      /** `false`: pointers of Git LFS stay what they are. Undefined: the files come in their place. */
      readonly lfs?: false
      readonly at: Position
    }

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
  /** A Starlark function, called when the step is reached. */
  | {
      readonly kind: 'call'
      /** The function's name in messages. */
      readonly name: string
      /** Identity of all that the function can see and do: its body, helpers that it calls, values that it captured. */
      readonly digest: string
      /** Folders beside the files of these, when it may install from there: their content decides, too. */
      readonly reads: readonly Place[]
      /** Of the task; its file is the one that is evaluated for the function. */
      readonly at: Position
    }

export interface Task {
  readonly name: string
  /** Name (or virtual name) of the toolchain unit that this task runs in, instead of the unit's. */
  readonly container?: string
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
  /** The distros that see it; undefined: every one. */
  readonly distros?: readonly string[]
}

/**
 * Settings that flow from a machine to all of its units, and from a unit to those that are built with it.
 * @see seed, Config Propagation
 */
export interface PublicConfig {
  readonly cflags: readonly string[]
  readonly cxxflags: readonly string[]
  readonly cppflags: readonly string[]
  readonly ldflags: readonly string[]
  /** Folders of the sysroot to look for headers in, absolute on the device: `/usr/include/libxml2`. */
  readonly includePaths: readonly string[]
  readonly environment: Readonly<Record<string, string>>
}

/** A command that passes on exit 0: of a unit, run over its destdir; of an image, run by the boot test in the guest. */
export interface Check {
  readonly name: string
  readonly command: string
  readonly at: Position
}

/** A unit that is built from source into a package. */
export interface PackageUnit extends UnitBase {
  readonly kind: 'package'
  readonly scope: Scope
  readonly source?: Source
  readonly patches: readonly Place[]
  readonly deps: readonly Dependency[]
  readonly distroDeps: Readonly<Record<string, readonly Dependency[]>>
  readonly runtimeDeps: readonly Alternatives[]
  readonly distroRuntimeDeps: Readonly<Record<string, readonly Alternatives[]>>
  readonly provides: readonly Provided[]
  readonly replaces: readonly Dependency[]
  readonly conflicts: readonly Dependency[]
  readonly services: readonly string[]
  readonly conffiles: readonly string[]
  readonly environment: Readonly<Record<string, string>>
  readonly publicConfig?: PublicConfig
  /** Name (or virtual name) of the toolchain unit whose root tasks run in. */
  readonly container: string
  /** The architecture of that root: the one the unit is built for, or the one of the machine that builds (a cross compiler). */
  readonly containerArch: 'target' | 'host'
  /** What runs the commands of tasks; absent: what the root of each has, bash rather than sh. */
  readonly shell?: 'bash' | 'sh'
  /** Absolute folder in the sandbox to the name of a cache that is kept between builds; never part of the result. */
  readonly cacheDirs: Readonly<Record<string, string>>
  /** Bounds of each command of its tasks and tests, where they are not the usual ones. */
  readonly limits?: Partial<Limits>
  readonly tasks: readonly Task[]
  /** Packages split off the main one by rule: headers and static libraries, debug information. */
  readonly subpackages: readonly ('dev' | 'dbg')[]
  /** Suffix of a package's name to the patterns of paths that it takes. */
  readonly extraSubpackages: Readonly<Record<string, readonly string[]>>
  /** Absolute path in the package to what its mode, owner and capabilities shall be, whatever tasks left. */
  readonly permissions: Readonly<Record<string, Permission>>
  /** Package check that is not made, to the reason. */
  readonly qaSkip: Readonly<Record<string, string>>
  readonly tests: readonly Check[]
  /** A task of `tasks` installs the upstream's own suite below `/usr/lib/yoe-tests/<unit>`: the package `<unit>-tests`. */
  readonly upstreamTests: boolean
  /** Extra keyword arguments: template context. */
  readonly extra: Readonly<Record<string, Json>>
  /** The `extend(…)` calls whose additions are in the fields above. */
  readonly extensions: readonly Extension[]
}

/** What a file or folder of a package is allowed; what is absent stays as tasks left it, and belongs to root. */
export interface Permission {
  readonly mode?: number
  readonly owner?: { readonly user: string; readonly group: string }
  /** As setcap(8) takes it: `cap_net_raw+ep`. */
  readonly capabilities?: string
}

/** A call that added to a unit, and the class functions between it and the builtin, outermost first. */
export interface Extension {
  readonly at: Position
  readonly via: readonly string[]
}

/**
 * A unit whose result is a root file system to run tasks in: packages of the distro's own feed, else an image of a
 * registry, else what Docker builds.
 */
export interface ToolchainUnit extends UnitBase {
  readonly kind: 'toolchain'
  /** Empty where the root is made otherwise. */
  readonly packages: readonly string[]
  readonly image?: ContainerImage
  readonly dockerfile?: Dockerfile
  readonly provides: readonly string[]
}

/** An image of a registry. Without a digest of its own, `yoe.lock` holds what the tag means. */
export interface ContainerImage extends ImageReference {
  readonly at: Position
}

/** A folder with a Dockerfile, all of which decides. */
export interface Dockerfile {
  readonly context: Place
  /** Below the context. */
  readonly file: string
  /** Whether its RUN instructions reach the network. */
  readonly network: boolean
  readonly bases: readonly Base[]
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
  /** Absent: bash where the image has it, else sh. */
  readonly shell?: string
  readonly home: string
  /** crypt(3) text, '' for no password at all (development images), '!' for locked. */
  readonly password: string
  readonly authorizedKeys: readonly string[]
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
  readonly checks: readonly Check[]
}

export type Unit = PackageUnit | ToolchainUnit | ImageUnit

export interface Kernel {
  /** Unit or feed package that brings /boot/vmlinuz*. */
  readonly unit: string
  readonly provides?: string
  readonly cmdline: string
  /** For the unit that builds it: where from, and how it is configured. */
  readonly repo?: string
  readonly branch?: string
  readonly tag?: string
  readonly defconfig?: string
  readonly deviceTrees: readonly string[]
}

export interface Bootloader {
  readonly kind: 'uboot'
  /** Unit or feed package that brings it; undefined when the kernel's or the machine's packages do. */
  readonly unit?: string
  readonly repo?: string
  readonly branch?: string
  readonly tag?: string
  readonly defconfig?: string
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
  /** Instead of `kernel`, by distro. With these and no `kernel`, images of other distros can't run on this machine. */
  readonly distroKernels: Readonly<Record<string, Kernel>>
  readonly bootloader?: Bootloader
  readonly publicConfig?: PublicConfig
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
  /** The `module(…)` that brought it: of the project, or of another module. */
  readonly at: Position
  readonly origin: ModuleOrigin
  /** Listed by the project, as opposed to asked for by a module. */
  readonly listed: boolean
  readonly requires: readonly ModuleRequirement[]
}

/** Where a module's files come from. */
export type ModuleOrigin =
  | { readonly kind: 'shipped' }
  /** Absolute. */
  | { readonly kind: 'local'; readonly folder: string }
  | (GitModule & { readonly commit: string })

/** A module that another one asks for. */
export interface ModuleRequirement {
  readonly name: string
  /** What it asks for: `https://github.com/vendor/hal at v1.3.0`. */
  readonly wanted: string
  /** What it gets: `same`, what the `project` says instead, or a `newer` version that another module wants. */
  readonly met: 'same' | 'project' | 'newer'
  readonly at: Position
}

/** `prefer_modules`: which module a name is taken from, whatever the order of modules says. */
export interface ModulePin {
  readonly name: string
  /** A module, or a feed (`debian.main`). */
  readonly module: string
  /** Undefined: for every distro. */
  readonly distro?: string
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
  readonly cache: CacheSettings
  readonly sources: Sources
  readonly feed?: ProjectFeed | undefined
  readonly pins: readonly ModulePin[]
  readonly modules: readonly ModuleInfo[]
  readonly machines: readonly Machine[]
  readonly units: readonly Unit[]
  readonly feeds: readonly FeedDeclaration[]
}
