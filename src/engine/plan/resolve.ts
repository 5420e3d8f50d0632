import type { PackageRecord } from '../catalog/package.ts'
import { YoeError, YoeErrors } from '../errors.ts'
import type { Unit } from '../project/model.ts'
import type { OpenHost } from './closures.ts'
import type { ImageNode, Node, PackageNode } from './graph.ts'
import { resolveImage } from './resolve-image.ts'
import { resolvePackage } from './resolve-package.ts'
import { resolveToolchain } from './resolve-toolchain.ts'
import { Resolving } from './resolving.ts'
import type { Universe } from './universe.ts'

export type { KnownClosures, Universe } from './universe.ts'

/**
 * Turns names into a graph: a pure function with a fixed order, so the same declarations always give the same nodes,
 * whatever the order of files, units and lists. Every failure is collected before any is thrown.
 *
 * @throws {YoeErrors} UNIT_NOT_FOUND (with who asked), DEP_CYCLE, UNSATISFIABLE, BAD_FIELD
 * @throws {HostFeedsNeeded} when something reached is built in a root of another architecture than the target's
 */
export function resolveGraph(universe: Universe, targets: readonly string[]): readonly Node[] {
  const resolving = new Resolving(universe, makeNode, new Map())
  const nodes = targets.map((name) => resolveTarget(resolving, name))
  throwErrors(resolving)
  return nodes.filter((node) => node !== undefined)
}

/**
 * An image's closure once its units are built: their packages may depend on more than the units declare, since linked
 * libraries add their owners.
 *
 * @param built what the packages of built units say about themselves, by package name
 * @returns the closure, and the units that its packages come from, each once
 * @throws {YoeErrors} UNSATISFIABLE, UNIT_NOT_FOUND
 */
export function resolveBuiltImage(
  universe: Universe,
  image: ImageNode,
  built: ReadonlyMap<string, PackageRecord>,
): { readonly closure: readonly PackageRecord[]; readonly units: readonly PackageNode[] } {
  const resolving = new Resolving(universe, makeNode, built)
  const node = resolving.node(image.unit)
  throwErrors(resolving)
  if (node?.kind !== 'image') throw new TypeError(`${image.id} is no image any more`)
  return { closure: node.closure, units: node.units }
}

/** What many units run into, such as what is wrong with their machine, is told once. */
function throwErrors({ errors }: Resolving): void {
  const told = new Map(errors.map((error) => [`${error.at?.file}:${error.at?.line} ${error.message}`, error]))
  if (told.size > 0) throw new YoeErrors([...told.values()])
}

function resolveTarget(resolving: Resolving, name: string): Node | undefined {
  const found = resolving.names.find(name)
  if (found?.kind === 'unit') return resolving.node(found.unit)
  // What a container provides may be the name of a package, too.
  const unit = resolving.universe.view.find(name)
  if (unit !== undefined) return resolving.node(unit)
  if (found === undefined) resolving.missing(name, undefined, 'the command line')
  else {
    resolving.errors.push(
      new YoeError('USAGE', `"${name}" is a package of a feed, which nothing has to be built for`, {
        hint: 'name a unit or an image; yoe list shows them',
      }),
    )
  }
  return undefined
}

function makeNode(resolving: Resolving, unit: Unit, host: OpenHost | undefined): Node | undefined {
  switch (unit.kind) {
    case 'toolchain':
      return resolveToolchain(resolving, unit, host)
    case 'package':
      return resolvePackage(resolving, unit)
    case 'image':
      return resolveImage(resolving, unit)
    default:
      return unit satisfies never
  }
}
