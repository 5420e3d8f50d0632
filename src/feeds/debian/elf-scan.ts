import type { Arch } from '#engine/arch.ts'
import type { DestEntry, Problem, ScannedTree } from './destdir.ts'
import { readerOf } from './destdir.ts'
import { type ElfFacts, elfMachines, readElf } from './elf.ts'
import { isDefaultFolder, type LibraryOwner } from './libraries.ts'
import { shown } from './shown.ts'

export interface LinkFacts {
  /** Sonames that programs of other packages find in this one, sorted. */
  readonly brings: readonly string[]
  /** Packages that bring what this one's programs are linked to, in order of first need. */
  readonly needs: readonly LibraryOwner[]
  readonly problems: readonly Problem[]
}

/** Data for other machines may look like programs: firmware, guest images, test files. */
const dataFolder = /^(usr\/)?(lib\/firmware|share)\//

/**
 * Who the package's programs and libraries are linked to, and what it offers to others.
 *
 * @param arch undefined for a package that is the same on all architectures: machine code in it is a problem
 * @param libraries soname to owner, for everything that is not in the tree itself
 */
export async function scanLinks(
  tree: ScannedTree,
  arch: Arch | undefined,
  libraries: ReadonlyMap<string, LibraryOwner>,
): Promise<LinkFacts> {
  const found: (readonly [DestEntry, ElfFacts])[] = []
  const problems: Problem[] = []
  for (const entry of tree.entries) {
    if (entry.kind !== 'file' || entry.size < 52 || dataFolder.test(entry.path.toString('latin1'))) continue
    const facts = await elfFacts(tree, entry)
    if (facts === undefined || (facts.type !== 2 && facts.type !== 3)) continue
    if (arch !== undefined && facts.machine === elfMachines[arch]) found.push([entry, facts])
    else problems.push(foreign(entry, arch))
  }
  const inside = new Set(found.flatMap(([entry, facts]) => [facts.soname ?? baseName(entry), baseName(entry)]))
  for (const entry of tree.entries)
    if (entry.kind === 'symlink' || entry.kind === 'hardlink') inside.add(baseName(entry))

  const needs = new Map<string, LibraryOwner>()
  for (const [entry, facts] of found) {
    for (const needed of facts.needed) {
      // A path instead of a name is opened as it is; its last part still says which library is meant.
      const soname = needed.slice(needed.lastIndexOf('/') + 1)
      const owner = libraries.get(soname)
      if (inside.has(soname)) continue
      if (owner === undefined) problems.push(nobodyBrings(entry, soname))
      else needs.set(`${owner.name} ${owner.version}`, owner)
    }
  }
  const brings = found
    .filter(([entry, facts]) => facts.type === 3 && facts.soname !== undefined && isDefaultFolder(folderName(entry)))
    .map(([, facts]) => facts.soname ?? '')
    .filter((soname) => /^[!-~]+$/.test(soname))
  return { brings: [...new Set(brings)].sort(), needs: [...needs.values()], problems }
}

async function elfFacts(tree: ScannedTree, entry: DestEntry): Promise<ElfFacts | undefined> {
  const file = await tree.open(entry)
  try {
    return await readElf(readerOf(file, entry.size))
  } finally {
    await file.close()
  }
}

const baseName = ({ path }: DestEntry): string => path.toString('latin1', path.lastIndexOf('/') + 1)
const folderName = ({ path }: DestEntry): string => path.toString('latin1', 0, Math.max(0, path.lastIndexOf('/')))

function foreign(entry: DestEntry, arch: Arch | undefined): Problem {
  const file = `/${shown(entry.path)}`
  return arch === undefined
    ? {
        message: `${file} is machine code in a package for every architecture`,
        hint: 'take scope = "noarch" out of the unit',
      }
    : {
        message: `${file} is machine code for another architecture than ${arch}`,
        hint: `build it for ${arch}, or install it under /usr/share or /usr/lib/firmware if it is data`,
      }
}

function nobodyBrings(entry: DestEntry, soname: string): Problem {
  return {
    message: `/${shown(entry.path)} needs ${shown(soname)}, which nothing that this unit depends on brings`,
    hint: `add the unit that brings ${shown(soname)} to deps and runtime_deps`,
  }
}
