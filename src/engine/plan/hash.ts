import type { PackageRecord } from '../catalog/package.ts'
import { indexDigest } from '../catalog/package.ts'
import { imageText } from '../containers/reference.ts'
import { consoleOf } from '../project/console.ts'
import type {
  ImageUser,
  Json,
  Machine,
  PackageUnit,
  Partition,
  Place,
  Project,
  Source,
  Step,
  Task,
} from '../project/model.ts'
import { digestOf } from './canonical.ts'
import type { ResolvedConfig, Setting } from './config.ts'
import type { DevSource } from './dev-source.ts'
import { devIdentity } from './dev-source.ts'
import type { FieldPolicy } from './field-policy.ts'
import {
  bootloaderFields,
  imageFields,
  kernelFields,
  machineFields,
  packageFields,
  partitionFields,
  taskFields,
  toolchainFields,
  userFields,
} from './field-policy.ts'
import type { ImageNode, Node, PackageNode, ToolchainNode } from './graph.ts'
import { inOrder, keyedBy } from './graph.ts'

/** Raised when equal declarations start to give other bytes: a change of the sandbox, the packer, or what makes images. */
const revisions = { toolchain: 4, package: 4, image: 5 } as const satisfies Record<Node['kind'], number>

/** SHA-256 of the content of a file or folder that the project names, by place; asked only for places that `placesOf` lists. */
export type ContentDigests = (place: Place) => Json

/** A node's key, and the document that it is the digest of: kept, so that `why` can say what changed. */
export interface NodeKey {
  readonly hash: string
  readonly inputs: Json
  /** Set when a unit is built from its work tree as it is. */
  readonly dev?: DevSource
}

/** Files and folders whose content decides about a node, each once. */
export function placesOf(nodes: readonly Node[]): readonly Place[] {
  const places = new Map<string, Place>()
  const add = (place: Place): unknown => places.set(`${place.module}//${place.path}`, place)
  for (const node of inOrder(nodes)) {
    if (node.kind === 'image') node.unit.overlays.forEach(add)
    if (node.kind === 'toolchain' && node.unit.dockerfile !== undefined) add(node.unit.dockerfile.context)
    if (node.kind !== 'package') continue
    if (node.unit.source?.kind === 'path') add(node.unit.source.place)
    node.unit.patches.forEach(add)
    for (const step of node.unit.tasks.flatMap((task) => task.steps)) {
      if (step.kind === 'install') add(step.source)
      if (step.kind === 'call') step.reads.forEach(add)
    }
  }
  return [...places.values()]
}

/**
 * Keys of all nodes reachable from `targets`: SHA-256 over canonical JSON of everything that can change the result,
 * free of absolute paths, users, times and declaration order.
 *
 * @param project its name is in packages and templates, its version in templates
 * @param dev units that are built from their work trees
 */
export function hashNodes(
  targets: readonly Node[],
  contentOf: ContentDigests,
  project: ProjectIdentity,
  dev: ReadonlyMap<Node, DevSource> = new Map(),
): ReadonlyMap<Node, NodeKey> {
  const keys = new Map<Node, NodeKey>()
  const hashOf = (node: Node): string => {
    const key = keys.get(node)
    if (key === undefined) throw new TypeError(`${node.id} is not hashed yet`)
    return key.hash
  }
  for (const node of inOrder(targets, keyedBy)) {
    const tree = dev.get(node)
    const inputs = { engine: revisions[node.kind], ...documentOf(node, contentOf, project, hashOf, tree) }
    keys.set(node, { hash: hashOfInputs(inputs), inputs, ...(tree === undefined ? {} : { dev: tree }) })
  }
  return keys
}

/** The key that a document of inputs is for. */
export function hashOfInputs(inputs: Json): string {
  return digestOf('yoe-unit/1', inputs)
}

type Document = { readonly [key: string]: Json }

type ProjectIdentity = Pick<Project, 'name' | 'version'> & {
  /** What images get for the project's own feed. */
  readonly devices?: Json | undefined
}

function documentOf(
  node: Node,
  contentOf: ContentDigests,
  { name, version, devices }: ProjectIdentity,
  hashOf: (node: Node) => string,
  dev: DevSource | undefined,
): Document {
  switch (node.kind) {
    case 'toolchain':
      return toolchainDocument(node, contentOf, hashOf)
    case 'package':
      return {
        project: name,
        ...(mayRender(node.unit) ? { projectVersion: version } : {}),
        ...packageDocument(node, contentOf, hashOf, dev),
      }
    case 'image':
      return { ...imageDocument(node, contentOf, hashOf), ...(devices === undefined ? {} : { devices }) }
    default:
      return node satisfies never
  }
}

