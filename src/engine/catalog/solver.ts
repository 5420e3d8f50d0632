import type { Position } from '../errors.ts'
import { Candidates, type Node, type Universe } from './candidates.ts'
import type { Alternatives, Dependency, PackageRecord, VersionScheme } from './package.ts'

/** Why a package can't be installed. */
export type Obstacle =
  /** Nothing that could be installed meets one of its dependencies. */
  | { readonly kind: 'unmet'; readonly group: Alternatives }
  /** It must not be beside something that is settled. */
  | { readonly kind: 'conflict'; readonly dependency: Dependency; readonly with: string }
  /** Something settled wants what it provides in another version. */
  | { readonly kind: 'version'; readonly dependency: Dependency; readonly by: string }

/** One thing asked for from outside: by an image, a toolchain, the command line. */
export interface Root {
  readonly dependency: Alternatives
  /** Who asks, as messages show it: `image base`. */
  readonly by: string
  /** The line that asks. */
  readonly at?: Position
}

interface Frame {
  /** Undefined: roots that are a choice, as dependencies of nobody. */
  readonly node: Node | undefined
  readonly groups: readonly Alternatives[]
  /** Whether the node was settled already; if not, it is only while its dependencies are being installed. */
  readonly settled: boolean
  /** Index of the group at hand, its solutions once they are looked up, and the next of them to try. */
  group: number
  solutions: readonly Node[] | undefined
  next: number
  failed: boolean
}

/**
 * Chooses packages as apt's own marking does when nothing is installed (apt-pkg/depcache.cc, pkgDepCache::MarkInstall):
 * depth first, dependencies in declared order, the first alternative that works. What the roots force, and whatever is
 * on the way to the package at hand, is settled: its conflicts rule others out instead of being overruled.
 */
export class Solver {
  readonly candidates: Candidates
  /** Why candidates were given up, by name; the first reason stays. */
  readonly obstacles = new Map<string, Obstacle>()
  readonly #stack: Frame[] = []
  readonly #choices: Alternatives[] = []

  /** @param forbidden names that must not be in the closure */
  constructor(universe: Universe, versions: VersionScheme, arch: string, forbidden: ReadonlySet<string>) {
    this.candidates = new Candidates(universe, versions, arch, forbidden, (node, { conflict, by }) =>
      this.#giveUp(node, { kind: 'conflict', dependency: conflict, with: by.name }),
    )
  }

  /** @returns whether every root got what it asks for; packages may still conflict, see {@link violations} */
  install(roots: readonly Root[]): boolean {
    const named: Node[] = []
    for (const { dependency } of roots) {
      const [only, ...others] = this.#solutionsOf(dependency)
      const certain =
        only !== undefined && (others.length === 0 || (dependency.length === 1 && only.name === dependency[0]?.name))
      if (certain) named.push(only)
      else this.#choices.push(dependency)
    }
    // All that is asked for by name stands before anything is chosen for it.
    for (const node of named) {
      this.candidates.install(node)
      node.fixed = true
    }
    let good = true
    for (const node of named) good = this.#run(() => this.#enter(node)) && good
    good = this.#run(() => this.#push(undefined, this.#choices, true)) && good
    return good && this.#repair()
  }

  isInstalled(dependency: Dependency): boolean {
    return this.candidates.isInstalled(dependency)
  }

  /** Pairs of installed packages that must not be beside each other: who says so, and the other. */
  *violations(): Generator<readonly [Node, Node]> {
    for (const node of this.candidates.nodes()) {
      if (!node.installed) continue
      for (const conflict of node.candidate?.conflicts ?? []) {
        for (const other of this.candidates.installedFor(conflict, node)) yield [node, other]
      }
    }
  }

  /** What a later choice broke is chosen again, or given up; ends because candidates never come back. */
  #repair(): boolean {
    for (let again = true; again; ) {
      again = false
      const nodes = [...this.candidates.nodes()]
      this.candidates.spend(nodes.length)
      for (const node of nodes) {
        if (!node.installed || this.#complete(node)) continue
        again = true
        if (this.#run(() => this.#enter(node))) continue
        if (node.fixed) return false
        this.#discard(node)
      }
      if (this.#choices.some((group) => !this.#met(group))) {
        again = true
        if (!this.#run(() => this.#push(undefined, this.#choices, true))) return false
      }
    }
    return true
  }

  /** Runs a package and all that it starts, on a stack of our own: chains may be longer than the language's. */
  #run(begin: () => boolean | undefined): boolean {
    let result = begin()
    for (let frame = this.#stack.at(-1); frame !== undefined; frame = this.#stack.at(-1)) {
      result = this.#advance(frame, result)
      if (result !== undefined) this.#stack.pop()
    }
    return result ?? true
  }

  #met(group: Alternatives): boolean {
    return group.some((dependency) => this.candidates.isInstalled(dependency))
  }

