import type { Universe } from '#engine/catalog/candidates.ts'
import type { Dependency } from '#engine/catalog/package.ts'
import type { Obstacle, Root } from '#engine/catalog/solver.ts'
import { discover } from './solver-discovery.ts'
import { Names } from './solver-names.ts'
import { type Candidate, firstOf, isBetter, isProvided, type Name, type Need, type Provider } from './solver-state.ts'

/**
 * Chooses packages as `apk add` does on an empty system. Everything that could matter is discovered first, then what is certain
 * is propagated: needs of what must be there, and of all candidates for a name together; packages that a need rules out
 * are out, and with them those that need them. When nothing is certain any more, one name is decided, and so on.
 * Nothing is ever taken back.
 *
 * Where the order of things decides, apk goes by a hash table of names in memory and we by feeds: each name's askers in the
 * order in which they are met from the roots. Between a package of a name and another that provides it in the same
 * version, with the same priority, the package wins; apk takes what its first repository lists first.
 *
 * @see apk-tools src/solver.c; apk-world(5); Alpine wiki, "Apk spec"
 */
export class Solver {
  readonly #names: Names
  readonly #dirty: Name[] = []
  /** The last one is the first to be looked at. */
  readonly #unresolved: Name[] = []
  errors = 0

  constructor(universe: Universe, arch: string, excluded: ReadonlySet<string>) {
    this.#names = new Names(universe, arch, excluded)
  }

  /** What roots ask for, ordered by name: apk keeps its world so. */
  world(roots: readonly Root[]): readonly Need[] {
    const needs = roots.flatMap(({ dependency }) => firstOf(dependency, this.#names) ?? [])
    return needs.sort((a, b) => (a.name.text < b.name.text ? -1 : a.name.text > b.name.text ? 1 : 0))
  }

  /** @throws {TooTangled} */
  solve(world: readonly Need[]): void {
    for (const { name } of world) discover(name, (looks) => this.#names.spend(looks))
    for (const need of world) this.#apply(undefined, need)
    for (;;) {
      for (let name = this.#dirty.shift(); name !== undefined; name = this.#dirty.shift()) {
        name.isDirty = false
        this.#reconsider(name)
      }
      const next = this.#nextUnresolved()
      if (next === undefined) break
      this.#decide(next)
    }
  }

  isInstalled(dependency: Dependency): boolean {
    const name = this.#names.known(dependency.name)
    return name?.chosen !== undefined && isProvided({ name, dependency, isConflict: false }, name.chosen)
  }

  /** By package name, why it can't be had. */
  get obstacles(): ReadonlyMap<string, Obstacle> {
    const found = new Map<string, Obstacle>()
    for (const { name, obstacle } of this.#names.candidates)
      if (obstacle !== undefined && !found.has(name.text)) found.set(name.text, obstacle)
    return found
  }

  name(text: string): Name {
    return this.#names.name(text)
  }

  #spend(looks: number): void {
    this.#names.spend(looks)
  }

  #apply(asker: Candidate | undefined, need: Need): void {
    const { name, isConflict, dependency } = need
    if (!isConflict && ++name.requirers === 1) this.#nowRequired(name)
    for (const provider of name.providers) {
      this.#spend(1)
      if (isProvided(need, provider)) continue
      const { candidate } = provider
      candidate.conflicts++
      if (!candidate.isSelectable) continue
      const by = asker?.record.name
      this.#disqualify(
        candidate,
        by === undefined
          ? undefined
          : isConflict
            ? { kind: 'conflict', dependency, with: by }
            : { kind: 'version', dependency, by },
      )
    }
  }

  #nowRequired(name: Name): void {
    this.#queueUnresolved(name)
    this.#checkJoining(name)
    this.#queueDirty(name)
  }

