/**
 * What systems of aarch64 need to boot and no other mirror of tests has: an SSH server and the service of device nodes.
 */
import { execFile } from 'node:child_process'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { removeTree } from '#engine/build/tree.ts'
import { writeApk } from './apk-package.ts'
import { contents, debianPackages, type Made, mtime } from './compilers.ts'
import { kept } from './kept.ts'
import { genuineRepository } from './material.ts'
import { indexFolder, testKey, testKeyFolder } from './replica.ts'

const run = promisify(execFile)

/** Bumped when what is made changes. */
const edition = '1'

const arch = 'aarch64'
const libraries = 'usr/lib/aarch64-linux-gnu'
const loader = 'ld-linux-aarch64.so.1'
/** Debian's packages, and their files. */
const dropbear = {
  from: ['dropbear-bin', 'libtomcrypt1', 'libtommath1', 'libgmp10', 'zlib1g', 'libcrypt1', 'libc6'],
  files: ['c', 'crypt', 'tomcrypt', 'tommath', 'gmp', 'z'].map((name) => `${libraries}/lib${name}.so.*`),
}

/** A genuine package of 3.19 for x86_64 that holds a script alone. */
const mdev = 'busybox-mdev-openrc-1.36.1-r15.apk'

/** A repository, signed with the test key: a folder with aarch64/APKINDEX.tar.gz. */
export async function extras(): Promise<string> {
  return kept('extras-aarch64', [edition, await testKeyFolder(), ...dropbear.from], async (folder) => {
    const work = `${folder}.work`
    try {
      const [server, service] = [join(work, 'dropbear'), join(work, 'mdev')]
      const versions = await debianPackages(arch, work, dropbear.from)
      // Debian's own C library is where musl never looks, and Debian's loader does by itself.
      const copy = `mkdir -p "$1/lib" "$1/usr/sbin"
        cp -a --parents ${dropbear.files.join(' ')} "$1"
        cp ${libraries}/${loader} "$1/lib"
        cp usr/sbin/dropbear "$1/usr/sbin"`
      await run('sh', ['-euc', copy, 'sh', server], { cwd: join(work, 'debian') })
      await mkdir(service)
      await run('bsdtar', ['-xf', join(genuineRepository, 'x86_64', mdev), '-C', service, 'etc'])
      await mkdir(join(folder, arch))
      const key = await testKey('sha256')
      const pack = async (made: Made, version: string, tree: string): Promise<void> => {
        const apk = writeApk({ ...contents(made, version, arch, tree), scripts: new Map(), mtime }, key)
        await writeFile(join(folder, arch, `${made.name}-${version}.apk`), apk)
      }
      const version = /^[\d.]*\d/.exec(versions.get('dropbear-bin') ?? '')?.[0] ?? ''
      await pack(described('dropbear', 'A small SSH server', 'MIT', []), `${version}-r0`, server)
      await pack(
        described('busybox-mdev-openrc', 'The service of device nodes', 'GPL-2.0-only', ['openrc']),
        '1.36.1-r15',
        service,
      )
      await indexFolder(folder, arch, 'extras', key)
    } finally {
      await removeTree(work)
    }
  })
}

const described = (name: string, about: string, license: string, depends: readonly string[]): Made => ({
  ...{ name, version: '', about, license, depends },
})