/** A function of a task can install templates, too. */
function mayRender({ tasks }: PackageUnit): boolean {
  return tasks.some(({ steps }) =>
    steps.some((step) => step.kind === 'call' || (step.kind === 'install' && step.template)),
  )
}

function toolchainDocument(node: ToolchainNode, contentOf: ContentDigests, hashOf: (node: Node) => string): Document {
  const { image, dockerfile } = node.unit
  const common = { unit: pick(node.unit, toolchainFields), arch: node.arch }
  if (image !== undefined) {
    if (image.digest === undefined) throw new TypeError(`${imageText(image)} is not pinned yet`)
    // Whatever it is called and wherever it comes from.
    return { image: image.digest, arch: node.arch }
  }
  if (dockerfile !== undefined) {
    const bases = [...(node.bases ?? [])].map(([from, base]) => [from, hashOf(base)] as const)
    const { file, network } = dockerfile
    return {
      ...common,
      dockerfile: { content: contentOf(dockerfile.context), file, network },
      bases: Object.fromEntries(byName(bases)),
    }
  }
  return {
    ...common,
    packages: packageDigests(node.packages),
    ...(node.tools === undefined ? {} : { tools: hashOf(node.tools) }),
  }
}

function packageDocument(
  node: PackageNode,
  contentOf: ContentDigests,
  hashOf: (node: Node) => string,
  dev: DevSource | undefined,
): Document {
  const { unit } = node
  const rootOf = ({ container }: Task): string | undefined => {
    const root = container === undefined ? undefined : node.containers.get(container)
    return root === undefined ? undefined : hashOf(root)
  }
  return {
    unit: {
      // Who asks for bash where it is the default gets what they had, and elsewhere nothing.
      ...pick({ ...unit, shell: unit.shell ?? 'bash' }, packageFields),
      ...(unit.source === undefined ? {} : { source: sourceIdentity(unit.source, contentOf, dev) }),
      patches: dev === undefined ? unit.patches.map(contentOf) : [],
      tasks: unit.tasks.map((task) => taskIdentity(task, contentOf, rootOf)),
    },
    arch: unit.scope === 'noarch' ? 'noarch' : node.arch,
    distro: node.distro,
    ...(node.machine === undefined ? {} : scopedDocument(node.machine)),
    ...configDocument(node.config),
    runtimeDeps: toJson(node.runtimeDeps),
    ...(node.toolchain === undefined ? {} : { toolchain: hashOf(node.toolchain) }),
    // Ordered by name: the order in which dependencies are declared changes nothing.
    deps: Object.fromEntries(byName(node.sysroot.map((dependency) => [dependency.unit.name, hashOf(dependency)]))),
    feedDeps: packageDigests(node.sysrootFeed),
  }
}

function imageDocument(node: ImageNode, contentOf: ContentDigests, hashOf: (node: Node) => string): Document {
  return {
    unit: {
      ...pick(node.unit, imageFields),
      ...(node.unit.partitions === undefined ? {} : partitionDocument(node.unit.partitions)),
      users: node.unit.users.map((user: ImageUser) => pick({ ...user, shell: user.shell ?? '/bin/bash' }, userFields)),
      overlays: node.unit.overlays.map(contentOf),
    },
    ...machineDocument(node.machine),
    distro: node.distro,
    tools: hashOf(node.tools),
    units: Object.fromEntries(byName(node.units.map((unit) => [unit.unit.name, hashOf(unit)]))),
    ...installedDocument(node),
    packages: packageDigests(node.feedPackages),
  }
}

/** Which packages of its units an image installs, where that is not just the main one. */
function installedDocument(node: ImageNode): Document {
  const installed = new Map<string, string[]>()
  for (const { name, origin } of node.closure) {
    if (origin.kind !== 'unit') continue
    installed.set(origin.unit, [...(installed.get(origin.unit) ?? []), name].sort())
  }
  const special = [...installed].filter(([unit, names]) => names.length !== 1 || names[0] !== unit)
  return special.length === 0 ? {} : { installed: Object.fromEntries(byName(special)) }
}

/** What flows to a unit; without where it comes from, and nothing where nothing does. */
function configDocument(config: ResolvedConfig): Document {
  const { environment, ...lists } = config
  const values = (settings: readonly Setting[]): readonly string[] => settings.map(({ value }) => value)
  const flags = Object.entries(lists).flatMap(([name, settings]) =>
    settings.length === 0 ? [] : [[name, values(settings)] as const],
  )
  const variables = Object.entries(environment).map(([name, { value }]) => [name, value] as const)
  const document = {
    ...Object.fromEntries(flags),
    ...(variables.length === 0 ? {} : { environment: Object.fromEntries(variables) }),
  }
  return Object.keys(document).length === 0 ? {} : { config: document }
}

