import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, rename, rmdir } from 'node:fs/promises'
import { join } from 'node:path'
import { silent } from '../../../src/engine/events.ts'
import type { RepositoryEntry } from '../../../src/engine/formats.ts'
import { type BuildImageInput, type BuiltImage, buildImage } from '../../../src/engine/image/build-image.ts'
import type { LayerStore } from '../../../src/engine/image/layers.ts'
import type { ImageUnit, Machine, Partition } from '../../../src/engine/project/model.ts'
import { installRoot } from '../../../src/feeds/debian/install.ts'
import {
  cache,
  engineArch,
  epoch,
  makeDeb,
  run,
  smallRoots,
  toolsRoot,
  trixie,
  worker,
} from '../../feeds/debian/trixie.ts'
import { imageUnit, machineOf } from '../../support/units.ts'

/** Layers in a folder: the feed layer of the small closure is shared by all tests. */
export function layersIn(folder: string): LayerStore {
  return {
    find: async (key) => {
      const shared = [join(cache, 'layers', key), join(folder, key)]
      return shared.find((path) => existsSync(path))
    },
    keep: async (key, path) => {
      await mkdir(folder, { recursive: true })
      await rename(path, join(folder, key))
      return join(folder, key)
    },
  }
}

export const at = { file: 'images/test.star', line: 4, column: 1 }
const image = (more: Partial<ImageUnit>): ImageUnit => imageUnit({ name: 'test-image', at, ...more })
export const rootfs: Partition = {
  label: 'rootfs',
  type: 'ext4',
  size: 'fill',
  root: true,
  contents: [],
  at: { file: 'machines/box.star', line: 7, column: 5 },
}
export const machine = machineOf({
  ...{ name: 'box', at: { file: 'machines/box.star', line: 1, column: 1 }, arch: engineArch, partitions: [rootfs] },
  kernel: { unit: 'linux', cmdline: 'console=ttyS0 root=LABEL=rootfs rw', deviceTrees: [] },
})

/** What a kernel package and a service package bring, as far as images look. */
export async function projectPackages(folder: string): Promise<readonly RepositoryEntry[]> {
  const unit = '[Unit]\nDescription=App\n[Service]\nExecStart=/usr/bin/app\n[Install]\nWantedBy=multi-user.target\n'
  return [
    await makeDeb(
      folder,
      { name: 'kernel', fields: 'Depends: libc6\n' },
      {
        'boot/vmlinuz-6.1': 'KERNEL'.repeat(1000),
        'boot/board.dtb': 'DTB',
        'boot/overlays/one.dtbo': 'A',
        'boot/overlays/deep/two.dtbo': 'B',
      },
    ),
    await makeDeb(
      folder,
      { name: 'app', fields: 'Depends: libc6\n' },
      { 'usr/lib/systemd/system/app.service': unit, 'usr/bin/app': '#!/bin/sh\n' },
    ),
  ]
}

export interface Making extends Partial<Omit<BuildImageInput, 'image' | 'machine'>> {
  readonly image?: Partial<ImageUnit>
  readonly machine?: Partial<Machine>
}

export async function make(folder: string, making: Making = {}): Promise<BuiltImage> {
  const workdir = await mkdtemp(join(folder, 'work-'))
  const input: BuildImageInput = {
    distro: 'debian',
    packages: [...(await trixie(smallRoots)), ...(await projectPackages(folder))],
    format: { installRoot },
    tools: { root: await toolsRoot(), hash: 'tools' },
    worker,
    layers: layersIn(join(folder, 'layers')),
    resolve: ({ path }) => join(folder, path),
    accounts: [],
    extraFiles: [],
    workdir,
    outdir: join(folder, 'out'),
    sourceDateEpoch: epoch,
    report: silent,
    log: () => {},
    logPath: '/build.log',
    ...making,
    image: image(making.image ?? {}),
    machine: { ...machine, ...making.machine },
  }
  const built = await buildImage(input)
  await rmdir(workdir) // which says that nothing is left in it
  // The feed layer is most of the time; every test has the same.
  const [feed] = built.layers
  const shared = join(cache, 'layers', feed?.key ?? '')
  if (!existsSync(shared)) {
    await mkdir(join(cache, 'layers'), { recursive: true })
    await run('cp', [join(folder, 'layers', feed?.key ?? ''), `${shared}.${process.pid}`])
    await rename(`${shared}.${process.pid}`, shared)
  }
  return built
}
