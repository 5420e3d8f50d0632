import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { BuildContext } from '#engine/build/context.ts'
import { keyOf } from '#engine/build/context.ts'
import type { Produced } from '#engine/build/executor.ts'
import type { Finished } from '#engine/build/finished.ts'
import { foldersOf } from '#engine/build/folders.ts'
import { fetchAll } from '#engine/build/roots.ts'
import type { PackageFile } from '#engine/build/trees.ts'
import type { UnitLog } from '#engine/build/unit-log.ts'
import { openUnitLog } from '#engine/build/unit-log.ts'
import type { PackageRecord } from '#engine/catalog/package.ts'
import { indexDigest } from '#engine/catalog/package.ts'
import type { RepositoryEntry } from '#engine/formats.ts'
import type { InstallInput } from '#engine/image/build-image.ts'
import { buildFeedLayer, buildImage } from '#engine/image/build-image.ts'
import type { LayerStore } from '#engine/image/layers.ts'
import { feedLayerKey, partClosure } from '#engine/image/layers.ts'
import { file } from '#engine/image/overlay.ts'
import type { ImageNode, PackageNode } from '#engine/plan/graph.ts'
import { resolveBuiltImage } from '#engine/plan/resolve.ts'
import { objectDigest } from '#engine/store/object-path.ts'
import { replaceFile } from '#engine/store/replace-file.ts'
import { keyringLicense } from '#feeds/shared/keyring-package.ts'
import { keyringEntry } from './device-feed.ts'
import { sourceDateEpoch } from './epoch.ts'
import { imageFiles } from './image-files.ts'
import type { Plan } from './planning.ts'

/** Makes an image from the packages of its units and of feeds. */
export async function buildImageNode(
  plan: Plan,
  context: BuildContext,
  node: ImageNode,
  results: Finished,
  layers: LayerStore,
  log: UnitLog,
): Promise<readonly Produced[]> {
  const { installed } = await imageEntries(plan, context, node, results)
  const input = await installing(context, node, results, layers, log, installed)
  const { workdir } = input
  const keyring = await keyrings(plan, join(workdir, 'keyring'))
  const packages = [...installed, ...keyring]
  const accounts = await context.format.refuseClashes(packages)
  const outdir = join(foldersOf(context.buildRoot, node).root, 'image')
  await mkdir(outdir, { recursive: true })
  const built = await buildImage({
    ...input,
    image: node.unit,
    packages,
    accounts,
    resolve: context.absolute,
    extraFiles: plan.devices.files.map(({ path, text, isDefault }) => ({
      ...file(path, text, `the feed of ${plan.project.name}`),
      isDefault,
    })),
    outdir,
  })
  await rm(join(workdir, 'keyring'), { recursive: true, force: true })
  const contents = join(workdir, imageFiles.contents)
  const sizes = new Map(packages.map((entry) => [entry.sha256, entry.size]))
  const own = new Set(keyring.map(({ sha256 }) => sha256))
  const listed = built.packages.map((entry) => ({
    ...entry,
    size: sizes.get(entry.sha256) ?? 0,
    // What no unit says.
    ...(own.has(entry.sha256) ? { license: keyringLicense } : {}),
  }))
  await replaceFile(contents, `${JSON.stringify(listed, undefined, 1)}\n`)
  return [
    { name: imageFiles.disk, path: built.disk },
    ...(built.kernel === undefined ? [] : [{ name: imageFiles.kernel, path: built.kernel }]),
    ...(built.initrd === undefined ? [] : [{ name: imageFiles.initrd, path: built.initrd }]),
    { name: imageFiles.contents, path: contents },
  ]
}

/** The package of the project's own keys, for images of a project that names its feed. */
async function keyrings(plan: Plan, workdir: string): Promise<readonly RepositoryEntry[]> {
  const { devices, workspace } = plan
  if (devices.keys.length === 0) return []
  await mkdir(workdir, { recursive: true })
  return [await keyringEntry(plan, devices.keys, workdir, workspace.report)]
}

/** The layer of an image's feed packages, brought or made where it is not here; its key. */
export async function provideFeedLayer(
  plan: Plan,
  context: BuildContext,
  node: ImageNode,
  results: Finished,
  layers: LayerStore,
): Promise<string> {
  const { installed } = await imageEntries(plan, context, node, results)
  const { root } = foldersOf(context.buildRoot, node)
  await mkdir(root, { recursive: true })
  const log = openUnitLog(join(root, 'layer.log'), node.id, context.report)
  const input = await installing(context, node, results, layers, log, installed)
  try {
    return (await buildFeedLayer(input)).key
  } finally {
    log.close()
    await rm(input.workdir, { recursive: true, force: true })
  }
}

async function installing(
  context: BuildContext,
  node: ImageNode,
  results: Finished,
  layers: LayerStore,
  log: UnitLog,
  packages: readonly RepositoryEntry[],
): Promise<InstallInput> {
  const workdir = context.store.temp()
  await mkdir(workdir, { recursive: true })
  return {
    image: node.unit,
    machine: node.machine,
    distro: node.distro,
    packages,
    format: context.format,
    tools: { root: await results.rootOf(node.installer ?? node.tools), hash: keyOf(context, node.tools).hash },
    worker: context.worker,
    layers,
    workdir,
    sourceDateEpoch: context.sourceDateEpoch,
    report: context.report,
    log: log.write,
    logPath: log.path,
    signal: context.signal,
  }
}

