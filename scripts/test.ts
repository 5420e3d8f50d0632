// Runs every test of the workspace with Node's own runner: first the fast ones, then the slow ones (real builds, guests,
// package managers) one file after another. The last line printed is "N passed, N failed".
import { globSync } from 'node:fs'
import { join } from 'node:path'
import { run } from 'node:test'
import { spec } from 'node:test/reporters'
import { parseArgs } from 'node:util'

const root = join(import.meta.dirname, '..')
const { values, positionals } = parseArgs({
  options: { tier: { type: 'string', default: 'all' }, help: { type: 'boolean', short: 'h' } },
  allowPositionals: true,
})

if (values.help === true || !['all', 'fast', 'slow'].includes(values.tier)) {
  console.log('usage: npm test [-- --tier fast|slow|all] [PART OF A FILE NAME…]')
  process.exit(values.help === true ? 0 : 2)
}

const found = globSync(['__tests__/**/*.test.ts', 'packages/*/test/**/*.test.ts'], { cwd: root }).sort()
const chosen = found.filter((file) => positionals.length === 0 || positionals.some((part) => file.includes(part)))
const isSlow = (file: string): boolean => file.endsWith('.slow.test.ts')
const tiers = [
  { name: 'fast', files: chosen.filter((file) => !isSlow(file)), concurrency: 2, minutes: 5 },
  { name: 'slow', files: chosen.filter(isSlow), concurrency: 1, minutes: 30 },
].filter((tier) => values.tier === 'all' || values.tier === tier.name)

let passed = 0
let failed = 0
let skipped = 0
const failures: string[] = []
for (const { name, files, concurrency, minutes } of tiers) {
  if (files.length === 0) continue
  console.log(`\n${name} tests: ${files.length} files`)
  const start = performance.now()
  const stream = run({
    files: files.map((file) => join(root, file)),
    cwd: root,
    concurrency,
    timeout: minutes * 60_000,
    execArgv: ['--disable-warning=ExperimentalWarning'],
  })
  stream.on('test:pass', ({ skip, todo, details }) => {
    if (details.type === 'suite') return
    if (skip !== undefined || todo !== undefined) skipped++
    else passed++
  })
  stream.on('test:fail', ({ name: title, file, details }) => {
    // A file's own entry fails with its tests; it counts only when no test of it was told.
    if (details.type === 'suite') return
    failed++
    failures.push(`${file ?? ''}: ${title}`)
  })
  await new Promise<void>((resolve, reject) => {
    stream.on('error', reject)
    const printed = stream.compose(new spec())
    printed.on('error', reject)
    printed.on('end', resolve)
    printed.pipe(process.stdout, { end: false })
  })
  console.log(`${name} tests took ${Math.round((performance.now() - start) / 1000)} s`)
}
if (failures.length > 0) console.log(`\nfailed:\n${failures.map((line) => `  ${line}`).join('\n')}`)
if (skipped > 0) console.log(`${skipped} skipped`)
process.exitCode = failed > 0 || passed === 0 ? 1 : 0
console.log(`${passed} passed, ${failed} failed`)
