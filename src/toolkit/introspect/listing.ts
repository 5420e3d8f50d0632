import { inertReason } from '#engine/catalog/inert.ts'
import type { PackageRecord } from '#engine/catalog/package.ts'
import type { Position } from '#engine/errors.ts'
import { YoeError } from '#engine/errors.ts'
import type { Project, Unit } from '#engine/project/model.ts'
import type { Catalog } from '../catalog-view.ts'
import { runtimeClosure } from './images.ts'
import type { Query, Status } from './query.ts'
import { classOf, inModule, kindOf } from './query.ts'
import type { LastBuild } from './status.ts'
import { lastBuild, statusesOf } from './status.ts'

/** One line of `yoe list`. */
export interface Row {
  readonly name: string
  readonly kind: 'unit' | 'image' | 'container' | 'feed'
  /** The class that declared it, else its kind. */
  readonly class: string
  /** '' for the project itself; of feed packages the feed. */
  readonly module: string
  readonly version: string
  readonly scope: string
  /** Exact when the query asks for `status:`; else only how the last build here went. */
  readonly status: Status | LastBuild | ''
  readonly description: string
  readonly at?: Position
  /** Why it is not what its name means, or can't be built for this machine. */
  readonly note?: string
}

/** What a project can say without a machine or a distro: nothing is shadowed, nothing has a status. */
export function declaredRows(project: Project, query: Query): readonly Row[] {
  if (query.within.length > 0 || query.statuses.length > 0) {
    throw new YoeError('USAGE', 'in: and status: need a machine and a distro, and this project has none', {
      at: project.at,
      hint: 'add defaults = defaults(machine = "…", distro = "…")',
    })
  }
  return project.units.filter((unit) => matches(unit, query)).map((unit) => rowOf(unit, ''))
}

/**
 * Units, images and containers that a query asks for: what has its name, then what lost it. Feeds are opened only for
 * `in:` and `status:`.
 *
 * @throws {YoeErrors} USAGE, UNIT_NOT_FOUND; with `status:` everything that keeps a unit from being resolved
 */
export async function listUnits(catalog: Catalog, query: Query): Promise<readonly Row[]> {
  const { project, view, distro } = catalog
  const winners = new Set(view.units())
  const within = await closuresOf(catalog, query.within)
  const isWithin = (unit: Unit): boolean => within.every(({ units }) => units.has(unit))
  const listed = project.units.filter((unit) => {
    if (!matches(unit, query) || !isWithin(unit)) return false
    return winners.has(unit) || isVisible(unit, distro) || unit.kind === 'image'
  })
  const inert = new Map(listed.map((unit) => [unit, noteOf(catalog, unit, winners)]))
  const buildable = listed.filter((unit) => inert.get(unit) === undefined)
  const exact = query.statuses.length === 0 ? undefined : await statusesOf(catalog, buildable)
  const rows = listed
    .map((unit): Row => {
      const note = inert.get(unit)
      const status = note !== undefined ? '' : (exact?.get(unit) ?? lastBuild(catalog, unit))
      return rowOf(unit, status, note)
    })
    .filter((row) => query.statuses.every((status) => status === row.status))
  const ofFeeds = query.statuses.length > 0 ? [] : feedRows(within, query)
  return [...rows.sort(byName), ...ofFeeds]
}

/** A unit that is listed though its name means something else here; undefined for what can be built. */
function noteOf(
  { project, view, distro, machine }: Catalog,
  unit: Unit,
  winners: ReadonlySet<Unit>,
): string | undefined {
  const inert = unit.kind === 'image' ? inertReason(project, machine, unit, distro) : undefined
  if (inert !== undefined) return inert
  if (!isVisible(unit, distro)) return `for ${unit.distros?.join(', ')}`
  if (!winners.has(unit)) {
    const winner = view.find(unit.name)
    return winner === undefined ? `a feed's package is taken instead` : `shadowed by ${placeOf(winner.at)}`
  }
  return undefined
}

const isVisible = (unit: Unit, distro: string): boolean => unit.distros === undefined || unit.distros.includes(distro)
const placeOf = (at: Position): string => `${at.file}:${at.line}`
const byName = (a: Row, b: Row): number => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0)

function rowOf(unit: Unit, status: Row['status'], note?: string): Row {
  const scope = unit.kind === 'package' ? unit.scope : unit.kind === 'image' ? 'machine' : 'arch'
  return {
    name: unit.name,
    kind: kindOf(unit),
    class: classOf(unit),
    module: unit.module,
    version: unit.version,
    scope,
    status,
    description: unit.description,
    at: unit.at,
    ...(note === undefined ? {} : { note }),
  }
}

/** All of a query but `in:` and `status:`. */
function matches(unit: Unit, { texts, types, modules }: Query): boolean {
  return (
    texts.every((text) => answersTo(unit, text)) &&
    types.every((type) => type === kindOf(unit) || unit.builtVia.includes(type)) &&
    modules.every((module) => inModule(unit.module, module))
  )
}

function answersTo(unit: Unit, text: string): boolean {
  if (unit.name.toLowerCase().includes(text)) return true
  if (unit.kind === 'image') return false
  const names = unit.kind === 'package' ? unit.provides.map(({ name }) => name) : unit.provides
  return names.some((name) => name.toLowerCase().includes(text))
}

interface Within {
  readonly units: ReadonlySet<Unit>
  readonly packages: readonly PackageRecord[]
}

/** @throws {YoeError} UNIT_NOT_FOUND; what keeps an image from being resolved */
async function closuresOf(catalog: Catalog, names: readonly string[]): Promise<readonly Within[]> {
  return Promise.all(
    names.map(async (name) => {
      const packages = await runtimeClosure(catalog, name)
      const units = new Set(
        packages.flatMap(({ origin }) => (origin.kind === 'unit' ? (catalog.view.real(origin.unit) ?? []) : [])),
      )
      const own = catalog.view.find(name)
      if (own !== undefined) units.add(own)
      return { units, packages }
    }),
  )
}

/** Packages of feeds that are in every closure that was asked for. */
function feedRows(within: readonly Within[], query: Query): readonly Row[] {
  const [first, ...others] = within
  if (first === undefined || query.types.some((type) => type !== 'feed')) {
    if (query.types.includes('feed')) {
      throw new YoeError('USAGE', 'type:feed lists what an image installs from feeds, so it needs in:', {
        hint: 'yoe list type:feed in:IMAGE',
      })
    }
    return []
  }
  const inAll = others.map(({ packages }) => new Set(packages.map((record) => record.name)))
  return first.packages
    .flatMap((record): readonly Row[] => {
      const { origin } = record
      if (origin.kind !== 'feed' || !inAll.every((names) => names.has(record.name))) return []
      const wanted =
        query.texts.every((text) => record.name.includes(text)) &&
        query.modules.every((module) => origin.feed === module || origin.feed.startsWith(`${module}.`))
      if (!wanted) return []
      const row = { name: record.name, kind: 'feed', class: 'feed', module: origin.feed } as const
      return [{ ...row, version: record.version, scope: 'arch', status: '', description: '' }]
    })
    .sort(byName)
}
