import type { SearchFolders } from '../formats.ts'
import type { Setting } from '../plan/config.ts'
import type { PackageNode } from '../plan/graph.ts'

/** Where things are for every task, whatever the host. */
export const inside = {
  source: '/build/src',
  destdir: '/build/destdir',
  sysroot: '/build/sysroot',
  install: '/build/install',
  home: '/build/home',
} as const

const prefix = '/usr'
const usualPath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

/**
 * The whole environment of a unit's tasks: the same on every host, so nothing of the host's leaks into a result.
 * Headers and libraries of declared dependencies come from the sysroot; the toolchain's own are searched after them.
 */
export function taskEnvironment(
  node: PackageNode,
  folders: SearchFolders,
  processors: number,
  sourceDateEpoch: number,
): Readonly<Record<string, string>> {
  const { unit, config } = node
  const includes = folders.includes.map((folder) => `${inside.sysroot}/${folder}`)
  const libraries = folders.libraries.map((folder) => `${inside.sysroot}/${folder}`)
  // Compilers of the machine that builds: programs of the sysroot are not for it, and it has no C library of the target.
  const cross = node.toolchain !== undefined && node.toolchain.arch !== node.arch
  const compile = `-O2 -g -ffile-prefix-map=${inside.source}=. -ffile-prefix-map=${inside.sysroot}=`
  const values = (settings: readonly Setting[]): readonly string[] => settings.map(({ value }) => value)
  const flags = (...all: readonly (readonly string[])[]): string => all.flat().join(' ')
  return {
    PATH: cross ? `${usualPath}:${inside.sysroot}/usr/bin` : `${inside.sysroot}/usr/bin:${usualPath}`,
    HOME: inside.home,
    LANG: 'C.UTF-8',
    LC_ALL: 'C.UTF-8',
    TZ: 'UTC',
    SHELL: '/bin/sh',
    USER: 'root',
    SOURCE_DATE_EPOCH: String(sourceDateEpoch),
    PREFIX: prefix,
    SRCDIR: inside.source,
    DESTDIR: inside.destdir,
    SYSROOT: inside.sysroot,
    NPROC: String(processors),
    ...(unit.scope === 'noarch' ? {} : { ARCH: node.arch }),
    ...(node.machine === undefined ? {} : { MACHINE: node.machine.name }),
    UNIT: unit.name,
    VERSION: unit.version,
    // What flows to the unit comes last, so that it wins over these.
    CFLAGS: flags([compile], values(config.cflags)),
    CXXFLAGS: flags([compile], values(config.cxxflags)),
    CPPFLAGS: flags(
      values(config.includePaths).map((path) => `-I${inside.sysroot}${path}`),
      includes.map((folder) => `-isystem ${folder}`),
      values(config.cppflags),
    ),
    LDFLAGS: flags(
      libraries.flatMap((folder) => [`-L${folder}`, `-Wl,-rpath-link,${folder}`]),
      // Linker scripts of the sysroot's C library name what is there.
      cross ? [`-Wl,--sysroot=${inside.sysroot}`] : [],
      values(config.ldflags),
    ),
    PKG_CONFIG_PATH: [...libraries, `${inside.sysroot}/usr/share`].map((folder) => `${folder}/pkgconfig`).join(':'),
    PKG_CONFIG_SYSROOT_DIR: inside.sysroot,
    // Programs of the sysroot run during builds, too.
    LD_LIBRARY_PATH: libraries.join(':'),
    ...Object.fromEntries(Object.entries(config.environment).map(([name, { value }]) => [name, value])),
    ...unit.environment,
  }
}

/**
 * The environment of tasks in a root that was an image: what the image says stands behind what every task sees, but for
 * where its programs are.
 *
 * @param lines `NAME=value`
 */
export function inImage(
  environment: Readonly<Record<string, string>>,
  lines: readonly string[],
): Readonly<Record<string, string>> {
  if (lines.length === 0) return environment
  const image = Object.fromEntries(
    lines.map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]),
  )
  const { PATH: path } = image
  return {
    ...image,
    ...environment,
    ...(path === undefined ? {} : { PATH: environment['PATH']?.replace(usualPath, () => path) ?? path }),
  }
}
