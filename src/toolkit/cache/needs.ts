import { userErrors } from '#engine/errors.ts'
import type { Node } from '#engine/plan/graph.ts'
import { inOrder, manifestArch } from '#engine/plan/graph.ts'
import type { Project } from '#engine/project/model.ts'
import { listCells } from '../cells.ts'
import type { Plan } from '../planning.ts'
import { makePlan } from '../planning.ts'
import { markOf } from '../sources.ts'
import type { Workspace } from '../workspace.ts'
import { checkoutsOf } from './last-build.ts'
import type { Thing } from './things.ts'

/** What a project would need of a cache if it were built now. */
export interface Needs {
  /** `<arch>/<hash>` */
  readonly results: ReadonlySet<string>
  readonly objects: ReadonlySet<string>
  /** Ids of sources, and folders of modules. */
  readonly names: ReadonlySet<string>
  /** Whose layers are kept: `<arch> <distro> <image>`. */
  readonly images: ReadonlySet<string>
}

export const needsNothing: Needs = { results: new Set(), objects: new Set(), names: new Set(), images: new Set() }

/**
 * What every image of the project's own machines is made of. Feeds are taken as they were last seen: what was never
 * planned on this machine left nothing here.
 *
 * @throws {YoeErrors} what is wrong with the project
 */
export async function needsOf(workspace: Workspace, project: Project): Promise<Needs> {
  const offline = { ...workspace, offline: true }
  const plans: Plan[] = []
  for (const { machine, image, distro } of await listCells(offline, [])) {
    try {
      plans.push(await makePlan(offline, { machine, distro, targets: [image] }))
    } catch (failure) {
      if (userErrors(failure)?.every(({ code }) => code === 'FETCH_FAILED') !== true) throw failure
    }
  }
  return needsOfPlans(plans, project)
}

function needsOfPlans(plans: readonly Plan[], project: Project): Needs {
  const names = new Set<string>()
  const results = new Set<string>()
  const objects = new Set<string>()
  const images = new Set<string>()
  for (const unit of project.units)
    if (unit.kind === 'package' && unit.source !== undefined) for (const id of markOf(unit.source)) names.add(id)
  for (const { targets, keys, workspace, format } of plans) {
    for (const name of checkoutsOf(workspace.cacheRoot, project)) names.add(name)
    for (const node of inOrder(targets)) {
      results.add(`${manifestArch(node)}/${keys.get(node)?.hash}`)
      if (node.kind === 'image') images.add(`${node.arch} ${node.distro} ${node.unit.name}`)
      for (const { origin } of packagesOf(node)) {
        if (origin.kind !== 'feed') continue
        const sha256 = origin.sha256 ?? format.packageObject?.(origin, workspace.cacheRoot)
        if (sha256 !== undefined) objects.add(sha256)
      }
    }
  }
  return { results, objects, names, images }
}

export function packagesOf(node: Node): Extract<Node, { kind: 'toolchain' }>['packages'] {
  switch (node.kind) {
    case 'toolchain':
      return node.packages
    case 'package':
      return node.sysrootFeed
    case 'image':
      return node.feedPackages
    default:
      return node satisfies never
  }
}

/** Tells whether a thing of a cache is needed. */
export function needing(needs: Needs, things: readonly Thing[]): (thing: Thing) => boolean {
  const layers = newestLayers(things, needs.images)
  const hashes = new Set([...needs.results].map((id) => id.slice(id.indexOf('/') + 1)))
  return (thing) => {
    switch (thing.kind) {
      case 'results':
        return needs.results.has(thing.id) || layers.has(thing)
      case 'roots':
        return hashes.has(thing.id)
      case 'downloads':
        return needs.objects.has(thing.id)
      case 'sources':
        return thing.wanted || needs.names.has(thing.id)
      case 'git':
        return thing.wanted
      case 'modules':
        return needs.names.has(thing.id)
      default:
        return false
    }
  }
}

/** Of each layer of the images, the one that was used last: when a unit changes, the image begins with it. */
function newestLayers(things: readonly Thing[], images: ReadonlySet<string>): ReadonlySet<Thing> {
  const newest = new Map<string, Thing>()
  for (const thing of things) {
    const layer = layerOf(thing)
    if (layer === undefined || thing.manifest === undefined) continue
    const { arch, distro, unit } = thing.manifest
    const image = `${arch} ${distro} ${unit}`
    const key = `${image} ${layer}`
    if (images.has(image) && (newest.get(key)?.usedAt ?? 0) < thing.usedAt) newest.set(key, thing)
  }
  return new Set(newest.values())
}

/** Which layer of an image a result is; undefined when it is none. */
export function layerOf({ manifest }: Pick<Thing, 'manifest'>): string | undefined {
  const inputs = manifest?.inputs
  if (typeof inputs !== 'object' || inputs === null || !('layer' in inputs)) return undefined
  return typeof inputs['layer'] === 'string' ? inputs['layer'] : undefined
}
