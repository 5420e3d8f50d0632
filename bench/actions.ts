// What an action adds before it does something for its user: from its start to the moment when it asks for the project, with
// all that this takes loaded. Its peer is the least that a JavaScript action can be, in the same rounds.
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const rounds = 15
const root = join(import.meta.dirname, '..')
const folder = mkdtempSync(join(tmpdir(), 'yoe-bench-'))
const dist = join(folder, 'dist')
const [work, temp] = [join(folder, 'work'), join(folder, 'temp')]

const entry = (name: string): readonly string[] => [join(dist, `${name}.js`)]
/** What is started, and what it must have said by its end. */
const rows: readonly { readonly what: string; readonly argv: readonly string[]; readonly says: RegExp }[] = [
  { what: 'node -e 0', argv: ['-e', '0'], says: /^$/ },
  { what: 'yoe', argv: entry('cell'), says: /PROJECT\.star/ },
  { what: 'yoe/actions/plan', argv: entry('plan'), says: /PROJECT\.star/ },
]
const env = {
  ...{ PATH: process.env['PATH'], HOME: folder, RUNNER_TEMP: temp, GITHUB_WORKSPACE: work, GITHUB_OUTPUT: '' },
  ...{ INPUT_CELL: 'box/base', INPUT_UPLOAD: 'image', INPUT_PROJECT: '.', YOE_SETUP: 'false' },
  ...{ GITHUB_EVENT_NAME: 'push', GITHUB_REF: 'refs/heads/main', GITHUB_REPOSITORY: 'octo/widgets' },
}

try {
  execFileSync(process.execPath, ['--disable-warning=ExperimentalWarning', join(root, 'scripts/bundle.ts'), dist], {
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  for (const made of [work, temp]) mkdirSync(made)
  const times = rows.map((): number[] => [])
  for (let round = 0; round <= rounds; round++)
    for (const [index, { what, argv, says }] of rows.entries()) {
      const start = performance.now()
      const { stdout } = spawnSync(process.execPath, argv, { cwd: work, env, encoding: 'utf8' })
      const took = performance.now() - start
      if (!says.test(stdout)) throw new Error(`${what} said: ${stdout}`)
      // The first round warms the disk.
      if (round > 0) times[index]?.push(took)
    }
  const median = (values: readonly number[]): number =>
    values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN
  const least = median(times[0] ?? [])
  console.log('| action | to its first work | more than node alone | at most |')
  console.log('|---|---:|---:|---:|')
  for (const [index, { what }] of rows.entries()) {
    const ms = median(times[index] ?? [])
    const more = index === 0 ? '' : `${(ms - least).toFixed(0)} ms`
    console.log(`| ${what} | ${ms.toFixed(0)} ms | ${more} | ${index === 0 ? '' : '700 ms'} |`)
  }
} finally {
  rmSync(folder, { recursive: true, force: true })
}
