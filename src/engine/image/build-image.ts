import { mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Worker } from '../build/worker.ts'
import { YoeError } from '../errors.ts'
import { type Reporter, step } from '../events.ts'
import type { PackageFormat, RepositoryEntry } from '../formats.ts'
import type { ImageUnit, Json, Machine, Partition, Place } from '../project/model.ts'
import { configure, type ExtraFile, heldFiles, wantedFile } from './configuration.ts'
import type { DeclaredAccount } from './declared-accounts.ts'
import { buildDisk, type Disk } from './disk.ts'
import {
  feedLayerKey,
  type LayerBase,
  type LayerName,
  type LayerStore,
  layerKey,
  packageInputs,
  partClosure,
} from './layers.ts'
import { overlayDigest, readOverlays } from './overlay.ts'
import { editRoot } from './rootfs-edit.ts'

export interface BuildImageInput {
  readonly image: ImageUnit
  readonly machine: Machine
  readonly distro: string
  /** The whole resolved closure, essentials included, files at hand. */
  readonly packages: readonly RepositoryEntry[]
  readonly format: Pick<PackageFormat, 'installRoot'>
  /** What {@link PackageFormat.refuseClashes} found: the image's accounts have these ids, or it is none. */
  readonly accounts: readonly DeclaredAccount[]
  /** The tools root, unpacked, and the hash of the unit that it is. */
  readonly tools: { readonly root: string; readonly hash: string }
  readonly worker: Worker
  readonly layers: LayerStore
  /** Absolute folder of a place in the project or a module. */
  readonly resolve: (place: Place) => string
  /** Files that the package format wants on the device, such as where the project's feed is. */
  readonly extraFiles: readonly ExtraFile[]
  /** Absolute folder for intermediate files; what this call makes there, it removes. */
  readonly workdir: string
  /** Absolute folder for `disk.img`, `boot/` and `image.json`. */
  readonly outdir: string
  readonly sourceDateEpoch: number
  readonly report: Reporter
  readonly log: (text: Uint8Array) => void
  /** Where `log` puts it, for errors. */
  readonly logPath: string
  readonly signal?: AbortSignal
}

export interface BuiltLayer {
  readonly name: LayerName
  readonly key: string
  readonly reused: boolean
}

export interface BuiltImage extends Disk {
  /** The finished root file system: a zstd tar. */
  readonly rootfs: string
  readonly packages: readonly {
    readonly name: string
    readonly version: string
    readonly arch: string
    readonly sha256: string
  }[]
  readonly layers: readonly BuiltLayer[]
}

/** Without partitions of their own, image and machine get one root file system, as large as it needs. */
const onePartition = ({ at }: Machine): readonly Partition[] => [
  { label: 'rootfs', type: 'ext4', size: 'fill', root: true, contents: [], at },
]

/**
 * Builds an image in layers, each made only when its inputs or a layer below it changed: feed packages, the project's
 * packages, configuration and overlays, the disk.
 *
 * @throws {YoeError} INSTALL_FAILED, BAD_FIELD, IMAGE_TOO_SMALL, DISK_FULL, TOOL_MISSING, SANDBOX_UNAVAILABLE, CANCELLED
 */
export async function buildImage(input: BuildImageInput): Promise<BuiltImage> {
  const { image, machine, packages, tools, sourceDateEpoch } = input
  if (packages.length === 0)
    throw new YoeError('BAD_FIELD', `image "${image.name}" has no packages`, {
      at: image.at,
      hint: 'list some in artifacts',
    })
  const built: BuiltLayer[] = []
  const layer = async (name: LayerName, key: string, make: (output: string) => Promise<void>): Promise<string> => {
    const { path, reused } = await findOrMake(input, name, key, make)
    built.push({ name, key, reused })
    return path
  }

  const { project } = partClosure(packages)
  const base = await buildFeedLayer(input)
  built.push({ name: 'feed packages', key: base.key, reused: base.reused })
  let { key, path: rootfs } = base
  if (project.length > 0) {
    key = layerKey('project packages', { ...baseOf(input), base: key, packages: packageInputs(project) })
    rootfs = await layer('project packages', key, (output) => install(input, project, base.path, output))
  }

  const partitions = image.partitions ?? (machine.partitions.length > 0 ? machine.partitions : onePartition(machine))
  const overlays = await readOverlays(
    image.overlays.map((place) => ({ path: input.resolve(place), name: place.path })),
    image.at,
  )
  const config = {
    image,
    hostname: image.hostname ?? machine.name,
    accounts: input.accounts,
    partitions,
    extraFiles: input.extraFiles,
    overlaid: new Set(overlays.keys()),
    sourceDateEpoch,
    report: input.report,
  }
  const unconfigured = rootfs
  key = layerKey('configuration', {
    base: key,
    sourceDateEpoch,
    hostname: config.hostname,
    image: configurationInputs(image),
    partitions: partitionInputs(partitions),
    overlays: await overlayDigest(overlays),
    extra: await overlayDigest(new Map(input.extraFiles.map((file) => [file.path, file]))),
  })
  rootfs = await layer('configuration', key, (output) =>
    editRoot({
      base: unconfigured,
      output,
      overlays,
      held: heldFiles(config),
      wanted: wantedFile,
      finish: (root) => configure(config, root),
      sourceDateEpoch,
      at: image.at,
      signal: input.signal,
    }),
  )

  key = layerKey('disk', {
    base: key,
    tools: tools.hash,
    arch: machine.arch,
    cmdline: machine.kernel?.cmdline ?? '',
    partitions: partitionInputs(partitions),
    name: image.name,
    sourceDateEpoch,
  })
  const known = await knownDisk(input.outdir, key)
  built.push({ name: 'disk', key, reused: known !== undefined })
  const disk = known ?? (await makeDisk(input, rootfs, key, partitions))
  const shown = packages.map(({ record: { name, version, arch }, sha256 }) => ({ name, version, arch, sha256 }))
  return { ...disk, rootfs, packages: shown, layers: built }
}

