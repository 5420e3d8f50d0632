import type { Position } from '../errors.ts'
import { YoeError } from '../errors.ts'
import { didYouMean } from '../nearest.ts'
import { satisfies, type Universe } from './candidates.ts'
import { shortestChain } from './chain-text.ts'
import type { Alternatives, Dependency, PackageRecord, VersionScheme } from './package.ts'
import type { Obstacle, Root } from './solver.ts'

/** A search that came to nothing. */
export interface Failure {
  /** Why candidates were given up, by name. */
  readonly obstacles: ReadonlyMap<string, Obstacle>
  isInstalled(dependency: Dependency): boolean
  /** Pairs of chosen packages that must not be beside each other: who says so, and the other. */
  violations(): Iterable<readonly [Chosen, Chosen]>
}

interface Chosen {
  readonly name: string
  readonly candidate: PackageRecord | undefined
}

/** What an explanation may look up. */
export interface Known extends Universe {
  readonly versions: VersionScheme
  readonly roots: readonly Root[]
  /** What else is to be said about a name where it is missing: pins, and what they or units leave out. */
  readonly remark?: (name: string) => string | undefined
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
export function explain(known: Known, failure: Failure, exclude: ReadonlySet<string>): readonly YoeError[] {
  const errors: YoeError[] = []
  for (const root of known.roots) {
    if (errors.length === shownErrors) break
    const error = explainRoot(known, failure, exclude, root)
    if (error !== undefined && !errors.some((other) => other.message === error.message)) errors.push(error)
  }
  if (errors.length > 0) return errors
  for (const [node, other] of failure.violations()) {
    const conflict = node.candidate?.conflicts.find((one) => one.name === other.name) ?? { name: other.name }
    return [
      new YoeError('UNSATISFIABLE', conflictText(known, node.name, conflict, other.name), {
        at: known.roots.find(({ at }) => at !== undefined)?.at,
        hint: `leave out ${node.name} or ${other.name}`,
      }),
    ]
  }
  return [new YoeError('UNSATISFIABLE', `no set of packages meets all that is wanted: ${asked(known)}`)]
}

const asked = (known: Known): string => {
  const texts = known.roots.map(wantedBy)
  return texts.length > 6 ? `${texts.slice(0, 5).join(', ')} and ${texts.length - 5} more` : texts.join(', ')
}

const wantedBy = ({ by, dependency }: Root): string => `${by} wants ${alternativesText(dependency)}`

function explainRoot(known: Known, failure: Failure, exclude: ReadonlySet<string>, root: Root): YoeError | undefined {
  const links = [wantedBy(root)]
  const visited = new Set<string>()
  let group: Alternatives = root.dependency
  for (;;) {
    const failing = group
      .flatMap((dependency) => [dependency.name, ...known.providers(dependency.name).map((record) => record.name)])
      .find((name) => failure.obstacles.has(name) && meets(known, name, group))
    const obstacle = failing === undefined ? undefined : failure.obstacles.get(failing)
    if (failing === undefined || obstacle === undefined || visited.has(failing)) break
    visited.add(failing)
    if (obstacle.kind === 'conflict') {
      return new YoeError('UNSATISFIABLE', conflictLink(known, links, failing, obstacle), {
        at: root.at,
        hint: `leave out ${failing} or ${obstacle.with}`,
      })
    }
    if (obstacle.kind === 'version') {
      const other = chain([
        ...chainTo(known, obstacle.by),
        `${obstacle.by} needs ${dependencyText(obstacle.dependency)}`,
      ])
      return new YoeError('UNSATISFIABLE', `${chain(links)}, but ${other}`, {
        at: root.at,
        hint: `leave out ${obstacle.by}, or what else needs ${obstacle.dependency.name}`,
      })
    }
    links.push(`${failing} needs ${alternativesText(obstacle.group)}`)
    group = obstacle.group
  }
  if (links.length === 1 && group.some((dependency) => failure.isInstalled(dependency))) return undefined
  return ending(known, exclude, group, links, root.at)
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
function ending(
  known: Known,
  exclude: ReadonlySet<string>,
  group: Alternatives,
  links: string[],
  at: Position | undefined,
): YoeError {
  const there = group.flatMap(({ name }) => {
    if (exclude.has(name)) return [`${name} is excluded`]
    const offer = offerOf(known, name)
    if (offer === undefined) return []
    const remark = known.remark?.(name)
    return [remark === undefined ? offer : `${offer} (${remark})`]
  })
  if (there.length > 0) {
    const [newest] = group.flatMap(({ name }) =>
      exclude.has(name) ? [] : (newestOf(known, name) ?? known.providers(name)[0] ?? []),
    )
    const hint = newest === undefined ? undefined : versionHint(newest.origin.kind)
    return new YoeError('UNSATISFIABLE', chain([...links, there.join(', ')]), { at, hint })
  }
  const names = group.map((dependency) => clip(dependency.name)).join(' or ')
  const [first] = group
  return new YoeError('UNIT_NOT_FOUND', chain([...links, `no unit or feed has ${names}`]), {
    at,
    hint: first === undefined ? undefined : didYouMean(clip(first.name), known.names()),
  })
}

/** What to do about a version that is not the one that is wanted. */
export function versionHint(origin: PackageRecord['origin']['kind']): string {
  return origin === 'unit'
    ? 'raise the version of that unit, or ask for one that is there'
    : 'ask for a version that is there; yoe update looks for newer packages, prefer_modules takes it from elsewhere'
}

/** `debian.main has b 1.9`: what there is of a name, in its newest version. */
function offerOf(known: Known, name: string): string | undefined {
  const newest = newestOf(known, name)
  if (newest !== undefined) return `${originText(newest)} has ${newest.name} ${clip(newest.version)}`
  const provider = known.providers(name)[0]
  if (provider === undefined) return undefined
  const version = provider.provides.find((one) => one.name === name)?.version
  return `${originText(provider)} has it only as provided by ${provider.name}${version === undefined ? '' : ` in version ${clip(version)}`}`
}

function newestOf(known: Known, name: string): PackageRecord | undefined {
  return known
    .lookup(name)
    .reduce<PackageRecord | undefined>(
      (best, record) =>
        best === undefined || known.versions.compare(record.version, best.version) > 0 ? record : best,
      undefined,
    )
}

const originText = (record: PackageRecord): string =>
  record.origin.kind === 'feed' ? record.origin.feed : `the unit at ${record.origin.at.file}:${record.origin.at.line}`

/** @param links the chain that leads to `name`, which can't be had */
function conflictLink(
  known: Known,
  links: readonly string[],
  name: string,
  obstacle: Obstacle & { readonly kind: 'conflict' },
): string {
  const { dependency, with: other } = obstacle
  const declares = known.lookup(name).some((record) => record.conflicts.includes(dependency))
  const there = chainTo(known, other)
  const conflict = (by: string): string => `${by} conflicts with ${dependencyText(dependency)}`
  return declares
    ? `${chain([...links, conflict(name)])}, but ${chain(there)}`
    : `${chain([...there, conflict(other)])}, but ${chain(links)}`
}

function conflictText(known: Known, name: string, conflict: Dependency, other: string): string {
  const why = chain([...chainTo(known, name), `${name} conflicts with ${dependencyText(conflict)}`])
  return `${why}, but ${chain(chainTo(known, other))}, and no choice of packages does without one of them`
}

/** Who wants a package, by way of whom: a shortest chain from a root. */
function chainTo(known: Known, name: string): readonly string[] {
  const found = shortestChain(known, known.roots, name)
  if (found === undefined) return [`${name} is wanted, too`]
  return [
    wantedBy(found.root),
    ...found.steps.map(({ package: by, group }) => `${by} needs ${alternativesText(group)}`),
  ]
}

function chain(links: readonly string[]): string {
  if (links.length <= shownLinks) return links.join('; ')
  const head = links.slice(0, shownLinks / 2)
  const tail = links.slice(-shownLinks / 2)
  return [...head, `... ${links.length - shownLinks} more ...`, ...tail].join('; ')
}
