import { chmod, chown, lstat, mkdir, open, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { totalmem } from 'node:os'
import { join } from 'node:path'
import { defaultLimits, type Mount, type Worker } from '../build/worker.ts'
import { type Position, YoeError } from '../errors.ts'
import { type Reporter, step } from '../events.ts'
import { namesPath } from '../path-pattern.ts'
import type { Machine, Partition } from '../project/model.ts'
import { requireSpace, writeFailure } from '../store/disk.ts'
import { collectLitter, tempName } from '../store/temp.ts'
import { type RootFacts, scanRoot } from './boot-files.ts'
import { isEsp } from './configuration.ts'
import { alignment, type GptPartition, gptTables, sectorSize, uuidOf } from './gpt.ts'
import { coreCommand, coreSector, grubCommands, grubFolder, joinGrub, mostCoreSectors } from './grub.ts'
import { requireModules } from './kernel-release.ts'
import { bareKernel } from './zboot.ts'

export interface DiskInput {
  /** The root file system, a zstd tar. */
  readonly rootfs: string
  readonly machine: Machine
  readonly partitions: readonly Partition[]
  /** Names the image in messages. */
  readonly name: string
  /** Where it is declared. */
  readonly at: Position
  /** What every UUID is derived from: the key of the disk's inputs. */
  readonly key: string
  /** Unpacked root with mke2fs, and mkfs.vfat, mtools, grub-mkimage where they are wanted. */
  readonly tools: string
  readonly worker: Worker
  /** Absolute folder for `disk.img`, `boot/vmlinuz` and `boot/initrd.img`. */
  readonly outdir: string
  readonly sourceDateEpoch: number
  readonly report: Reporter
  readonly log: (text: Uint8Array) => void
  readonly signal?: AbortSignal
}

export interface Disk {
  readonly disk: string
  /** Beside the disk, for booting without a boot loader; one that unpacks itself under UEFI is unpacked already. */
  readonly kernel: string | undefined
  readonly initrd: string | undefined
  /** Bytes of the disk, most of them holes. */
  readonly size: number
  readonly partitions: readonly { readonly label: string; readonly offset: number; readonly size: number }[]
}

interface Slot {
  readonly partition: Partition
  /** Sectors. */
  readonly first: number
  readonly count: number
  readonly uuid: string
}

/**
 * Makes a disk image in a plain sparse file: GPT, ext4 straight from the tar where mke2fs reads those, vfat by mtools, and GRUB in the sectors
 * before the first partition of x86_64 machines. Nothing is mounted and nobody is root. It appears in `outdir` whole
 * or not at all. Same input, same bytes.
 *
 * @throws {YoeError} IMAGE_TOO_SMALL, DISK_FULL, TOOL_MISSING, CANCELLED; INSTALL_FAILED when a tool fails, or the kernel's
 *   modules are another's
 */
export async function buildDisk(input: DiskInput): Promise<Disk> {
  const { outdir, report } = input
  await mkdir(outdir, { recursive: true })
  await collectLitter(outdir)
  const temp = join(outdir, tempName())
  const out = join(temp, 'out')
  try {
    await mkdir(join(temp, 'boot'), { recursive: true })
    await mkdir(out)
    // Whatever the umask: runs of root belong to somebody else.
    for (const folder of [temp, join(temp, 'boot'), out]) await chmod(folder, 0o755)
    const patterns = input.partitions.flatMap(({ contents }) => contents)
    const facts = await step(report, 'measure the root file system', () =>
      scanRoot(input.rootfs, patterns, join(temp, 'boot')),
    )
    const { kernel: path, files, modules } = facts
    const kernel = files.get(path?.slice('boot/'.length) ?? '')
    if (path !== undefined && kernel !== undefined) await requireModules({ path, file: kernel }, modules, input)
    const slots = layOut(input, facts)
    const sectors = (slots.at(-1)?.first ?? 0) + (slots.at(-1)?.count ?? 0) + alignment
    await requireSpace(outdir, facts.usage.bytes)
    const image = join(out, 'disk.img')
    const file = await open(image, 'wx')
    await file.truncate(sectors * sectorSize)
    await file.close()
    await input.worker.prepareWritable(out)
    const bootCode = await step(report, 'make the disk', async () => {
      for (const slot of slots) await format(input, slot, facts, temp)
      return bootLoader(input, slots, facts, temp)
    })
    await writeTables(image, input, slots, sectors, bootCode)
    return await keep(input, temp, facts, slots)
  } catch (failure) {
    throw await writeFailure(failure, outdir)
  } finally {
    await rm(temp, { recursive: true, force: true })
  }
}

function layOut({ partitions, key, name }: DiskInput, { usage }: RootFacts): readonly Slot[] {
  let first = alignment
  return partitions.map((partition) => {
    const needed = partition.root ? usage.bytes : 2 ** 20
    const spare = Math.max(64 * 2 ** 20, needed / 10)
    const bytes = partition.size === 'fill' ? needed + spare : partition.size
    if (bytes < needed)
      throw new YoeError(
        'IMAGE_TOO_SMALL',
        `partition "${partition.label}" of ${name} has ${bytes} bytes, its content needs ${needed}`,
        {
          at: partition.at,
          hint: `partition(label = "${partition.label}", size = "${Math.ceil((needed * 1.1) / 2 ** 20)}M", …), or size = "fill"`,
        },
      )
    const count = Math.ceil(bytes / sectorSize / alignment) * alignment
    const slot = { partition, first, count, uuid: uuidOf(key, 'file system', partition.label) }
    first += count
    return slot
  })
}

/** A command with its arguments, once the root file system is unpacked. */
const unpacked = `mkdir /work/root
zstd -q -dc /yoe/root.tar.zst | tar -C /work/root -x --numeric-owner -p --xattrs --xattrs-include='*'
exec "$0" "$@"`

async function format(input: DiskInput, slot: Slot, facts: RootFacts, temp: string): Promise<void> {
  const { partition, first, count, uuid } = slot
  const bytes = count * sectorSize
  const image = '/yoe/out/disk.img'
  if (partition.type === 'ext4') {
    const inodes = partition.root ? ['-N', String(facts.usage.inodes)] : []
    const extended = `offset=${first * sectorSize},hash_seed=${uuidOf(uuid, 'hash')},nodiscard,lazy_itable_init=1,root_owner=0:0`
    const argv = [
      ...['mke2fs', '-q', '-t', 'ext4', '-b', '4096', '-I', '256', '-m', '1', '-L', partition.label, '-U', uuid],
      ...['-E', extended, ...inodes],
    ]
    const place = [image, `${bytes / 1024}k`]
    let said = partition.root
      ? await tool(input, temp, [...argv, '-d', '/yoe/root.tar.zst', ...place], 'read')
      : await tool(input, temp, [...argv, ...place])
    // Not every mke2fs reads archives.
    if (said?.includes('libarchive'))
      said = await tool(input, temp, ['sh', '-euc', unpacked, ...argv, '-d', '/work/root', ...place], 'unpack')
    if (said === undefined) return
    const full = /Could not allocate|No space left|no free space/i.test(said)
    if (!full) throw failed('mke2fs', said)
    throw new YoeError(
      'IMAGE_TOO_SMALL',
      `partition "${partition.label}" of ${input.name} is too small with ${bytes} bytes`,
      {
        at: partition.at,
        hint: 'make it larger by a tenth, or use size = "fill"',
      },
    )
  }
  const id = uuid.slice(0, 8)
  const offset = first * sectorSize
  const mkfs = ['mkfs.vfat', '--invariant', '-i', id, '-n', partition.label.toUpperCase().slice(0, 11)]
  await must(input, temp, [...mkfs, `--offset=${first}`, image, String(bytes / 1024)])
  const names = contentsOf(input, partition, facts)
  const total = (await Promise.all(names.map((name) => stat(join(temp, 'boot', name))))).reduce(
    (sum, { size }) => sum + size,
    0,
  )
  if (total > bytes * 0.97)
    throw new YoeError(
      'IMAGE_TOO_SMALL',
      `partition "${partition.label}" of ${input.name} has ${bytes} bytes, its files need ${total}`,
      {
        at: partition.at,
        hint: `size = "${Math.ceil((total * 1.1) / 2 ** 20)}M"`,
      },
    )
  const device = ['-i', `${image}@@${offset}`]
  const folders = new Set(names.flatMap((name) => [...name.matchAll(/\//g)].map(({ index }) => name.slice(0, index))))
  for (const folder of [...folders].sort()) await must(input, temp, ['mmd', ...device, `::/${folder}`])
  for (const folder of ['', ...[...folders].sort()]) {
    const files = names.filter((name) => name.slice(0, Math.max(0, name.lastIndexOf('/'))) === folder)
    const sources = files.map((name) => `/yoe/boot/${name}`)
    if (sources.length > 0) await must(input, temp, ['mcopy', ...device, ...sources, `::/${folder}`])
  }
}

/** Files of /boot that a partition gets, as paths below it. @throws {YoeError} BAD_FIELD for what the image does not have */
function contentsOf({ name }: DiskInput, { label, contents, at }: Partition, { files }: RootFacts): readonly string[] {
  const all = [...files.keys()].sort()
  const missing = contents.filter((pattern) => !all.some((path) => namesPath(pattern, path)))
  if (missing.length > 0) {
    const what = missing.map((pattern) => JSON.stringify(pattern)).join(', ')
    throw new YoeError('BAD_FIELD', `partition "${label}" of ${name}: nothing in /boot of the image matches ${what}`, {
      at,
      hint: "add the package that brings it to the machine's packages, or take it out of contents",
    })
  }
  return all.filter((path) => contents.some((pattern) => namesPath(pattern, path)))
}

/** Makes GRUB's core image where machine and tools have one; undefined: the disk boots with a kernel from outside. */
async function bootLoader(
  input: DiskInput,
  slots: readonly Slot[],
  { kernel, initrd }: RootFacts,
  temp: string,
): Promise<{ readonly code: Buffer; readonly core: Buffer } | undefined> {
  const root = slots.find(({ partition }) => partition.root)
  const bootImage = await readFile(join(input.tools, grubFolder, 'boot.img')).catch(() => undefined)
  if (input.machine.arch !== 'x86_64' || root === undefined || kernel === undefined || bootImage === undefined)
    return undefined
  const path = (name: string | undefined): string | undefined => (name === undefined ? undefined : `/${name}`)
  const commands = grubCommands(root.uuid, `/${kernel}`, path(initrd), input.machine.kernel?.cmdline ?? '')
  await writeFile(join(temp, 'boot', 'grub.cfg'), commands)
  await must(input, temp, coreCommand('/yoe/boot/grub.cfg', '/yoe/out/core.img'))
  const core = await readFile(join(temp, 'out', 'core.img'))
  if (core.length > mostCoreSectors * sectorSize) return undefined
  return { code: joinGrub(bootImage, core), core }
}

async function writeTables(
  image: string,
  { key, name }: DiskInput,
  slots: readonly Slot[],
  sectors: number,
  boot: { readonly code: Buffer; readonly core: Buffer } | undefined,
): Promise<void> {
  const partitions = slots.map(({ partition, first, count, uuid }): GptPartition => {
    const type = partition.type === 'ext4' ? 'linux' : isEsp(partition) ? 'efi' : 'data'
    return { type, name: partition.label, uuid: uuidOf(uuid, 'partition'), first, last: first + count - 1 }
  })
  if (boot !== undefined)
    partitions.push({
      type: 'biosBoot',
      name: 'grub',
      uuid: uuidOf(key, 'grub'),
      first: coreSector,
      last: alignment - 1,
    })
  const tables = gptTables(sectors, uuidOf(key, 'disk', name), partitions, boot?.code)
  const file = await open(image, 'r+')
  try {
    await file.write(tables.head, 0, tables.head.length, 0)
    if (boot !== undefined) await file.write(boot.core, 0, boot.core.length, coreSector * sectorSize)
    await file.write(tables.tail, 0, tables.tail.length, tables.tailSector * sectorSize)
    await file.sync()
  } finally {
    await file.close()
  }
}

async function keep(input: DiskInput, temp: string, facts: RootFacts, slots: readonly Slot[]): Promise<Disk> {
  const { outdir } = input
  const move = async (from: string, name: string): Promise<string> => {
    const info = await lstat(from)
    // Made by the sandbox's id when we are root.
    if (process.getuid?.() === 0 && info.uid !== 0) await chown(from, 0, 0)
    await rename(from, join(outdir, name))
    return join(outdir, name)
  }
  await mkdir(join(outdir, 'boot'), { recursive: true })
  const fileOf = (path: string | undefined): string | undefined => facts.files.get(path?.slice('boot/'.length) ?? '')
  const bootFile = async (from: string | undefined, name: string): Promise<string | undefined> => {
    if (from !== undefined) return move(from, `boot/${name}`)
    await rm(join(outdir, 'boot', name), { force: true })
    return undefined
  }
  const packed = fileOf(facts.kernel)
  const bare = packed === undefined ? undefined : await bareKernel(packed, join(temp, 'kernel'), input)
  const kernel = await bootFile(bare, 'vmlinuz')
  const initrd = await bootFile(fileOf(facts.initrd), 'initrd.img')
  const disk = await move(join(temp, 'out', 'disk.img'), 'disk.img')
  const partitions = slots.map(({ partition: { label }, first, count }) => ({
    label,
    offset: first * sectorSize,
    size: count * sectorSize,
  }))
  return { disk, kernel, initrd, size: (await stat(disk)).size, partitions }
}

/** Runs a tool of the tools root; what it said when it failed, undefined when it did not. */
async function tool(
  input: DiskInput,
  temp: string,
  argv: readonly string[],
  root?: 'read' | 'unpack',
): Promise<string | undefined> {
  const mounts: Mount[] = [
    { source: join(temp, 'out'), target: '/yoe/out', writable: true },
    { source: join(temp, 'boot'), target: '/yoe/boot', writable: false },
  ]
  if (root !== undefined) mounts.push({ source: input.rootfs, target: '/yoe/root.tar.zst', writable: false })
  let said = ''
  const result = await input.worker.run({
    root: input.tools,
    argv,
    env: {
      PATH: '/usr/sbin:/usr/bin:/sbin:/bin',
      LC_ALL: 'C.UTF-8',
      TZ: 'UTC',
      SOURCE_DATE_EPOCH: String(input.sourceDateEpoch),
      // What e2fsprogs calls the same thing.
      E2FSPROGS_FAKE_TIME: String(input.sourceDateEpoch),
      MTOOLS_SKIP_CHECK: '1',
    },
    cwd: '/',
    mounts,
    network: false,
    // Who unpacks gives files to their owners.
    identity: root === 'unpack' ? 'install' : 'user',
    ...(root === 'unpack' ? { tmpfs: [{ target: '/work', size: Math.floor(totalmem() * 0.8) }] } : {}),
    limits: { ...defaultLimits, fileBytes: 2 ** 42 },
    output: (chunk) => {
      said = (said + Buffer.from(chunk).toString('utf8')).slice(-8192)
      input.log(chunk)
    },
    ...(input.signal === undefined ? {} : { signal: input.signal }),
  })
  if (result.kind === 'killed') return result.why
  if (result.code === 0) return undefined
  if (result.code === 127 || /execvp .*No such file/.test(said))
    throw new YoeError('TOOL_MISSING', `${argv[0]} is missing in the tools root`, {
      hint: 'add its package to the tools unit',
    })
  return said
}

async function must(input: DiskInput, temp: string, argv: readonly string[]): Promise<void> {
  const said = await tool(input, temp, argv)
  if (said !== undefined) throw failed(argv[0] ?? '', said)
}

const failed = (name: string, said: string): YoeError =>
  new YoeError('INSTALL_FAILED', `${name} failed: ${said.trim().split('\n').at(-1) ?? ''}`)
