import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, rename, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { removeTree } from '#engine/build/tree.ts'
import { silent } from '#engine/events.ts'
import type { PackageFormat, RepositoryEntry } from '#engine/formats.ts'
import { buildImage } from '#engine/image/build-image.ts'
import type { LayerStore } from '#engine/image/layers.ts'
import { readTar } from '#engine/image/tar-read.ts'
import { readZstd } from '#engine/image/zstd.ts'
import type { ImageUnit, Machine } from '#engine/project/model.ts'
import { sync } from '#engine/store/sync-folder.ts'
import { installRoot as installAlpineRoot } from '#feeds/alpine/install.ts'
import { installRoot } from '#feeds/debian/install.ts'
import {
  toolsRoot as alpineToolsRoot,
  branchClosure,
  install,
  makeApk,
  repositoriesOf,
} from '../__tests__/feeds/alpine/roots.ts'
import {
  bootRoots,
  engineArch,
  epoch,
  makeDeb,
  plainMmdebstrap,
  toolsRoot,
  trixie,
  worker,
} from '../__tests__/feeds/debian/trixie.ts'
import { apk3 } from '../__tests__/support/alpine/apk.ts'
import { testKeyFolder } from '../__tests__/support/alpine/replica.ts'

/** Milliseconds, each in one run on packages at hand. */
export interface ImageTimes {
  readonly packages: number
  /** The distro's own tool for the same packages, in a sandbox, without syncing. */
  readonly peer: number
  /** From packages to a bootable disk, nothing cached. */
  readonly first: number
  /** The same after one package of the project changed. */
  readonly changed: number
  /** Nothing changed. */
  readonly same: number
}

/** What images of one distro are made with. */
interface Subject {
  readonly distro: 'alpine' | 'debian'
  readonly format: Pick<PackageFormat, 'installRoot'>
  readonly tools: string
  readonly closure: readonly RepositoryEntry[]
  readonly cmdline: string
  /** A package of the project, made in `folder`. */
  app(folder: string, version: string): Promise<RepositoryEntry>
  /** The same by the distro's own tool; `folder` is empty. */
  peer(folder: string): Promise<unknown>
}

/** Plain mmdebstrap, in memory: a zstd tar and no disk. */
async function debian(): Promise<Subject> {
  const [tools, closure] = [await toolsRoot(), await trixie(bootRoots)]
  return {
    distro: 'debian',
    format: { installRoot },
    tools,
    closure,
    cmdline: 'console=ttyS0 root=PARTLABEL=rootfs rw',
    app: (folder, version) =>
      makeDeb(
        folder,
        { name: 'app', version, fields: 'Depends: libc6\n' },
        { 'usr/bin/app': `#!/bin/sh\necho ${version}\n` },
      ),
    peer: (folder) => plainMmdebstrap(join(folder, 'peer.tar.zst'), closure, tools),
  }
}

/** What base-alpine of module-alpine installs, and the kernel with its initial RAM disk. */
const baseRoots = [
  ...['alpine-baselayout', 'alpine-release', 'apk-tools', 'busybox', 'busybox-openrc', 'ca-certificates-bundle'],
  ...['ifupdown-ng', 'openrc'],
]
const kernelRoots = ['linux-virt', 'mkinitfs']

/** apk 3 into a folder, a zstd tar of it and a file system from it. */
async function alpine(): Promise<Subject> {
  const closure = await branchClosure('v3.23', [...baseRoots, ...kernelRoots])
  const [keys, repositories] = [await testKeyFolder(), await repositoriesOf('v3.23')]
  return {
    distro: 'alpine',
    format: { installRoot: installAlpineRoot },
    tools: await alpineToolsRoot('v3.23'),
    closure,
    cmdline: 'console=ttyS0 root=LABEL=rootfs rootfstype=ext4 rw',
    app: (folder, version) => makeApk(folder, 'app', { 'usr/bin/app': `#!/bin/sh\necho ${version}\n` }),
    peer: async (folder) => {
      const root = join(folder, 'root')
      await mkdir(root)
      const names = closure.map(({ record }) => record.name)
      const { code, stderr } = await apk3(['add', '--initdb', '--no-cache', ...names], { root, keys, repositories })
      if (code !== 0) throw new Error(stderr)
      const pack = 'tar -C root -c . | zstd -q -3 -T2 >root.tar.zst && mke2fs -q -t ext4 -d root disk.img 1G'
      execFileSync('sh', ['-euc', pack], { cwd: folder, env: { ...process.env, PATH: `${process.env['PATH']}:/sbin` } })
    },
  }
}

