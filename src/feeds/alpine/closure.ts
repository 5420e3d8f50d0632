import { TooTangled } from '#engine/catalog/candidates.ts'
import { type Asker, type Closure, type ClosureInput, tooTangled } from '#engine/catalog/closure.ts'
import { explain } from '#engine/catalog/explain.ts'
import type { PackageRecord } from '#engine/catalog/package.ts'
import { YoeErrors } from '#engine/errors.ts'
import { Solver } from './solver.ts'
import { type Candidate, isProvided, type Name, type Need } from './solver-state.ts'

/**
 * Finds the packages that the roots need, those that `apk add` installs on an empty system, in the order in which it does.
 * A pure function: same input, same answer.
 *
 * @throws {YoeError} UNIT_NOT_FOUND, UNSATISFIABLE with the chain of who asks for what
 * @throws {YoeErrors} several of these
 */
export function resolveAlpineClosure(input: ClosureInput): Closure {
  const excluded = new Set(input.exclude ?? [])
  const solver = new Solver(input, input.arch, excluded)
  const world = solver.world(input.roots)
  try {
    solver.solve(world)
  } catch (failure) {
    if (failure instanceof TooTangled) throw tooTangled(input, failure)
    throw failure
  }
  const packages = order(solver, world)
  if (solver.errors === 0) return { packages: packages.map(({ record }) => record), why: askers(input, packages) }
  const { obstacles } = solver
  const violations = function* () {
    for (const one of packages) {
      for (const need of one.needs) {
        const other = need.name.chosen?.candidate
        if (!need.isConflict || other === undefined || isProvided(need, need.name.chosen)) continue
        yield [asChosen(one), asChosen(other)] as const
      }
    }
  }
  const isInstalled = (dependency: Need['dependency']): boolean => solver.isInstalled(dependency)
  const remark = (name: string): string | undefined => input.remark?.(name) ?? choiceOf(solver.name(name))
  const errors = explain({ ...input, remark }, { obstacles, isInstalled, violations }, excluded)
  const [first] = errors
  throw first !== undefined && errors.length === 1 ? first : new YoeErrors(errors)
}

const asChosen = ({ record }: Candidate) => ({ name: record.name, candidate: record })

/** Of names that apk leaves to people. */
function choiceOf({ text, providers }: Name): string | undefined {
  if (providers.length === 0 || providers.some(({ version }) => version !== undefined)) return undefined
  const names = [...new Set(providers.map(({ candidate }) => candidate.record.name))]
  return `nobody provides ${text} with a version, so one has to be asked for by name: ${names.slice(0, 5).join(', ')}`
}

/** What was chosen, needs before what needs them; what joins others right behind the last of them. */
function order(solver: Solver, world: readonly Need[]): readonly Candidate[] {
  const listed: Candidate[] = []
  const stack: Listing[] = []
  const open = (name: Name): void => {
    if (name.isListed) return
    name.isListed = true
    const candidate = name.chosen?.candidate
    if (candidate === undefined || candidate.isListed) return
    candidate.isListed = true
    candidate.name.isListed = true
    for (const provided of candidate.provides) provided.name.isListed = true
    stack.push({ candidate, need: 0, joining: undefined, joined: 0 })
  }
  const check = (asker: Candidate | undefined, need: Need): void => {
    if (isProvided(need, need.name.chosen)) return
    if (asker === undefined) solver.errors++
    else {
      asker.obstacle ??= { kind: 'unmet', group: [need.dependency] }
      solver.fail(asker)
    }
  }
  for (const root of world) {
    check(undefined, root)
    open(root.name)
    for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
      const { candidate } = top
      const need = candidate.needs[top.need]
      if (need !== undefined) {
        top.need++
        check(candidate, need)
        open(need.name)
        continue
      }
      if (top.joining === undefined) {
        listed.push(candidate)
        top.joining = candidate.answersTo.flatMap((name) => name.joinedBy)
      }
      const joining = top.joining[top.joined++]
      if (joining === undefined) stack.pop()
      else if (isComplete(joining)) open(joining)
    }
  }
  return listed
}

interface Listing {
  readonly candidate: Candidate
  need: number
  joining: readonly Name[] | undefined
  joined: number
}

function isComplete({ isSeen, isListed, chosen }: Name): boolean {
  if (chosen === undefined || !isSeen || isListed) return false
  return chosen.candidate.joins.every((need) => need.name.isListed && isProvided(need, need.name.chosen))
}

/** Who brought each package, on a shortest way from a root. */
function askers({ roots }: ClosureInput, packages: readonly Candidate[]): ReadonlyMap<string, Asker> {
  const why = new Map<string, Asker>()
  const byName = new Map<string, Candidate>()
  const queue: Candidate[] = []
  for (const one of packages) {
    for (const { name } of one.record.provides) byName.set(name, one)
    byName.set(one.record.name, one)
  }
  const see = (candidate: Candidate | undefined, asker: Asker): void => {
    if (candidate === undefined || why.has(candidate.record.name)) return
    why.set(candidate.record.name, asker)
    queue.push(candidate)
  }
  for (const { dependency, by } of roots) for (const { name } of dependency) see(byName.get(name), { by })
  for (const { needs, record } of queue)
    for (const need of needs) if (!need.isConflict) see(need.name.chosen?.candidate, { package: record.name })
  for (const one of packages) {
    const [joined] = one.joins
    const other: PackageRecord | undefined = joined?.name.chosen?.candidate.record
    if (other !== undefined) see(one, { package: other.name })
  }
  return why
}
