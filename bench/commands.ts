import { spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const root = join(import.meta.dirname, '..')
const example = join(root, 'examples', 'gateway')
const yoe = join(root, 'bin', 'yoe')

/** Milliseconds of the fastest of several runs: what the work costs when nothing else runs. */
function fastest(rounds: number, argv: readonly [string, ...string[]]): number {
  const times: number[] = []
  for (let round = 0; round <= rounds; round++) {
    const start = performance.now()
    const { status, stderr } = spawnSync(argv[0], argv.slice(1), { cwd: example, encoding: 'utf8' })
    if (status !== 0) throw new Error(`${argv.join(' ')} failed:\n${stderr}`)
    if (round > 0) times.push(performance.now() - start) // the first run warms
  }
  return Math.min(...times)
}

/**
 * What users wait for, on the built example, beside an empty Node in the same run: a warm plan, a build when nothing changed,
 * and the way from an edit of one unit to the bootable image.
 */
export function benchCommands(print: (line: string) => void): void {
  const empty = fastest(10, [process.execPath, '-e', '0'])
  spawnSync(yoe, ['build', '--quiet'], { cwd: example, stdio: 'inherit' })
  const plan = fastest(10, [yoe, 'plan'])
  const same = fastest(10, [yoe, 'build'])
  const source = join(example, 'sensord', 'sensord.c')
  const text = readFileSync(source, 'utf8')
  const changed: { unit: number; whole: number }[] = []
  try {
    for (let round = 0; round < 3; round++) {
      writeFileSync(source, `${text}/* ${Date.now()} */\n`)
      const start = performance.now()
      const { stdout, status } = spawnSync(yoe, ['build', '--json', '--quiet'], { cwd: example, encoding: 'utf8' })
      if (status !== 0) throw new Error(stdout)
      const report: { units: { unit: string; ms: number }[] } = JSON.parse(stdout)
      const unit = report.units.find((entry) => entry.unit === 'sensord')?.ms ?? 0
      changed.push({ unit, whole: performance.now() - start })
    }
  } finally {
    writeFileSync(source, text)
  }
  const best = changed.reduce((a, b) => (a.whole < b.whole ? a : b))
  const row = (name: string, ms: number): void =>
    print(`| ${name} | ${(ms / 1000).toFixed(3)} | ${(ms / empty).toFixed(1)} |`)
  print('| command | s | against an empty Node |')
  print('|---|---|---|')
  row('node -e 0', empty)
  row('yoe plan, warm', plan)
  row('yoe build, nothing changed', same)
  row('edit of one unit to image, without the unit itself', best.whole - best.unit)
  row('the unit itself', best.unit)
}

if (import.meta.main) benchCommands(console.log)
