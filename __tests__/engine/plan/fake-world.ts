/** A project from texts, on a feed of a few made-up packages: enough to resolve and hash without any network. */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Feed, PackageRecord } from '#engine/catalog/package.ts'
import { View } from '#engine/catalog/view.ts'
import type { Node } from '#engine/plan/graph.ts'
import { hashNodes, type NodeKey, placesOf } from '#engine/plan/hash.ts'
import { resolveGraph, type Universe } from '#engine/plan/resolve.ts'
import type { Project } from '#engine/project/model.ts'
import { treeDigest } from '#engine/source/tree.ts'
import { type Texts, writeTexts } from '../../support/project.ts'
import { evaluateAt } from '../project/evaluating.ts'

/** `name version: dependency dependency` (with `| provides name`) to a package. */
export function fakeFeed(lines: readonly string[]): Feed {
  const records = lines.map((line): PackageRecord => {
    const [, name = '', version = '', depends = '', provides = ''] =
      /^(\S+) (\S+?):?(?: ([^|]*?))?(?: ?\| (.*))?$/.exec(line) ?? []
    const words = (text: string): string[] => text.split(' ').filter(Boolean)
    return {
      name,
      version,
      arch: 'amd64',
      depends: words(depends).map((dependency) => [{ name: dependency }]),
      provides: words(provides).map((provided) => ({ name: provided })),
      conflicts: [],
      essential: false,
      priority: 'optional',
      origin: { kind: 'feed', feed: 'fake.main', path: `pool/${name}.deb`, sha256: `${name}-${version}`, size: 1 },
    }
  })
  return {
    id: 'fake.main',
    distro: 'debian',
    digest: 'fake',
    lookup: (name) => records.filter((record) => record.name === name),
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
  readonly targets: readonly Node[]
  readonly keys: ReadonlyMap<Node, NodeKey>
  /** By the node's id. */
  readonly hashes: Readonly<Record<string, string>>
}

/** Plans `targets` of a project that is written into a folder of its own. */
export async function plan(
  texts: Texts,
  targets: readonly string[],
  { feed = fakeFeed(packages), distro = 'debian', prepare = (_root: string): void => {} } = {},
): Promise<World> {
  const folder = mkdtempSync(join(tmpdir(), 'yoe-plan-'))
  try {
    const root = join(folder, 'project')
    mkdirSync(root)
    writeTexts(root, { ...base, ...texts })
    prepare(root)
    return await planAt(root, targets, feed, distro)
  } finally {
    rmSync(folder, { recursive: true })
  }
}

export async function planAt(
  root: string,
  targets: readonly string[],
  feed: Feed = fakeFeed(packages),
  distro = 'debian',
): Promise<World> {
  const { project, machine } = await evaluateAt(root)
  if (machine === undefined) throw new TypeError('the fake project has a machine')
  const universe: Universe = {
    view: new View(project, machine, distro),
    arch: machine.arch,
    packageArch: 'amd64',
    feeds: [feed],
    versions: { compare: (a, b) => a.localeCompare(b, 'en', { numeric: true }) },
    packageVersion: (unit) => `${unit.version}-r${unit.release}`,
  }
  const nodes = resolveGraph(universe, targets)
  const contents = new Map(
    placesOf(nodes).map((place) => [`${place.module}//${place.path}`, treeDigest(join(root, place.path), undefined)]),
  )
  const keys = hashNodes(nodes, ({ module, path }) => contents.get(`${module}//${path}`) ?? '', project.name)
  return {
    project,
    targets: nodes,
    keys,
    hashes: Object.fromEntries([...keys].map(([node, { hash }]) => [node.id, hash])),
  }
}
