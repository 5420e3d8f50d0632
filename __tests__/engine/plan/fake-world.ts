/** A project from texts, on a feed of a few made-up packages: enough to resolve and hash without any network. */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Dependency, Feed, PackageRecord } from '#engine/catalog/package.ts'
import { View } from '#engine/catalog/view.ts'
import type { Node } from '#engine/plan/graph.ts'
import { hashNodes, type NodeKey, placesOf } from '#engine/plan/hash.ts'
import { resolveGraph, type Universe } from '#engine/plan/resolve.ts'
import type { Project } from '#engine/project/model.ts'
import { treeDigest } from '#engine/source/tree.ts'
import { debianVersions } from '#feeds/debian/version.ts'
import { type Texts, writeTexts } from '../../support/project.ts'
import { evaluateAt } from '../project/evaluating.ts'

/** `b`, `b(>=2)` */
function relation(text: string): Dependency {
  const [, name = '', relation, version] = /^([^(]+)(?:\((<<|<=|=|>=|>>)([^)]+)\))?$/.exec(text) ?? []
  const known = (['<<', '<=', '=', '>=', '>>'] as const).find((one) => one === relation)
  return known === undefined || version === undefined ? { name } : { name, version: { relation: known, version } }
}

/** `name version: dependency other(>=2) one/another | provides versioned(=3) - conflicts` to a package. */
export function fakeFeed(lines: readonly string[], id = 'fake.main', arch = 'amd64'): Feed {
  const records = lines.map((line): PackageRecord => {
    const [, name = '', version = '', depends = '', provides = '', conflicts = ''] =
      /^(\S+) (\S+?):?(?: ([^|-]\S*(?: [^|-]\S*)*))?(?: ?\| ([^-]\S*(?: [^-]\S*)*))?(?: - (.*))?$/.exec(line) ?? []
    const words = (text: string): string[] => text.split(' ').filter(Boolean)
    return {
      name,
      version,
      arch,
      depends: words(depends).map((group) => group.split('/').map(relation)),
      provides: words(provides)
        .map(relation)
        .map(({ name: provided, version: of }) =>
          of === undefined ? { name: provided } : { name: provided, version: of.version },
        ),
      conflicts: words(conflicts).map(relation),
      essential: false,
      priority: 'optional',
      origin: { kind: 'feed', feed: id, path: `pool/${name}.deb`, sha256: `${name}-${version}`, size: 1 },
    }
  })
  const lookup = Map.groupBy(records, ({ name }) => name)
  return {
    id,
    distro: 'debian',
    digest: `${id} ${lines.join()}`,
    lookup: (name) => lookup.get(name) ?? [],
    providers: (name) => records.filter((record) => record.provides.some((provided) => provided.name === name)),
    essentials: () => [],
    names: () => records.map(({ name }) => name),
  }
}

export const packages = [
  'libc6 2.41',
  'gcc 14: libc6',
  'make 4: libc6',
  'mmdebstrap 1: libc6',
  'zlib1g 1.3: libc6',
  'zlib1g-dev 1.3: zlib1g',
  'bash 5: libc6 | sh',
  'linux-image 6',
  'dash 0: libc6',
]

/** What every project here has: containers, a machine, modules none. */
export const base: Texts = {
  'PROJECT.star': 'project(name = "demo", defaults = defaults(machine = "box", distro = "debian"))\n',
  'containers/c.star':
    'container(name = "tools-fake", distro = "debian", provides = ["tools"], packages = ["mmdebstrap"])\ncontainer(name = "toolchain-fake", distro = "debian", provides = ["toolchain"], packages = ["gcc", "make"])\n',
  'machines/m.star':
    'machine(name = "box", arch = "x86_64", kernel = kernel(unit = "linux-image", cmdline = "quiet"), partitions = [partition(label = "root", type = "ext4", size = "1G", root = True)])\n',
}

export interface World {
  readonly project: Project
  readonly universe: Universe
  readonly targets: readonly Node[]
  readonly keys: ReadonlyMap<Node, NodeKey>
  /** By the node's id. */
  readonly hashes: Readonly<Record<string, string>>
}

export interface PlanOptions {
  readonly feed?: Feed
  /** After `feed`. */
  readonly feeds?: readonly Feed[]
  readonly distro?: string
  readonly prepare?: (root: string) => void
  readonly universe?: Partial<Universe>
}

/** Plans `targets` of a project that is written into a folder of its own. */
export async function plan(
  texts: Texts,
  targets: readonly string[],
  { feed = fakeFeed(packages), prepare = (_root: string): void => {}, ...more }: PlanOptions = {},
): Promise<World> {
  const folder = mkdtempSync(join(tmpdir(), 'yoe-plan-'))
  try {
    const root = join(folder, 'project')
    mkdirSync(root)
    writeTexts(root, { ...base, ...texts })
    prepare(root)
    return await planAt(root, targets, feed, more)
  } finally {
    rmSync(folder, { recursive: true })
  }
}

export async function planAt(
  root: string,
  targets: readonly string[],
  feed: Feed = fakeFeed(packages),
  { distro = 'debian', ...more }: PlanOptions = {},
): Promise<World> {
  const { project, machine } = await evaluateAt(root)
  if (machine === undefined) throw new TypeError('the fake project has a machine')
  const universe: Universe = {
    view: new View(project, machine, distro),
    arch: machine.arch,
    packageArch: 'amd64',
    feeds: [feed, ...(more.feeds ?? [])],
    versions: debianVersions,
    packageVersion: (unit) => `${unit.version}-r${unit.release}`,
    ...more.universe,
  }
  const nodes = resolveGraph(universe, targets)
  const roots = new Map([['', root], ...project.modules.map((module) => [module.name, module.root] as const)])
  const contents = new Map(
    placesOf(nodes).map(({ module, path }) => [
      `${module}//${path}`,
      treeDigest(join(roots.get(module) ?? '', path), undefined),
    ]),
  )
  const keys = hashNodes(nodes, ({ module, path }) => contents.get(`${module}//${path}`) ?? '', project)
  return {
    project,
    universe,
    targets: nodes,
    keys,
    hashes: Object.fromEntries([...keys].map(([node, { hash }]) => [node.id, hash])),
  }
}
