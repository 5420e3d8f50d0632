import { wayFrom } from '#engine/catalog/chains.ts'
import { inertReason } from '#engine/catalog/inert.ts'
import type { Position } from '#engine/errors.ts'
import { YoeError, YoeErrors } from '#engine/errors.ts'
import { didYouMean } from '#engine/nearest.ts'
import type { ImageUnit, Unit } from '#engine/project/model.ts'
import type { Catalog } from '../catalog-view.ts'
import { type Contents, contentsOf } from './images.ts'
import { findName } from './naming.ts'
import { askDeclared, imagesOf, packageNamesOf } from './refs.ts'
import { lastBuild } from './status.ts'

/** A pick of an image, and how it leads to the package. */
export interface Chain {
  /** `image base`, `machine bench`, `every installation`. */
  readonly by: string
  readonly at?: Position
  /** As it is declared. */
  readonly pick: string
  /** Packages, from the one that the pick means to the one that was asked for. */
  readonly packages: readonly string[]
}

export interface ImageReason {
  readonly image: string
  readonly at: Position
  readonly package: string
  readonly version: string
  /** A unit, or the feed that it comes from. */
  readonly from: string
  /** A shortest chain for each pick that leads there, the shortest first. */
  readonly chains: readonly Chain[]
}

export interface Why {
  readonly name: string
  readonly images: readonly ImageReason[]
  /** Images that do without it. */
  readonly absent: readonly string[]
  /** Units built with it, but never here: whether they link it, so that images need it, is not known. */
  readonly unknown: readonly string[]
  /** Images that can't be resolved, so that nothing is known of them. */
  readonly unresolved: readonly { readonly name: string; readonly message: string }[]
}

/**
 * Why a unit or package is in an image, or in each that this machine and distro have.
 * @throws {YoeErrors} UNIT_NOT_FOUND; with `image` what keeps it from being resolved
 */
export async function whyOf(catalog: Catalog, name: string, image: string | undefined): Promise<Why> {
  const images = image === undefined ? imagesOf(catalog) : [imageNamed(catalog, image)]
  const found = await findName(catalog, name)
  const { contents, unresolved } = await contentsOf(catalog, images)
  if (image !== undefined && unresolved.length > 0) throw new YoeErrors(unresolved.flatMap(({ errors }) => errors))
  const packages = packageNamesOf(found)
  const reasons = contents.flatMap((one) => reasonsOf(one, packages))
  const holding = new Set(reasons.map((reason) => reason.image))
  return {
    name,
    images: reasons,
    absent: contents.map(({ unit }) => unit.name).filter((one) => !holding.has(one)),
    unknown: found.kind === 'unit' ? await neverBuiltWith(catalog, found.unit) : [],
    unresolved: unresolved.map(({ unit, errors }) => ({ name: unit.name, message: errors[0]?.message ?? '' })),
  }
}

async function neverBuiltWith(catalog: Catalog, unit: Unit): Promise<readonly string[]> {
  const users = await askDeclared(catalog, (graph) => graph.askers(unit))
  const names = users
    .filter(({ by, need }) => need.relation === 'build' && lastBuild(catalog, by) === 'never')
    .map(({ by }) => by.name)
  return [...new Set(names)]
}

/** @throws {YoeError} UNIT_NOT_FOUND; UNSATISFIABLE for an image that the machine can't serve */
export function imageNamed({ project, machine, view, distro }: Catalog, name: string): ImageUnit {
  const unit = view.find(name)
  if (unit?.kind === 'image') {
    const reason = inertReason(project, machine, unit, distro)
    if (reason === undefined) return unit
    throw new YoeError('UNSATISFIABLE', `image "${name}" can't be built for machine "${machine.name}": ${reason}`, {
      at: unit.at,
      unit: name,
      hint: 'say another --machine or --distro',
    })
  }
  const images = view.units().flatMap((each) => (each.kind === 'image' ? [each.name] : []))
  throw new YoeError('UNIT_NOT_FOUND', `there is no image "${name}" on ${distro}`, {
    at: unit?.at,
    hint: didYouMean(name, images) ?? `there are: ${images.join(', ') || 'none'}`,
  })
}

function reasonsOf({ unit, graph, picks }: Contents, packages: readonly string[]): readonly ImageReason[] {
  return [...new Set(packages)].flatMap((name): readonly ImageReason[] => {
    const record = graph.find(name)
    if (record === undefined) return []
    const leading = graph.leadingTo(name)
    const chains = picks.flatMap((pick): readonly Chain[] => {
      const ways = pick.packages.flatMap((one) => [wayFrom(leading, one) ?? []]).filter((way) => way.length > 0)
      const [shortest] = ways.sort((a, b) => a.length - b.length)
      if (shortest === undefined) return []
      const { by, at, name: picked } = pick
      return [{ by, ...(at === undefined ? {} : { at }), pick: picked, packages: shortest }]
    })
    return [
      {
        image: unit.name,
        at: unit.at,
        package: name,
        version: record.version,
        from: record.origin.kind === 'feed' ? record.origin.feed : `unit ${record.origin.unit}`,
        chains: chains.sort((a, b) => a.packages.length - b.packages.length),
      },
    ]
  })
}
