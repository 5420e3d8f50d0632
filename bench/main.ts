// Runs the benchmarks, each in a process of its own, and prints their tables. Figures are ratios against a peer in the same
// run: absolute times move with the machine. Name some to run only those: npm run bench -- feeds pack
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'

const benches = [
  'commands',
  'feeds',
  'resolve',
  'pack',
  'apk',
  'alpine-feeds',
  'extract',
  'sandbox',
  'store',
  'shared',
  'image',
  'boot',
  'schedule',
  'overhead',
  'actions',
  'log',
]
const chosen = process.argv.slice(2)
const unknown = chosen.find((name) => !benches.includes(name))
if (unknown !== undefined) {
  console.error(`there is no benchmark "${unknown}"; there are: ${benches.join(', ')}`)
  process.exit(2)
}
let failed = 0
for (const name of chosen.length === 0 ? benches : chosen) {
  console.log(`\n## ${name}\n`)
  const argv = ['--disable-warning=ExperimentalWarning', join(import.meta.dirname, `${name}.ts`)]
  if (spawnSync(process.execPath, argv, { stdio: 'inherit' }).status !== 0) failed++
}
process.exitCode = failed === 0 ? 0 : 1
