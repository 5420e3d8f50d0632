import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type BuiltinCall, StarlarkFunction, type StarlarkInput, StarlarkSession, standard } from '../src/index.ts'
import { evaluate, execute, existing, failureOf, resultOf } from './support.ts'

const pause = (milliseconds: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, milliseconds))

async function functionsOf(
  source: string,
  predeclared: Readonly<Record<string, StarlarkInput>>,
  names: readonly string[],
): Promise<StarlarkFunction[]> {
  const module = await evaluate(source, predeclared)
  return names.map((name) => {
    const f = module.get(name)
    assert.ok(f instanceof StarlarkFunction)
    return f
  })
}

describe('asynchronous builtins', () => {
  test('park the caller at any depth', async () => {
    const source = `
def leaf(x): return [wait(y) for y in range(x)]
def twig(x): return sorted(leaf(x), key = lambda y: -wait(y))
result = twig(4)`
    const wait = async ({ args }: BuiltinCall) => {
      await pause(1)
      return args[0]
    }
    assert.deepEqual(await resultOf(source, { wait }), [3, 2, 1, 0])
  })

  test('let other evaluations of the session go on', async () => {
    const log: unknown[] = []
    const gate = Promise.withResolvers<undefined>()
    const [f] = await functionsOf(
      'def f(name):\n  for i in range(2):\n    log(name + str(i))\n    wait(name)\n  return name',
      {
        log: ({ args }) => log.push(args[0]),
        wait: ({ args }) => (args[0] === 'slow' ? gate.promise : pause(1).then(() => undefined)),
      },
      ['f'],
    )
    const slow = existing(f).call(['slow'])
    assert.equal(await existing(f).call(['quick']), 'quick')
    gate.resolve(undefined)
    assert.equal(await slow, 'slow')
    assert.deepEqual(log, ['slow0', 'quick0', 'quick1', 'slow1'])
  })

  test('may call Starlark functions, which may await in turn', async () => {
    const source = `
def double(x): return wait(x) * 2
result = apply(double, [1, 2, 3])`
    const apply = async ({ args: [f, items] }: BuiltinCall) => {
      assert.ok(f instanceof StarlarkFunction && Array.isArray(items))
      return Promise.all(items.map((item) => f.call([item])))
    }
    assert.deepEqual(await resultOf(source, { apply, wait: async ({ args }) => args[0] }), [2, 4, 6])
  })

  test('a synchronous builtin may start a call; it runs after the builtin returned', async () => {
    const log: unknown[] = []
    const later: Promise<unknown>[] = []
    await evaluate('def f(): log("f")\nstart(f)\nlog("main")', {
      log: ({ args }) => log.push(args[0]),
      start: ({ args: [f] }) => {
        assert.ok(f instanceof StarlarkFunction)
        later.push(f.call())
      },
    })
    await Promise.all(later)
    assert.deepEqual(log, ['main', 'f'])
  })

  test("a synchronous builtin can't use the session in the middle of a request", async () => {
    const session = await StarlarkSession.open()
    const use = () => {
      session.environment()
    }
    const environment = session.environment({ predeclared: { use } })
    const error = await failureOf(execute(session, environment, 'use()'), 'eval')
    assert.match(error.message, /can't use the session it is called from/)
    assert.equal((await execute(session, environment, 'x = 1')).get('x'), 1)
  })

  test('a thousand calls wait at the same time', async () => {
    const [f] = await functionsOf(
      'def f(i): return wait(i)',
      { wait: async ({ args }) => pause(5).then(() => args[0]) },
      ['f'],
    )
    const results = await Promise.all(Array.from({ length: 1000 }, (_, i) => existing(f).call([i])))
    assert.deepEqual(
      results,
      Array.from({ length: 1000 }, (_, i) => i),
    )
  })

  test('long answers and long arguments cross whole', async () => {
    const text = 'äöü '.repeat(100_000)
    const source = 'result = [echo(text) == text, slow(text) == text, echo(list(range(50000)))[49999]]'
    assert.deepEqual(await resultOf(source, { text, echo: ({ args }) => args[0], slow: async ({ args }) => args[0] }), [
      true,
      true,
      49_999,
    ])
  })
})

describe('an abort', () => {
  const never = () => new Promise<never>(() => {})

  test('ends a parked evaluation with an error at its position', async () => {
    const abort = new AbortController()
    const reason = new Error('the user pressed Ctrl-C')
    const work = evaluate('\ndef f(): never()\nf()', { never }, { signal: abort.signal })
    setTimeout(() => abort.abort(reason), 5)
    const error = await failureOf(work, 'cancelled')
    assert.equal(error.cause, reason)
    assert.deepEqual(error.position, { file: 'main.star', line: 2, column: 15 })
  })

  test('reaches the builtin through its signal', async () => {
    const abort = new AbortController()
    let seen: AbortSignal | undefined
    const builtin = ({ signal }: BuiltinCall) => {
      seen = signal
      abort.abort()
      return null
    }
    await evaluate('f()', { f: builtin }, { signal: abort.signal })
    assert.equal(seen, abort.signal)
  })

  test('before the start starts nothing', async () => {
    const work = evaluate('fail("ran")', {}, { signal: AbortSignal.abort() })
    await failureOf(work, 'cancelled')
  })

  test('ends reading', async () => {
    const session = await StarlarkSession.open()
    const abort = new AbortController()
    setTimeout(() => abort.abort(), 5)
    const work = session.evaluate(['x'], {
      environment: session.environment(),
      resolve: (module) => module,
      read: never,
      signal: abort.signal,
    })
    await failureOf(work, 'cancelled')
  })

  test('of one call leaves others and the session alone', async () => {
    const abort = new AbortController()
    const [f] = await functionsOf(
      'def f(x): return wait(x)',
      { wait: ({ args }) => (args[0] === 1 ? never() : pause(10).then(() => 'ok')) },
      ['f'],
    )
    const stopped = failureOf(existing(f).call([1], {}, { signal: abort.signal }), 'cancelled')
    const other = existing(f).call([2])
    abort.abort()
    await stopped
    assert.equal(await other, 'ok')
  })
})

test('prints arrive in order', async () => {
  const lines: string[] = []
  await evaluate('print("a", 1)\nprint("ä\\nb")', {}, { print: (text) => lines.push(text) })
  assert.deepEqual(lines, ['a 1', 'ä\nb'])
})

test('sessions share nothing', async () => {
  const [one, two] = await Promise.all([StarlarkSession.open(), StarlarkSession.open()])
  const run = (session: StarlarkSession, value: number) => {
    const environment = session.environment({ predeclared: { ...standard, value } })
    return execute(session, environment, 'result = value')
  }
  const modules = await Promise.all([run(one, 1), run(two, 2)])
  assert.deepEqual(
    modules.map((module) => module.get('result')),
    [1, 2],
  )
})
