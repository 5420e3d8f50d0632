import assert from 'node:assert/strict'
import { test } from 'node:test'
import { bytes, duration, Output, table } from '#cli/output.ts'
import { createReporter } from '#cli/reporter.ts'
import { errorData, showError } from '#cli/show-error.ts'
import { YoeError } from '#engine/errors.ts'
import type { Event } from '#engine/events.ts'

/** A stream that remembers. */
function stream(more: { readonly isTTY?: boolean; readonly columns?: number } = {}) {
  const written: string[] = []
  return {
    ...more,
    written,
    text: (): string => written.join(''),
    write(text: string | Uint8Array): boolean {
      written.push(String(text))
      return true
    },
  }
}

function terminal(env: Readonly<Record<string, string>> = {}, isTTY = true) {
  const [out, err] = [stream({ isTTY }), stream({ isTTY, columns: 60 })]
  return { out, err, output: new Output(out, err, env, false) }
}

test('sizes and times as people read them', () => {
  assert.deepEqual([0, 7, 1023, 1024, 1536, 10_485_760, 150 * 2 ** 30, 2 ** 50].map(bytes), [
    '0 B',
    '7 B',
    '1023 B',
    '1.0 KiB',
    '1.5 KiB',
    '10.0 MiB',
    '150 GiB',
    '1024 TiB',
  ])
  assert.deepEqual([0, 999, 1000, 59_949, 60_000, 125_000, 3_600_000, 7_260_000].map(duration), [
    '0ms',
    '999ms',
    '1.0s',
    '59.9s',
    '1m 00s',
    '2m 05s',
    '1h 00m',
    '2h 01m',
  ])
})

test('tables are aligned, colours or not', () => {
  assert.deepEqual(
    table([
      ['a', 'bb', 'c'],
      ['\u001b[1maaa\u001b[22m', 'b', ''],
    ]),
    ['a    bb  c', '\u001b[1maaa\u001b[22m  b'],
  )
  assert.deepEqual(table([]), [])
})

test('colours only for eyes', () => {
  assert.equal(terminal().output.paint('red', 'x'), '\u001b[31mx\u001b[39m')
  assert.equal(terminal({ NO_COLOR: '1' }).output.paint('red', 'x'), 'x')
  assert.equal(terminal({ NO_COLOR: '' }).output.paint('red', 'x'), '\u001b[31mx\u001b[39m')
  assert.equal(terminal({ TERM: 'dumb' }).output.paint('red', 'x'), 'x')
  assert.equal(terminal({}, false).output.paint('red', 'x'), 'x')
  assert.equal(terminal({ CI: 'true' }).output.interactive, false)
})

test('a failure: what and where, its log, what to type; nothing in it that a terminal or a runner obeys', () => {
  const { err, out, output } = terminal({}, false)
  const error = new YoeError('TASK_FAILED', 'it\u001b[31m broke\nbecause ##[error]x', {
    at: { file: 'units/\u202ea.star', line: 3, column: 1 },
    unit: 'uu',
    log: { path: '/build.log', tail: ['one', '##[group]two'] },
    hint: 'type this\r',
  })
  showError(error, output)
  assert.equal(
    err.text(),
    'error[TASK_FAILED]: units/\\u{202e}a.star:3: it broke\n  because # #[error]x\n  │ one\n  │ # #[group]two\n  the whole log: /build.log\n  hint: type this\\x0d\n',
  )
  assert.equal(out.text(), '')
  assert.deepEqual(Object.keys(errorData(error)), ['code', 'message', 'unit', 'at', 'hint', 'log'])
  assert.deepEqual(errorData(new YoeError('USAGE', 'no')), { code: 'USAGE', message: 'no' })
})

const events: readonly Event[] = [
  { type: 'step-started', id: 's1', title: 'fetch' },
  { type: 'step-progress', id: 's1', done: 512, total: 1024, measure: 'bytes' },
  { type: 'unit-started', unit: 'd/u.x', title: 'u', why: 'its tasks changed', log: '/l' },
  { type: 'unit-output', unit: 'd/u.x', text: 'hello\nworld ##[x]\n' },
  { type: 'step-ended', id: 's1', ms: 1500, ok: true },
  { type: 'step-ended', id: 'unknown', ms: 10, ok: true },
  { type: 'unit-ended', unit: 'd/u.x', outcome: 'built', ms: 65_000 },
  { type: 'unit-ended', unit: 'd/v.x', outcome: 'cached', ms: 1 },
  { type: 'warning', message: 'careful\u0007', hint: 'do', at: { file: 'a.star', line: 2 } },
  { type: 'notice', message: 'by the way' },
]

function told(options: { quiet: boolean; verbose: boolean }, isTTY = false): string {
  const { err, output } = terminal({ NO_COLOR: '1' }, isTTY)
  const reporter = createReporter(output, options)
  events.forEach(reporter.report)
  reporter.close()
  return err.text()
}

test('in a pipe each finished thing is a line', () => {
  assert.equal(
    told({ quiet: false, verbose: false }),
    '  fetch 1.5s\nbuilt     d/u.x  1m 05s  (its tasks changed)\nwarning: a.star:2: careful\\x07\n  hint: do\nby the way\n',
  )
})

test('verbose adds what builds print; quiet leaves warnings', () => {
  assert.match(told({ quiet: false, verbose: true }), /^d\/u\.x │ hello\nd\/u\.x │ world # #\[x\]\n/)
  assert.match(told({ quiet: false, verbose: true }), /^cached {4}d\/v\.x/m)
  assert.equal(told({ quiet: true, verbose: false }), 'warning: a.star:2: careful\\x07\n  hint: do\n')
})

test('on a terminal what is drawn is wiped away at the end', () => {
  const text = told({ quiet: false, verbose: false }, true)
  const drawn = [...text.matchAll(/^ {2}u {2}\d.*$/gm)].length
  assert.ok(drawn > 0, text)
  assert.ok(text.split('\u001b[').length > 1)
})

test('on a terminal: what runs, since when and at what; how far all is, and how long it may take', () => {
  const { err, output } = terminal({ NO_COLOR: '1' })
  const reporter = createReporter(output, { quiet: false, verbose: false })
  const started = (name: string): Event => ({
    type: 'unit-started',
    unit: `d/${name}.x`,
    title: name,
    why: '',
    log: '',
  })
  reporter.report({ type: 'build-progress', done: 0, total: 20, remainingMs: 90_000 })
  for (let index = 0; index < 14; index++) reporter.report(started(`u${index}`))
  reporter.report({ type: 'unit-phase', unit: 'd/u0.x', title: 'task build\u001b[2J' })
  reporter.report({ type: 'step-started', id: 's', title: 'fetch', unit: 'd/u1.x' })
  reporter.report({ type: 'step-ended', id: 's', ms: 2000, ok: true })
  // Whatever is told draws what runs anew below it.
  reporter.report({ type: 'notice', message: 'now' })
  const [, drawn = ''] = err.text().split('now\n')
  const lines = drawn.split('\n').slice(0, -1)
  assert.match(lines[0] ?? '', /^ {2}u0 {2}\d+ms {2}task build$/)
  assert.match(lines[1] ?? '', /^ {2}u1 {2}\d+ms$/)
  assert.equal(lines.length, 14, 'a terminal is not only for us')
  assert.equal(lines.at(-2), '  and 2 more')
  assert.match(lines.at(-1) ?? '', /^ {2}0 of 20 built, about 1m 30s left$/)
  for (const line of lines) assert.ok(line.length < 60, line)
  assert.match(err.text(), /^ {2}u1: fetch 2\.0s$/m, 'steps name their unit')
  reporter.close()
})
