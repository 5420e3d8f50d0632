import type { YoeErrorCode, YoeErrorOptions } from '../errors.ts'
import type { ModuleReference } from './reference.ts'
import { declarationOf, identityOf, repositoryOf, shownPlace } from './reference.ts'
import { compareVersions, parseVersion } from './version.ts'

/** What is known of a module once it is here. */
export interface OpenedModule {
  /** What its MODULE.star asks for; folders are absolute. */
  readonly deps: readonly ModuleReference[]
}

/** A module that another one asks for, and what it gets. */
export interface Requirement {
  readonly reference: ModuleReference
  /** `same`: just that; `project`: what the project says instead; `newer`: a higher version that another module wants. */
  readonly met: 'same' | 'project' | 'newer'
}

export interface ResolvedModule<M extends OpenedModule> {
  readonly reference: ModuleReference
  /** Listed by the project, as opposed to asked for by a module. */
  readonly listed: boolean
  readonly opened: M
  readonly requires: readonly Requirement[]
}

export interface Resolving<M extends OpenedModule> {
  /**
   * Brings modules here and reads what they ask for.
   * @returns in the same order; undefined for one that can't be had, which has been told
   */
  open(demands: readonly Demand[]): Promise<readonly (M | undefined)[]>
  fail(code: YoeErrorCode, message: string, options: YoeErrorOptions): void
}

/** Somebody asks for a module. */
export interface Demand {
  readonly reference: ModuleReference
  /** Names of the modules between the project and this one, which is the last. */
  readonly path: readonly string[]
}

/** `project → a → b` */
export function shownPath(path: readonly string[]): string {
  return ['project', ...path].join(' → ')
}

/**
 * All modules of a project: those that it lists, and those that they ask for in turn. What the project lists is what
 * everybody gets. Of several versions that modules ask for, the highest is taken; every version that anybody asks for
 * counts, so that the answer does not depend on an order (minimal version selection, as Go modules have it).
 *
 * @returns in rising priority: the project's list in its order, each module right above what it alone brings with it
 * @see seed, Dependency Resolution Rules; Recursive module dependencies
 */
export async function resolveModules<M extends OpenedModule>(
  listed: readonly ModuleReference[],
  resolving: Resolving<M>,
): Promise<readonly ResolvedModule<M>[]> {
  const ofProject = new Map(listed.map((reference) => [reference.name, reference]))
  const { opened, demands } = await reach(listed, ofProject, resolving)
  const chosen = new Map(ofProject)
  for (const [name, asked] of demands) {
    const reference = choose(name, asked, resolving)
    if (reference !== undefined) chosen.set(name, reference)
  }
  return inOrder(ofProject, chosen, opened, resolving)
}

/** Opens every version of every module that anybody asks for, level by level. */
async function reach<M extends OpenedModule>(
  listed: readonly ModuleReference[],
  ofProject: ReadonlyMap<string, ModuleReference>,
  resolving: Resolving<M>,
): Promise<{ opened: ReadonlyMap<string, M>; demands: ReadonlyMap<string, readonly Demand[]> }> {
  const opened = new Map<string, M>()
  const seen = new Set<string>()
  const demands = new Map<string, Demand[]>()
  let level: readonly Demand[] = listed.map((reference) => ({ reference, path: [reference.name] }))
  while (level.length > 0) {
    const fresh = level.filter(({ reference }) => {
      const identity = identityOf(reference.name, reference.from)
      return !seen.has(identity) && seen.add(identity)
    })
    const results = await resolving.open(fresh)
    const next: Demand[] = []
    for (const [index, { reference, path }] of fresh.entries()) {
      const module = results[index]
      if (module === undefined) continue
      opened.set(identityOf(reference.name, reference.from), module)
      for (const dep of module.deps) {
        if (ofProject.has(dep.name)) continue
        const demand = { reference: dep, path: [...path, dep.name] }
        demands.set(dep.name, [...(demands.get(dep.name) ?? []), demand])
        next.push(demand)
      }
    }
    level = next
  }
  return { opened, demands }
}

