// Formatting, lint, types and layers: what a change must pass before it is worth a test.
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'

const root = join(import.meta.dirname, '..')
// Biome's own package lists a program for every platform; ours are the two that the workspace locks.
const biome = join(root, 'node_modules', '@biomejs', `cli-linux-${process.arch}`, 'biome')
const checks: readonly (readonly [string, readonly string[]])[] = [
  [biome, ['check', '.']],
  [program('tsc'), ['-p', '.']],
  [program('depcruise'), ['--config', '.dependency-cruiser.mjs', 'src', 'actions', 'packages']],
]
function program(name: string): string {
  return join(root, 'node_modules', '.bin', name)
}

let failed = 0
for (const [tool, args] of checks) {
  const { status } = spawnSync(tool, args, { cwd: root, stdio: 'inherit' })
  if (status !== 0) failed++
}
process.exitCode = failed === 0 ? 0 : 1
