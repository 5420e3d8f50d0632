import { imageNames } from '../catalog/image-names.ts'
import { inertError, noKernelReason } from '../catalog/inert.ts'
import type { Root } from '../catalog/solver.ts'
import type { Position } from '../errors.ts'
import type { ImageUnit, Unit } from '../project/model.ts'
import { titleOf } from './closures.ts'
import type { ImageNode, PackageNode } from './graph.ts'
import type { Resolving } from './resolving.ts'

/** An image of the universe's machine: what it and its machine name, with all that they need. */
export function resolveImage(resolving: Resolving, unit: ImageUnit): ImageNode | undefined {
  const { view, arch } = resolving.universe
  const { machine, distro } = view
  const reason = noKernelReason(machine, [distro])
  if (reason !== undefined) {
    resolving.errors.push(inertError(machine, unit, reason))
    return undefined
  }
  const before = resolving.errors.length
  const names = imageNames(view, unit)
  const roots = [
    ...rootsFor(resolving, names.machine, `machine ${machine.name}`, `machine "${machine.name}"`, machine.at),
    ...rootsFor(resolving, names.image, titleOf(unit), `image "${unit.name}"`, unit.at),
  ]
  // What is excluded need not be asked for, but a name that nothing has is misspelt, and what was meant would be shipped.
  const listed = new Set([...unit.artifacts, ...Object.values(unit.distroArtifacts).flat()])
  for (const name of unit.exclude) {
    if (listed.has(name) || resolving.names.find(name) !== undefined || view.hidden(name).length > 0) continue
    resolving.missing(name, unit.at, `exclude of image "${unit.name}"`)
  }
  const tools = resolving.toolchain('tools', unit, false)
  if (resolving.errors.length > before || tools === undefined) return undefined
  const closure = resolving.closure(unit, roots, { units: true, essentials: true })
  if (closure === undefined) return undefined
  const own = new Set<Unit>()
  for (const { origin } of closure) {
    const found = origin.kind === 'unit' ? view.real(origin.unit) : undefined
    if (found !== undefined) own.add(found)
  }
  const units = [...own]
    .map((each) => resolving.node(each))
    .filter((node): node is PackageNode => node?.kind === 'package')
  if (resolving.errors.length > before) return undefined
  const installer = resolving.installer(unit)
  return {
    kind: 'image',
    id: `${distro}/${unit.name}.${machine.name}`,
    unit,
    arch,
    distro,
    machine,
    units,
    feedPackages: closure.filter((record) => record.origin.kind === 'feed'),
    closure,
    tools,
    ...(installer === undefined ? {} : { installer }),
  }
}

function rootsFor(
  resolving: Resolving,
  names: readonly string[],
  by: string,
  asker: string,
  at: Position,
): readonly Root[] {
  return names.flatMap((name) => {
    if (resolving.meaning(name, at, asker) === undefined) return []
    return [{ dependency: [resolving.records.packageFor({ name })], by, at }]
  })
}
