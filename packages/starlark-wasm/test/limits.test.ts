import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type Limits, StarlarkFunction, StarlarkSession, standard } from '../src/index.ts'
import { attacks, doubledTuples } from './attacks.ts'
import { evaluate, execute, failureOf, resultOf } from './support.ts'

interface Outcome {
  readonly message: string
  readonly line: number | undefined
  readonly isLost: boolean
  /** Processor time, which says more than the clock does on a machine that is busy with other tests. */
  readonly milliseconds: number
}

/** Runs hostile code; it must end with a limit, whatever it does. */
async function limited(source: string, limits: Partial<Limits> = {}): Promise<Outcome> {
  const session = await StarlarkSession.open({ limits })
  const predeclared = { ...standard, take: () => null }
  const environment = session.environment({ predeclared, dialect: { recursion: true, while: true } })
  const start = process.cpuUsage()
  const error = await failureOf(execute(session, environment, source), 'limit')
  const milliseconds = process.cpuUsage(start).user / 1000
  if (session.lost === undefined) {
    assert.equal((await execute(session, environment, 'x = [1] * 1000')).names.length, 1, 'the session works on')
  }
  return { message: error.message, line: error.position?.line, isLost: session.lost !== undefined, milliseconds }
}

describe('endless work ends at the step limit', () => {
  const rows: readonly [name: string, source: string][] = [
    ['nested loops', 'def f():\n  for i in range(1000000000):\n    for j in range(1000000000): pass\nf()'],
    ['a while loop', 'while True:\n  pass'],
    ['a comprehension', '[0 for i in range(1000000) for j in range(1000000) if i < 0]'],
    ['a builtin that walks a range', 'all(range(1, 1 << 60))'],
    ['max of a range', 'max(range(1 << 60))'],
    ['a set method that walks a range', 'set([1]).difference(range(2, 1 << 60))'],
    ['a slice of a range', 'min(range(1 << 61)[::2])'],
    ['sorting with a key', 'sorted([[i] for i in range(1000)], key = lambda x: len([0 for y in range(1000000)]))'],
  ]
  for (const [name, source] of rows) {
    test(name, async () => {
      const outcome = await limited(source, { steps: 5_000_000 })
      assert.match(outcome.message, /step limit of 5000000 exceeded/)
      assert.ok(outcome.line !== undefined && !outcome.isLost)
    })
  }

  for (const [name, source] of attacks) {
    test(`within a step: ${name}`, async () => {
      const outcome = await limited(source, { steps: 10_000_000 })
      assert.match(outcome.message, /step limit of 10000000 exceeded/)
      assert.ok(outcome.line !== undefined && !outcome.isLost)
    })
  }

  test('within a step: freezing the ends of a tuple', async () => {
    const outcome = await limited('x = (0,) * 100000\ny = [x[i:] for i in range(100000)]')
    assert.match(outcome.message, /step limit/)
    const error = await failureOf(evaluate('x = (0,) * 100000\ny = [x[i:] for i in range(100000)]'), 'limit')
    assert.equal(error.position?.file, 'main.star')
  })

  test('values that share are frozen in no time, functions too, and those that see themselves', async () => {
    await evaluate(doubledTuples)
    await evaluate('def pair(a, b): return lambda: (a, b)\nx = None\nfor _ in range(60): x = pair(x, x)')
    await evaluate('x = None\nfor _ in range(60): x = lambda a = x, b = x: (a, b)')
    await evaluate('def outer():\n  def inner(): return inner\n  return inner\nx = outer()')
  })

  test('a frozen tuple of lists keeps them from being changed', async () => {
    const files = {
      'main.star': 'load("a.star", "x")\nx[0][1][0].append(1)',
      'a.star': 'y = ([],)\nx = ((0, y), y, y[:1])',
    }
    assert.match((await failureOf(evaluate(files), 'eval')).message, /frozen list/)
  })

  test('a value for TypeScript is bounded by what it holds, and so is sending it again and again', async () => {
    const tooMuch = await failureOf(evaluate(`${doubledTuples}take(x)`, { take: () => null }), 'eval')
    assert.match(tooMuch.message, /more than 2097152 values/)
    assert.equal(tooMuch.position?.line, 3)
    await limited(`${doubledTuples.replace('60', '15')}for _ in range(10000): take(x)`)
    await limited('x = "a" * 10000000\nfor _ in range(10000): take(x)')
  })

  test('with the default limit in seconds', async () => {
    const outcome = await limited('def f():\n  for i in range(1 << 60): pass\nf()')
    assert.equal(outcome.message, 'step limit of 50000000 exceeded')
    assert.equal(outcome.line, 2)
    assert.ok(outcome.milliseconds < 20_000, `${outcome.milliseconds} ms`) // about 1.2 s on an idle machine
  })

  test('each file and each call has the whole budget', async () => {
    const f = await resultOf('def result(n): return len([0 for i in range(n)])')
    assert.ok(f instanceof StarlarkFunction)
    assert.equal(await f.call([100_000]), 100_000)
    assert.equal(await f.call([100_000]), 100_000)
  })

  test('work that steps do not measure ends at the time limit', async () => {
    const outcome = await limited('s = "x" * 10000000\nfor i in range(1000000): s.count("xy")', { milliseconds: 500 })
    assert.match(outcome.message, /time limit of 500ms exceeded/)
    assert.equal(outcome.line, 2)
    assert.ok(outcome.milliseconds < 5_000)
  })

  test('waiting is not work', async () => {
    const wait = () => new Promise<null>((resolve) => setTimeout(() => resolve(null), 60))
    await evaluate(
      'for i in range(3): wait()\nfor i in range(10000): pass',
      { wait },
      { limits: { milliseconds: 100 } },
    )
  })
})

