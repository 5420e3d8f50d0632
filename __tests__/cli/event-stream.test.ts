import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { closeSync, mkdirSync, openSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { openEventStream } from '#cli/event-stream.ts'
import { YoeError } from '#engine/errors.ts'
import type { Event } from '#engine/events.ts'
import { bareProject, checkout, scratch, testProject } from '../support/project.ts'
import { faultsOf } from '../support/schema.ts'

/** One of each kind. */
const everyEvent: readonly Event[] = [
  { type: 'unit-started', unit: 'debian/app.x86_64', title: 'app', why: 'not built here before', log: '/b/build.log' },
  { type: 'unit-phase', unit: 'debian/app.x86_64', title: 'task build' },
  { type: 'unit-output', unit: 'debian/app.x86_64', text: 'a\nb\n' },
  {
    type: 'unit-ended',
    unit: 'debian/app.x86_64',
    outcome: 'failed',
    ms: 1.5,
    error: new YoeError('TASK_FAILED', 'it broke', {
      at: { file: 'units/app.star', line: 1, column: 2 },
      hint: 'yoe log app',
      unit: 'app',
      log: { path: '/b/build.log', tail: ['x'] },
      cause: new Error('not told'),
    }),
  },
  { type: 'unit-ended', unit: 'debian/lib.x86_64', outcome: 'cached', ms: 0 },
  { type: 'build-progress', done: 1, total: 2, remainingMs: 5 },
  { type: 'step-started', id: 's1', title: 'fetch' },
  { type: 'step-progress', id: 's1', done: 1, total: 2, measure: 'items' },
  { type: 'step-ended', id: 's1', ms: 1, ok: true, note: 'x' },
  { type: 'warning', message: 'w', hint: 'h', at: { file: 'a', line: 1 } },
  { type: 'notice', message: 'n' },
]

type Line = Readonly<Record<string, unknown>>

const linesOf = (text: string): readonly Line[] =>
  text
    .trimEnd()
    .split('\n')
    .map((line): Line => JSON.parse(line))

function checked(lines: readonly Line[]): readonly unknown[] {
  for (const line of lines) assert.deepEqual(faultsOf('events', line), [], JSON.stringify(line))
  return lines.map(({ type }) => type)
}

test('every event is a line as the schema says; an error has its code, place, hint and log', async (t) => {
  const path = join(scratch(t), 'events')
  const stream = openEventStream(path, 'build', () => assert.fail('nobody is gone'))
  for (const event of everyEvent) stream.report(event)
  await stream.end({ code: 0 })
  const lines = linesOf(readFileSync(path, 'utf8'))
  assert.deepEqual(checked(lines), ['run-started', ...everyEvent.map(({ type }) => type), 'run-ended'])
  assert.deepEqual(lines[4]?.['error'], {
    code: 'TASK_FAILED',
    message: 'it broke',
    unit: 'app',
    at: { file: 'units/app.star', line: 1, column: 2 },
    hint: 'yoe log app',
    log: '/b/build.log',
  })
})

test('the schema refuses what is missing or unknown', () => {
  const good = { time: 1, type: 'notice', message: 'n' }
  assert.deepEqual(faultsOf('events', good), [])
  for (const bad of [{ ...good, more: 1 }, { time: 1, type: 'notice' }, { ...good, type: 'else' }, { type: 'notice' }])
    assert.notDeepEqual(faultsOf('events', bad), [], JSON.stringify(bad))
})

function pipe(t: TestContext): string {
  const path = join(scratch(t), 'pipe')
  execFileSync('mkfifo', [path])
  return path
}

test('a pipe that nobody reads is told at once', (t) => {
  assert.throws(
    () => openEventStream(pipe(t), 'build', () => {}),
    (failure) =>
      failure instanceof YoeError && failure.code === 'USAGE' && /nobody reads from it/.test(failure.message),
  )
})

for (const [what, to] of [
  ['a folder', '/'],
  ['a folder that is missing', '/nowhere/at/all'],
  ['a descriptor that is not open', '777'],
] as const)
  test(`${what} can't be written to`, () => {
    assert.throws(() => openEventStream(to, 'build', () => {}), YoeError)
  })

test('a reader that goes away is told once, and nothing else happens', async (t) => {
  const path = pipe(t)
  const reader = openSync(path, 'r+')
  const told: string[] = []
  const stream = openEventStream(path, 'build', (why) => told.push(why))
  closeSync(reader)
  for (let turn = 0; turn < 10; turn++) {
    stream.report({ type: 'notice', message: 'x' })
    await new Promise((resolve) => setImmediate(resolve))
  }
  await stream.end({ code: 0 })
  assert.deepEqual(told, ['nobody reads them any more'])
})

test('a reader that does not read holds nothing up: output is left out, and memory stays bounded', {
  timeout: 30_000,
}, async (t) => {
  const path = pipe(t)
  const reader = openSync(path, 'r+')
  const stream = openEventStream(path, 'build', () => {})
  const text = `${'x'.repeat(64 * 1024)}\n`
  for (let turn = 0; turn < 2000; turn++) stream.report({ type: 'unit-output', unit: 'u', text })
  stream.report({ type: 'notice', message: 'still told' })
  // It wakes up: then everything that was not left out comes, and how much was.
  const read = spawn('cat', { stdio: [reader, 'pipe', 'ignore'] })
  const { stdout } = read
  assert.ok(stdout)
  const chunks: Buffer[] = []
  stdout.on('data', (chunk: Buffer) => chunks.push(chunk))
  while (chunks.at(-1)?.includes('still told') !== true) await new Promise((resolve) => setTimeout(resolve, 20))
  stream.report({ type: 'notice', message: 'after' })
  await stream.end({ code: 0 })
  while (chunks.at(-1)?.includes('run-ended') !== true) await new Promise((resolve) => setTimeout(resolve, 20))
  const closed = new Promise((resolve) => read.once('close', resolve))
  closeSync(reader)
  read.kill()
  await closed
  const lines = linesOf(Buffer.concat(chunks).toString())
  checked(lines)
  const output = lines.filter(({ type }) => type === 'unit-output').length
  assert.ok(output > 100 && output < 400, `${output}`)
  assert.equal(lines.find(({ type }) => type === 'events-left-out')?.['count'], 2000 - output)
})

const units = { 'PROJECT.star': bareProject, 'units/u.star': 'unit(name = "uu", version = "1")\n' }

test('yoe --events: to a file, to standard output, to a descriptor; how the run ended is the last line', async (t) => {
  const project = testProject(t, units)
  const file = join(project.root, 'events')
  const listed = await project.yoe(['list', '--events', file])
  assert.equal(listed.code, 0, listed.stderr)
  assert.match(listed.stdout, /uu/)
  assert.deepEqual(checked(linesOf(readFileSync(file, 'utf8'))), ['run-started', 'run-ended'])

  const out = await project.yoe(['list', '--events', '-'])
  assert.equal(out.code, 0, out.stderr)
  assert.deepEqual(checked(linesOf(out.stdout)), ['run-started', 'run-ended'])
  assert.match(out.stderr, /uu/)

  const third = execFileSync(
    'bash',
    ['-c', '"$@" 3>&1 >&2', 'bash', process.execPath, join(checkout, 'src/cli/main.mjs'), 'list', '--events', '3'],
    { cwd: project.root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] },
  )
  assert.deepEqual(checked(linesOf(third)), ['run-started', 'run-ended'])

  const failed = await project.yoe(['desc', 'nothing', '--events', '-'])
  assert.notEqual(failed.code, 0)
  const last = linesOf(failed.stdout).at(-1)
  checked([last ?? {}])
  assert.match(JSON.stringify(last), /"errors":\[\{"code":"[A-Z_]+","message":"/)

  const both = await project.yoe(['list', '--events', '-', '--json'])
  assert.match(both.stderr, /--events - and --json both want standard output/)
})

test('whoever reads the events may leave: the command ends as it would', async (t) => {
  const project = testProject(t, units)
  mkdirSync(join(project.root, 'x'))
  const main = join(checkout, 'src/cli/main.mjs')
  const said = execFileSync(
    'bash',
    [
      '-c',
      '("$@" --events - ; echo "exit $?" >&2) 2>&1 >/dev/null | cat; ("$@" --events -; echo "exit $?" >&2) 2>&1 | head -c 1 >/dev/null',
      'bash',
      process.execPath,
      main,
      'list',
    ],
    {
      cwd: project.root,
      encoding: 'utf8',
    },
  )
  assert.match(said, /exit 0/)
})
