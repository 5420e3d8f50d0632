import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import {
  HostValue,
  StarlarkFloat,
  StarlarkForeign,
  StarlarkFunction,
  type StarlarkInput,
  StarlarkSession,
  StarlarkStruct,
  StarlarkTuple,
  type StarlarkValue,
} from '../src/index.ts'
import { evaluate, execute, existing, failureOf, resultOf } from './support.ts'

describe('values from Starlark', () => {
  const rows: readonly [expression: string, value: StarlarkValue][] = [
    ['None', null],
    ['True', true],
    ['-1', -1],
    ['(1 << 53) - 1', 2 ** 53 - 1],
    ['1 << 53', 2n ** 53n],
    ['-(1 << 70)', -(2n ** 70n)],
    ['1.0', new StarlarkFloat(1)],
    ['"ä→😀"', 'ä→😀'],
    ['"long " * 20', 'long '.repeat(20)],
    ['b"\\xff\\x00"', new Uint8Array([255, 0])],
    ['[1, [2]]', [1, [2]]],
    ['range(3)', [0, 1, 2]],
    ['(1, "a")', new StarlarkTuple([1, 'a'])],
    ['set([3, 1])', new Set([3, 1])],
    [
      '{"b": 1, "a": 2, 3: None}',
      new Map<StarlarkValue, StarlarkValue>([
        ['b', 1],
        ['a', 2],
        [3, null],
      ]),
    ],
    [
      'struct(b = 1, a = "x")',
      new StarlarkStruct(
        new Map<string, StarlarkValue>([
          ['a', 'x'],
          ['b', 1],
        ]),
      ),
    ],
    ['json', new StarlarkForeign('module', '<module "json">')],
  ]
  for (const [expression, value] of rows) {
    test(expression, async () => assert.deepEqual(await resultOf(`result = ${expression}`), value))
  }

  test('dicts keep their order', async () => {
    const dict = await resultOf('result = {"z": 1, "a": 2, "10": 3, "9": 4}')
    assert.ok(dict instanceof Map)
    assert.deepEqual([...dict.keys()], ['z', 'a', '10', '9'])
  })

  test("what can't cross is an error that says why", async () => {
    const rows = [
      ['"ä"[0]', /not valid UTF-8: use bytes/],
      ['[cyclic]', /nested deeper than 200 levels or contains itself/],
      ['[0] * 2000', /more than 1000 elements/],
      ['doubled', /larger than 1000 bytes/],
    ] as const
    for (const [expression, message] of rows) {
      const source = `cyclic = []\ncyclic.append(cyclic)\ndoubled = [1]\nfor i in range(30): doubled = [doubled, doubled]\nresult = ${expression}`
      const module = await evaluate(source, {}, { limits: { messageBytes: 1000 } })
      assert.throws(() => module.get('result'), message)
    }
  })

  test('a module tells its globals and no others', async () => {
    const module = await evaluate('b = 1\n_a = 2\ndef f(): pass')
    assert.deepEqual(module.names, ['_a', 'b', 'f'])
    assert.equal(module.get('toString'), undefined)
    assert.equal(module.get('__proto__'), undefined)
  })
})

