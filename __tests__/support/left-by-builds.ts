/** What a build leaves behind, made without building: for questions about results, where no toolchain can be had. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { readFile, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { foldersOf } from '#engine/build/folders.ts'
import type { Alternatives } from '#engine/catalog/package.ts'
import { silent } from '#engine/events.ts'
import { canonical } from '#engine/plan/canonical.ts'
import type { Node, PackageNode } from '#engine/plan/graph.ts'
import { inOrder, manifestArch } from '#engine/plan/graph.ts'
import { nowhere } from '#engine/qa/package-parts.ts'
import type { UnitFile } from '#engine/store/manifest.ts'
import { encodeManifest, seal } from '#engine/store/manifest.ts'
import type { Plan } from '#toolkit/planning.ts'
import { packDeb } from '../../src/feeds/debian/pack.ts'

/** Everything but packages: documents in the build folders; results in the cache for the named units only. */
export function leaveBuilt({ workspace, targets, keys }: Plan, cached: (node: Node) => boolean = () => true): void {
  for (const node of inOrder(targets)) leaveNode({ workspace, keys }, node, cached(node) ? [] : undefined)
}

/** What a unit's tasks would have installed, and the units whose libraries its programs would be linked to. */
export interface Installed {
  readonly files: Readonly<Record<string, string>>
  readonly links?: readonly string[]
}

/** The same with real packages of these units, so that sizes and links are known. */
export async function leavePackages(
  { workspace, targets, keys }: Plan,
  installed: Readonly<Record<string, Installed>>,
): Promise<void> {
  for (const node of inOrder(targets)) {
    const files = node.kind === 'package' ? await packagesOf(workspace, node, installed[node.unit.name]) : []
    leaveNode({ workspace, keys }, node, files)
  }
}

async function packagesOf(
  { cacheRoot, buildRoot }: Plan['workspace'],
  node: PackageNode,
  { files, links = [] }: Installed = { files: {} },
): Promise<readonly UnitFile[]> {
  const made = join(buildRoot, 'made')
  const destdir = join(made, 'dest')
  mkdirSync(destdir, { recursive: true })
  for (const [path, text] of Object.entries(files)) write(join(destdir, path), text)
  write(join(destdir, 'usr/share/licenses', node.unit.name, 'LICENSE'), 'Do as you like.\n')
  const linked = links.map((name): Alternatives => [{ name }])
  const packed = await packDeb({
    unit: node.unit,
    arch: node.arch,
    distro: node.distro,
    destdir,
    outdir: join(made, 'out'),
    runtimeDeps: [...node.runtimeDeps, ...linked],
    libraries: new Map(),
    around: nowhere,
    report: silent,
    maintainer: 'Fleet <fleet@example.org>',
    sourceDateEpoch: 1_700_000_000,
  })
  for (const { path, sha256 } of packed)
    write(join(cacheRoot, 'objects', sha256.slice(0, 2), sha256.slice(2)), await readFile(path))
  await rm(made, { recursive: true })
  return packed.map(({ filename, sha256, size }) => ({ name: filename, sha256, size }))
}

function leaveNode(
  { workspace, keys }: Pick<Plan, 'workspace' | 'keys'>,
  node: Node,
  files: readonly UnitFile[] | undefined,
): void {
  const key = keys.get(node)
  if (key === undefined) throw new TypeError(`${node.id} has no key`)
  write(foldersOf(workspace.buildRoot, node).last, canonical(key.inputs))
  if (files === undefined) return
  const arch = manifestArch(node)
  const { hash, inputs } = key
  const facts = { builtAt: 0, ms: 1, builder: 'test' }
  const manifest = { unit: node.unit.name, arch, distro: node.distro, hash, inputs, files, facts }
  write(join(workspace.cacheRoot, 'units', arch, `${hash}.json`), encodeManifest(seal(manifest, 'trusted', undefined)))
}

function write(path: string, content: string | Uint8Array): void {
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, content)
}
