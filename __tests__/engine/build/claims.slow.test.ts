import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { Claims } from '#engine/build/claims.ts'
import { DirectoryStore } from '#engine/store/remotes/dir.ts'
import { generateCacheKey } from '#engine/store/signing.ts'
import { scratch } from '../../support/project.ts'
import type { RunnerOptions } from './runner-process.ts'

test('two claim at the same instant, 1,000 rounds: one of them makes it, the other gets the result', async (t) => {
  const { documents } = new DirectoryStore(join(scratch(t), 'shared'))
  const [one, two] = ['one', 'two'].map(
    (holder) => new Claims({ documents, holder, report: () => {}, pollMs: [5, 20] }),
  )
  for (let round = 0; round < 1_000; round++) {
    let result: string | undefined
    let made = 0
    const both = [one, two].map(async (machine) => {
      const got = await machine?.acquire({
        name: `claims/x86_64/u${round}`,
        title: 'u',
        look: async () => result,
        wait: (waiting) => waiting(),
        signal: new AbortController().signal,
      })
      assert.ok(got !== undefined)
      if ('found' in got) return got.found
      const { claim } = got
      made++
      await sleep(0)
      result = `made ${round}`
      await claim.done()
      return result
    })
    assert.deepEqual(await Promise.all(both), [`made ${round}`, `made ${round}`])
    assert.equal(made, 1)
  }
})

/** Units of a graph: two bases, many in the middle, one on top. */
const graph: RunnerOptions['units'] = [
  { name: 'base', ms: 30, needs: [] },
  { name: 'libc', ms: 20, needs: [] },
  ...Array.from({ length: 24 }, (_, index) => ({ name: `lib${index}`, ms: 15 + (index % 5) * 5, needs: ['base'] })),
  { name: 'app', ms: 20, needs: ['libc', ...Array.from({ length: 24 }, (_, index) => `lib${index}`)] },
]

interface Machine {
  readonly lines: readonly string[]
  /** Outcome and digest by unit. */
  readonly results: ReadonlyMap<string, readonly [outcome: string, sha256: string]>
}

function machineProcess(options: RunnerOptions) {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'runner-process.ts'), JSON.stringify(options)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let text = ''
  let look = (): void => {}
  child.stdout.on('data', (chunk: Buffer) => {
    text += chunk.toString()
    look()
  })
  const ended = new Promise<Machine>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code) => {
      look()
      const lines = text.trim().split('\n')
      const rows: readonly (readonly [string, string, string])[] = JSON.parse(
        lines.findLast((line) => line.startsWith('done '))?.slice(5) ?? '[]',
      )
      const results = new Map(rows.map(([name, outcome, sha256]) => [name, [outcome, sha256] as const]))
      if (code === 0 || child.signalCode === 'SIGKILL') resolve({ lines, results })
      else reject(new Error(`${options.name} ended with ${code}: ${text}`))
    })
  })
  return {
    child,
    ended,
    said: (line: RegExp) =>
      new Promise<void>((resolve) => {
        look = () => {
          if (line.test(text) || child.exitCode !== null) resolve()
        }
        look()
      }),
  }
}

function runOptions(
  t: TestContext,
): Omit<RunnerOptions, 'name' | 'root' | 'shared'> & { readonly folder: string; readonly shared: string } {
  const folder = scratch(t)
  return {
    folder,
    shared: join(folder, 'shared'),
    built: join(folder, 'built'),
    units: graph,
    jobs: 2,
    key: generateCacheKey().privateKey,
    claims: true,
    deadMs: 2_000,
    pollMs: [20, 100],
    skewMs: 0,
  }
}

const builds = (file: string): readonly string[] => readFileSync(file, 'utf8').trim().split('\n')

test('four machines, one of them an hour ahead, share one graph: every unit is built once, all have the same', async (t) => {
  const { folder, ...options } = runOptions(t)
  const running = ['one', 'two', 'three', 'four'].map((name, index) =>
    machineProcess({ ...options, name, root: join(folder, name), skewMs: index === 3 ? 3_600_000 : 0 }),
  )
  const ended = await Promise.all(running.map((machine) => machine.ended))
  const built = builds(options.built)
  assert.deepEqual(built.map((line) => line.split(' ')[1]).toSorted(), graph.map(({ name }) => name).toSorted())
  const [first, ...others] = ended.map(({ results }) => new Map([...results].map(([name, [, sha]]) => [name, sha])))
  assert.equal(first?.size, graph.length)
  for (const other of others) assert.deepEqual(other, first)
  const workers = new Set(built.map((line) => line.split(' ')[0]))
  assert.ok(workers.size > 1, 'more than one worked')
})

test('I8: without claims much is built more than once', async (t) => {
  const { folder, ...options } = runOptions(t)
  const running = ['one', 'two', 'three'].map((name) =>
    machineProcess({ ...options, name, root: join(folder, name), claims: false }),
  )
  await Promise.all(running.map((machine) => machine.ended))
  assert.ok(builds(options.built).length > graph.length * 1.1, `${builds(options.built).length} builds`)
})

const phases = [/building base/, /built base/, /building lib1\b/, /built lib7\b/, /building app/] as const

test('a machine killed in any phase of a shared build: the others finish, with one result for each key', async (t) => {
  for (const phase of phases) {
    const { folder, ...options } = runOptions(t)
    const [victim, survivor] = ['victim', 'survivor'].map((name) =>
      machineProcess({ ...options, name, root: join(folder, name), deadMs: 400 }),
    )
    assert.ok(victim !== undefined && survivor !== undefined)
    await victim.said(phase)
    victim.child.kill('SIGKILL')
    await victim.ended
    const { results } = await survivor.ended
    assert.equal(results.size, graph.length, String(phase))
    for (const [name, [outcome]] of results) assert.match(outcome, /^(built|restored)$/, `${name} at ${phase}`)
    // What was under way at the end, or on its way to the others, is made again, and nothing else.
    const twice = builds(options.built).length - graph.length
    assert.ok(twice <= 2 * options.jobs + 2, `${twice} built twice at ${phase}`)
    assert.deepEqual(
      readdirSync(join(options.shared, 'units', 'x86_64')).length,
      graph.length,
      `one entry for each at ${phase}`,
    )
    const late = machineProcess({ ...options, name: 'late', root: join(folder, 'late') })
    const same = (await late.ended).results
    for (const [name, [outcome, sha]] of same) {
      assert.equal(outcome, 'restored')
      assert.equal(sha, results.get(name)?.[1])
    }
  }
})
