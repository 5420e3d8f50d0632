import { YoeError } from '../errors.ts'
import { didYouMean } from '../nearest.ts'
import { satisfies, type Universe } from './candidates.ts'
import type { Alternatives, Dependency, PackageRecord, VersionScheme } from './package.ts'
import type { Obstacle, Root, Solver } from './solver.ts'

/** What an explanation may look up. */
export interface Known extends Universe {
  readonly versions: VersionScheme
  readonly roots: readonly Root[]
}

/** `b (>= 2)` */
export function dependencyText({ name, version }: Dependency): string {
  return version === undefined ? clip(name) : `${clip(name)} (${version.relation} ${clip(version.version)})`
}

/** `b (>= 2) | c` */
const alternativesText = (group: Alternatives): string =>
  group.length > 6
    ? `${group.slice(0, 5).map(dependencyText).join(' | ')} | ... (${group.length} alternatives)`
    : group.map(dependencyText).join(' | ')

const clip = (text: string): string => (text.length > 120 ? `${text.slice(0, 117)}...` : text)

/** Links of a chain that are shown; a longer one is cut in its middle. */
const shownLinks = 12
/** More failures than this say no more than these. */
const shownErrors = 20

/**
 * One error for each root that could not be had: the chain of who needs what, down to what is missing. Never empty.
 *
 * @param exclude names that the caller left out on purpose
 */
export function explain(known: Known, solver: Solver, exclude: ReadonlySet<string>): readonly YoeError[] {
  const errors: YoeError[] = []
  for (const root of known.roots) {
    if (errors.length === shownErrors) break
    const error = explainRoot(known, solver, exclude, root)
    if (error !== undefined && !errors.some((other) => other.message === error.message)) errors.push(error)
  }
  if (errors.length > 0) return errors
  for (const [node, other] of solver.violations()) {
    return [
      new YoeError(
        'UNSATISFIABLE',
        `${conflictText(node.candidate, other.name)}, and no choice of packages does without one of them: ${asked(known)}`,
        { hint: 'leave one of them out' },
      ),
    ]
  }
  return [new YoeError('UNSATISFIABLE', `no set of packages meets all that is asked for: ${asked(known)}`)]
}

const asked = (known: Known): string => {
  const texts = known.roots.map(({ by, dependency }) => `${by} asks for ${alternativesText(dependency)}`)
  return texts.length > 6 ? `${texts.slice(0, 5).join(', ')} and ${texts.length - 5} more` : texts.join(', ')
}

function explainRoot(known: Known, solver: Solver, exclude: ReadonlySet<string>, root: Root): YoeError | undefined {
  const links = [`${root.by} asks for ${alternativesText(root.dependency)}`]
  const visited = new Set<string>()
  let group: Alternatives = root.dependency
  for (;;) {
    const failing = group
      .flatMap((dependency) => [dependency.name, ...known.providers(dependency.name).map((record) => record.name)])
      .find((name) => solver.obstacles.has(name) && meets(known, name, group))
    const obstacle = failing === undefined ? undefined : solver.obstacles.get(failing)
    if (failing === undefined || obstacle === undefined || visited.has(failing)) break
    visited.add(failing)
    if (obstacle.kind === 'conflict') {
      links.push(conflictLink(known, failing, obstacle))
      return new YoeError('UNSATISFIABLE', chain(links), { hint: `leave out ${failing} or ${obstacle.with}` })
    }
    links.push(`${failing} needs ${alternativesText(obstacle.group)}`)
    group = obstacle.group
  }
  if (links.length === 1 && group.some((dependency) => solver.candidates.isInstalled(dependency))) return undefined
  return ending(known, exclude, group, links)
}

/** Whether a package of that name, in some version, is what `group` asks for; if not, it is not what stands in the way. */
function meets(known: Known, name: string, group: Alternatives): boolean {
  return known.lookup(name).some((record) =>
    group.some((dependency) => {
      if (dependency.name === name) return satisfies(known.versions, record.version, dependency.version)
      return record.provides.some((one) => one.name === dependency.name)
    }),
  )
}

/** The last link: what there is instead of what is needed. */
function ending(known: Known, exclude: ReadonlySet<string>, group: Alternatives, links: string[]): YoeError {
  const there = group.flatMap((dependency) => {
    const records = known.lookup(dependency.name)
    const newest = records.reduce<PackageRecord | undefined>(
      (best, record) =>
        best === undefined || known.versions.compare(record.version, best.version) > 0 ? record : best,
      undefined,
    )
    if (exclude.has(dependency.name)) return [`${dependency.name} is excluded`]
    if (newest !== undefined) return [`${originText(newest)} has ${newest.name} ${clip(newest.version)}`]
    const provider = known.providers(dependency.name)[0]
    if (provider === undefined) return []
    const version = provider.provides.find((one) => one.name === dependency.name)?.version
    return [
      `${originText(provider)} has it only as provided by ${provider.name}${version === undefined ? '' : ` in version ${clip(version)}`}`,
    ]
  })
  if (there.length > 0) return new YoeError('UNSATISFIABLE', chain([...links, there.join(', ')]))
  const names = group.map((dependency) => clip(dependency.name)).join(' or ')
  const [first] = group
  return new YoeError('UNIT_NOT_FOUND', chain([...links, `no unit or feed has ${names}`]), {
    hint: first === undefined ? undefined : didYouMean(clip(first.name), known.names()),
  })
}

const originText = (record: PackageRecord): string =>
  record.origin.kind === 'feed' ? record.origin.feed : `the unit at ${record.origin.at.file}:${record.origin.at.line}`

function conflictLink(known: Known, name: string, obstacle: Obstacle & { readonly kind: 'conflict' }): string {
  const own = known.lookup(name).some((record) => record.conflicts.includes(obstacle.dependency))
  const [declarer, other] = own ? [name, obstacle.with] : [obstacle.with, name]
  return `${declarer} can't be beside ${other} (it declares a conflict with ${dependencyText(obstacle.dependency)}), which is needed too`
}

const conflictText = (declarer: PackageRecord | undefined, other: string): string =>
  `${declarer?.name ?? 'a package'} can't be beside ${other}`

function chain(links: readonly string[]): string {
  if (links.length <= shownLinks) return links.join('; ')
  const head = links.slice(0, shownLinks / 2)
  const tail = links.slice(-shownLinks / 2)
  return [...head, `... ${links.length - shownLinks} more ...`, ...tail].join('; ')
}
