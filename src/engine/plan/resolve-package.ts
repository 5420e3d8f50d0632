import type { PackageRecord } from '../catalog/package.ts'
import type { PackageUnit } from '../project/model.ts'
import { resolveConfig } from './config.ts'
import type { PackageNode, ToolchainNode } from './graph.ts'
import type { Resolving } from './resolving.ts'
import { checkRuntimeDeps } from './runtime-deps.ts'
import { Sysroot } from './sysroot.ts'
import { forDistro } from './unit-records.ts'

/** A unit to be built: the roots of its tasks, its sysroot, what it depends on, and the configuration that flows to it. */
export function resolvePackage(resolving: Resolving, unit: PackageUnit): PackageNode | undefined {
  const { arch, view } = resolving.universe
  const before = resolving.errors.length
  const { toolchain, containers } = rootsFor(resolving, unit)
  const sysroot = new Sysroot(resolving, unit)
  const deps = [...unit.deps, ...forDistro(unit.distroDeps, view.distro)]
  // By name, so that the order of a list means nothing.
  for (const dependency of deps.toSorted((a, b) => (a.name < b.name ? -1 : 1))) sysroot.add(dependency)
  checkRuntimeDeps(resolving, unit)
  if (resolving.errors.length > before) return undefined
  const closure = sysroot.close()
  if (closure === undefined || resolving.errors.length > before) return undefined
  const sysrootFeed = outside([toolchain, ...containers.values()], closure)
  const unpacked = new Set(sysrootFeed)
  const made = toolchain !== undefined && toolchain.packages.length === 0
  const unpacks = sysrootFeed.length + sysroot.units.length > 0
  const unpacker =
    made && unpacks
      ? (resolving.installer(unit) ?? resolving.toolchain('tools', unit, unit.containerArch === 'host'))
      : undefined
  const machine = unit.scope === 'machine' ? view.machine : undefined
  const built = unit.tasks.length > 0
  const config = resolveConfig(
    unit,
    built && unit.scope !== 'noarch' ? view.machine : undefined,
    built ? sysroot.units.map((node) => node.unit) : [],
    resolving.errors,
  )
  const runtimeDeps = resolving.records.runtimeDeps(unit)
  if (resolving.errors.length > before) return undefined
  return {
    kind: 'package',
    id: `${view.distro}/${unit.name}.${machine?.name ?? (unit.scope === 'noarch' ? 'noarch' : arch)}`,
    unit,
    arch,
    distro: view.distro,
    toolchain,
    ...(unpacker === undefined ? {} : { unpacker }),
    containers,
    sysroot: sysroot.units,
    sysrootFeed,
    inRoots: closure.filter((record) => !unpacked.has(record)).map(({ name }) => name),
    runtimeDeps,
    config,
    machine,
  }
}

function rootsFor(resolving: Resolving, unit: PackageUnit): Pick<PackageNode, 'toolchain' | 'containers'> {
  const host = unit.containerArch === 'host'
  const toolchain = unit.tasks.length === 0 ? undefined : resolving.toolchain(unit.container, unit, host)
  const named = new Set(unit.tasks.flatMap(({ container }) => (container === undefined ? [] : [container])))
  const containers = new Map<string, ToolchainNode>()
  for (const name of [...named].sort()) {
    const node = resolving.toolchain(name, unit, host)
    if (node !== undefined) containers.set(name, node)
  }
  return { toolchain, containers }
}

/**
 * What of a sysroot is unpacked: what is missing in some root that the unit's tasks run in, and what of the roots' that needs
 * in just its own version. That is how a `-dev` package asks for its library: the link `libz.so` that it brings lies in the
 * sysroot, and leads nowhere where the library does not. Linkers take `libz.a` then, without a word.
 */
function outside(
  roots: readonly (ToolchainNode | undefined)[],
  closure: readonly PackageRecord[],
): readonly PackageRecord[] {
  const there = roots.map(packagesOf)
  const missing = new Set(closure.filter((record) => !there.every((packages) => packages.has(identity(record)))))
  const exact = new Set(
    [...missing].flatMap(({ depends }) =>
      depends.flat().flatMap(({ name, version }) => (version?.relation === '=' ? [`${name}=${version.version}`] : [])),
    ),
  )
  return closure.filter((record) => missing.has(record) || exact.has(`${record.name}=${record.version}`))
}

/** Many units are built in one root. */
const packagesByRoot = new WeakMap<ToolchainNode, ReadonlySet<string>>()

function packagesOf(root: ToolchainNode | undefined): ReadonlySet<string> {
  if (root === undefined) return new Set()
  const known = packagesByRoot.get(root) ?? new Set(root.packages.map(identity))
  packagesByRoot.set(root, known)
  return known
}

const identity = ({ name, version, arch }: PackageRecord): string => `${name}:${arch}=${version}`
