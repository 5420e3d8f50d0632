import type { Arch } from '#engine/arch.ts'
import type { DestEntry, Problem, ScannedTree } from './destdir.ts'
import { readerOf } from './destdir.ts'
import { type ElfFacts, elfMachines, readElf } from './elf.ts'
import { isDefaultFolder, type LibraryOwner } from './libraries.ts'
import { shown } from './shown.ts'

/** A program or library of a package. */
export interface Program {
  readonly entry: DestEntry
  readonly facts: ElfFacts
}

/** One package of a unit, and what {@link readPrograms} found in it. */
export interface LinkedPart {
  /** The package's name. */
  readonly name: string
  readonly entries: readonly DestEntry[]
  readonly programs: readonly Program[]
}

export interface LinkFacts {
  /** Sonames that programs of other packages find in this one, sorted. */
  readonly brings: readonly string[]
  /** Packages of other units that bring what this one's programs are linked to, in order of first need. */
  readonly needs: readonly LibraryOwner[]
  /** Packages of the same unit that do, by name. */
  readonly siblings: readonly string[]
}

/** Data for other machines may look like programs: firmware, guest images, test files. So does what only debuggers load. */
const dataFolder = /^(usr\/)?(lib\/(firmware|debug)|share)\//

/**
 * The programs and libraries of a tree.
 *
 * @param arch undefined for a package that is the same on all architectures: machine code in it is a problem
 */
export async function readPrograms(
  tree: ScannedTree,
  arch: Arch | undefined,
): Promise<{ readonly programs: readonly Program[]; readonly problems: readonly Problem[] }> {
  const programs: Program[] = []
  const problems: Problem[] = []
  for (const entry of tree.entries) {
    if (entry.kind !== 'file' || entry.size < 52 || dataFolder.test(entry.path.toString('latin1'))) continue
    const facts = await elfFacts(tree, entry)
    if (facts === undefined || (facts.type !== 2 && facts.type !== 3)) continue
    if (arch !== undefined && facts.machine === elfMachines[arch]) programs.push({ entry, facts })
    else problems.push(foreign(entry, arch))
  }
  return { programs, problems }
}

/**
 * Who the packages' programs and libraries are linked to, and what each package offers to others.
 *
 * @param parts all packages of one unit; of several that bring a library the first is meant
 * @param libraries soname to owner, for everything that is in none of them
 * @returns facts in the order of `parts`
 */
export function linkFacts(
  parts: readonly LinkedPart[],
  libraries: ReadonlyMap<string, LibraryOwner>,
): { readonly facts: readonly LinkFacts[]; readonly problems: readonly Problem[] } {
  const problems: Problem[] = []
  const inside = new Map(parts.map((part) => [part, namesInside(part)]))
  const facts = parts.map((part): LinkFacts => {
    const needs = new Map<string, LibraryOwner>()
    const siblings = new Set<string>()
    for (const { entry, facts } of part.programs) {
      for (const needed of facts.needed) {
        // A path instead of a name is opened as it is; its last part still says which library is meant.
        const soname = needed.slice(needed.lastIndexOf('/') + 1)
        if (inside.get(part)?.has(soname) === true) continue
        const sibling = parts.find((other) => inside.get(other)?.has(soname))
        const owner = libraries.get(soname)
        if (sibling !== undefined) siblings.add(sibling.name)
        else if (owner === undefined) problems.push(nobodyBrings(entry, soname))
        else needs.set(`${owner.name} ${owner.version}`, owner)
      }
    }
    return { brings: sonames(part), needs: [...needs.values()], siblings: [...siblings].sort() }
  })
  return { facts, problems }
}

function namesInside({ entries, programs }: LinkedPart): ReadonlySet<string> {
  const names = new Set(programs.flatMap(({ entry, facts }) => [facts.soname ?? baseName(entry), baseName(entry)]))
  for (const entry of entries) if (entry.kind === 'symlink' || entry.kind === 'hardlink') names.add(baseName(entry))
  return names
}

function sonames({ programs }: LinkedPart): readonly string[] {
  const found = programs
    .filter(({ entry, facts }) => facts.type === 3 && facts.soname !== undefined && isDefaultFolder(folderName(entry)))
    .map(({ facts }) => facts.soname ?? '')
    .filter((soname) => /^[!-~]+$/.test(soname))
  return [...new Set(found)].sort()
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
