// Formatting, lint, types and layers: what a change must pass before it is worth a test.
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'

const root = join(import.meta.dirname, '..')
const checks: readonly (readonly [string, readonly string[]])[] = [
  ['biome', ['check', '.']],
  ['tsc', ['-p', '.']],
  ['depcruise', ['--config', '.dependency-cruiser.mjs', 'src', 'actions', 'packages']],
]
let failed = 0
for (const [tool, args] of checks) {
  const { status } = spawnSync(join(root, 'node_modules', '.bin', tool), args, { cwd: root, stdio: 'inherit' })
  if (status !== 0) failed++
}
process.exitCode = failed === 0 ? 0 : 1
