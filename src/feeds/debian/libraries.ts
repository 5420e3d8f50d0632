import { constants } from 'node:fs'
import { open, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { LibraryOwner } from '#engine/qa/links.ts'
import { errorCode } from '#engine/store/disk.ts'
import { readControlFile } from './deb-control.ts'
import { parseRelation } from './names.ts'

/**
 * The `shlibs` control file, from which builds against this package learn what to depend on. Names that its syntax
 * can't hold (no version in them) are comments to dpkg, and read by {@link parseShlibs} all the same.
 *
 * @see deb-shlibs(5)
 */
export function renderShlibs(sonames: readonly string[], owner: LibraryOwner): string {
  const dependency = `${owner.name} (>= ${owner.version})`
  return sonames
    .map((soname) => {
      const [, library, version] = /^(.+)\.so\.(.+)$/.exec(soname) ?? /^(.+)-(\d.*)\.so$/.exec(soname) ?? []
      return library === undefined ? `# ${soname} ${dependency}\n` : `${library} ${version} ${dependency}\n`
    })
    .join('')
}

/** Sonames and who brings them. A line names both spellings that its soname may have; lines for installers are skipped. */
export function parseShlibs(text: string): ReadonlyMap<string, LibraryOwner> {
  const owners = new Map<string, LibraryOwner>()
  for (const line of text.split('\n')) {
    const [, first = '', second = '', dependencies = ''] = /^(\S+)\s+(\S+)\s+(.+)$/.exec(line.trim()) ?? []
    if (first === '' || first.endsWith(':')) continue
    const dependency = parseRelation(dependencies.split(/[,|]/)[0] ?? '')
    if (dependency === undefined) continue
    const floor = dependency.version
    const owner = {
      name: dependency.name,
      version: floor !== undefined && (floor.relation === '>=' || floor.relation === '=') ? floor.version : '',
    }
    const spellings = first === '#' ? [second] : [`${first}.so.${second}`, `${first}-${second}.so`]
    for (const soname of spellings) if (!owners.has(soname)) owners.set(soname, owner)
  }
  return owners
}

/**
 * The shared libraries that packages bring, from their own `shlibs` files.
 *
 * @param path absolute: a .deb, or a root file system whose dpkg database lists the packages (a toolchain root)
 * @returns soname to package and the oldest version that serves; empty when the packages bring none
 * @throws {YoeError} ARCHIVE_UNSAFE when a .deb is damaged, TOOL_MISSING when it needs xz and the host has none
 */
export async function readLibraries(path: string): Promise<ReadonlyMap<string, LibraryOwner>> {
  const info = join(path, 'var/lib/dpkg/info')
  let names: string[]
  try {
    names = await readdir(info)
  } catch (failure) {
    if (errorCode(failure) === 'ENOENT') return new Map()
    if (errorCode(failure) !== 'ENOTDIR') throw failure
    return parseShlibs((await readControlFile(path, 'shlibs')) ?? '')
  }
  const files = names.filter((name) => name.endsWith('.shlibs')).sort()
  const texts = await Promise.all(files.map((name) => readSmall(join(info, name))))
  return parseShlibs(texts.join('\n'))
}

async function readSmall(path: string): Promise<string> {
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW)
  try {
    const buffer = Buffer.alloc(1 << 18)
    const { bytesRead } = await file.read(buffer, 0, buffer.length, 0)
    return buffer.toString('utf8', 0, bytesRead)
  } finally {
    await file.close()
  }
}
