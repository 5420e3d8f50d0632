import assert from 'node:assert/strict'
import { constants } from 'node:buffer'
import { test } from 'node:test'
import { YoeError } from '#engine/errors.ts'
import type { Event } from '#engine/events.ts'
import { ActionsReporter } from '#github/reporter.ts'
import { commandsIn } from '../support/runner-commands.ts'

function told(events: readonly Event[], project = '.'): { readonly log: string; readonly reporter: ActionsReporter } {
  const parts: string[] = []
  let tokens = 0
  const reporter = new ActionsReporter({
    write: (text) => parts.push(text),
    project,
    localCommand: 'yoe ci --cell box/base',
    token: () => `token-${++tokens}`,
  })
  for (const event of events) reporter.report(event)
  return {
    get log() {
      return parts.join('')
    },
    reporter,
  }
}

const started = (unit: string, why = 'never built'): Event => ({
  type: 'unit-started',
  unit,
  title: unit,
  why,
  log: `/logs/${unit}`,
})
const output = (unit: string, text: string): Event => ({ type: 'unit-output', unit, text })
const ended = (unit: string, outcome: 'built' | 'restored' | 'cached' | 'skipped', ms = 1234): Event => ({
  type: 'unit-ended',
  unit,
  outcome,
  ms,
})
const at = { file: 'units/app.star', line: 7, column: 3 }
const failure = new YoeError('TASK_FAILED', 'the task build exited with 2', { unit: 'app', at, hint: 'see the log' })
const failed: Event = { type: 'unit-ended', unit: 'app', outcome: 'failed', ms: 100, error: failure }

test('a unit that was built is one group; parallel units do not mix', () => {
  const { log } = told([
    started('zlib'),
    started('app', 'its source changed'),
    output('zlib', 'z1\n'),
    output('app', 'a1\n'),
    output('zlib', 'z2'),
    ended('zlib', 'built'),
    ended('app', 'built', 61_000),
  ])
  assert.equal(
    log,
    `Building zlib: never built
Building app: its source changed
::group::✓ zlib built in 1.2 s
::stop-commands::token-1
z1
z2
::token-1::
::endgroup::
::group::✓ app built in 1 min 1 s
::stop-commands::token-2
a1
::token-2::
::endgroup::
`,
  )
})

test('what was not built is one line, however much it is', () => {
  const { log } = told([
    ...Array.from({ length: 300 }, (_, i) => ended(`u${i}`, i % 3 === 0 ? 'cached' : 'restored')),
    started('app'),
    ended('app', 'skipped'),
  ])
  assert.equal(log, '✓ units unchanged: 200 restored, 100 at hand\nBuilding app: never built\n- app skipped\n')
})

test('a failure is outside any group, with the end of its log, and annotated at its line with the mend', () => {
  const lines = Array.from({ length: 60 }, (_, i) => `line ${i}`).join('\n')
  const { log, reporter } = told([started('app'), output('app', `${lines}\n`), failed], 'firmware')
  const afterGroups = log.slice(log.lastIndexOf('::endgroup::'))
  assert.match(
    afterGroups,
    /✗ app failed after 0\.1 s; the last lines of its log:\n::stop-commands::token-2\nline 20\n[\s\S]*line 59\n::token-2::\n$/,
  )
  assert.deepEqual(reporter.units[0]?.tail.length, 40)
  const parts: string[] = []
  const second = new ActionsReporter({
    write: (text) => parts.push(text),
    project: 'firmware',
    localCommand: 'yoe ci --cell box/base',
  })
  second.fail([failure])
  assert.equal(
    parts.join(''),
    '::error title=app%3A TASK_FAILED,file=firmware/units/app.star,line=7::app: the task build exited with 2%0Asee the log\nOn your machine: yoe ci --cell box/base\n',
  )
})

test('a file of a module is named in the text: it is none of the checkout', () => {
  const made = told([])
  made.reporter.fail([
    new YoeError('BAD_FIELD', 'deps is no list', {
      at: { file: '@module-core//classes/cmake.star', line: 3, column: 1 },
    }),
  ])
  assert.match(made.log, /^::error title=BAD_FIELD::@module-core\/\/classes\/cmake\.star:3: deps is no list\n/)
})

test('ten annotations of a level, the rest as lines', () => {
  const { log, reporter } = told(
    Array.from({ length: 14 }, (_, i): Event => ({ type: 'warning', message: `w${i}`, hint: 'mend', at })),
  )
  assert.equal(log.match(/^::warning /gm)?.length, 10)
  assert.match(log, /^warning: w13\nmend\n/m)
  assert.equal(reporter.annotations.length, 14)
})

test('short steps are quiet, long and failed ones a line', () => {
  const step = (id: string, ms: number, ok: boolean): readonly Event[] => [
    { type: 'step-started', id, title: `Step ${id}` },
    { type: 'step-ended', id, ms, ok },
  ]
  assert.equal(
    told([...step('a', 10, true), ...step('b', 2500, true), ...step('c', 10, false)]).log,
    '✓ Step b (2.5 s)\n✗ Step c (0.0 s)\n',
  )
})

// faults.md H1
test('nothing that a build prints, is called or fails with reaches the runner', () => {
  const evil =
    '::set-output name=a::b\n\u3000::add-mask::c\nx\r::error::d\nmid ##[error]e\n::token-1::\n::error::after a guessed token\n'
  const made = told([
    started('app\n::error::title', evil),
    output('app\n::error::title', evil),
    { ...failed, unit: 'app\n::error::title' },
    { type: 'warning', message: evil, hint: evil },
    { type: 'notice', message: evil },
  ])
  made.reporter.fail([new YoeError('TASK_FAILED', evil, { hint: evil, unit: evil })])
  const names = new Set(commandsIn(made.log).map((command) => command.split(' ')[0]))
  assert.deepEqual(names, new Set(['warning', 'error']))
  assert.equal(commandsIn(made.log).length, 2, 'ours, and no more')
})

// faults.md H3
test('a log of 1 GB and a line of 100 MB stay small in memory and in the job log', () => {
  const made = told([started('app')])
  const chunk = 'x'.repeat(1 << 20)
  global.gc?.()
  const before = process.memoryUsage().rss
  made.reporter.report(output('app', 'the beginning\n'))
  for (let i = 0; i < 1000; i++) made.reporter.report(output('app', chunk))
  made.reporter.report(output('app', '\nthe end'))
  made.reporter.report(ended('app', 'built'))
  assert.ok(process.memoryUsage().rss - before < 200e6)
  assert.ok(made.log.length < 500_000)
  // The control: who keeps what a build prints in one text ends here.
  assert.ok(constants.MAX_STRING_LENGTH < 1000 * chunk.length)
})

test('head and tail of a long log are kept, and what is left out is counted', () => {
  const made = told([
    started('app'),
    output('app', 'the beginning\n'),
    ...Array.from({ length: 20 }, () => output('app', 'y'.repeat(50_000))),
    output('app', '\nthe end'),
    ended('app', 'built'),
  ])
  assert.match(made.log, /the beginning[\s\S]*… \d+ characters left out[\s\S]*the end/)
})
