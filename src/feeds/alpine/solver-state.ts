import type { Alternatives, Dependency, PackageRecord } from '#engine/catalog/package.ts'
import type { Obstacle } from '#engine/catalog/solver.ts'
import { compareVersions, matchesVersion } from './version.ts'

/** A package and the version in which it answers to a name; undefined: in none, so that several of them may be together. */
export interface Provider {
  readonly candidate: Candidate
  readonly version: string | undefined
}

/** A dependency with the name that it is about. `isConflict`: it must not be met. */
export interface Need {
  readonly name: Name
  readonly dependency: Dependency
  readonly isConflict: boolean
}

/** One package that could be installed, and what the search knows of it. */
export class Candidate {
  readonly record: PackageRecord
  readonly name: Name
  readonly needs: readonly Need[]
  readonly provides: readonly { readonly name: Name; readonly version: string | undefined }[]
  readonly joins: readonly Need[]
  isSeen = false
  isSelectable = true
  hasError = false
  /** How many needs rule it out. */
  conflicts = 0
  /** Length of the longest chain of needs below it. */
  depth = 0
  /** All that it joins is there, or something of it never will be. */
  joinsNow = false
  joinsNever: boolean
  /** It was among those whose needs its name was looked at for, now and the last time that there were any. */
  isMerged = false
  wasMerged = false
  isListed = false
  /** Why it can't be had; the first reason stays. */
  obstacle: Obstacle | undefined

  constructor(record: PackageRecord, name: Name, relate: (candidate: Candidate) => Relations) {
    this.record = record
    this.name = name
    const { needs, provides, joins } = relate(this)
    this.needs = needs
    this.provides = provides
    this.joins = joins
    this.joinsNever = joins.length === 0
  }
}

export type Relations = Pick<Candidate, 'needs' | 'provides' | 'joins'>

/** One name that packages have or provide, and what was decided about it. */
export class Name {
  readonly text: string
  /** Packages of this very name first; each in its feed's order. */
  providers: readonly Provider[] = []
  /** Names whose providers need this one, or join it. */
  readonly neededBy = new Set<Name>()
  readonly joinedBy = new Set<Name>()
  /** 0: only packages that are called so, 2: only packages that provide it, 1: both. Those that are sure come first. */
  kind = 0
  depth = 0
  isSeen = false
  requirers = 0
  isLocked = false
  chosen: Provider | undefined
  hasOptions = false
  hasJoining = false
  joinsNever = true
  mustCheckNeeds = false
  mustCheckJoins = false
  areAskersDone = false
  isDirty = false
  isUnresolved = false
  /** How many candidates of the name at hand have it in common: among their needs, among what they provide. */
  needsMerged = 0
  providesMerged = 0
  providedUnversioned = false
  isListed = false

  constructor(text: string) {
    this.text = text
  }
}

/** Whether what was chosen for a name, or could be, is what a need asks for. @see apk-world(5) */
export function isProvided({ dependency, isConflict }: Need, provider: Provider | undefined): boolean {
  if (provider === undefined) return isConflict
  const { version } = dependency
  if (version === undefined) return !isConflict
  if (version.relation === '><') {
    const { origin } = provider.candidate.record
    return (origin.kind === 'feed' && origin.checksum === version.version) !== isConflict
  }
  if (provider.version === undefined) return isConflict
  return matchesVersion(provider.version, version.relation, version.version) !== isConflict
}

/**
 * Which of two providers of a name is better: one that can be had, one whose needs were looked at already, one that fewer rule
 * out; then the newer version of the name, of the package, the higher priority. Equal ones stay in their feeds' order.
 */
export function isBetter(a: Provider, b: Provider | undefined): boolean {
  if (b === undefined) return true
  const [x, y] = [a.candidate, b.candidate]
  const order =
    Number(x.isSelectable) - Number(y.isSelectable) ||
    Number(x.wasMerged) - Number(y.wasMerged) ||
    y.conflicts - x.conflicts ||
    (a.version === undefined || b.version === undefined ? 0 : compareVersions(a.version, b.version)) ||
    (x.name === y.name ? compareVersions(x.record.version, y.record.version) : 0) ||
    (x.record.providerPriority ?? 0) - (y.record.providerPriority ?? 0)
  return order > 0
}

/** Of alternatives, which apk does not know, the first that something provides. */
export function firstOf(group: Alternatives, nameOf: (text: string) => Name): Need | undefined {
  const needs = group.map((dependency): Need => ({ name: nameOf(dependency.name), dependency, isConflict: false }))
  return needs.find((need) => need.name.providers.some((one) => isProvided(need, one))) ?? needs[0]
}