describe('memory', () => {
  const bombs: readonly [name: string, source: string][] = [
    ['many lists', '[[0] * 100000 for i in range(1000000)]'],
    ['one list', 'x = [1]\nfor i in range(60): x += x'],
    ['a list of small lists', '[[i] for i in range(10000000)]'],
    ['one string', 's = "a" * ((1 << 30) - 1)'],
    ['strings', '["a" * 100000 + str(i) for i in range(100000)]'],
    ['doubling a string', 's = "a"\nfor i in range(60): s = s + s'],
    ['repeating a list', '[0] * ((1 << 30) - 1)'],
    ['replacing', '("x" * 100000).replace("x", "y" * 100000)'],
    ['joining', '("x" * 100000).join(["y"] * 100000)'],
    ['formatting', '"%s" * 10000 % tuple(["x" * 100000] * 10000)'],
    ['sorting a range', 'sorted(range(40000000))'],
    ['a dict', '{i: [i] for i in range(100000000)}'],
  ]
  for (const [name, source] of bombs) {
    test(`${name} ends at the limit`, async () => {
      const outcome = await limited(source, { memoryMiB: 64, steps: 500_000_000 })
      assert.match(outcome.message, /memory limit/)
      assert.ok(outcome.milliseconds < 20_000, `${outcome.milliseconds} ms`)
    })
  }

  test('the usual bomb costs neither the session nor the position', async () => {
    const outcome = await limited('x = 1\n[[0] * 100000 for i in range(1000000)]')
    assert.deepEqual([outcome.message, outcome.line, outcome.isLost], ['memory limit of 256 MiB exceeded', 2, false])
  })

  test('garbage is free', async () => {
    const source = 'def f():\n  for i in range(3000): x = [i] * 20000\n  return 1\nresult = f()' // 960 MB in all
    assert.equal((await evaluate(source, {}, { limits: { memoryMiB: 64 } })).get('result'), 1)
  })

  test('what starlark-go itself refuses is an ordinary error', async () => {
    for (const source of ['"ab" * (1 << 30)', '[0, 1] * (1 << 30)', '1 << (1 << 31)', '1 << 512']) {
      await failureOf(evaluate(source), 'eval')
    }
  })

  test('ints have at most a quarter of a million bits, wherever they come from', async () => {
    const sources = [
      'x = 1 << 511\nfor _ in range(60): x = x * x',
      'x = 1\nfor _ in range(1000): x = x << 500',
      'x = (1 << 511) + 1\nfor _ in range(9): x = x * x\nfor _ in range(1000): x = x + x',
      'int("9" * 4000000)',
      'json.decode("9" * 4000000)',
    ]
    for (const source of sources) await failureOf(evaluate(source), 'eval')
    await failureOf(evaluate(`x = ${'9'.repeat(1_000_000)}`), 'syntax')
    const long = 'x = 10 << 500\nfor _ in range(8): x = x * x\nresult = len(str(x))'
    assert.equal(await resultOf(long), String((10n << 500n) ** 256n).length)
  })
})

