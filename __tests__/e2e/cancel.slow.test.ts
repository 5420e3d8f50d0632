/** A build that is told to stop, as GitHub's runner, an impatient user and a closed terminal do it. */
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'

import { processesWith, sleep, until } from '../support/processes.ts'
import { checkout, debianProject, type TestProject, testProject } from '../support/project.ts'
import { sharedCache } from '../support/shared-cache.ts'

const cache = sharedCache()
let count = 0

interface Stubborn {
  readonly project: TestProject
  /** In the command line of each process that the task starts. */
  readonly mark: string
  readonly log: string
}

/** A task whose processes hear no signal: itself, a child, one in a session of its own, one whose parents are gone. */
const tree = (mark: string): string => `trap '' INT TERM HUP
sleeper() { exec -a ${mark} sleep 1000; }
( sleeper ) &
setsid bash -c "trap '' INT TERM HUP; exec -a ${mark}-session sleep 1000" &
( setsid bash -c "trap '' INT TERM HUP; exec -a ${mark}-daemon sleep 1000" </dev/null >/dev/null 2>&1 & )
while ! grep -qs daemon /proc/[0-9]*/cmdline; do :; done
echo begun
wait`

function stubborn(t: TestContext): Stubborn {
  const mark = `yoe-test-tree-${process.pid}-${count++}`
  const project = testProject(t, texts(tree(mark)), cache)
  return { project, mark, log: join(project.root, 'build/debian/uu.x86_64/build.log') }
}

const texts = (run: string) => ({
  'PROJECT.star': debianProject,
  'units/u.star': `unit(name = "uu", version = "1", license = "MIT", qa_skip = {"license": "a test"}, tasks = [task("install", run = ${JSON.stringify(run)})])\n`,
})

const begun = ({ log, mark }: Stubborn) =>
  until(
    'the task runs',
    () => existsSync(log) && /^begun$/m.test(readFileSync(log, 'utf8')) && processesWith(mark).length >= 3,
    120,
  )

/** What a stopped build leaves: its log, no process, nothing half, and a next run that is like any other. */
async function afterwards({ project, mark, log }: Stubborn, pid: number | undefined): Promise<void> {
  await until('its processes are gone', () => processesWith(mark).length === 0, 7)
  assert.match(readFileSync(log, 'utf8'), /^begun$/m, 'the log is kept')
  project.write(texts('install -D /dev/null $DESTDIR/etc/uu'))
  const next = await project.yoe(['build', 'uu'])
  assert.equal(next.code, 0, next.stderr)
  assert.match(next.stdout, /uu_1-r0_amd64\.deb\n$/)
  // Others use the same cache, and some of them are killed.
  const left = readdirSync(join(cache, 'tmp')).filter((name) => name.includes(`-${pid}-`))
  assert.deepEqual(left, [])
}

test('A6: SIGINT, 7.5 s later SIGTERM, 2.5 s later SIGKILL, as the runner does: gone before the second', async (t) => {
  const build = stubborn(t)
  const running = build.project.start(['build', 'uu'])
  await begun(build)
  const start = performance.now()
  running.child.kill('SIGINT')
  const runner = (async () => {
    await sleep(7500)
    running.child.kill('SIGTERM')
    await sleep(2500)
    running.child.kill('SIGKILL')
  })()
  const ran = await running.ended
  await until('its processes are gone', () => processesWith(build.mark).length === 0, 7)
  assert.ok(performance.now() - start < 7000, `${performance.now() - start} ms`)
  assert.equal(ran.code, 1, ran.stderr)
  assert.match(ran.stderr, /error\[CANCELLED\]: /)
  assert.doesNotMatch(ran.stderr, /internal error/)
  await afterwards(build, running.child.pid)
  await runner
})

test('a second Ctrl-C ends it at once', async (t) => {
  const build = stubborn(t)
  const running = build.project.start(['build', 'uu'])
  await begun(build)
  running.child.kill('SIGINT')
  await sleep(200)
  const start = performance.now()
  running.child.kill('SIGINT')
  await running.ended
  // Long before the task's own time to end in order is over.
  assert.ok(performance.now() - start < 2000, `${performance.now() - start} ms`)
  assert.equal(running.child.signalCode, 'SIGINT')
  await afterwards(build, running.child.pid)
})

test('a terminal that is closed ends it in order', {
  skip: spawnSync('script', ['--version']).status !== 0 && 'needs script',
}, async (t) => {
  const build = stubborn(t)
  const { root } = build.project
  const yoe = `exec '${process.execPath}' '${join(checkout, 'src/cli/main.mjs')}' build uu`
  const terminal = spawn('script', ['-qfec', yoe, '/dev/null'], {
    cwd: root,
    env: { ...process.env, YOE_CACHE: cache, HOME: join(root, '..', 'home'), TERM: 'xterm' },
    stdio: ['ignore', 'ignore', 'ignore'],
    detached: true,
  })
  await begun(build)
  const pid = Number.parseInt(processesWith('main.mjs build uu')[0] ?? '', 10)
  terminal.kill('SIGKILL')
  await until('yoe is gone', () => processesWith('main.mjs build uu').length === 0, 10)
  await afterwards(build, pid)
})

test('I8: a task outside of a sandbox outlives the group that is killed', async () => {
  const mark = `yoe-test-naive-${process.pid}`
  const child = spawn('bash', ['-c', tree(mark)], { stdio: ['ignore', 'pipe', 'ignore'], detached: true })
  await new Promise((resolve) => child.stdout.once('data', resolve))
  process.kill(-(child.pid ?? 0), 'SIGKILL')
  await sleep(300)
  const left = processesWith(mark)
  for (const line of left) process.kill(Number(line.split(' ')[0]), 'SIGKILL')
  assert.ok(left.length > 0)
})