/** The key of the layer of an image's feed packages, whether it is here or not. @param packagesOf of a unit that is built */
export async function feedLayerKeyOf(plan: Plan, node: ImageNode, packagesOf: Finished['packagesOf']): Promise<string> {
  const { closure, entries } = await builtClosure(plan, node, packagesOf)
  const known = closure.map((record) => {
    const sha256 = record.origin.kind === 'feed' ? indexDigest(record.origin) : entries.get(record.name)?.sha256
    if (sha256 === undefined) throw new TypeError(`${record.name} of ${node.id} has no file`)
    return { record, sha256 }
  })
  const tools = plan.keys.get(node.tools)?.hash
  if (tools === undefined) throw new TypeError(`${node.tools.id} was not planned`)
  const { arch } = node.machine
  return feedLayerKey({ arch, distro: node.distro, tools, sourceDateEpoch }, partClosure(known).feed)
}

/**
 * Everything that an image installs, files at hand, and what else its units were split into (headers and debug
 * information, say).
 */
export async function imageEntries(
  plan: Plan,
  context: BuildContext,
  node: ImageNode,
  results: Finished,
): Promise<{ readonly installed: readonly RepositoryEntry[]; readonly beside: readonly RepositoryEntry[] }> {
  const { closure, entries } = await builtClosure(plan, node, results.packagesOf)
  const ofFeeds = closure.filter((record) => record.origin.kind === 'feed')
  const paths = await fetchAll(context, ofFeeds)
  ofFeeds.forEach((record, index) => {
    if (record.origin.kind !== 'feed') return
    const path = paths[index] ?? ''
    entries.set(record.name, { record, path, sha256: objectDigest(path), size: record.origin.size })
  })
  const installed = closure.map((record) => {
    const entry = entries.get(record.name)
    if (entry === undefined) throw new TypeError(`${record.name} of ${node.id} has no file`)
    entries.delete(record.name)
    return entry
  })
  return { installed, beside: [...entries.values()] }
}

/**
 * What an image installs, and the packages of its units. These may need more than the units declare (the owners of
 * libraries that they link), so the closure is resolved again until it no longer grows. Where they ask for libraries by
 * what packages provide, those of the units that they were linked with are looked at first.
 */
async function builtClosure(
  plan: Plan,
  node: ImageNode,
  packagesOf: Finished['packagesOf'],
): Promise<{ readonly closure: readonly PackageRecord[]; readonly entries: Map<string, RepositoryEntry> }> {
  const entries = new Map<string, RepositoryEntry>()
  const records = new Map<string, PackageRecord>()
  let { closure, units }: { closure: readonly PackageRecord[]; units: readonly PackageNode[] } = node
  const look = async (unit: PackageNode): Promise<readonly PackageRecord[]> => {
    const found = await described(plan.format, unit, await packagesOf(unit))
    for (const entry of found) {
      entries.set(entry.record.name, entry)
      records.set(entry.record.name, entry.record)
    }
    return found.map(({ record }) => record)
  }
  for (let fresh = units; fresh.length > 0; fresh = units.filter((unit) => !records.has(unit.unit.name))) {
    for (const unit of fresh) {
      if (!asksForProvided(plan, await look(unit))) continue
      for (const linked of unit.sysroot) if (!records.has(linked.unit.name)) await look(planned(plan, linked))
    }
    const resolved = resolveBuiltImage(plan.universe, node, records)
    closure = resolved.closure
    units = resolved.units.map((unit) => planned(plan, unit))
  }
  const own = new Set(units.map(({ unit }) => unit.name))
  for (const [name, { record }] of entries) {
    if (record.origin.kind === 'unit' && !own.has(record.origin.unit)) entries.delete(name)
  }
  return { closure, entries }
}

/** Whether packages need names that no package is called by. */
function asksForProvided({ universe }: Plan, records: readonly PackageRecord[]): boolean {
  const called = (name: string): boolean =>
    universe.view.real(name) !== undefined || universe.feeds.some((feed) => feed.lookup(name).length > 0)
  return records.some(({ depends }) => depends.some((group) => group.some(({ name }) => !called(name))))
}

/** Resolving anew makes nodes anew; what a unit links was a build dependency, so it was planned with it. */
function planned(plan: Plan, node: PackageNode): PackageNode {
  for (const known of plan.keys.keys()) if (known.id === node.id && known.kind === 'package') return known
  throw new TypeError(`${node.id} was not planned`)
}

/** The packages of a built unit, the main one first. */
export async function unitEntries(
  { format }: Pick<BuildContext, 'format'>,
  node: PackageNode,
  results: Finished,
): Promise<readonly RepositoryEntry[]> {
  return described(format, node, await results.packagesOf(node))
}

function described(
  format: BuildContext['format'],
  { unit }: PackageNode,
  files: readonly PackageFile[],
): Promise<readonly RepositoryEntry[]> {
  return Promise.all(
    files.map(async ({ path, sha256, size }) => ({ record: await format.describe(path, unit), path, sha256, size })),
  )
}
