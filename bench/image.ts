import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { removeTree } from '#engine/build/tree.ts'
import { silent } from '#engine/events.ts'
import type { RepositoryEntry } from '#engine/formats.ts'
import { buildImage } from '#engine/image/build-image.ts'
import type { LayerStore } from '#engine/image/layers.ts'
import type { ImageUnit, Machine } from '#engine/project/model.ts'
import { installRoot } from '#feeds/debian/install.ts'
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

/** Milliseconds, each in one run on packages at hand. */
export interface ImageTimes {
  readonly packages: number
  /** Plain mmdebstrap in the same sandbox, in memory, without syncing: a zstd tar and no disk. */
  readonly mmdebstrap: number
  /** From packages to a bootable disk, nothing cached. */
  readonly first: number
  /** The same after one package of the project changed. */
  readonly changed: number
  /** Nothing changed. */
  readonly same: number
}

/** The time from packages to a disk, beside mmdebstrap's for the same packages; the two take turns. */
export async function benchImage(rounds = 1): Promise<readonly ImageTimes[]> {
  const tools = await toolsRoot()
  const closure = await trixie(bootRoots)
  const times: ImageTimes[] = []
  for (let round = 0; round < rounds; round++) {
    const folder = await mkdtemp(join(tmpdir(), 'yoe-bench-'))
    try {
      const peer = await timed(() => plainMmdebstrap(join(folder, 'peer.tar.zst'), closure, tools))
      const app = (version: string): Promise<RepositoryEntry> =>
        makeDeb(
          folder,
          { name: 'app', version, fields: 'Depends: libc6\n' },
          { 'usr/bin/app': `#!/bin/sh\necho ${version}\n` },
        )
      const [old, fresh] = [await app('1.0-r0'), await app('1.1-r0')]
      const build = (own: RepositoryEntry): Promise<number> => timed(() => image(folder, tools, [...closure, own]))
      times.push({
        packages: closure.length,
        mmdebstrap: peer,
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

async function image(folder: string, tools: string, packages: readonly RepositoryEntry[]): Promise<void> {
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
    ...{ partitions: [], kernel: { unit: 'linux', cmdline: 'console=ttyS0 root=LABEL=rootfs rw', deviceTrees: [] } },
  }
  await buildImage({
    image: unit,
    machine,
    distro: 'debian',
    packages,
    format: { installRoot },
    tools: { root: tools, hash: 'tools' },
    worker,
    layers: layersIn(join(folder, 'layers')),
    resolve: ({ path }) => path,
    accounts: [],
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
    await rename(path, join(folder, key))
    return join(folder, key)
  },
})

async function timed(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now()
  await work()
  return Math.round(performance.now() - start)
}
