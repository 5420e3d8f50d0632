import type { Arch } from '../arch.ts'
import type { Alternatives, PackageRecord } from '../catalog/package.ts'
import type { ImageUnit, Machine, PackageUnit, ToolchainUnit } from '../project/model.ts'
import type { ResolvedConfig } from './config.ts'

interface NodeBase {
  /** `debian/zlib.x86_64`: names the node in messages, and its folder under `build/`. */
  readonly id: string
  readonly arch: Arch
  readonly distro: string
}

/** A root file system for tasks: packages of the distro's feeds, installed; an image of a registry; or what Docker builds. */
export interface ToolchainNode extends NodeBase {
  readonly kind: 'toolchain'
  readonly unit: ToolchainUnit
  /** The closure, dependencies first; empty where the root is made otherwise. */
  readonly packages: readonly PackageRecord[]
  /**
   * Whose programs install it; undefined for the tools themselves, which the host's installer makes, and for what is not
   * made of packages.
   */
  readonly tools: ToolchainNode | undefined
  /** The same programs for the machine that builds, which do it instead; whose they are changes nothing. */
  readonly installer?: ToolchainNode
  /** What the `FROM` of its Dockerfile mean, by how they stand there. */
  readonly bases?: ReadonlyMap<string, ToolchainNode>
}

/** A unit to be built into packages. */
export interface PackageNode extends NodeBase {
  readonly kind: 'package'
  readonly unit: PackageUnit
  /** Undefined for units without tasks: nothing runs for them. */
  readonly toolchain: ToolchainNode | undefined
  /** Whose programs unpack its sysroot, where `toolchain` is no root of packages and may have none that can. */
  readonly unpacker?: ToolchainNode
  /** The roots of tasks that name a container of their own, by that name. */
  readonly containers: ReadonlyMap<string, ToolchainNode>
  /** Units whose packages are in the sysroot: build dependencies and all they need, dependencies first. */
  readonly sysroot: readonly PackageNode[]
  /** Feed packages in the sysroot, but for those that every root of its tasks has and that no link in it leads to. */
  readonly sysrootFeed: readonly PackageRecord[]
  /** Names of those others: they are declared, too. */
  readonly inRoots: readonly string[]
  /** What the package depends on at run time, by package names. */
  readonly runtimeDeps: readonly Alternatives[]
  /** What `public_config` of the machine and of the sysroot's units adds to the environment of its tasks. */
  readonly config: ResolvedConfig
  /** Set when the scope says that the result differs between machines. */
  readonly machine: Machine | undefined
}

/** An image of one machine. */
export interface ImageNode extends NodeBase {
  readonly kind: 'image'
  readonly unit: ImageUnit
  readonly machine: Machine
  /** Units that some package of `closure` comes from, each once. */
  readonly units: readonly PackageNode[]
  readonly feedPackages: readonly PackageRecord[]
  /** Everything that gets installed, dependencies first: the records of `units` and `feedPackages` in one order. */
  readonly closure: readonly PackageRecord[]
  readonly tools: ToolchainNode
  /** As for toolchains. */
  readonly installer?: ToolchainNode
}

export type Node = ToolchainNode | PackageNode | ImageNode

/** What a node's result is filed under. */
export function manifestArch(node: Node): Arch | 'noarch' {
  return node.kind === 'package' && node.unit.scope === 'noarch' ? 'noarch' : node.arch
}

/** The nodes that must be there before `node` can be built, without duplicates, in a fixed order. */
export function dependenciesOf(node: Node): readonly Node[] {
  switch (node.kind) {
    case 'toolchain':
      return [...new Set([...toolsOf(node), ...(node.bases?.values() ?? [])])]
    case 'package':
      return [...new Set([...rootsOf(node), ...(node.unpacker === undefined ? [] : [node.unpacker]), ...node.sysroot])]
    case 'image':
      return [...toolsOf(node), ...node.units]
    default:
      return node satisfies never
  }
}

/** Whose programs do the work here. */
function toolsOf({ installer, tools }: ToolchainNode | ImageNode): readonly ToolchainNode[] {
  const found = installer ?? tools
  return found === undefined ? [] : [found]
}

/** The roots that a unit's tasks run in, the usual one first, each once. */
export function rootsOf(node: PackageNode): readonly ToolchainNode[] {
  return [...new Set([...(node.toolchain === undefined ? [] : [node.toolchain]), ...node.containers.values()])]
}

/**
 * All nodes reachable from `targets`, dependencies first, each once.
 * @param below what comes before a node; by default what must be there before it can be built
 */
export function inOrder(
  targets: readonly Node[],
  below: (node: Node) => readonly Node[] = dependenciesOf,
): readonly Node[] {
  const ordered = new Set<Node>()
  const visit = (node: Node): void => {
    if (ordered.has(node)) return
    for (const dependency of below(node)) visit(dependency)
    ordered.add(node)
  }
  for (const target of targets) visit(target)
  return [...ordered]
}

/** What a node's key is made of, which is the same on every machine: tools for the target, whoever does the work here. */
export function keyedBy(node: Node): readonly Node[] {
  if (node.kind === 'package' || node.tools === undefined) return dependenciesOf(node)
  return [node.tools, ...dependenciesOf(node)]
}