  #disqualify(candidate: Candidate, obstacle: Obstacle | undefined): void {
    candidate.isSelectable = false
    candidate.obstacle ??= obstacle
    this.#checkAskers(candidate.name)
    for (const { name } of candidate.provides) this.#checkAskers(name)
    this.#checkJoining(candidate.name)
  }

  #checkAskers(name: Name): void {
    for (const asker of name.neededBy) {
      asker.mustCheckNeeds = true
      this.#queueDirty(asker)
    }
    this.#spend(name.neededBy.length)
  }

  #checkJoining(name: Name): void {
    for (const joining of name.joinedBy) {
      if (!joining.isSeen || joining.joinsNever) continue
      joining.mustCheckJoins = true
      this.#queueDirty(joining)
    }
    this.#spend(name.joinedBy.length)
  }

  #queueDirty(name: Name): void {
    if (name.isDirty || name.isLocked || (name.requirers === 0 && !name.mustCheckJoins)) return
    name.isDirty = true
    this.#dirty.push(name)
  }

  #queueUnresolved(name: Name): void {
    if (name.isLocked) return
    const isWanted = name.requirers > 0 || name.hasJoining
    if (isWanted === name.isUnresolved) return
    name.isUnresolved = isWanted
    if (isWanted) this.#unresolved.push(name)
    else this.#unresolved.splice(this.#unresolved.indexOf(name), 1)
  }

  #isSatisfiable(need: Need): boolean {
    const { name } = need
    if (name.isLocked) return isProvided(need, name.chosen)
    if (name.requirers === 0 && isProvided(need, undefined)) return true
    this.#spend(name.providers.length)
    return name.providers.some((one) => one.candidate.isSelectable && isProvided(need, one))
  }

  /** Draws what is certain about a name from the candidates that it still has. */
  #reconsider(name: Name): void {
    const { mustCheckNeeds, mustCheckJoins } = name
    name.mustCheckNeeds = false
    name.mustCheckJoins = false
    const merged: Candidate[] = []
    let hasJoining = false
    let joinsNever = true
    for (const { candidate, version } of name.providers) {
      this.#spend(candidate.needs.length + 1)
      candidate.isMerged = false
      if (mustCheckNeeds && candidate.isSelectable) {
        const need = candidate.needs.find((one) => !this.#isSatisfiable(one))
        if (need !== undefined) this.#disqualify(candidate, unmet(need))
      }
      if (!candidate.isSelectable) continue
      if (mustCheckJoins) checkJoins(candidate)
      hasJoining ||= candidate.joinsNow
      joinsNever &&= candidate.joinsNever
      if (name.requirers === 0) continue
      candidate.isMerged = true
      this.#names.glance(candidate.provides.length)
      this.#merge(candidate, version, merged.length)
      merged.push(candidate)
    }
    name.hasOptions = merged.length > 1
    name.hasJoining = hasJoining
    name.joinsNever = joinsNever
    this.#queueUnresolved(name)
    const [first] = merged
    if (first !== undefined) this.#propagate(name, first, merged.length)
    name.areAskersDone = name.neededBy.every((asker) => asker.isLocked)
  }

  /**
   * Counts what this candidate has in common with all before it.
   * @param own the version in which it has the name @param before how many those are
   */
  #merge(candidate: Candidate, own: string | undefined, before: number): void {
    for (const need of candidate.needs) {
      if (!need.isConflict && need.name.needsMerged === before) need.name.needsMerged = before + 1
    }
    const count = (one: Name, version: string | undefined): void => {
      if (one.providesMerged !== before) return
      one.providesMerged = before + 1
      one.providedUnversioned ||= version === undefined
    }
    count(candidate.name, own)
    for (const { name: one, version } of candidate.provides) count(one, version)
  }

  #propagate(name: Name, first: Candidate, options: number): void {
    for (const { candidate } of name.providers) candidate.wasMerged = candidate.isMerged
    for (const need of first.needs) {
      const isCommon = need.name.needsMerged === options
      need.name.needsMerged = 0
      if (!isCommon) continue
      if (options === 1) this.#apply(first, need)
      else if (need.name.requirers === 0) {
        need.name.requirers++
        this.#nowRequired(need.name)
      }
    }
    for (const one of first.answersTo) {
      const isCommon = one.providesMerged === options
      one.providesMerged = 0
      if (isCommon) this.#excludeOthers(one, name, one.providedUnversioned)
    }
    for (const one of first.answersTo) one.providedUnversioned = false
  }

  /** All that can be had for `required` provides `name`, so nothing else may. @param together providers without version may be together */
  #excludeOthers(name: Name, required: Name, together: boolean): void {
    if (name === required) return
    for (const { candidate, version } of name.providers) {
      this.#spend(1)
      if (candidate.name === required || !candidate.isSelectable || (together && version === undefined)) continue
      this.#names.glance(candidate.provides.length)
      const isFine = candidate.provides.some((one) => one.name === required || (together && one.version === undefined))
      if (!isFine) {
        this.#disqualify(candidate, { kind: 'conflict', dependency: { name: name.text }, with: required.text })
      }
    }
  }

  #nextUnresolved(): Name | undefined {
    let best: Name | undefined
    this.#spend(this.#unresolved.length)
    for (let at = this.#unresolved.length - 1; at >= 0; at--) {
      const name = this.#unresolved[at]
      if (name === undefined) continue
      if (name.areAskersDone && name.requirers > 0 && !name.hasOptions) return name
      if (best === undefined || isSurer(name, best)) best = name
    }
    return best
  }

  #decide(name: Name): void {
    let chosen: Provider | undefined
    if (name.requirers > 0 || name.hasJoining) {
      for (const provider of name.providers) {
        const { candidate, version } = provider
        if (name.requirers === 0 && !candidate.joinsNow) continue
        // Who provides a name without version is nobody's choice, unless it says that it may be. (apk 3 takes an only one.)
        const isUnsure = version === undefined && candidate.name.requirers === 0
        if (isUnsure && (candidate.record.providerPriority ?? 0) === 0) continue
        if (isBetter(provider, chosen)) chosen = provider
      }
    }
    if (chosen === undefined) {
      this.#assign(name, undefined)
      if (name.requirers > 0) this.errors++
      return
    }
    const { candidate } = chosen
    if (!candidate.isSelectable) this.fail(candidate)
    this.#assign(candidate.name, { candidate, version: candidate.record.version })
    for (const { name: one, version } of candidate.provides) this.#assign(one, { candidate, version })
    for (const need of candidate.needs) this.#apply(candidate, need)
  }

  #assign(name: Name, provider: Provider | undefined): void {
    if (name.isLocked) {
      const { chosen } = name
      if (provider?.version === undefined && chosen?.version === undefined) return
      for (const [one, other] of [
        [provider, chosen],
        [chosen, provider],
      ]) {
        if (one === undefined) continue
        this.fail(one.candidate)
        if (other !== undefined)
          one.candidate.obstacle ??= {
            kind: 'conflict',
            dependency: { name: name.text },
            with: other.candidate.record.name,
          }
      }
      return
    }
    name.isLocked = true
    name.chosen = provider
    if (name.isUnresolved) this.#unresolved.splice(this.#unresolved.indexOf(name), 1)
    name.isUnresolved = false
    if (name.isDirty) this.#dirty.splice(this.#dirty.indexOf(name), 1)
    name.isDirty = false
    for (const other of name.providers) {
      this.#spend(1)
      if (other.candidate === provider?.candidate) continue
      if (provider?.version === undefined && other.version === undefined) continue
      const by = provider?.candidate.record.name
      this.#disqualify(
        other.candidate,
        by === undefined ? undefined : { kind: 'conflict', dependency: { name: name.text }, with: by },
      )
    }
    this.#checkAskers(name)
    this.#checkJoining(name)
  }

  /** Its being there is a mistake. */
  fail(candidate: Candidate): void {
    if (candidate.hasError) return
    candidate.hasError = true
    this.errors++
  }
}

const unmet = ({ dependency, isConflict }: Need): Obstacle =>
  isConflict ? { kind: 'conflict', dependency, with: dependency.name } : { kind: 'unmet', group: [dependency] }

function checkJoins(candidate: Candidate): void {
  if (candidate.joinsNow || candidate.joinsNever) return
  for (const need of candidate.joins) {
    if (!need.name.isLocked) return
    if (isProvided(need, need.name.chosen)) continue
    candidate.joinsNever = true
    return
  }
  candidate.joinsNow = true
}

/** Which of two names is decided first: a required one, one that means less, one on which a longer chain hangs. */
function isSurer(a: Name, b: Name): boolean {
  return (Number(b.requirers > 0) - Number(a.requirers > 0) || a.kind - b.kind || b.depth - a.depth) < 0
}
