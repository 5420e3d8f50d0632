import type { Arch } from '../arch.ts'
import type { ToolchainUnit } from '../project/model.ts'
import { type OpenHost, titleOf } from './closures.ts'
import type { ToolchainNode } from './graph.ts'
import type { Resolving } from './resolving.ts'

/**
 * A root of packages of the distro's own feeds, or one that is made without. Units take no part, whatever they are
 * called: what compiles them can't wait for them.
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
  if (unit.packages.length === 0 && (unit.image ?? unit.dockerfile) !== undefined)
    return resolveMade(resolving, unit, arch, host)
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
  const installer = tools === undefined || host !== undefined ? undefined : resolving.installer(unit)
  const node = { kind: 'toolchain', id: `${distro}/${unit.name}.${arch}`, unit, arch, distro, packages, tools } as const
  return installer === undefined ? node : { ...node, installer }
}

/** An image of a registry, or what Docker builds on other containers. */
function resolveMade(
  resolving: Resolving,
  unit: ToolchainUnit,
  arch: Arch,
  host: OpenHost | undefined,
): ToolchainNode | undefined {
  const { distro } = resolving.universe.view
  const bases = new Map<string, ToolchainNode>()
  for (const { from, container } of unit.dockerfile?.bases ?? []) {
    const base = resolving.toolchain(container, unit, host !== undefined)
    if (base === undefined) return undefined
    bases.set(from, base)
  }
  // The name of an image has characters that no folder and no other unit has.
  const id = `${distro}/${unit.name.replaceAll(/[/:@]/g, '~')}.${arch}`
  const made = { kind: 'toolchain', id, unit, arch, distro, packages: [], tools: undefined } as const
  return unit.dockerfile === undefined ? made : { ...made, bases }
}
