import type { Dependency, PackageRecord, Provided, VersionScheme } from './package.ts'

/** Where a closure finds packages: everything that one distro shows, project units first (see universe.ts). */
export interface Universe {
  /** All versions of a name. A name means the same list on every call. */
  lookup(name: string): readonly PackageRecord[]
  /** Packages that provide a virtual name, in order of preference where nothing else decides. */
  providers(name: string): readonly PackageRecord[]
  /** Packages that join others which include this name, in their feeds' order. */
  joining?(name: string): readonly PackageRecord[]
  /** Every name, for suggestions. */
  names(): Iterable<string>
}

/** One name in a closure: which version is at stake, and what was decided about it. */
export interface Node {
  readonly name: string
  /** The newest version, as long as nothing forbids it. Never comes back. */
  candidate: PackageRecord | undefined
  installed: boolean
  /** What was decided holds: no later choice may turn it over. */
  fixed: boolean
  /** How often it gave way to a later choice. */
  removals: number
}

/** A settled package that must not be beside anything that `conflict` names. */
export interface Ban {
  readonly conflict: Dependency
  readonly by: Node
}

/** What could be installed for a dependency, as far as that is known by now. */
interface Solutions {
  found: readonly Node[]
}

/** Whether `version` is what `wanted` asks for; unversioned wishes take any. */
export function satisfies(versions: VersionScheme, version: string, wanted: Dependency['version']): boolean {
  if (wanted === undefined) return true
  if (versions.matches !== undefined) return versions.matches(version, wanted.relation, wanted.version)
  const order = versions.compare(version, wanted.version)
  switch (wanted.relation) {
    case '<<':
      return order < 0
    case '<=':
      return order <= 0
    case '=':
      return order === 0
    case '>=':
      return order >= 0
    case '>>':
      return order > 0
    case '~':
      return version.startsWith(wanted.version)
    case '<~':
      return order < 0 || version.startsWith(wanted.version)
    case '>~':
      return order > 0 || version.startsWith(wanted.version)
    case '><':
      return false
    default:
      return wanted.relation satisfies never
  }
}

/** A dependency graph that no archive of packages has; resolving it would take minutes. */
export class TooTangled extends Error {
  override readonly name = 'TooTangled'
}

/** About two seconds of looking; a desktop of 1,500 packages takes some ten thousand. */
const lookLimit = 20_000_000

const priorities: Readonly<Record<string, number>> = { required: 1, important: 2, standard: 3, optional: 4, extra: 5 }

/** The packages of a universe as candidates: which one a name means, and which ones meet a dependency. */
export class Candidates {
  readonly #universe: Universe
  readonly #versions: VersionScheme
  readonly #arches: ReadonlySet<string>
  readonly #nodes = new Map<string, Node>()
  readonly #solutions = new Map<Dependency, Solutions>()
  readonly #solutionsByText = new Map<string, Solutions>()
  readonly #installedProviders = new Map<string, Map<Node, readonly Provided[]>>()
  readonly #forbidden: ReadonlySet<string>
  readonly #providing = new Map<string, Node[]>()
  readonly #bans = new Map<string, Ban[]>()
  readonly #onBanned: (node: Node, ban: Ban) => void
  /** Looks at candidates so far: hostile graphs end by count, not by clock, so that the answer is the same everywhere. */
  #looks = 0

  /**
   * @param forbidden names that must not be in the closure
   * @param onBanned is told of each package that {@link ban} rules out
   */
  constructor(
    universe: Universe,
    versions: VersionScheme,
    arch: string,
    forbidden: ReadonlySet<string>,
    onBanned: (node: Node, ban: Ban) => void,
  ) {
    this.#universe = universe
    this.#versions = versions
    this.#arches = new Set([arch, 'all', 'noarch'])
    this.#forbidden = forbidden
    this.#onBanned = onBanned
  }