/** What installing packages takes. */
export type InstallInput = Omit<BuildImageInput, 'image' | 'accounts' | 'resolve' | 'extraFiles' | 'outdir'> & {
  readonly image: Pick<ImageUnit, 'name'>
}

/** The lowest layer alone: the packages of `packages` that come from feeds, installed. */
export async function buildFeedLayer(
  input: InstallInput,
): Promise<{ readonly key: string; readonly path: string; readonly reused: boolean }> {
  const { feed } = partClosure(input.packages)
  const key = feedLayerKey(baseOf(input), feed)
  const made = await findOrMake(input, 'feed packages', key, (output) => install(input, feed, undefined, output))
  return { key, ...made }
}

const baseOf = ({
  machine,
  distro,
  tools,
  sourceDateEpoch,
}: InstallInput): LayerBase & Readonly<Record<string, Json>> => ({
  ...{ arch: machine.arch, distro, tools: tools.hash, sourceDateEpoch },
})

async function findOrMake(
  { layers, workdir, report, image }: InstallInput,
  name: LayerName,
  key: string,
  make: (output: string) => Promise<void>,
): Promise<{ readonly path: string; readonly reused: boolean }> {
  const known = await layers.find(key, name)
  if (known !== undefined) return { path: known, reused: true }
  const output = join(workdir, `${key.slice(0, 16)}.tar.zst`)
  try {
    await step(report, `layer: ${name}`, () => make(output), image.name)
    return { path: await layers.keep(key, output, name), reused: false }
  } finally {
    await rm(output, { force: true })
  }
}

async function install(
  input: InstallInput,
  packages: readonly RepositoryEntry[],
  base: string | undefined,
  output: string,
): Promise<void> {
  const workdir = join(input.workdir, 'install')
  await rm(workdir, { recursive: true, force: true })
  await mkdir(workdir, { recursive: true })
  try {
    await input.format.installRoot({
      arch: input.machine.arch,
      distro: input.distro,
      packages,
      tools: input.tools.root,
      worker: input.worker,
      ...(base === undefined ? {} : { base }),
      workdir,
      output,
      sourceDateEpoch: input.sourceDateEpoch,
      report: input.report,
      log: input.log,
      logPath: input.logPath,
      ...(input.signal === undefined ? {} : { signal: input.signal }),
    })
  } finally {
    await rm(workdir, { recursive: true, force: true })
  }
}

async function makeDisk(
  input: BuildImageInput,
  rootfs: string,
  key: string,
  partitions: readonly Partition[],
): Promise<Disk> {
  const { image, machine, outdir } = input
  const disk = await step(
    input.report,
    'layer: disk',
    () =>
      buildDisk({
        rootfs,
        machine,
        partitions,
        name: `image "${image.name}"`,
        at: image.at,
        key,
        tools: input.tools.root,
        worker: input.worker,
        outdir,
        sourceDateEpoch: input.sourceDateEpoch,
        report: input.report,
        log: input.log,
        ...(input.signal === undefined ? {} : { signal: input.signal }),
      }),
    image.name,
  )
  const stamp: Stamp = { key, disk, files: await stampsOf(disk) }
  await writeFile(join(outdir, stampName), `${JSON.stringify(stamp, undefined, 2)}\n`, { flush: true })
  return disk
}

const stampName = 'image.json'

/** What lies in an output folder: the disk, from which inputs, and how its files looked when they were made. */
interface Stamp {
  readonly key: string
  readonly disk: Disk
  readonly files: readonly string[]
}

/** The disk in `outdir` when it was made from `key` and nobody, such as a guest, has written to it since. */
async function knownDisk(outdir: string, key: string): Promise<Disk | undefined> {
  try {
    const stamp: Stamp = JSON.parse(await readFile(join(outdir, stampName), 'utf8'))
    if (stamp.key !== key || stamp.disk.disk !== join(outdir, 'disk.img')) return undefined
    return JSON.stringify(await stampsOf(stamp.disk)) === JSON.stringify(stamp.files) ? stamp.disk : undefined
  } catch {
    return undefined // none, half written, or a file is gone: it is made again
  }
}

async function stampsOf({ disk, kernel, initrd }: Disk): Promise<readonly string[]> {
  const files = [disk, kernel, initrd].filter((path) => path !== undefined)
  return Promise.all(
    files.map(async (path) => {
      const { size, mtimeNs, ino } = await stat(path, { bigint: true })
      return `${path} ${size} ${mtimeNs} ${ino}`
    }),
  )
}

const configurationInputs = ({ name, timezone, locale, services, users }: ImageUnit): Json => ({
  name,
  timezone,
  locale,
  services,
  users: users.map(({ uid, ...user }) => ({ ...user, uid: uid ?? null })),
})

const partitionInputs = (partitions: readonly Partition[]): Json =>
  partitions.map(({ label, type, size, root, contents }) => ({ label, type, size, root, contents }))
