import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { canonical, type Look } from '#engine/qa/dangling.ts'
import type { LibraryOwner } from '#engine/qa/links.ts'
import type { Surroundings } from '#engine/qa/package-parts.ts'
import { errorCode } from '#engine/store/disk.ts'
import { lookAmong } from '../shared/installed.ts'
import { readApkHead } from './apk-read.ts'

/** A package as apk's database of installed ones has it. */
interface Installed {
  readonly name: string
  readonly version: string
  readonly depends: readonly string[]
  readonly provides: readonly string[]
  /** Absolute. */
  readonly files: readonly string[]
}

/** What every Alpine system has. */
const base = ['alpine-baselayout', 'alpine-baselayout-data', 'busybox', 'busybox-binsh', 'musl']

/** @param root absolute folder of an unpacked root; one without a database has no packages */
async function installedIn(root: string): Promise<readonly Installed[]> {
  // From 3.23 on apk keeps it below /usr.
  const texts = await Promise.all(
    ['lib/apk/db/installed', 'usr/lib/apk/db/installed'].map((path) => readOr(join(root, path))),
  )
  return (texts.find((text) => text !== '') ?? '').split(/\n\n+/).flatMap((text) => {
    const found = stanza(text)
    return found.name === '' ? [] : [found]
  })
}

function stanza(text: string): Installed {
  let [name, version, folder] = ['', '', '']
  let [depends, provides]: (readonly string[])[] = [[], []]
  const files: string[] = []
  for (const line of text.split('\n')) {
    const value = line.slice(2)
    switch (line.slice(0, 2)) {
      case 'P:':
        name = value
        break
      case 'V:':
        version = value
        break
      case 'D:':
        depends = value.split(' ')
        break
      case 'p:':
        provides = value.split(' ')
        break
      case 'F:':
        folder = value
        break
      case 'R:':
        files.push(folder === '' ? `/${value}` : `/${folder}/${value}`)
        break
      default:
    }
  }
  return { name, version, depends: depends ?? [], provides: provides ?? [], files }
}

async function readOr(path: string): Promise<string> {
  try {
    return await readFile(path, 'latin1')
  } catch (failure) {
    if (['ENOENT', 'ENOTDIR'].includes(errorCode(failure) ?? '')) return ''
    throw failure
  }
}

const nameIn = (dependency: string): string => dependency.replace(/[<>=~].*$/, '')

/**
 * The files of a root that are on a device, too: those of packages that every system has, and of the named ones and all
 * that they depend on. The rest of a toolchain is not.
 *
 * @param root absolute folder of an unpacked root with a database of apk
 */
export function lookIntoInstalled(root: string, names: readonly string[]): Look {
  return lookAmong(root, () => filesOf(root, names))
}

async function filesOf(root: string, names: readonly string[]): Promise<ReadonlySet<string>> {
  const packages = await installedIn(root)
  const providers = new Map<string, Installed>()
  for (const each of packages) for (const provided of each.provides) providers.set(nameIn(provided), each)
  for (const each of packages) providers.set(each.name, each)
  const wanted = new Set<Installed>()
  const add = (asked: string): void => {
    const found = providers.get(nameIn(asked))
    if (found === undefined || wanted.has(found)) return
    wanted.add(found)
    found.depends.forEach(add)
  }
  for (const name of [...base, ...names]) add(name)
  return new Set([...wanted].flatMap(({ files }) => files.map(canonical)))
}

/** The pkg-config modules of what a unit was built with. */
export async function modulesAround({ packages, roots }: Surroundings): Promise<ReadonlySet<string>> {
  const installed = (await Promise.all(roots.map(installedIn))).flat().flatMap(({ provides }) => provides)
  const heads = await Promise.all(packages.map(readApkHead))
  const all = [...installed, ...heads.flatMap(({ info }) => info.provides)]
  return new Set(all.flatMap((each) => (each.startsWith('pc:') ? [nameIn(each).slice(3)] : [])))
}

/**
 * The shared libraries that a package file, or the packages installed in a root file system, bring.
 *
 * @param path absolute: an .apk, or a root with a database of apk (a toolchain root)
 * @returns soname to package; dependencies of packages name the soname itself, so that any version serves
 * @throws {YoeError} ARCHIVE_UNSAFE when an .apk is damaged
 */
export async function readLibraries(path: string): Promise<ReadonlyMap<string, LibraryOwner>> {
  const isRoot = (await stat(path)).isDirectory()
  const packages = isRoot ? await installedIn(path) : [(await readApkHead(path)).info]
  const owners = new Map<string, LibraryOwner>()
  for (const { name, provides } of packages) {
    for (const provided of provides) {
      if (provided.startsWith('so:')) owners.set(nameIn(provided).slice(3), { name, version: '' })
    }
  }
  return owners
}
