import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { appendFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { followLog } from '#engine/build/follow-log.ts'
import { LogFile } from '#engine/build/log.ts'
import { announce, isRunning } from '#engine/build/running.ts'
import { YoeError } from '#engine/errors.ts'
import { bareProject, scratch, testProject } from '../../support/project.ts'

/** Follows a log while `write` writes it; says what was given out. */
async function followed(t: TestContext, write: (path: string) => Promise<void>, first = true): Promise<string> {
  const path = join(scratch(t), 'build.log')
  if (first) writeFileSync(path, 'one\n')
  let said = ''
  let over = false
  const following = followLog({
    path,
    running: () => !over,
    emit: (bytes) => {
      said += Buffer.from(bytes).toString()
    },
    signal: new AbortController().signal,
  })
  await pause(20)
  await write(path)
  over = true
  await following
  return said
}

const lines = (from: number, to: number): string =>
  Array.from({ length: to - from }, (_, index) => `${from + index}\n`).join('')

const rows: readonly { name: string; first?: boolean; write: (path: string) => Promise<void>; want: string }[] = [
  { name: 'of no build is given out once', write: async () => {}, want: 'one\n' },
  {
    name: 'is given out as it grows, also what is written last',
    write: async (path) => {
      appendFileSync(path, 'two\n')
      await pause(250)
      appendFileSync(path, 'three')
    },
    want: 'one\ntwo\nthree',
  },
  {
    name: 'that begins anew is followed from its beginning',
    write: async (path) => {
      await pause(150)
      rmSync(path)
      await pause(150)
      writeFileSync(path, 'again\n')
      await pause(150)
      appendFileSync(path, 'more\n')
    },
    want: 'one\nagain\nmore\n',
  },
  {
    name: 'that is not there yet is waited for',
    first: false,
    write: async (path) => {
      await pause(150)
      writeFileSync(path, 'late\n')
    },
    want: 'late\n',
  },
  {
    name: 'that grew too long says what was dropped, and has its end',
    first: false,
    write: async (path) => {
      const log = new LogFile(path, 60)
      for (let line = 10; line < 30; line++) log.write(`${line}\n`)
      await pause(250)
      for (let line = 30; line < 90; line++) log.write(`${line}\n`)
      log.close()
    },
    want: `${lines(10, 30)}\n[yoe: 180 bytes of this log were dropped here]\n${lines(80, 90)}`,
  },
]
for (const { name, first, write, want } of rows)
  test(`a log ${name}`, async (t) => {
    assert.equal(await followed(t, write, first), want)
  })

test('following ends when it is told to', async (t) => {
  const stop = new AbortController()
  const path = join(scratch(t), 'build.log')
  const following = followLog({ path, running: () => true, emit: () => {}, signal: stop.signal })
  setTimeout(() => stop.abort(), 50)
  await assert.rejects(following, (failure) => failure instanceof YoeError && failure.code === 'CANCELLED')
})

test('who builds is known until it ends or dies', async (t) => {
  const path = join(scratch(t), 'running')
  assert.ok(!isRunning(path))
  const gone = announce(path)
  assert.ok(isRunning(path))
  gone()
  assert.ok(!existsSync(path))
  const module = new URL('../../../src/engine/build/running.ts', import.meta.url).href
  const script = `const { announce } = await import('${module}'); announce('${path}'); process.stdout.write('x'); setInterval(() => {}, 1000)`
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['ignore', 'pipe', 'inherit'] })
  await new Promise((resolve) => child.stdout.once('data', resolve))
  assert.ok(isRunning(path))
  const ended = new Promise((resolve) => child.once('exit', resolve))
  child.kill('SIGKILL')
  await ended
  assert.ok(existsSync(path) && !isRunning(path), 'killed: the file is left, and says nothing')
  writeFileSync(path, 'nonsense')
  assert.ok(!isRunning(path))
})

test('yoe log: the newest, one that is being built with -f, all with --list', async (t) => {
  const project = testProject(t, { 'PROJECT.star': bareProject })
  const write = (unit: string, text: string): string => {
    const folder = join(project.root, 'build/debian', `${unit}.x86_64`)
    mkdirSync(folder, { recursive: true })
    writeFileSync(join(folder, 'build.log'), text)
    return folder
  }
  const aa = write('aa', 'log of aa\n')
  await pause(20)
  write('bb', 'log of bb\n')
  assert.equal((await project.yoe(['log'])).stdout, 'log of bb\n')
  assert.equal((await project.yoe(['log', 'aa'])).stdout, 'log of aa\n')
  const gone = announce(join(aa, 'running'))
  const following = project.start(['log', '-f'])
  await pause(1500)
  appendFileSync(join(aa, 'build.log'), 'more of aa\n')
  const listed = await project.yoe(['log', '--list', '--json'])
  gone()
  assert.equal((await following.ended).stdout, 'log of aa\nmore of aa\n')
  const { logs }: { logs: { unit: string; state: string }[] } = JSON.parse(listed.stdout)
  assert.deepEqual(logs.map(({ unit, state }) => `${unit} ${state}`).toSorted(), ['aa running', 'bb built'])
  const both = await project.yoe(['log', '-f', '-e'])
  assert.match(both.stderr, /--edit and --follow exclude each other/)
  assert.equal(readFileSync(join(aa, 'build.log'), 'utf8'), 'log of aa\nmore of aa\n')
})
