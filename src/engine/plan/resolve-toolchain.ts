import type { ToolchainUnit } from '../project/model.ts'
import { type OpenHost, titleOf } from './closures.ts'
import type { ToolchainNode } from './graph.ts'
import type { Resolving } from './resolving.ts'

/**
 * A root of packages of the distro's own feeds. Units take no part, whatever they are called: what compiles them can't
 * wait for them.
 *
 * @param host the machine that builds, for a root that runs there; undefined: the target's architecture
 */
export function resolveToolchain(
  resolving: Resolving,
  unit: ToolchainUnit,
  host: OpenHost | undefined,
): ToolchainNode | undefined {
  const { universe } = resolving
  const { arch, feeds } = host ?? universe
  const tools = unit.provides.includes('tools') ? undefined : resolving.toolchain('tools', unit, host !== undefined)
  if (tools === undefined && !unit.provides.includes('tools')) return undefined
  const own = unit.packages.filter(
    (name) =>
      universe.view.real(name) !== undefined &&
      !feeds.some((feed) => feed.lookup(name).length > 0 || feed.providers(name).length > 0),
  )
  for (const name of own)
    resolving.fail(`container "${unit.name}" names "${name}", which is a unit`, unit, {
      hint: 'a container is made of packages of feeds; put the unit in the deps of those that need it',
    })
  if (own.length > 0) return undefined
  const roots = unit.packages.map((name) => ({ dependency: [{ name }], by: titleOf(unit), at: unit.at }))
  const packages = resolving.closure(unit, roots, { units: false, essentials: true, host })
  if (packages === undefined) return undefined
  const { distro } = universe.view
  return { kind: 'toolchain', id: `${distro}/${unit.name}.${arch}`, unit, arch, distro, packages, tools }
}
