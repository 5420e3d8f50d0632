import type { PackageRecord } from '#engine/catalog/package.ts'
import type { YoeErrorCode } from '#engine/errors.ts'
import { userErrors, YoeError, YoeErrors } from '#engine/errors.ts'
import type { ImageUnit, Project, Unit } from '#engine/project/model.ts'
import type { Catalog } from '../catalog-view.ts'
import { withProject } from '../catalog-view.ts'
import type { NodeState } from '../inspect.ts'
import { inspectPlan } from '../inspect.ts'
import type { Plan } from '../planning.ts'
import { planCatalog } from '../planning.ts'
import { contentsOf } from './images.ts'
import { findName } from './naming.ts'
import { askDeclared, dependents } from './refs.ts'
import { imageNamed, whyOf } from './why.ts'

/** What might be done to the project. */
export type Proposal =
  | { readonly kind: 'bump'; readonly unit: string; readonly version: string }
  | { readonly kind: 'add'; readonly name: string }
  | { readonly kind: 'remove'; readonly name: string }

export interface PackageDelta {
  readonly name: string
  /** Undefined: it is new. */
  readonly before?: string
  /** Undefined: it is gone. */
  readonly after?: string
  /** Bytes of package files that the image gains; undefined when a unit was never built here. */
  readonly bytes?: number
}

export interface ImageDelta {
  readonly name: string
  readonly packages: readonly PackageDelta[]
  /** Packages in it, before and after. */
  readonly count: readonly [number, number]
  /** Of those whose size is known: bytes of package files that it gains, or loses when negative. */
  readonly bytes: number
  /** Packages of units that were never built here, so that their size is not known. */
  readonly unknown: readonly string[]
  /** Why what was to be removed is still there: who needs it. */
  readonly still?: readonly string[]
}

export interface WhatIf {
  readonly proposal: Proposal
  /** Units, images and containers whose key would be another; dependencies first. */
  readonly rebuilt: readonly { readonly name: string; readonly id: string; readonly cached: boolean }[]
  readonly images: readonly ImageDelta[]
  /** Why it can't be: then nothing else is said. */
  readonly errors: readonly { readonly code: YoeErrorCode; readonly message: string; readonly hint?: string }[]
}

/**
 * What a change to the project would come to. The change is made to the evaluated declarations only: nothing is written.
 *
 * @param images the images to look at, by name
 * @throws {YoeErrors} UNIT_NOT_FOUND, USAGE; whatever is wrong with the project as it is
 */
export async function whatIf(catalog: Catalog, proposal: Proposal, images: readonly string[]): Promise<WhatIf> {
  const proposed = await apply(catalog, proposal, images)
  const targets = await targetsOf(catalog, proposal, images)
  const before = await planCatalog(catalog, targets)
  const held = await closuresOf(catalog, images)
  const changed = withProject(catalog, proposed)
  let after: Plan
  let holding: Closures
  try {
    after = await planCatalog(changed, targets)
    holding = await closuresOf(changed, images)
  } catch (failure) {
    const errors = userErrors(failure)
    if (errors === undefined) throw failure
    const told = errors.map(({ code, message, hint }) => ({ code, message, ...(hint === undefined ? {} : { hint }) }))
    return { proposal, rebuilt: [], images: [], errors: told }
  }
  const states = { before: await inspectPlan(before), after: await inspectPlan(after) }
  const hashes = new Map(states.before.map(({ node, hash }) => [node.id, hash]))
  const rebuilt = states.after
    .filter(({ node, hash }) => hashes.get(node.id) !== hash)
    .map(({ node, state }) => ({ name: node.unit.name, id: node.id, cached: state === 'cached' }))
  const deltas = images.flatMap((name) => imageDelta(name, { before: held, after: holding }, states))
  if (proposal.kind !== 'remove') return { proposal, rebuilt, images: deltas, errors: [] }
  const told = await Promise.all(deltas.map((one) => stillThere(catalog, proposed, proposal.name, one)))
  return { proposal, rebuilt, images: told, errors: [] }
}

/** Whatever the proposal can reach: the images, and of a bump everything that needs the unit. */
async function targetsOf(catalog: Catalog, proposal: Proposal, images: readonly string[]): Promise<readonly string[]> {
  if (proposal.kind !== 'bump') return images
  const unit = await unitNamed(catalog, proposal.unit)
  const above = await askDeclared(catalog, (graph) => dependents(graph, unit, false))
  const units = above.filter(({ kind }) => kind !== 'image')
  return [...new Set([unit.name, ...units.map(({ name }) => name), ...images])]
}

/** @throws {YoeError} USAGE for what is no unit */
async function unitNamed(catalog: Catalog, name: string): Promise<Unit> {
  const found = await findName(catalog, name)
  if (found.kind === 'unit') return found.unit
  throw new YoeError('USAGE', `"${name}" is a package of a feed, which decides about its version`, {
    hint: `yoe plan --refresh asks feeds for newer ones; a unit called "${name}" would come before them`,
  })
}

/** The project as it would be. @throws {YoeError} */
async function apply(catalog: Catalog, proposal: Proposal, images: readonly string[]): Promise<Project> {
  const { project } = catalog
  const changed = (of: (unit: Unit) => Unit): Project => ({ ...project, units: project.units.map(of) })
  switch (proposal.kind) {
    case 'bump': {
      const unit = await unitNamed(catalog, proposal.unit)
      if (unit.kind === 'package') catalog.format.packageVersion({ ...unit, version: proposal.version })
      return changed((one) => (one === unit ? { ...one, version: proposal.version } : one))
    }
    case 'add':
      await findName(catalog, proposal.name)
      return changed((one) =>
        one.kind === 'image' && isOne(catalog, one, images)
          ? { ...one, artifacts: [...one.artifacts, proposal.name] }
          : one,
      )
    case 'remove': {
      for (const name of images) await checkPick(catalog, name, proposal.name)
      return changed((one) =>
        one.kind === 'image' && isOne(catalog, one, images) ? without(catalog, one, proposal.name) : one,
      )
    }
    default:
      return proposal satisfies never
  }
}

