/** The real apk-tools as callables: what our feeds, packages and images are held against. */
import type { Ran } from '../project.ts'
import type { ApkArch } from './material.ts'
import { alpine320, alpine323 } from './roots.ts'
import { kernelFolders, programsOf, sandboxed } from './sandbox.ts'

export interface ApkOptions {
  /** Whose apk runs, and what it installs. Default: x86_64. aarch64 needs an emulator: see `unusable` of ../emulation.ts. */
  readonly arch?: ApkArch
  /** Existing folder on this machine that is the system it installs to: `--root`. Written to. */
  readonly root?: string
  /** Folder of public keys. Default: `etc/apk/keys` of the root. */
  readonly keys?: string
  /** Addresses, or folders on this machine that hold ARCH/APKINDEX.tar.gz. Default: `etc/apk/repositories` of the root. */
  readonly repositories?: readonly string[]
  /** More files and folders of this machine that arguments name, seen under the same paths, read-only. */
  readonly reads?: readonly string[]
  /** The same, writable. */
  readonly writes?: readonly string[]
  readonly cwd?: string
  readonly env?: Readonly<Record<string, string>>
  readonly stdin?: Uint8Array
}

/** apk-tools 2.14.4 of Alpine 3.20.3. Works as root and as a plain user with subordinate ids; touches nothing else. */
export async function apk2(args: readonly string[], options: ApkOptions = {}): Promise<Ran> {
  return apk(await alpine320(options.arch), args, options)
}

/** apk-tools 3.0.8 of Alpine 3.23.6, in the same way. The first call of a machine downloads 85 MB. */
export async function apk3(args: readonly string[], options: ApkOptions = {}): Promise<Ran> {
  return apk(await alpine323(options.arch), args, options)
}

/** Runs apk of an unpacked system. Paths of this machine are the same inside; all of them lie outside of /usr and /etc. */
async function apk(system: string, args: readonly string[], options: ApkOptions): Promise<Ran> {
  const { arch = 'x86_64', root, keys, repositories, reads = [], writes = [], cwd, env, stdin } = options
  const given: string[] = []
  if (root !== undefined) given.push('--root', root, '--arch', arch)
  if (keys !== undefined) given.push('--keys-dir', keys)
  if (repositories !== undefined) given.push('--repositories-file', '/dev/null')
  for (const one of repositories ?? []) given.push('--repository', one)
  const local = (repositories ?? []).filter((one) => one.startsWith('/'))
  const readable = [...local, ...(keys === undefined ? [] : [keys]), ...reads]
  // Outer folders first, so that none hides another.
  const binds = [
    ...readable.map((path) => ['--ro-bind', path, path]),
    ...[...writes, ...(root === undefined ? [] : [root])].map((path) => ['--bind', path, path]),
  ].sort((a, b) => (a[1] ?? '').length - (b[1] ?? '').length)
  return sandboxed({
    argv: ['/sbin/apk', ...given, ...args],
    view: [...programsOf(system), ...binds.flat()],
    ...(cwd === undefined ? {} : { cwd }),
    ...(env === undefined ? {} : { env }),
    ...(stdin === undefined ? {} : { stdin }),
  })
}

export interface InRoot {
  readonly cwd?: string
  readonly env?: Readonly<Record<string, string>>
  readonly stdin?: Uint8Array
}

/** Runs a command in an installed system, with it as `/`: a program that was built for it, its own apk, its shell. */
export function inRoot(root: string, argv: readonly string[], options: InRoot = {}): Promise<Ran> {
  return sandboxed({ argv, view: ['--bind', root, '/', ...kernelFolders], ...options })
}