describe('values to Starlark', () => {
  const rows: readonly [name: string, value: StarlarkInput, repr: string][] = [
    ['null', null, 'None'],
    ['false', false, 'False'],
    ['an int', -42, '-42'],
    ['the largest number', 2 ** 53 - 1, '9007199254740991'],
    ['a bigint', 2n ** 64n, '18446744073709551616'],
    ['a small bigint', 7n, '7'],
    ['a float', new StarlarkFloat(1), '1.0'],
    ['text', 'ä\u0000"', '"ä\\x00\\""'],
    ['text of 200 code units', 'é'.repeat(200), `"${'é'.repeat(200)}"`],
    ['bytes', new Uint8Array([1, 255]), 'b"\\x01\\xff"'],
    ['an array', [1, ['x']], '[1, ["x"]]'],
    ['a tuple', new StarlarkTuple([1]), '(1,)'],
    ['a set', new Set([2, 1]), 'set([2, 1])'],
    [
      'a map',
      new Map<StarlarkInput, StarlarkInput>([
        ['z', 1],
        [new StarlarkTuple([1]), 2],
      ]),
      '{"z": 1, (1,): 2}',
    ],
    [
      'a struct',
      new StarlarkStruct(
        new Map([
          ['b', 1],
          ['a', 2],
        ]),
      ),
      'struct(a = 2, b = 1)',
    ],
    ['a named struct', new StarlarkStruct(new Map([['x', 1]]), 'point'), 'point(x = 1)'],
  ]
  for (const [name, value, repr] of rows) {
    test(name, async () => {
      assert.equal(await resultOf('result = repr(value)', { value }), repr, 'predeclared')
      assert.equal(await resultOf('result = repr(value())', { value: () => value }), repr, 'returned')
      assert.equal(await resultOf('result = repr(value())', { value: async () => value }), repr, 'awaited')
    })
  }

  test('an integral number and a float stay apart', async () => {
    const source = 'result = [type(int_), type(float_)]'
    assert.deepEqual(await resultOf(source, { int_: 1, float_: new StarlarkFloat(1) }), ['int', 'float'])
  })

  test('what has no counterpart is a TypeError', async () => {
    const session = await StarlarkSession.open()
    const cyclic: StarlarkInput[] = []
    cyclic.push(cyclic)
    for (const value of [1.5, Number.NaN, 2 ** 53, '\ud800', cyclic, new StarlarkForeign('module', '')]) {
      assert.throws(() => session.environment({ predeclared: { value } }), TypeError)
    }
  })

  test('and inside a builtin a Starlark error with a position', async () => {
    const error = await failureOf(resultOf('\nresult = half()', { half: () => 0.5 }), 'eval')
    assert.match(error.message, /0\.5 is no safe integer/)
    assert.deepEqual(error.position, { file: 'main.star', line: 2, column: 14 })
    assert.ok(error.cause instanceof TypeError)
  })

  test('a dict with an unhashable key is refused', async () => {
    const error = await failureOf(resultOf('result = bad()', { bad: () => new Map([[[1], 1]]) }), 'eval')
    assert.match(error.message, /unhashable/)
  })

  test('predeclared values are frozen, returned ones are fresh', async () => {
    assert.match((await failureOf(resultOf('value.append(1)', { value: [] }))).message, /cannot append to frozen list/)
    assert.deepEqual(await resultOf('result = value()\nresult.append(1)', { value: () => [] }), [1])
  })

  test('builtins inside structs and dicts are callable', async () => {
    const ctx = new StarlarkStruct(new Map([['provides', new Map([['get', () => 'busybox']])]]))
    assert.equal(await resultOf('result = ctx.provides["get"]()', { ctx }), 'busybox')
  })
})

describe('names that mean something to JavaScript', () => {
  const names = ['__proto__', 'constructor', 'toString', 'hasOwnProperty', '0', 'ключ']

  test('are ordinary keys', async () => {
    const dict = `{${names.map((name) => `"${name}": "${name}"`).join(', ')}}`
    const source = `def seen(**kw): return kw\nresult = [take(**${dict}), ${dict}, struct(**${dict}), seen(**${dict}) == ${dict}]`
    const result = await resultOf(source, { take: ({ kwargs }) => [...kwargs.keys()] })
    assert.ok(Array.isArray(result))
    const [kwargs, map, record, same] = result
    assert.deepEqual(kwargs, names)
    assert.ok(map instanceof Map && record instanceof StarlarkStruct)
    assert.deepEqual([...map.keys()], names)
    assert.deepEqual([...record.fields.keys()], [...names].sort())
    assert.equal(record.fields.get('__proto__'), '__proto__')
    assert.equal(same, true)
  })

  test('can be predeclared and be fields', async () => {
    const session = await StarlarkSession.open()
    const predeclared = new Map<string, StarlarkInput>(names.map((name) => [name, name]))
    predeclared.set('record', new StarlarkStruct(new Map([['__proto__', 5]])))
    const module = await execute(
      session,
      session.environment({ predeclared }),
      'result = [__proto__, constructor, toString, record.__proto__]',
    )
    assert.deepEqual(module.get('result'), ['__proto__', 'constructor', 'toString', 5])
  })
})

