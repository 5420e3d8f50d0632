import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { kept } from './kept.ts'
import { type ApkArch, miniRootfs } from './material.ts'

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