describe('depth', () => {
  test('calls, counted exactly', async () => {
    const chain = (depth: number) => `def f(n): return 0 if n == 0 else f(n - 1)\nx = f(${depth})` // top level + f(depth) .. f(0)
    const session = await StarlarkSession.open({ limits: { callDepth: 50 } })
    const environment = session.environment({ dialect: { recursion: true } })
    await execute(session, environment, chain(48))
    const error = await failureOf(execute(session, environment, chain(49)), 'limit')
    assert.equal(error.message, 'Starlark stack overflow: more than 50 nested calls')
    assert.equal(error.frames.length, 51)
  })

  test('calls without recursion', async () => {
    const functions = Array.from({ length: 300 }, (_, i) => `def f${i + 1}(): return f${i}()`)
    const outcome = await limited(`def f0(): return 0\n${functions.join('\n')}\nf300()`)
    assert.match(outcome.message, /more than 200 nested calls/)
    assert.ok(!outcome.isLost)
  })

  test('runaway recursion through a builtin', async () => {
    const outcome = await limited('def f(x): return sorted([x], key = f)\nf(1)')
    assert.match(outcome.message, /more than 200 nested calls/)
  })

  test('two thousand nested calls fit the stack', async () => {
    const session = await StarlarkSession.open({ limits: { callDepth: 2_000 } })
    const environment = session.environment({ dialect: { recursion: true } })
    await execute(session, environment, 'def f(n): return 0 if n == 0 else f(n - 1)\nx = f(1900)')
  })

  const deep = 200_000
  const sources: readonly [name: string, source: string][] = [
    ['parentheses', `x = ${'('.repeat(4_000_000)}`],
    ['lists', `x = ${'['.repeat(deep)}${']'.repeat(deep)}`],
    ['unary operators', `x = ${'-'.repeat(deep)}1`],
    ['sums', `x = 1${' + 1'.repeat(deep)}`],
    ['calls', `x = f${'()'.repeat(deep)}`],
    ['attributes', `x = y${'.z'.repeat(deep)}`],
    ['indices', `x = y${'[0]'.repeat(deep)}`],
    ['conditions', `x = ${'1 if 1 else '.repeat(deep / 4)}1`],
    ['lambdas', `x = ${'lambda: '.repeat(deep / 4)}1`],
    ['not', `x = ${'not '.repeat(deep / 2)}1`],
    ['elif', `if 1: pass\n${'elif 1: pass\n'.repeat(deep / 8)}`],
    ['blocks', Array.from({ length: 2_000 }, (_, i) => `${' '.repeat(i)}if 1:\n`).join('')],
  ]
  for (const [name, source] of sources) {
    test(`source text: ${name}`, async () => {
      const outcome = await limited(source)
      assert.equal(outcome.message, 'excessive nesting')
      assert.ok(outcome.line !== undefined && !outcome.isLost)
    })
  }

  test('source text of ordinary depth is fine', async () => {
    await evaluate(`x = ${'('.repeat(75)}1${')'.repeat(75)}\ny = 1${' + 1'.repeat(900)}`)
  })

  test('values five thousand deep can be printed, hashed and frozen, and are too deep to compare', async () => {
    const nest = (start: string, item: string) => `x = ${start}\nfor i in range(5000): x = ${item}\n`
    assert.equal(await resultOf(`${nest('[]', '[x]')}result = len(str(x))`), 10_002)
    await resultOf(`${nest('()', '(x,)')}result = len({x: 1})`)
    await failureOf(resultOf(`${nest('[]', '[x]')}y = [] + x\nresult = x == [y[0]]`), 'eval')
  })

  test('values a million deep cost the session, and say so', async () => {
    const session = await StarlarkSession.open()
    const environment = session.environment()
    const work = execute(session, environment, 'x = []\nfor i in range(1000000): x = [x]')
    const error = await failureOf(work, 'limit')
    assert.match(error.message, /nested too deeply/)
    assert.equal(session.lost, error)
    const later = await failureOf(execute(session, environment, 'x = 1'), 'internal')
    assert.match(later.message, /the session is lost: .*nested too deeply/)
    assert.equal(later.cause, error)
  })

  test('a lost evaluation names its file', async () => {
    const error = await failureOf(evaluate('x = []\nfor i in range(1000000): x = [x]'), 'limit')
    assert.deepEqual(error.position, { file: 'main.star', line: 0, column: 0 })
  })
})

describe('the rest', () => {
  test('a file of a million elements is fine', async () => {
    const module = await evaluate(`x = [${'1,'.repeat(1_000_000)}]\nn = len(x)`)
    assert.equal(module.get('n'), 1_000_000)
  })

  test('a file that is too large is refused unread', async () => {
    const outcome = await limited('#'.repeat(1_001), { sourceBytes: 1_000 })
    assert.match(outcome.message, /source of 1001 bytes is larger than 1000 bytes/)
  })

  test('string methods are linear', async () => {
    const start = process.cpuUsage()
    await evaluate(`
s = "a" * 300000
t = "a" * 1000 + "b"
r = [s.find(t), s.count(t), s.replace(t, ""), s.split(t), s.partition(t), s.rfind(t), t in s, s.strip("a")]`)
    assert.ok(process.cpuUsage(start).user < 5_000_000)
  })

  test('a limit must be a positive integer', async () => {
    for (const limits of [{ steps: 0 }, { memoryMiB: 1.5 }, { callDepth: -1 }, { milliseconds: Number.NaN }]) {
      await assert.rejects(StarlarkSession.open({ limits }), RangeError)
    }
  })
})