/** The time from packages to a disk, beside that of the distro's own tool for the same packages; the two take turns. */
export async function benchImage(subject: Subject, rounds = 1): Promise<readonly ImageTimes[]> {
  const times: ImageTimes[] = []
  for (let round = 0; round < rounds; round++) {
    const folder = await mkdtemp(join(tmpdir(), 'yoe-bench-'))
    try {
      const made = async (name: string): Promise<string> => {
        await mkdir(join(folder, name))
        return join(folder, name)
      }
      const theirs = await made('peer')
      const peer = await timed(() => subject.peer(theirs))
      const old = await subject.app(await made('old'), '1.0-r0')
      const fresh = await subject.app(await made('fresh'), '1.1-r0')
      const build = (own: RepositoryEntry): Promise<number> =>
        timed(() => image(folder, subject, [...subject.closure, own]))
      times.push({
        packages: subject.closure.length,
        peer,
        first: await build(old),
        changed: await build(fresh),
        same: await build(fresh),
      })
    } finally {
      await removeTree(folder)
    }
  }
  return times
}

/** Bytes of a base system of Alpine without kernel: of all its files, and of the zstd tar. */
export async function benchRootSize(): Promise<{ readonly files: number; readonly packed: number }> {
  const folder = await mkdtemp(join(tmpdir(), 'yoe-bench-'))
  try {
    const tar = join(folder, 'root.tar.zst')
    await install(tar, await branchClosure('v3.23', baseRoots), { tools: await alpineToolsRoot('v3.23') })
    let files = 0
    for await (const { entry } of readTar(readZstd(tar), tar)) files += entry.type === 'file' ? entry.size : 0
    return { files, packed: (await stat(tar)).size }
  } finally {
    await removeTree(folder)
  }
}

async function image(
  folder: string,
  { distro, format, tools, cmdline }: Subject,
  packages: readonly RepositoryEntry[],
): Promise<void> {
  const workdir = await mkdtemp(join(folder, 'work-'))
  const at = { file: 'images/bench.star', line: 1, column: 1 }
  const unit: ImageUnit = {
    ...{ kind: 'image', name: 'bench', version: '1', release: 0, description: '', license: '', module: '', at },
    ...{ builtVia: [], artifacts: [], distroArtifacts: {}, exclude: [], timezone: 'UTC', locale: 'C.UTF-8' },
    ...{ services: [], users: [], overlays: [], checks: [] },
  }
  const machine: Machine = {
    ...{
      name: 'bench',
      module: '',
      at,
      arch: engineArch,
      description: '',
      packages: [],
      distroPackages: {},
      distroKernels: {},
    },
    ...{ partitions: [], kernel: { unit: 'linux', cmdline, deviceTrees: [] } },
  }
  await buildImage({
    image: unit,
    machine,
    distro,
    packages,
    format,
    accounts: [],
    tools: { root: tools, hash: 'tools' },
    worker,
    layers: layersIn(join(folder, 'layers')),
    resolve: ({ path }) => path,
    extraFiles: [],
    workdir,
    outdir: join(folder, 'out'),
    sourceDateEpoch: epoch,
    report: silent,
    log: () => {},
    logPath: '',
  })
  await rm(workdir, { recursive: true })
}

const layersIn = (folder: string): LayerStore => ({
  find: async (key) => (existsSync(join(folder, key)) ? join(folder, key) : undefined),
  keep: async (key, path) => {
    await mkdir(folder, { recursive: true })
    await sync(path)
    await rename(path, join(folder, key))
    return join(folder, key)
  },
})

async function timed(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now()
  await work()
  return Math.round(performance.now() - start)
}

if (import.meta.main) {
  console.log(
    '| image | packages | peer | first | one package changed | nothing changed |\n|---|---:|---:|---:|---:|---:|',
  )
  for (const subject of [await alpine(), await debian()]) {
    const all = await benchImage(subject, 3)
    const median = (key: keyof ImageTimes): number => all.map((times) => times[key]).toSorted((a, b) => a - b)[1] ?? 0
    const seconds = (key: keyof ImageTimes): string => `${(median(key) / 1000).toFixed(2)} s`
    const shown = [seconds('peer'), seconds('first'), seconds('changed'), seconds('same')]
    console.log(`| ${subject.distro} | ${median('packages')} | ${shown.join(' | ')} |`)
  }
  const { files, packed } = await benchRootSize()
  const mb = (bytes: number): string => `${(bytes / 1e6).toFixed(2)} MB`
  console.log(`\nbase of Alpine without kernel: ${mb(files)} of files (at most 10 MB), ${mb(packed)} as zstd tar`)
}
