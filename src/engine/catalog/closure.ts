import { YoeError, YoeErrors } from '../errors.ts'
import { type Node, TooTangled, type Universe } from './candidates.ts'
import { explain } from './explain.ts'
import type { PackageRecord, VersionScheme } from './package.ts'
import { type Root, Solver } from './solver.ts'

export interface ClosureInput extends Universe {
  readonly versions: VersionScheme
  /** In the format's spelling; packages for all architectures are taken too. */
  readonly arch: string
  readonly roots: readonly Root[]
  /** Names that must not be in the closure, whoever asks for them. */
  readonly exclude?: Iterable<string>
  /** What explanations add about a name that is missing in the version that is wanted. */
  readonly remark?: (name: string) => string | undefined
}

/** Who brought a package into a closure: a root (`by`), or another package of it. */
export type Asker = { readonly by: string } | { readonly package: string }

export interface Closure {
  /** Dependencies before those who need them, as far as there are no cycles; otherwise in the order of the roots. */
  readonly packages: readonly PackageRecord[]
  /** By package name; following it leads to a root on a shortest way. */
  readonly why: ReadonlyMap<string, Asker>
}

/** Finds the packages that roots need. A pure function. @throws as {@link resolveClosure} */
export type Resolver = (input: ClosureInput) => Closure

/** How often a conflict between two choices may send the search back. */
const attemptLimit = 64

/**
 * Finds the packages that the roots need, as `apt-get install --no-install-recommends` does on an empty system: a name
 * means its newest version; alternatives are tried in order, a package of the very name before one that provides it;
 * conflicts steer the choice. A pure function: same input, same answer. Essential packages are not implied.
 *
 * @throws {YoeError} UNIT_NOT_FOUND, UNSATISFIABLE with the chain of who asks for what
 * @throws {YoeErrors} several of these
 */
export function resolveClosure(input: ClosureInput): Closure {
  const exclude = new Set(input.exclude ?? [])
  const pending: ReadonlySet<string>[] = [exclude]
  let failed: Solver | undefined
  try {
    for (let attempts = 0; attempts < attemptLimit; attempts++) {
      const forbidden = pending.pop()
      if (forbidden === undefined) break
      const solver = new Solver(input, input.versions, input.arch, forbidden)
      if (!solver.install(input.roots)) {
        failed ??= solver
        continue
      }
      const reached = reach(solver, input.roots)
      const violation = firstViolation(solver, reached)
      if (violation === undefined) return { packages: order(solver, input.roots), why: reached }
      failed ??= solver
      // One of the two must go. Both ways are tried; first without the one that fewer packages lead to.
      const [a, b] = violation
      const [lesser, greater] = dependents(solver, reached, a) <= dependents(solver, reached, b) ? [a, b] : [b, a]
      for (const node of [greater, lesser]) if (!node.fixed) pending.push(new Set([...forbidden, node.name]))
    }
  } catch (failure) {
    if (!(failure instanceof TooTangled)) throw failure
    throw tooTangled(input, failure)
  }
  if (failed === undefined) return { packages: [], why: new Map() }
  const errors = explain(input, failed, exclude)
  const [first] = errors
  throw first !== undefined && errors.length === 1 ? first : new YoeErrors(errors)
}

/** What hostile graphs are answered with. */
export function tooTangled({ roots }: ClosureInput, cause: TooTangled): YoeError {
  return new YoeError('UNSATISFIABLE', `the dependencies of ${roots[0]?.by ?? 'nothing'} are too tangled to resolve`, {
    hint: 'a feed or unit names thousands of packages that provide the same name; look at what was added last',
    cause,
  })
}

/** Everything installed that the roots lead to, breadth first; leftovers of choices that came to nothing are not. */
function reach(solver: Solver, roots: readonly Root[]): Map<string, Asker> {
  const { candidates } = solver
  const why = new Map<string, Asker>()
  const queue: Node[] = []
  const see = (node: Node, asker: Asker): void => {
    if (why.has(node.name)) return
    why.set(node.name, asker)
    queue.push(node)
  }
  for (const { dependency, by } of roots) {
    for (const one of dependency) for (const node of candidates.installedFor(one)) see(node, { by })
  }
  for (const node of queue) {
    for (const group of node.candidate?.depends ?? []) {
      for (const one of group) for (const other of candidates.installedFor(one)) see(other, { package: node.name })
    }
  }
  return why
}

function firstViolation(solver: Solver, reached: ReadonlyMap<string, Asker>): readonly [Node, Node] | undefined {
  for (const [a, b] of solver.violations()) if (reached.has(a.name) && reached.has(b.name)) return [a, b]
  return undefined
}

/** How many packages of the closure name a node in their dependencies; roots count more than any number of them. */
function dependents(solver: Solver, reached: ReadonlyMap<string, Asker>, node: Node): number {
  if (node.fixed) return Number.POSITIVE_INFINITY
  let count = 0
  for (const name of reached.keys()) {
    const { candidate } = solver.candidates.node(name)
    if (candidate?.depends.some((group) => group.some((one) => one.name === node.name)) === true) count++
  }
  return count
}

/** Depth first, dependencies before dependents, on a stack of its own. */
function order(solver: Solver, roots: readonly Root[]): PackageRecord[] {
  const { candidates } = solver
  const packages: PackageRecord[] = []
  const seen = new Set<Node>()
  const stack: { readonly record: PackageRecord; readonly needs: readonly Node[]; next: number }[] = []
  const open = (node: Node): void => {
    const record = node.candidate
    if (record === undefined || seen.has(node)) return
    seen.add(node)
    const needs: Node[] = []
    for (const group of record.depends) for (const one of group) needs.push(...candidates.installedFor(one))
    stack.push({ record, needs, next: 0 })
  }
  for (const { dependency } of roots) {
    for (const one of dependency) {
      for (const root of candidates.installedFor(one)) {
        open(root)
        for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
          const next = top.needs[top.next++]
          if (next !== undefined) open(next)
          else {
            packages.push(top.record)
            stack.pop()
          }
        }
      }
    }
  }
  return packages
}