/** Which of the versions that modules ask for everybody gets. */
function choose(
  name: string,
  demands: readonly Demand[],
  { fail }: Pick<Resolving<OpenedModule>, 'fail'>,
): ModuleReference | undefined {
  const [first] = demands
  if (first === undefined) return undefined
  const differs = (key: (reference: ModuleReference) => string): Demand | undefined =>
    demands.find(({ reference }) => key(reference) !== key(first.reference))
  const told = ({ reference, path }: Demand): string => `${shownPlace(name, reference.from)} (${shownPath(path)})`
  const other = differs((reference) => repositoryOf(name, reference.from))
  const pin = `say in PROJECT.star which is meant: modules = [${declarationOf(name, first.reference.from)}, …]`
  if (other !== undefined) {
    fail('MODULE_CONFLICT', `two modules are called "${name}":\n  ${told(first)}\n  ${told(other)}`, {
      at: other.reference.at,
      hint: pin,
    })
    return undefined
  }
  const version = (reference: ModuleReference) =>
    reference.from.kind === 'git' ? parseVersion(reference.from.ref) : undefined
  const rival = differs((reference) => identityOf(name, reference.from))
  if (rival === undefined) return first.reference
  let best = first
  for (const demand of demands) {
    const [mine, its] = [version(best.reference), version(demand.reference)]
    if (mine === undefined || its === undefined) {
      const what = `module "${name}" is wanted at refs of which none is known to be the newer:`
      fail('MODULE_CONFLICT', `${what}\n  ${told(first)}\n  ${told(rival)}`, { at: rival.reference.at, hint: pin })
      return undefined
    }
    const order = compareVersions(its, mine)
    // Two spellings of one version: the same one for every order of declarations.
    if (order > 0 || (order === 0 && refOf(demand) < refOf(best))) best = demand
  }
  return best.reference
}

function refOf({ reference }: Demand): string {
  return reference.from.kind === 'git' ? reference.from.ref : ''
}

/** The modules in use, each after those that it asks for and that the project does not list. */
function inOrder<M extends OpenedModule>(
  ofProject: ReadonlyMap<string, ModuleReference>,
  chosen: ReadonlyMap<string, ModuleReference>,
  opened: ReadonlyMap<string, M>,
  { fail }: Resolving<M>,
): readonly ResolvedModule<M>[] {
  const ordered = new Map<string, ResolvedModule<M>>()
  const use = (name: string): readonly [ModuleReference, M] | undefined => {
    const reference = chosen.get(name)
    const module = reference === undefined ? undefined : opened.get(identityOf(name, reference.from))
    return reference === undefined || module === undefined ? undefined : [reference, module]
  }
  tellCycles([...ofProject.keys()], (name) => use(name)?.[1].deps ?? [], fail)
  const started = new Set<string>()
  const visit = (name: string): void => {
    const [reference, module] = use(name) ?? []
    if (started.has(name) || reference === undefined || module === undefined) return
    started.add(name)
    // What the project lists has its own place in the order.
    for (const dep of module.deps) if (!ofProject.has(dep.name)) visit(dep.name)
    const requires = module.deps.map((dep): Requirement => {
      return { reference: dep, met: metBy(dep, ofProject.has(dep.name), chosen.get(dep.name)) }
    })
    ordered.set(name, { reference, listed: ofProject.has(name), opened: module, requires })
  }
  for (const name of ofProject.keys()) visit(name)
  return [...ordered.values()]
}

function tellCycles(
  roots: readonly string[],
  depsOf: (name: string) => readonly ModuleReference[],
  fail: Resolving<OpenedModule>['fail'],
): void {
  const done = new Set<string>()
  const visit = (name: string, trail: readonly string[]): void => {
    if (done.has(name)) return
    const path = [...trail, name]
    for (const dep of depsOf(name)) {
      const start = path.indexOf(dep.name)
      if (start === -1) visit(dep.name, path)
      else {
        const around = [...path.slice(start), dep.name].join(' → ')
        fail('DEP_CYCLE', `module dep cycle: ${around}`, { at: dep.at, hint: 'take one of these deps out' })
      }
    }
    done.add(name)
  }
  for (const name of roots) visit(name, [])
}

function metBy(dep: ModuleReference, listed: boolean, used: ModuleReference | undefined): Requirement['met'] {
  if (used === undefined || identityOf(dep.name, dep.from) === identityOf(used.name, used.from)) return 'same'
  return listed ? 'project' : 'newer'
}