  node(name: string): Node {
    const known = this.#nodes.get(name)
    if (known !== undefined) return known
    let candidate: PackageRecord | undefined
    if (!this.#forbidden.has(name)) {
      for (const record of this.#universe.lookup(name)) {
        if (!this.#arches.has(record.arch)) continue
        if (candidate === undefined || this.#versions.compare(record.version, candidate.version) > 0) candidate = record
      }
    }
    const node: Node = { name, candidate, installed: false, fixed: false, removals: 0 }
    this.#nodes.set(name, node)
    if (candidate === undefined) return node
    for (const provided of candidate.provides) append(this.#providing, provided.name, node)
    for (const banned of [name, ...candidate.provides.map((one) => one.name)]) {
      const ban = this.#bans.get(banned)?.find(({ conflict, by }) => by !== node && this.#answers(node, conflict))
      if (ban === undefined) continue
      this.#ruleOut(node, ban)
      break
    }
    return node
  }

  /**
   * Rules out for good what must not be beside `by`, now and when it is met later: what a conflict names is not looked
   * up for its own sake.
   *
   * @returns installed packages that it could not rule out because they are fixed
   */
  ban(conflict: Dependency, by: Node): readonly Node[] {
    const ban: Ban = { conflict, by }
    append(this.#bans, conflict.name, ban)
    const stuck: Node[] = []
    const own = this.#nodes.get(conflict.name)
    for (const node of new Set([...(own === undefined ? [] : [own]), ...(this.#providing.get(conflict.name) ?? [])])) {
      this.spend(1)
      if (node === by || !this.#answers(node, conflict)) continue
      if (node.installed && node.fixed) stuck.push(node)
      else this.#ruleOut(node, ban)
    }
    return stuck
  }

  #ruleOut(node: Node, ban: Ban): void {
    this.remove(node)
    node.candidate = undefined
    node.fixed = true
    this.#onBanned(node, ban)
  }

  nodes(): Iterable<Node> {
    return this.#nodes.values()
  }

  /** Marks a node and tells whoever asks for what it provides. */
  install(node: Node): void {
    if (node.installed) return
    node.installed = true
    for (const provided of node.candidate?.provides ?? []) {
      const owners = this.#installedProviders.get(provided.name) ?? new Map<Node, Provided[]>()
      owners.set(node, [...(owners.get(node) ?? []), provided])
      this.#installedProviders.set(provided.name, owners)
    }
  }

  /** Takes a node back; its candidate stays a candidate. */
  remove(node: Node): void {
    if (!node.installed) return
    node.installed = false
    for (const provided of node.candidate?.provides ?? []) this.#installedProviders.get(provided.name)?.delete(node)
  }

  /** Installed packages that meet a dependency; for a conflict `except` is the package that declares it. */
  installedFor(dependency: Dependency, except?: Node): readonly Node[] {
    const own = this.#nodes.get(dependency.name)
    const found: Node[] = []
    if (own?.installed === true && own !== except && this.#meets(own, dependency)) found.push(own)
    for (const [owner, provided] of this.#installedProviders.get(dependency.name) ?? []) {
      if (owner === except || owner === own) continue
      if (provided.some((one) => this.#providedMeets(one, dependency))) found.push(owner)
    }
    return found
  }

  isInstalled(dependency: Dependency): boolean {
    const own = this.#nodes.get(dependency.name)
    if (own?.installed === true && this.#meets(own, dependency)) return true
    const owners = this.#installedProviders.get(dependency.name)
    return owners !== undefined && owners.size > 0 && this.installedFor(dependency).length > 0
  }

  /**
   * What could still be installed for a dependency, best first: the package of that very name, then providers by
   * Essential, priority and the universe's own order; whatever is fixed already comes before what is not.
   */
  solutions(dependency: Dependency): readonly Node[] {
    let shared = this.#solutions.get(dependency)
    if (shared === undefined) {
      shared = this.#shared(dependency)
      this.#solutions.set(dependency, shared)
    }
    const { found } = shared
    this.spend(found.length + 1)
    let dropped = false
    let fixed = false
    for (const node of found) {
      if (node.candidate === undefined) dropped = true
      if (node.fixed) fixed = true
    }
    // Candidates never come back, so what was dropped needs no second look: many askers share the cost.
    // Whoever goes through the old list goes on with it.
    if (dropped) shared.found = found.filter((node) => node.candidate !== undefined)
    if (!fixed) return shared.found
    return [
      ...shared.found.filter((node) => node.fixed && node.installed),
      ...shared.found.filter((node) => !node.fixed),
    ]
  }

  /** One list for all that ask for the same, however often it was parsed. */
  #shared(dependency: Dependency): Solutions {
    const { name, version } = dependency
    const key = version === undefined ? name : `${name} ${version.relation} ${version.version}`
    const shared = this.#solutionsByText.get(key) ?? { found: this.#enumerate(dependency) }
    this.#solutionsByText.set(key, shared)
    return shared
  }

  #enumerate(dependency: Dependency): Node[] {
    const found: Node[] = []
    const own = this.node(dependency.name)
    if (own.candidate !== undefined && this.#meets(own, dependency)) found.push(own)
    const providers: Node[] = []
    const provided = this.#universe.providers(dependency.name)
    this.spend(provided.length * 4 + 1)
    for (const record of provided) {
      const owner = this.node(record.name)
      if (owner === own || owner.candidate === undefined) continue
      if (owner.candidate !== record && owner.candidate.version !== record.version) continue
      if (
        owner.candidate.provides.some((one) => one.name === dependency.name && this.#providedMeets(one, dependency))
      ) {
        providers.push(owner)
      }
    }
    const rank = (node: Node): number =>
      (node.candidate?.essential === true ? 0 : 10) + (priorities[node.candidate?.priority ?? ''] ?? 5)
    // The sort is stable: equals keep the universe's order.
    providers.sort((a, b) => rank(a) - rank(b))
    found.push(...new Set(providers))
    return found
  }

  /** @throws {TooTangled} */
  spend(looks: number): void {
    this.#looks += looks
    if (this.#looks > lookLimit) throw new TooTangled()
  }

  /** By its name or by what it provides. */
  #answers(node: Node, dependency: Dependency): boolean {
    if (node.name === dependency.name && this.#meets(node, dependency)) return true
    return (
      node.candidate?.provides.some((one) => one.name === dependency.name && this.#providedMeets(one, dependency)) ===
      true
    )
  }

  #meets(node: Node, dependency: Dependency): boolean {
    return node.candidate !== undefined && satisfies(this.#versions, node.candidate.version, dependency.version)
  }

  #providedMeets(provided: Provided, dependency: Dependency): boolean {
    if (dependency.version === undefined) return true
    return provided.version !== undefined && satisfies(this.#versions, provided.version, dependency.version)
  }
}

function append<K, V>(map: Map<K, V[]>, key: K, value: V): void {
  const list = map.get(key)
  if (list === undefined) map.set(key, [value])
  else list.push(value)
}
