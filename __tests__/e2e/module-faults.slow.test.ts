/** Modules under two processes at once, and under kill -9. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { gitDaemon, moduleTexts, TestRepository } from '../support/git.ts'
import { scratch, testProject } from '../support/project.ts'
import { listing, units } from './module-world.ts'

const filler = (seed: number): string =>
  Array.from({ length: 4000 }, (_, index) => `${seed} ${index * seed}\n`).join('')

/** A module of many files, so that a kill finds it half there. */
function bigModule(folder: string, name: string, deps: readonly string[] = []): TestRepository {
  const files = Array.from({ length: 150 }, (_, index): [string, string] => [`data/${index}`, filler(index + 1)])
  const repository = new TestRepository(folder, { ...moduleTexts(name, deps), ...Object.fromEntries(files) })
  repository.tag('v1', true)
  return repository
}

test('two processes that sync at once both succeed, twenty times', async (t) => {
  const repos = scratch(t)
  const url = await gitDaemon(t, repos)
  const hal = bigModule(join(repos, 'hal'), 'hal')
  const bsp = bigModule(join(repos, 'bsp'), 'bsp', [`module("${url}/hal", ref = "v1")`])
  const project = testProject(t, { 'PROJECT.star': listing(`module("${url}/bsp", ref = "v1")`) })
  const want = [`ref=v1 commit=${bsp.head}`, `ref=v1 commit=${hal.head}`]
  for (let round = 0; round < 20; round++) {
    for (const left of ['cache', 'build', 'yoe.lock'])
      rmSync(join(project.root, left), { recursive: true, force: true })
    const runs = await Promise.all([project.yoe(['module', 'sync']), project.yoe(['list'])])
    for (const { code, stderr } of runs) assert.equal(code, 0, stderr)
    const lock = readFileSync(join(project.root, 'yoe.lock'), 'utf8')
    assert.deepEqual(
      lock
        .split('\n')
        .slice(2, 4)
        .map((line) => line.replace(/^.*? ref/, 'ref')),
      want,
    )
    assert.deepEqual(
      readdirSync(project.root).filter((name) => name.includes('.new')),
      [],
    )
    assert.deepEqual(await units(project), ['bsp-unit 1.0', 'hal-unit 1.0'])
  }
})

test('a sync that is killed is made good by the next one, thirty times', async (t) => {
  const repos = scratch(t)
  const url = await gitDaemon(t, repos)
  bigModule(join(repos, 'hal'), 'hal')
  const bsp = bigModule(join(repos, 'bsp'), 'bsp', [`module("${url}/hal", ref = "v1")`])
  const project = testProject(t, { 'PROJECT.star': listing(`module("${url}/bsp", ref = "v1")`) })
  const started = performance.now()
  assert.equal((await project.yoe(['module', 'sync'])).code, 0)
  const whole = performance.now() - started
  let killed = 0
  for (let round = 0; killed < 30; round++) {
    assert.ok(round < 120, `only ${killed} of ${round} were killed on the way`)
    // A kill in what was fetched before, now and then in nothing.
    if (round % 3 === 0) rmSync(join(project.root, 'cache'), { recursive: true, force: true })
    if (round % 4 === 0) rmSync(join(project.root, 'yoe.lock'), { force: true })
    bsp.commit({ round: `${round}` })
    bsp.tag('v1')
    const { child, ended } = project.start(['module', 'update'])
    await setTimeout(whole * (0.1 + (0.9 * ((round * 7) % 30)) / 30))
    // With its children, or alone: those go on for a moment.
    const pid = child.pid ?? 0
    if (child.exitCode === null) {
      process.kill(round % 2 === 0 ? -pid : pid, 'SIGKILL')
      killed++
    }
    await ended
    const after = await project.yoe(['module', 'update', '--json'])
    assert.equal(after.code, 0, after.stderr)
    assert.match(readFileSync(join(project.root, 'yoe.lock'), 'utf8'), new RegExp(`/bsp ref=v1 commit=${bsp.head}\n`))
    const [folder = ''] = readdirSync(join(project.root, 'cache/modules')).filter((name) => name === `bsp-${bsp.head}`)
    const files = join(project.root, 'cache/modules', folder)
    execFileSync('diff', ['-r', '--exclude=.git', bsp.folder, files])
  }
  const sync = await project.yoe(['module', 'sync', '--json'])
  assert.deepEqual(
    JSON.parse(sync.stdout).map(({ fetched }: { fetched: boolean }) => fetched),
    [false, false],
  )
  // What the killed ones left is gone; what the last one has is its own.
  assert.deepEqual(readdirSync(join(project.root, 'cache/tmp')), [])
  assert.deepEqual(
    readdirSync(project.root).filter((name) => name.includes('.new')),
    [],
  )
})
