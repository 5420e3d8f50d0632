/** What tests of installing need: packages that apk itself chose, the installer, and what it leaves. */
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Arch } from '../../../src/engine/arch.ts'
import { bwrapWorker } from '../../../src/engine/build/bwrap.ts'
import { removeTree } from '../../../src/engine/build/tree.ts'
import type { RepositoryEntry } from '../../../src/engine/formats.ts'
import { unpackRoot } from '../../../src/engine/image/unpack-root.ts'
import { readApkHead } from '../../../src/feeds/alpine/apk-read.ts'
import { installRoot } from '../../../src/feeds/alpine/install.ts'
import { createScript } from '../../../src/feeds/alpine/install-scripts.ts'
import { apk2 } from '../../support/alpine/apk.ts'
import { type ApkEntry, writeApk } from '../../support/alpine/apk-package.ts'
import { compilers } from '../../support/alpine/compilers.ts'
import { kept } from '../../support/alpine/kept.ts'
import { replica, testKey, testKeyFolder } from '../../support/alpine/replica.ts'
import { installed } from '../../support/installing.ts'

export const worker = bwrapWorker()
export const epoch = 1_700_000_000

/** What apk installs for `roots` of these repositories, folders with ARCH/APKINDEX.tar.gz: in an empty system. */
export async function closureOf(
  roots: readonly string[],
  repositories: readonly string[],
  keys: string,
  arch: 'x86_64' | 'aarch64' = 'x86_64',
): Promise<readonly RepositoryEntry[]> {
  const root = await mkdtemp(join(tmpdir(), 'yoe-closure-'))
  try {
    const options = { root, keys, repositories, arch }
    const started = await apk2(['add', '--initdb', '--no-cache'], options)
    if (started.code !== 0) throw new Error(started.stderr)
    const { code, stdout, stderr } = await apk2(['add', '--simulate', '--no-cache', ...roots], options)
    if (code !== 0) throw new Error(stdout + stderr)
    const chosen = [...stdout.matchAll(/Installing (\S+) \((\S+)\)$/gm)].map(
      ([, name, version]) => `${name}-${version}.apk`,
    )
    return await Promise.all(
      chosen.map((file) => {
        const place = repositories.map((each) => join(each, arch, file)).find(existsSync)
        return entryOf(place ?? file)
      }),
    )
  } finally {
    await removeTree(root)
  }
}

/** A package file as a closure has it. */
export async function entryOf(path: string, from: 'feed' | 'unit' = 'feed'): Promise<RepositoryEntry> {
  const { info } = await readApkHead(path)
  const bytes = await readFile(path)
  const sha256 = createHash('sha256').update(bytes).digest('hex')
  const size = bytes.length
  const named = (text: string) => ({ name: text.replace(/[<>=~].*$/, '') })
  const origin =
    from === 'feed'
      ? ({ kind: from, feed: 'alpine.main', path: '', sha256, size } as const)
      : ({ kind: from, unit: info.name, at: { file: `units/${info.name}.star`, line: 1, column: 1 } } as const)
  const record = {
    name: info.name,
    version: info.version,
    arch: info.arch,
    depends: info.depends.filter((text) => !text.startsWith('!')).map((text) => [named(text)]),
    provides: info.provides.map(named),
    conflicts: [],
    essential: false,
    priority: '',
    origin,
  }
  return { record, path, sha256, size }
}

/** Installs packages; the log comes back. */
export async function install(
  output: string,
  packages: readonly RepositoryEntry[],
  more: { readonly tools?: string | undefined; readonly base?: string; readonly arch?: Arch } = {},
): Promise<string> {
  const input = {
    tools: undefined,
    arch: 'x86_64',
    ...more,
    distro: 'alpine',
    packages,
    worker,
    output,
    sourceDateEpoch: epoch,
  } as const
  return installed(installRoot, input)
}

export type Branch = 'v3.20' | 'v3.23'

/** Everything that mirrors of tests have for a branch, without what is genuine of 3.19. */
export async function repositoriesOf(branch: Branch): Promise<readonly string[]> {
  return [await replica(branch, 'x86_64'), await compilers('x86_64')]
}

/** What apk installs for `roots` of a branch. */
export async function branchClosure(branch: Branch, roots: readonly string[]): Promise<readonly RepositoryEntry[]> {
  return closureOf(roots, await repositoriesOf(branch), await testKeyFolder())
}

const toolsPackages = ['alpine-baselayout', 'apk-tools', 'busybox', 'dosfstools', 'mtools', 'tar', 'zstd']

/** The unpacked tools root of a branch, made once by the packages themselves. */
export async function toolsRoot(branch: Branch): Promise<string> {
  // What makes disks; the mirror of 3.20 has none.
  const disks = branch === 'v3.20' ? [] : ['e2fsprogs']
  const packages = await branchClosure(branch, [...toolsPackages, ...disks])
  const inputs = [createScript, ...packages.map(({ sha256 }) => sha256)]
  const folder = await kept(`tools-${branch}-x86_64`, inputs, async (dest) => {
    const tar = `${dest}.tar.zst`
    await install(tar, packages)
    await unpackRoot({ tar, dest: join(dest, 'root') })
    await rm(tar)
  })
  return join(folder, 'root')
}

/** A package with these files (path to content; folders are made, `#!` is executable) and scripts. */
export async function makeApk(
  folder: string,
  name: string,
  files: Readonly<Record<string, string>> = {},
  more: { readonly lines?: readonly string[]; readonly scripts?: Readonly<Record<string, string>> } = {},
): Promise<RepositoryEntry> {
  const paths = new Set<string>()
  for (const path of Object.keys(files)) {
    const parts = path.split('/')
    for (const at of parts.keys()) paths.add(parts.slice(0, at + 1).join('/'))
  }
  const entries = [...paths].sort().map((path): ApkEntry => {
    const text = files[path]
    if (text === undefined) return { path, mode: 0o755, mtime: epoch, content: { kind: 'folder' } }
    const mode = text.startsWith('#!') ? 0o755 : 0o644
    return { path, mode, mtime: epoch, content: { kind: 'file', bytes: Buffer.from(text) } }
  })
  const info = [
    ...[`pkgname = ${name}`, 'pkgver = 1.0-r0', 'pkgdesc = test', 'url = https://example.com', `builddate = ${epoch}`],
    ...['size = 1', 'arch = x86_64', `origin = ${name}`, 'license = MIT', ...(more.lines ?? [])],
  ]
  const scripts = new Map(Object.entries(more.scripts ?? {}).map(([kind, text]) => [kind, Buffer.from(text)]))
  const path = join(folder, `${name}-1.0-r0.apk`)
  await writeFile(path, writeApk({ info, scripts, entries, mtime: epoch }, await testKey('sha256')))
  return entryOf(path, 'unit')
}
