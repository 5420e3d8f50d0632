import type { DestEntry, ScannedTree } from '../build/destdir.ts'
import { readerOf } from '../build/destdir.ts'
import { type ElfFacts, readElf } from './elf.ts'

/** Machine code in a package. */
export interface Program {
  readonly entry: DestEntry
  readonly facts: ElfFacts
}

/** Data for other machines may look like programs: firmware, guest images, test files. So does what only debuggers load. */
const dataFolder = /^(usr\/)?(lib\/(firmware|debug)|share)\//

/** Whether it runs as a process or is loaded into one; kernel modules are neither. */
export const isLinked = ({ facts }: Program): boolean => facts.type === 2 || facts.type === 3

/** The programs, libraries and kernel modules of a tree, in its order. */
export async function readPrograms(tree: ScannedTree): Promise<readonly Program[]> {
  const programs: Program[] = []
  for (const entry of tree.entries) {
    const path = entry.path.toString('latin1')
    if (entry.kind !== 'file' || entry.size < 52 || dataFolder.test(path)) continue
    const file = await tree.open(entry)
    try {
      const facts = await readElf(readerOf(file, entry.size))
      if (facts === undefined) continue
      const program = { entry, facts }
      if (isLinked(program) || (facts.type === 1 && path.endsWith('.ko'))) programs.push(program)
    } finally {
      await file.close()
    }
  }
  return programs
}
