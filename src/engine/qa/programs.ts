import type { DestEntry, TreeFile } from '../build/destdir.ts'
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

/** The program, library or kernel module that an ELF file is; undefined for all else. */
export async function programIn(file: TreeFile, entry: DestEntry): Promise<Program | undefined> {
  const path = entry.path.toString('latin1')
  if (dataFolder.test(path)) return undefined
  const facts = await readElf(readerOf(file, entry.size))
  if (facts === undefined) return undefined
  const program = { entry, facts }
  return isLinked(program) || (facts.type === 1 && path.endsWith('.ko')) ? program : undefined
}