describe('host values', () => {
  class Task extends HostValue {
    readonly steps: StarlarkValue | undefined

    constructor(name: string, steps: StarlarkValue | undefined) {
      super('task', { text: `task(${JSON.stringify(name)})`, attributes: new Map([['name', name]]) })
      this.steps = steps
    }
  }
  const task: StarlarkInput = ({ args, kwargs }) => new Task(String(args[0]), kwargs.get('steps'))

  test('come back as the very same object', async () => {
    const made: Task[] = []
    const seen: unknown[] = []
    await evaluate('unit(tasks = [make(), make()])', {
      make: () => {
        const value = new Task('x', undefined)
        made.push(value)
        return value
      },
      unit: ({ kwargs }) => {
        const tasks = kwargs.get('tasks')
        if (Array.isArray(tasks)) seen.push(...tasks)
      },
    })
    assert.equal(seen.length, 2)
    assert.ok(seen.every((value, i) => value === made[i]))
  })

  test('show their type, text and attributes, and nothing else', async () => {
    const source = `
t = task("build", steps = [1])
result = [type(t), str(t), repr([t]), t.name, dir(t), bool(t), t == t, t == task("build"), {t: 1}[t], hasattr(t, "steps")]`
    assert.deepEqual(await resultOf(source, { task }), [
      'task',
      'task("build")',
      '[task("build")]',
      'build',
      ['name'],
      true,
      true,
      false,
      1,
      false,
    ])
  })

  test('are immutable, unordered, and say which attribute is missing', async () => {
    const rows = [
      ['task("a").nam', /task has no \.nam field or method \(did you mean \.name\?\)/],
      ['task("a") < task("b")', /task < task not implemented/],
      ['[x for x in task("a")]', /task value is not iterable/],
    ] as const
    for (const [expression, message] of rows) {
      assert.match((await failureOf(resultOf(`result = ${expression}`, { task }), 'eval')).message, message)
    }
    assert.match(
      (await failureOf(resultOf('t = task("a")\nt.name = 1', { task }))).message,
      /can't assign to \.name field of task/,
    )
  })

  test('are let go of when Starlark lets go of them', async () => {
    const session = await StarlarkSession.open()
    const environment = session.environment({ predeclared: { task } })
    const source = 'def f():\n  for i in range(20000): task("t", steps = [i] * 50)\nf()\nkept = task("kept")'
    const module = await execute(session, environment, source)
    await execute(session, environment, source)
    assert.ok(session.usage.hostValues < 30000, `${session.usage.hostValues} of 40002 are held`)
    assert.ok(existing(module.get('kept')) instanceof Task)
  })
})

// Node offers gc() to code that is compiled after this flag is set.
setFlagsFromString('--expose-gc')
const collectGarbage: () => void = runInNewContext('gc')

describe('Starlark functions in TypeScript', () => {
  test('are called with positional and keyword arguments', async () => {
    const f = await resultOf('def result(a, b = 2, *args, **kw): return [a, b, args, kw]')
    assert.ok(f instanceof StarlarkFunction)
    assert.equal(f.name, 'result')
    assert.deepEqual(await f.call([1]), [1, 2, new StarlarkTuple([]), new Map()])
    assert.deepEqual(
      await f.call(
        [1],
        new Map([
          ['__proto__', 3],
          ['b', 4],
        ]),
      ),
      [1, 4, new StarlarkTuple([]), new Map([['__proto__', 3]])],
    )
  })

  test('keep their identity, and go back as themselves', async () => {
    const module = await evaluate('def f(): return 1\nresult = [f, f]\ndef same(g): return g == f', {
      echo: ({ args }) => args[0] ?? null,
    })
    const pair = module.get('result')
    const same = module.get('same')
    assert.ok(Array.isArray(pair) && same instanceof StarlarkFunction)
    assert.equal(pair[0], pair[1])
    assert.equal(await same.call([pair[0]]), true)
  })

  test('see errors at their own position', async () => {
    const f = await resultOf('def result(x):\n    return 1 // x')
    assert.ok(f instanceof StarlarkFunction)
    const error = await failureOf(f.call([0]), 'eval')
    assert.deepEqual(error.position, { file: 'main.star', line: 2, column: 14 })
    assert.match((await failureOf(f.call([], { y: 1 }))).message, /unexpected keyword argument "y"/)
  })

  test('can be builtins, lambdas and closures', async () => {
    const list = await resultOf('result = [len, "abc".upper, lambda: 5, host]', { host: () => 'called' })
    assert.ok(Array.isArray(list))
    const results = []
    for (const f of list) {
      assert.ok(f instanceof StarlarkFunction)
      results.push(await f.call(f.name === 'len' ? [[1, 2]] : []))
    }
    assert.deepEqual(results, [2, 'ABC', 5, 'called'])
  })

  test('belong to one session', async () => {
    const f = await resultOf('def result(): pass')
    assert.ok(f instanceof StarlarkFunction)
    await assert.rejects(resultOf('', { f }), /belongs to another session/)
  })

  test('are released when TypeScript lets go of them', async () => {
    const session = await StarlarkSession.open()
    const environment = session.environment({ predeclared: { take: () => null } })
    await execute(session, environment, 'for i in range(1000): take(lambda: i)')
    const before = session.usage.functions
    for (let i = 0; i < 20 && session.usage.functions > before / 2; i++) {
      collectGarbage()
      await new Promise((resolve) => setTimeout(resolve, 5))
      await execute(session, environment, '')
    }
    assert.ok(session.usage.functions < before / 2, `${session.usage.functions} of ${before} are held`)
  })
})
