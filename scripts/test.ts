// Runs every test of the workspace with Node's own runner: first the fast ones, then the slow ones (real builds, guests,
// package managers) one file after another. A file that fails is run once more by itself, since emulated guests and a busy
// machine have bad moments; what only passed then is named. The last line printed is "N passed, N failed".
import { globSync } from 'node:fs'
import { join, relative } from 'node:path'
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

interface Outcome {
  passed: number
  skipped: number
  /** By file: the tests that failed in it, or that were not there to be told. */
  readonly failures: Map<string, string[]>
}

/** Runs files and prints what they tell. Minutes bound one file. */
async function runFiles(files: readonly string[], concurrency: number, minutes: number): Promise<Map<string, Outcome>> {
  const outcomes = new Map<string, Outcome>(files.map((file) => [file, { passed: 0, skipped: 0, failures: new Map() }]))
  const stream = run({
    files: files.map((file) => join(root, file)),
    cwd: root,
    concurrency,
    timeout: minutes * 60_000,
    execArgv: ['--disable-warning=ExperimentalWarning'],
  })
  const outcomeOf = (file: string | undefined): Outcome | undefined =>
    file === undefined ? undefined : outcomes.get(relative(root, file))
  stream.on('test:pass', ({ skip, todo, details, file }) => {
    const outcome = outcomeOf(file)
    if (details.type === 'suite' || outcome === undefined) return
    if (skip !== undefined || todo !== undefined) outcome.skipped++
    else outcome.passed++
  })
  stream.on('test:fail', ({ name, file, details }) => {
    // A suite that fails by itself, not by its tests, has none that would tell.
    const { error } = details
    if (details.type === 'suite' && 'failureType' in error && error.failureType === 'subtestsFailed') return
    const shown = file === undefined ? name : relative(root, file)
    const outcome = outcomes.get(shown) ?? outcomes.get(relative(root, name))
    const failures = outcome?.failures.get(shown) ?? []
    outcome?.failures.set(shown, [...failures, name])
  })
  await new Promise<void>((resolve, reject) => {
    stream.on('error', reject)
    const printed = stream.compose(new spec())
    printed.on('error', reject)
    printed.on('end', resolve)
    printed.pipe(process.stdout, { end: false })
  })
  return outcomes
}

const found = globSync(['__tests__/**/*.test.ts', 'packages/*/test/**/*.test.ts'], { cwd: root }).sort()
const chosen = found.filter((file) => positionals.length === 0 || positionals.some((part) => file.includes(part)))
const isSlow = (file: string): boolean => file.endsWith('.slow.test.ts')
const tiers = [
  { name: 'fast', files: chosen.filter((file) => !isSlow(file)), concurrency: 2, minutes: 5 },
  { name: 'slow', files: chosen.filter(isSlow), concurrency: 2, minutes: 25 },
].filter((tier) => values.tier === 'all' || values.tier === tier.name)

const final = new Map<string, Outcome>()
const second: string[] = []
for (const { name, files, concurrency, minutes } of tiers) {
  if (files.length === 0) continue
  console.log(`\n${name} tests: ${files.length} files`)
  const start = performance.now()
  for (const [file, outcome] of await runFiles(files, concurrency, minutes)) final.set(file, outcome)
  const failed = files.filter((file) => (final.get(file)?.failures.size ?? 0) > 0)
  for (const file of failed) {
    console.log(`\nonce more: ${file}`)
    for (const [again, outcome] of await runFiles([file], 1, minutes)) {
      if (outcome.failures.size === 0) second.push(...[...(final.get(again)?.failures.values() ?? [])].flat())
      final.set(again, outcome)
    }
  }
  console.log(`${name} tests took ${Math.round((performance.now() - start) / 1000)} s`)
}

const outcomes = [...final.values()]
const total = (count: (outcome: Outcome) => number): number =>
  outcomes.reduce((sum, outcome) => sum + count(outcome), 0)
const failures = outcomes.flatMap(({ failures: byFile }) =>
  [...byFile].flatMap(([file, names]) => names.map((name) => `${file}: ${name}`)),
)
const passed = total((outcome) => outcome.passed)
if (second.length > 0) console.log(`\npassed only when run again:\n${second.map((name) => `  ${name}`).join('\n')}`)
if (failures.length > 0) console.log(`\nfailed:\n${failures.map((line) => `  ${line}`).join('\n')}`)
console.log(`${total((outcome) => outcome.skipped)} skipped`)
process.exitCode = failures.length > 0 || passed === 0 ? 1 : 0
console.log(`${passed} passed, ${failures.length} failed`)
