import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { foldersOf } from '#engine/build/folders.ts'
import { readLast } from '#engine/build/last.ts'
import type { Change } from '#engine/plan/changes.ts'
import { changesOf } from '#engine/plan/changes.ts'
import type { Node } from '#engine/plan/graph.ts'
import { manifestArch } from '#engine/plan/graph.ts'
import { hashOfInputs } from '#engine/plan/hash.ts'
import type { Json } from '#engine/project/model.ts'
import { decodeManifest } from '#engine/store/manifest.ts'
import type { NodeState } from '../inspect.ts'
import { inspectPlan } from '../inspect.ts'
import type { Plan } from '../planning.ts'
import type { FieldChange } from './fields.ts'
import { dependencyAt, fieldsOf, yoeItself } from './fields.ts'

/** Something that changed by itself, and how that reaches the unit. */
export interface Cause {
  /** From the unit that was asked about down to the one that changed. */
  readonly chain: readonly string[]
  readonly changes: readonly FieldChange[]
  /** What was it made of then is not known here any more: only that it differs. */
  readonly forgotten: boolean
}

export interface Rebuild {
  readonly unit: string
  readonly id: string
  readonly state: NodeState['state']
  /** Why, in a few words. */
  readonly why: string
  readonly causes: readonly Cause[]
}

/** What changed in a node by itself, and in what it is built with. */
interface Look {
  readonly node: Node
  readonly changes: readonly FieldChange[]
  readonly below: readonly Look[]
  readonly forgotten: boolean
}

/**
 * What changed since the plan's target was built here, followed down to what changed by itself. Old documents come from
 * build folders, or from the cache under the key that they had then.
 */
export async function whyRebuild(plan: Plan): Promise<Rebuild> {
  const [target] = plan.targets
  if (target === undefined) throw new TypeError('a plan without its target')
  const found = (await inspectPlan(plan)).find(({ node }) => node === target)
  if (found === undefined) throw new TypeError(`${target.id} is not in its plan`)
  const base = { unit: target.unit.name, id: target.id, state: found.state, why: found.why }
  const last = await readLast(foldersOf(plan.workspace.buildRoot, target).last)
  if (last === undefined || found.state === 'cached') return { ...base, causes: [] }
  const look = await new Looker(plan).look(target, last)
  return { ...base, causes: causesOf(look) }
}

class Looker {
  readonly #plan: Plan
  readonly #looks = new Map<string, Promise<Look>>()

  constructor(plan: Plan) {
    this.#plan = plan
  }

  async look(node: Node, before: Json): Promise<Look> {
    const now = this.#plan.keys.get(node)?.inputs
    if (now === undefined) throw new TypeError(`${node.id} has no key`)
    const changes: FieldChange[] = []
    const below = new Map<Node, Promise<Look>>()
    for (const change of toldOf(changesOf(before, now))) {
      const dependency = dependencyAt(node, change.path)
      if (dependency === undefined || typeof change.before !== 'string')
        changes.push(...fieldsOf(node, change, before, this.#plan.workspace.cacheRoot))
      else below.set(dependency, this.#known(dependency, change.before))
    }
    changes.sort((a, b) => (a.field < b.field ? -1 : a.field > b.field ? 1 : 0))
    return { node, changes, below: await Promise.all(below.values()), forgotten: false }
  }

  /** Many lead to the same: each is looked at once. */
  #known(node: Node, hash: string): Promise<Look> {
    const key = `${node.id} ${hash}`
    const known = this.#looks.get(key) ?? this.#lookAt(node, hash)
    this.#looks.set(key, known)
    return known
  }

  async #lookAt(node: Node, hash: string): Promise<Look> {
    const before = await documentOf(this.#plan, node, hash)
    return before === undefined ? { node, changes: [], below: [], forgotten: true } : this.look(node, before)
  }
}

/**
 * Another version of yoe may know fields that the old one did not: that nobody declared them is no change of theirs.
 */
function toldOf(changes: readonly Change[]): readonly Change[] {
  if (!changes.some(({ path }) => path[0] === 'engine')) return changes
  return changes.filter(
    ({ path: [head], before, after }) =>
      head === 'engine' || lists.has(head) || (before !== undefined && after !== undefined),
  )
}

/** Members of a document whose own members are things of the project, not fields. */
const lists: ReadonlySet<Change['path'][number] | undefined> = new Set([
  ...['deps', 'units', 'packages', 'feedDeps', 'runtimeDeps'],
])

/** What a node was made of when its key was `hash`. */
async function documentOf({ workspace }: Plan, node: Node, hash: string): Promise<Json | undefined> {
  const last = await readLast(foldersOf(workspace.buildRoot, node).last)
  if (last !== undefined && hashOfInputs(last) === hash) return last
  const arch = manifestArch(node)
  if (!/^[0-9a-f]{64}$/.test(hash)) return undefined
  const bytes = await readFile(join(workspace.cacheRoot, 'units', arch, `${hash}.json`)).catch(() => undefined)
  const sealed = bytes === undefined ? 'missing' : decodeManifest(bytes, arch, hash)
  return typeof sealed === 'string' ? undefined : sealed.manifest.inputs
}

/** Whatever changed by itself, by shortest ways; a step that others make in smaller ones is not taken. */
function causesOf(top: Look): readonly Cause[] {
  const causes: Cause[] = []
  const seen = new Set<Look>([top])
  const queue: { readonly look: Look; readonly chain: readonly string[] }[] = [
    { look: top, chain: [top.node.unit.name] },
  ]
  const told = top.changes.some(({ field }) => field === yoeItself)
  for (const { look, chain } of queue) {
    const changes = told && look !== top ? look.changes.filter(({ field }) => field !== yoeItself) : look.changes
    if (changes.length > 0 || look.forgotten) causes.push({ chain, changes, forgotten: look.forgotten })
    for (const next of reduced(look.below)) {
      if (seen.has(next)) continue
      seen.add(next)
      queue.push({ look: next, chain: [...chain, next.node.unit.name] })
    }
  }
  return causes
}

/** Without what another of them leads to: what a unit is built with holds all that this needs. */
function reduced(looks: readonly Look[]): readonly Look[] {
  const deeper = new Set(looks.flatMap((look) => look.below))
  return looks.filter((look) => look.node.kind === 'toolchain' || !deeper.has(look))
}
