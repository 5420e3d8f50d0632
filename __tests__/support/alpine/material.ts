/** The committed files of Alpine itself. `__tests__/data/alpine/README.md` says where each is from. */
import { join, resolve } from 'node:path'

/** As apk spells them. */
export type ApkArch = 'x86_64' | 'aarch64'

const data = resolve(import.meta.dirname, '../../data/alpine')

/** Official root file systems with apk-tools 2.14.4. */
export const miniRootfs: Readonly<Record<ApkArch, { readonly path: string; readonly sha256: string }>> = {
  x86_64: {
    path: join(data, 'alpine-minirootfs-3.20.3-x86_64.tar.gz'),
    sha256: 'd4e6fd67dcf75e40c451560ac7265166c2b72a0f38ddc9aae756a7de3d1efa0c',
  },
  aarch64: {
    path: join(data, 'alpine-minirootfs-3.20.3-aarch64.tar.gz'),
    sha256: '041fa34a81788242df9e78fa69b97ab45b8ec47ddbf88864755610414a7bf3de',
  },
}

/** A genuine repository of Alpine 3.19.1: 100 packages of `v3.19/main/x86_64` with their signed index. */
export const genuineRepository: string = join(data, 'v3.19/main')

/** Complete signed indexes of Alpine's releases, `APKINDEX.tar.gz` each; their packages are not here. */
export const indexes = {
  /** 5,004 packages; signed with another key than those of x86_64. */
  'v3.17-main-aarch64': join(data, 'indexes/v3.17-main-aarch64.tar.gz'),
  /** 5,443 packages. */
  'v3.19-main-x86_64': join(data, 'indexes/v3.19-main-x86_64.tar.gz'),
  /** 17,587 packages. */
  'v3.19-community-x86_64': join(data, 'indexes/v3.19-community-x86_64.tar.gz'),
  /** 5,646 packages. */
  'v3.22-main-x86_64': join(data, 'indexes/v3.22-main-x86_64.tar.gz'),
} as const
