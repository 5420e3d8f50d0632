import { setImmediate } from 'node:timers/promises'
import type { ScannedTree } from '../build/destdir.ts'
import { checkContent, type Wanted } from './content.ts'
import type { Finding } from './finding.ts'
import { type Program, programIn } from './programs.ts'

/** Bytes after which others get their turn; a file counts for so many beside its own. */
const breath = 16 << 20
const fileCost = 1 << 14

/** Looks into every file of a tree once: its programs, and what their and all other bytes give away. */
export async function inspectTree(
  tree: ScannedTree,
  wanted: Wanted,
): Promise<{ readonly programs: readonly Program[]; readonly findings: readonly Finding[] }> {
  const programs: Program[] = []
  const findings: Finding[] = []
  let bytes = 0
  for (const entry of tree.entries) {
    if (entry.kind !== 'file' || entry.size === 0) continue
    using file = tree.open(entry)
    const content = checkContent(file, entry, wanted)
    findings.push(...content.findings)
    const program = content.isElf ? await programIn(file, entry) : undefined
    if (program !== undefined) programs.push(program)
    bytes += entry.size + fileCost
    if (bytes < breath) continue
    bytes = 0
    await setImmediate()
  }
  return { programs, findings }
}
