import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type BuiltinCall, formatPosition, StarlarkError } from '../src/index.ts'
import { evaluate, type Files, failureOf, summary } from './support.ts'

const fail = (error: Error) => () => {
  throw error
}

describe('one error', () => {
  const rows: readonly [source: string, want: string][] = [
    ['x = 1 +', 'syntax main.star:1:8 got end of file, want primary expression'],
    ['x = "a\n', 'syntax main.star:1:5 unexpected newline in string'],
    ['def f():\nreturn 1', 'syntax main.star:2:7 got return, want indent'],
    ['def packages(): pass\npackges()', 'resolve main.star:2:1 undefined: packges (did you mean packages?)'],
    ['break', 'resolve main.star:1:1 break not in a loop'],
    ['while True: pass', 'resolve main.star:1:1 this Starlark dialect does not support while loops'],
    ['load("x.star", "x")\nx = 1 // 0', 'eval main.star:2:7 floored division by zero'],
    ['[][1]', 'eval main.star:1:3 index 1 out of range: empty list'],
    ['fail("no", 1)', 'eval main.star:1:5 fail: no 1'],
    ['load("x.star", "yy")', 'eval main.star:1:1 load: name yy not found in module x.star'],
    ['load("none.star", "x")', "load main.star:1:6 can't read none.star: no such file"],
    ['def f(): return f()\nf()', 'eval main.star:1:17 function f called recursively'],
    ['ä = 1; (ä, b)', 'resolve main.star:1:12 undefined: b'],
  ]
  for (const [source, want] of rows) {
    test(want, async () => {
      assert.equal(summary(await failureOf(evaluate({ 'main.star': source, 'x.star': 'x = 1' }))), want)
    })
  }
})

test('all names that a file lacks are reported', async () => {
  const error = await failureOf(evaluate('one()\ntwo()\nthree()'), 'resolve')
  assert.deepEqual(
    [error, ...error.others].map(summary),
    ['one', 'two', 'three'].map((name, i) => `resolve main.star:${i + 1}:1 undefined: ${name}`),
  )
})

test('errors of several files are reported together, before anything is executed', async () => {
  const ran: unknown[] = []
  const files: Files = {
    'main.star': 'load("a.star", "a")\nload("b.star", "b")\nmark()',
    'a.star': 'mark()\na = nothing',
    'b.star': 'load("gone.star", "x")\nb = (',
    'c.star': 'mark()',
  }
  const error = await failureOf(evaluate(files, { mark: () => ran.push(1) }))
  assert.deepEqual([error, ...error.others].map(summary), [
    'resolve a.star:2:5 undefined: nothing',
    'syntax b.star:2:6 got end of file, want primary expression',
  ])
  assert.deepEqual(ran, [])
})

describe('an error below a class function', () => {
  const files: Files = {
    'main.star': 'load("classes/auto.star", "auto")\n\nauto(name = "curl")\n',
    'classes/auto.star': 'load("lib.star", "make")\ndef auto(name):\n    return make(name)\n',
    'lib.star': 'def make(name):\n    return unit(name)\n',
  }
  const boom = new RangeError('bad name')

  test('has the frames of every file, innermost first', async () => {
    const error = await failureOf(evaluate(files, { unit: fail(boom) }), 'eval')
    assert.equal(error.cause, boom)
    assert.equal(error.message, 'bad name')
    assert.deepEqual(
      error.frames.map(({ name, position }) => `${name} ${position === undefined ? '-' : formatPosition(position)}`),
      ['unit -', 'make lib.star:2:16', 'auto classes/auto.star:3:16', '<toplevel> main.star:3:5'],
    )
    assert.equal(
      error.backtrace,
      [
        'Traceback (most recent call last):',
        '  main.star:3:5: in <toplevel>',
        '  classes/auto.star:3:16: in auto',
        '  lib.star:2:16: in make',
        'Error in unit: bad name',
      ].join('\n'),
    )
  })

  test('so has the call of a builtin', async () => {
    const calls: BuiltinCall[] = []
    await evaluate(files, { unit: (call) => calls.push(call) })
    const [call] = calls
    assert.equal(call?.name, 'unit')
    assert.deepEqual(call?.position, { file: 'lib.star', line: 2, column: 16 })
    assert.deepEqual(
      call?.frames.map(({ position }) => position?.file),
      ['lib.star', 'classes/auto.star', 'main.star'],
    )
  })

  test('an awaited builtin too', async () => {
    const error = await failureOf(evaluate(files, { unit: () => Promise.reject(boom) }), 'eval')
    assert.equal(error.cause, boom)
    assert.equal(error.frames.length, 4)
  })
})

test('a builtin that another builtin calls tells where Starlark code stands', async () => {
  const positions: unknown[] = []
  const source = 'x = sorted([2, 1], key = look)'
  await evaluate(source, {
    look: ({ position, args }) => {
      positions.push(position)
      return args[0] ?? null
    },
  })
  assert.deepEqual(positions[0], { file: 'main.star', line: 1, column: 11 })
})

test('what is thrown may be anything', async () => {
  const error = await failureOf(
    evaluate('f()', {
      f: () => {
        throw 'text with half a surrogate \ud800'
      },
    }),
    'eval',
  )
  assert.equal(error.cause, 'text with half a surrogate \ud800')
  assert.equal(error.message, 'text with half a surrogate \ufffd')
})

test('an error of a Starlark function that a builtin called is the cause', async () => {
  const files: Files = { 'main.star': 'def inner(): return 1 // 0\nouter(inner)' }
  const error = await failureOf(
    evaluate(files, {
      outer: async ({ args }) => {
        const [inner] = args
        return inner !== null && typeof inner === 'object' && 'call' in inner ? inner.call() : null
      },
    }),
    'eval',
  )
  assert.ok(error.cause instanceof StarlarkError)
  assert.equal(summary(error.cause), 'eval main.star:1:23 floored division by zero')
  assert.equal(error.position?.line, 2)
})
