import type { Position } from '../errors.ts'

/**
 * Debian's spellings; other formats map theirs onto these. Apk has besides: `~` takes what begins so, `<~` and `>~` that and
 * what is older or newer, `><` the very package, by checksum.
 */
export type Relation = '<<' | '<=' | '=' | '>=' | '>>' | '~' | '<~' | '>~' | '><'

/** One package asked for, perhaps in some versions only. */
export interface Dependency {
  readonly name: string
  readonly version?: { readonly relation: Relation; readonly version: string }
}

/** Any one of these satisfies; the first is preferred. */
export type Alternatives = readonly Dependency[]

/** A name that a package answers to beside its own; unversioned ones satisfy only unversioned dependencies. */
export interface Provided {
  readonly name: string
  readonly version?: string
}

/** Where a package's bytes come from. */
export type PackageOrigin =
  /** Built by this project. `at` is the unit's declaration. */
  | { readonly kind: 'unit'; readonly unit: string; readonly at: Position }
  /** Served by a feed; digest and size come from its signed index. `path` is relative to the feed's URL. */
  | {
      readonly kind: 'feed'
      readonly feed: string
      readonly path: string
      /** Of the file. An index that has none has a `checksum`. */
      readonly sha256?: string
      /** What the index calls the content by, in the format's own way: apk's `Q1…`. */
      readonly checksum?: string
      readonly size: number
    }

export type FeedOrigin = Extract<PackageOrigin, { kind: 'feed' }>

/** What a signed index calls a package's bytes by. */
export const indexDigest = ({ sha256, checksum = '' }: FeedOrigin): string => sha256 ?? checksum

/** One installable package, from a feed or a unit, as dependency resolution sees it. */
export interface PackageRecord {
  readonly name: string
  readonly version: string
  /** In the format's own spelling: `amd64`, `all`. */
  readonly arch: string
  /** Each group must be satisfied. Pre-Depends come first. */
  readonly depends: readonly Alternatives[]
  readonly provides: readonly Provided[]
  /** Packages that can't be installed beside this one (Conflicts and Breaks). */
  readonly conflicts: readonly Dependency[]
  /** Part of every installation (Debian's Essential). */
  readonly essential: boolean
  /** Debian's Priority, where the format has one; decides between providers of a virtual name. */
  readonly priority: string
  /** Decides between providers of a name, the highest first; 0 where it is missing. */
  readonly providerPriority?: number
  /** It joins whenever all of these are installed, asked for by nobody; and none of `installUnless`. */
  readonly installIf?: readonly Dependency[]
  readonly installUnless?: readonly Dependency[]
  readonly origin: PackageOrigin
}

/** How a package format orders versions. */
export interface VersionScheme {
  /** Negative when a is older, 0 when equal, positive when newer. */
  compare(a: string, b: string): number
  /** Whether a version is what a relation asks for, where comparing does not tell. */
  matches?(version: string, relation: Relation, wanted: string): boolean
}

/** A registered feed with its verified index; package records are made only for names that are asked for. */
export interface Feed {
  /** `<module>.<name>`, such as `debian.main`. */
  readonly id: string
  readonly distro: string
  /** SHA-256 of the verified index text: the identity of everything this feed says. */
  readonly digest: string
  /** All versions of a name, in index order. */
  lookup(name: string): readonly PackageRecord[]
  /** All packages that provide a virtual name; the order is of preference, where nothing else decides. */
  providers(name: string): readonly PackageRecord[]
  /** All packages that join others which include `name` ({@link PackageRecord.installIf}), in index order. */
  joining?(name: string): readonly PackageRecord[]
  /** Names that every installation from this feed has (Debian: Essential and what bootstraps it), in a fixed order. */
  essentials(): readonly string[]
  /** Every name, for suggestions and listings. */
  names(): Iterable<string>
}