  #complete(node: Node): boolean {
    return node.candidate?.depends.every((group) => this.#met(group)) !== false
  }

  #solutionsOf(group: Alternatives): readonly Node[] {
    const [first, ...rest] = group
    if (first === undefined) return []
    if (rest.length === 0) return this.candidates.solutions(first)
    return [...new Set(group.flatMap((dependency) => this.candidates.solutions(dependency)))]
  }

  #giveUp(node: Node, obstacle: Obstacle): void {
    if (!this.obstacles.has(node.name)) this.obstacles.set(node.name, obstacle)
  }

  #discard(node: Node): void {
    this.candidates.remove(node)
    node.candidate = undefined
  }

  /** Begins to install a package: decided at once (true, false), or by the frame that was pushed (undefined). */
  #enter(node: Node): boolean | undefined {
    const { candidates } = this
    const record = node.candidate
    if (record === undefined || (node.fixed && !node.installed)) return false
    if (node.installed && !node.fixed && this.#complete(node)) return true
    for (const group of record.depends) {
      if (this.#met(group) || group.some((dependency) => candidates.solutions(dependency).length > 0)) continue
      this.#giveUp(node, { kind: 'unmet', group })
      if (!node.fixed) this.#discard(node)
      return false
    }
    if (!this.#clearConflicts(node, record)) return false
    candidates.install(node)
    const groups = node.fixed ? record.depends : record.depends.filter((group) => !this.#met(group))
    return this.#push(node, groups, node.fixed)
  }

  #push(node: Node | undefined, groups: readonly Alternatives[], settled: boolean): undefined {
    if (node !== undefined) node.fixed = true
    this.#stack.push({ node, groups, settled, group: 0, solutions: undefined, next: 0, failed: false })
  }

  /** Takes back what `node` must not be beside, for good when `node` is settled; false when something settled is in the way. */
  #clearConflicts(node: Node, record: PackageRecord): boolean {
    const { candidates } = this
    let clear = true
    for (const conflict of record.conflicts) {
      const stuck = node.fixed
        ? candidates.ban(conflict, node)
        : candidates.installedFor(conflict, node).filter((other) => !this.#giveWay(other, conflict, node))
      const [other] = stuck
      if (other === undefined) continue
      clear = false
      this.#giveUp(node, { kind: 'conflict', dependency: conflict, with: other.name })
      if (!node.fixed) return false
    }
    return clear
  }

  /** Takes `other` back for `node`; two choices that oust each other in turn end with the one that came last. */
  #giveWay(other: Node, conflict: Dependency, node: Node): boolean {
    if (other.fixed) return false
    this.candidates.remove(other)
    if (other.removals++ > 0) {
      this.#giveUp(other, { kind: 'conflict', dependency: conflict, with: node.name })
      this.#discard(other)
    }
    return true
  }

  /** What is to be tried for a group of `frame`; undefined when nothing needs to be. */
  #open(frame: Frame, group: Alternatives): readonly Node[] | undefined {
    const met = this.#met(group)
    if (met && !frame.settled) return undefined
    const solutions = this.#solutionsOf(group)
    const [only] = solutions
    // What settled packages force is settled too, all the way down.
    if (frame.settled && solutions.length === 1 && only !== undefined) {
      if (met && only.fixed) return undefined
      this.candidates.install(only)
      only.fixed = true
      return solutions
    }
    return met ? undefined : solutions
  }

  /** Goes on with a frame, whose child came back with `child`: its own result, or undefined when it has a new child. */
  #advance(frame: Frame, child: boolean | undefined): boolean | undefined {
    const nextGroup = (): void => {
      frame.group++
      frame.solutions = undefined
      frame.next = 0
    }
    if (child === true) nextGroup()
    for (let group = frame.groups[frame.group]; group !== undefined; group = frame.groups[frame.group]) {
      frame.solutions ??= this.#open(frame, group)
      if (frame.solutions === undefined) {
        nextGroup()
        continue
      }
      const node = frame.solutions[frame.next++]
      if (node === undefined) {
        frame.failed = true
        if (frame.node !== undefined) this.#giveUp(frame.node, { kind: 'unmet', group })
        if (!frame.settled) break
        nextGroup()
        continue
      }
      const entered = this.#enter(node)
      if (entered === undefined) return undefined
      if (entered) nextGroup()
    }
    if (frame.node !== undefined) {
      frame.node.fixed = frame.settled
      if (frame.failed && !frame.settled) this.#discard(frame.node)
    }
    return !frame.failed
  }
}