const isOne = ({ view }: Catalog, unit: Unit, names: readonly string[]): boolean =>
  names.includes(unit.name) && view.real(unit.name) === unit

/** An image without the picks that are called so, or mean the same unit. */
function without(catalog: Catalog, image: ImageUnit, name: string): ImageUnit {
  const keep = (pick: string): boolean => !means(catalog, pick, name)
  const byDistro = Object.entries(image.distroArtifacts).map(([distro, names]) => [distro, names.filter(keep)])
  return { ...image, artifacts: image.artifacts.filter(keep), distroArtifacts: Object.fromEntries(byDistro) }
}

function means({ view }: Catalog, pick: string, name: string): boolean {
  return pick === name || (view.find(pick) !== undefined && view.find(pick) === view.find(name))
}

/** @throws {YoeError} USAGE when an image does not ask for it by itself, with who does */
async function checkPick(catalog: Catalog, image: string, name: string): Promise<void> {
  const { images } = await whyOf(catalog, name, image)
  const chains = images.flatMap(({ chains: all }) => all)
  const own = chains.some(({ by, pick }) => by === `image ${image}` && means(catalog, pick, name))
  if (own) return
  const [first] = chains
  if (first === undefined)
    throw new YoeError('USAGE', `"${name}" is not in image "${image}": there is nothing to remove`, {
      hint: `yoe list in:${image}`,
    })
  throw new YoeError(
    'USAGE',
    `image "${image}" does not ask for "${name}" by itself: ${first.by} has it by ${[...new Set([first.pick, ...first.packages])].join(' → ')}`,
    {
      at: first.at,
      hint: `yoe what-if remove ${first.pick}; yoe why ${name} ${image} shows all that leads there`,
    },
  )
}

interface States {
  readonly before: readonly NodeState[]
  readonly after: readonly NodeState[]
}

/** What images install, and what units that were built here turned out to link. @throws {YoeErrors} */
async function closuresOf(catalog: Catalog, images: readonly string[]): Promise<Closures> {
  const units = images.map((name) => imageNamed(catalog, name))
  const { contents, unresolved } = await contentsOf(catalog, units)
  if (unresolved.length > 0) throw new YoeErrors(unresolved.flatMap(({ errors }) => errors))
  return new Map(contents.map(({ unit, packages }) => [unit.name, packages]))
}

/** Image to packages. */
type Closures = ReadonlyMap<string, readonly PackageRecord[]>

function imageDelta(
  name: string,
  closures: { readonly before: Closures; readonly after: Closures },
  states: States,
): readonly ImageDelta[] {
  const [old, now] = [closures.before.get(name), closures.after.get(name)]
  if (old === undefined || now === undefined) return []
  const built = { before: sizes(states.before), after: sizes(states.after) }
  const was = new Map(old.map((record) => [record.name, record]))
  const is = new Map(now.map((record) => [record.name, record]))
  const packages = [...new Set([...was.keys(), ...is.keys()])].sort().flatMap((each): readonly PackageDelta[] => {
    const [a, b] = [was.get(each), is.get(each)]
    if (a?.version === b?.version) return []
    const [less, more] = [
      a === undefined ? 0 : sizeOf(a, built.before),
      b === undefined ? 0 : sizeOf(b, built.after, built.before),
    ]
    return [
      {
        name: each,
        ...(a === undefined ? {} : { before: a.version }),
        ...(b === undefined ? {} : { after: b.version }),
        ...(less === undefined || more === undefined ? {} : { bytes: more - less }),
      },
    ]
  })
  return [
    {
      name,
      packages,
      count: [old.length, now.length],
      bytes: packages.reduce((sum, { bytes = 0 }) => sum + bytes, 0),
      unknown: packages.filter(({ bytes }) => bytes === undefined).map((one) => one.name),
    },
  ]
}

/** Bytes of the packages of units that are in the cache: unit to file name to size. */
type Sizes = ReadonlyMap<string, readonly { readonly name: string; readonly size: number }[]>

const sizes = (states: readonly NodeState[]): Sizes =>
  new Map(states.flatMap(({ node, manifest }) => (manifest === undefined ? [] : [[node.unit.name, manifest.files]])))

/** @param others where a unit that is not built yet is looked for: a new version is about as large as the last */
function sizeOf({ name, origin }: PackageRecord, ...others: readonly Sizes[]): number | undefined {
  if (origin.kind === 'feed') return origin.size
  for (const known of others) {
    const file = known.get(origin.unit)?.find((one) => one.name.startsWith(`${name}_`))
    if (file !== undefined) return file.size
  }
  return undefined
}

/** Adds who still needs what was removed. */
async function stillThere(catalog: Catalog, proposed: Project, name: string, delta: ImageDelta): Promise<ImageDelta> {
  const { images } = await whyOf(withProject(catalog, proposed), name, delta.name)
  const [chain] = images.flatMap(({ chains }) => chains)
  return chain === undefined
    ? delta
    : { ...delta, still: [chain.by, chain.pick, ...chain.packages.filter((one) => one !== chain.pick)] }
}