/** What only units see whose scope is the machine, as far as the machine says it. */
function scopedDocument(machine: Machine): Document {
  const { kernel, bootloader } = machine
  const ofKernel = kernel === undefined ? {} : pick(kernel, kernelFields, 'scoped')
  const { deviceTrees, ...rest } = ofKernel
  const some = Array.isArray(deviceTrees) && deviceTrees.length > 0
  const document = { ...rest, ...(some ? { deviceTrees } : {}) }
  return {
    machine: pick(machine, machineFields),
    console: consoleOf(machine),
    ...(Object.keys(document).length === 0 ? {} : { kernel: document }),
    ...(bootloader === undefined ? {} : { bootloader: pick(bootloader, bootloaderFields, 'scoped') }),
  }
}

/** What images hold of a machine: the kernel's command line is in boot loaders. */
function machineDocument(machine: Machine): Document {
  const document = { ...pick(machine, machineFields), ...partitionDocument(machine.partitions) }
  return { machine: document, cmdline: machine.kernel?.cmdline ?? '' }
}

const partitionDocument = (partitions: readonly Partition[]): Document => ({
  partitions: partitions.map((partition) => pick(partition, partitionFields)),
})

/** Name to version and digest, ordered by name. */
function packageDigests(records: readonly PackageRecord[]): Document {
  return Object.fromEntries(
    byName(
      records.map((record) => {
        const digest = record.origin.kind === 'feed' ? indexDigest(record.origin) : ''
        return [record.name, `${record.version} ${digest}`.trimEnd()] as const
      }),
    ),
  )
}

function byName<T>(entries: readonly (readonly [string, T])[]): readonly (readonly [string, T])[] {
  return entries.toSorted(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
}

function sourceIdentity(source: Source, contentOf: ContentDigests, dev: DevSource | undefined): Json {
  if (dev !== undefined) return devIdentity(dev)
  switch (source.kind) {
    case 'path':
      return { kind: 'path', content: contentOf(source.place) }
    case 'archive':
      return { kind: 'archive', sha256: source.sha256 } // whoever serves it
    case 'git':
      if (source.commit === undefined) throw new TypeError(`${source.url} ${source.ref} is not pinned yet`)
      return {
        kind: 'git',
        commit: source.commit,
        ...(source.submodules === undefined ? {} : { submodules: source.submodules }),
        ...(source.lfs === undefined ? {} : { lfs: source.lfs }),
      }
    default:
      return source satisfies never
  }
}

function taskIdentity(task: Task, contentOf: ContentDigests, rootOf: (task: Task) => string | undefined): Json {
  const root = rootOf(task)
  return {
    ...pick(task, taskFields),
    ...(root === undefined ? {} : { container: root }),
    steps: task.steps.map((step) => stepIdentity(step, contentOf)),
  }
}

function stepIdentity(step: Step, contentOf: ContentDigests): Json {
  switch (step.kind) {
    case 'run':
      return { kind: 'run', command: step.command }
    case 'install':
      return {
        kind: 'install',
        template: step.template,
        dest: step.dest,
        mode: step.mode,
        content: contentOf(step.source),
      }
    case 'call':
      return { kind: 'call', digest: step.digest, content: step.reads.map(contentOf) }
    default:
      return step satisfies never
  }
}

/** The fields of a declaration that are in its key; absent ones stay absent, so that a new field rebuilds nobody. */
function pick<T extends object>(value: T, policy: FieldPolicy<T>, which: 'in' | 'scoped' = 'in'): Document {
  const chosen: Record<string, Json> = {}
  // In the order that the key has them: what is in order is written several times as quickly.
  for (const field of (Object.keys(policy) as (keyof T & string)[]).sort()) {
    const member: unknown = value[field]
    if (policy[field] === which && member !== undefined) chosen[field] = toJson(member)
  }
  return chosen
}

/** Declarations are plain data; anything else in one is a bug that must not be left out of a key silently. */
function toJson(value: unknown): Json {
  if (value === null || typeof value === 'string' || typeof value === 'boolean' || typeof value === 'number')
    return value
  if (Array.isArray(value)) return value.map(toJson)
  if (typeof value === 'object') {
    const members: [string, Json][] = []
    for (const [key, member] of Object.entries(value)) if (member !== undefined) members.push([key, toJson(member)])
    return Object.fromEntries(byName(members))
  }
  throw new TypeError(`a declaration holds a ${typeof value}`)
}
