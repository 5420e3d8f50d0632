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

/** One package that could be installed, and what the search knows of it. Other names are looked up when it comes to them. */
export class Candidate {
  readonly record: PackageRecord
  readonly name: Name
  readonly #names: NameLoader
  #needs: readonly Need[] | undefined
  #provides: readonly Provided[] | undefined
  #joins: readonly Need[] | undefined
  #answersTo: readonly Name[] | undefined
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
  /** It is among those whose needs its name was looked at for, now and the last time that there were any. */
  isMerged = false
  wasMerged = false
  isListed = false
  /** Why it can't be had; the first reason stays. */
  obstacle: Obstacle | undefined

  constructor(record: PackageRecord, names: NameLoader) {
    this.record = record
    this.#names = names
    this.name = names.name(record.name)
    this.joinsNever = (record.installIf ?? []).length === 0
  }

  get needs(): readonly Need[] {
    this.#needs ??= this.#makeNeeds()
    return this.#needs
  }

  #makeNeeds(): readonly Need[] {
    const { depends, conflicts } = this.record
    const needs: Need[] = []
    for (const group of depends) {
      const need = firstOf(group, this.#names)
      if (need !== undefined) needs.push(need)
    }
    for (const dependency of conflicts) needs.push(this.#names.conflict(dependency))
    return needs
  }

  get provides(): readonly Provided[] {
    this.#provides ??= this.record.provides.map(({ name, version }) => ({ name: this.#names.name(name), version }))
    return this.#provides
  }

  /** Its own name, then those that it provides. */
  get answersTo(): readonly Name[] {
    this.#answersTo ??= [this.name, ...this.provides.map(({ name }) => name)]
    return this.#answersTo
  }

  get joins(): readonly Need[] {
    this.#joins ??= [
      ...(this.record.installIf ?? []).map((dependency) => this.#names.need(dependency)),
      ...(this.record.installUnless ?? []).map((dependency) => this.#names.conflict(dependency)),
    ]
    return this.#joins
  }
}

interface Provided {
  readonly name: Name
  readonly version: string | undefined
}

/** What names and packages are looked up by, when the search comes to them. */
export interface NameLoader {
  name(text: string): Name
  /** The one need for a dependency that must be met. */
  need(dependency: Dependency): Need
  /** The one need for a dependency that must not be met. */
  conflict(dependency: Dependency): Need
  providersOf(text: string): readonly Provider[]
  joining(text: string): readonly Name[]
}

const nobody: readonly Name[] = []

/** One name that packages have or provide, and what was decided about it. */
export class Name {
  readonly text: string
  readonly #load: NameLoader
  #providers: readonly Provider[] | undefined
  #joinedBy: readonly Name[] | undefined
  #kind: number | undefined
  #neededBy: Name[] | undefined
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
  /** How many candidates of the name at hand have this one in common: among their needs, among what they provide. */
  needsMerged = 0
  providesMerged = 0
  providedUnversioned = false
  isListed = false

  constructor(text: string, load: NameLoader) {
    this.text = text
    this.#load = load
  }

  /** Packages of this very name first; each in its feed's order. */
  get providers(): readonly Provider[] {
    this.#providers ??= this.#load.providersOf(this.text)
    return this.#providers
  }

  /** Names whose providers need this one, of those that were looked at. */
  get neededBy(): readonly Name[] {
    return this.#neededBy ?? nobody
  }

  /** Something that provides `asker` needs this one. All that it needs is told in a row, once. */
  mark(asker: Name): void {
    if (this.#neededBy === undefined) this.#neededBy = [asker]
    else if (this.#neededBy.at(-1) !== asker) this.#neededBy.push(asker)
  }

  /** Names whose providers join this one. */
  get joinedBy(): readonly Name[] {
    this.#joinedBy ??= this.#load.joining(this.text)
    return this.#joinedBy
  }

  /** 0: only packages are called so, 2: packages only provide it, 1: both. Names that mean less are decided first. */
  get kind(): number {
    if (this.#kind === undefined) {
      const own = this.providers.filter(({ candidate }) => candidate.name === this).length
      this.#kind = own === this.providers.length ? 0 : own === 0 ? 2 : 1
    }
    return this.#kind
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
export function firstOf(group: Alternatives, names: NameLoader): Need | undefined {
  if (group.length === 1 && group[0] !== undefined) return names.need(group[0])
  const needs = group.map((dependency) => names.need(dependency))
  return needs.find((need) => need.name.providers.some((one) => isProvided(need, one))) ?? needs[0]
}
