import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  type EvaluateOptions,
  type ProgramCache,
  type StarlarkInput,
  StarlarkSession,
  StarlarkStruct,
  standard,
} from '../src/index.ts'
import { evaluate, existing, type Files, failureOf, fileLoader, summary } from './support.ts'

/** What builtin `mark` was called with, in order, when these entries are evaluated. */
async function marksOf(
  files: Files,
  entries: readonly string[],
  options: Partial<EvaluateOptions> = {},
): Promise<unknown[]> {
  const marks: unknown[] = []
  const session = await StarlarkSession.open()
  const environment = session.environment({ predeclared: { mark: ({ args }) => marks.push(args[0]) } })
  await session.evaluate(entries, { environment, ...fileLoader(files), ...options })
  return marks
}

const pause = (milliseconds: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, milliseconds))

describe('evaluation', () => {
  const files: Files = {
    'z.star': 'load("lib/b.star", "b")\nload("lib/a.star", "a")\nmark("z")',
    'a.star': 'load("lib/c.star", "c")\nmark("a")',
    'lib/a.star': 'load("lib/c.star", "c")\na = 1\nmark("lib/a")',
    'lib/b.star': 'b = 1\nmark("lib/b")',
    'lib/c.star': 'c = 1\nmark("lib/c")',
  }

  test('is depth first, in the order of entries and load statements, each file once', async () => {
    assert.deepEqual(await marksOf(files, ['z.star', 'a.star']), ['lib/b', 'lib/c', 'lib/a', 'z', 'a'])
    assert.deepEqual(await marksOf(files, ['a.star', 'z.star', 'a.star']), ['lib/c', 'a', 'lib/b', 'lib/a', 'z'])
  })

  test('does not depend on how long reading takes', async () => {
    const { read } = fileLoader(files)
    const slow = async (id: string) => {
      await pause(Math.random() * 8)
      return read(id)
    }
    for (let i = 0; i < 5; i++) {
      assert.deepEqual(await marksOf(files, ['z.star', 'a.star'], { read: slow }), [
        'lib/b',
        'lib/c',
        'lib/a',
        'z',
        'a',
      ])
    }
  })

  test('gives the same result a hundred times', async () => {
    const source = `
words = ["w%d" % (i * 7919 % 100) for i in range(200)]
counts = {}
for w in words: counts[w] = counts.get(w, 0) + 1
result = json.encode([counts, sorted(set(words)), str(set(words)), dir([]), repr(struct(**counts)), hash("x" * 50)])`
    const session = await StarlarkSession.open()
    const results = new Set<unknown>()
    for (let i = 0; i < 100; i++) {
      const environment = session.environment({ predeclared: standard })
      const modules = await session.evaluate(['main.star'], { environment, ...fileLoader({ 'main.star': source }) })
      results.add(modules.get('main.star')?.get('result'))
    }
    results.add((await evaluate(source)).get('result'))
    assert.equal(results.size, 1)
  })

  test('reads files in parallel, each once', async () => {
    let active = 0
    let most = 0
    const reads: string[] = []
    const leaves = Array.from({ length: 100 }, (_, i) => `leaf${i}.star`)
    const files: Files = {
      ...Object.fromEntries(leaves.map((leaf) => [leaf, 'load("base.star", "y")\nx = y'])),
      'main.star': leaves.map((leaf, i) => `load("${leaf}", x${i} = "x")`).join('\n'),
      'base.star': 'y = 1',
    }
    await marksOf(files, ['main.star'], {
      async read(id) {
        reads.push(id)
        most = Math.max(most, ++active)
        await pause(2)
        active--
        return existing(files[id])
      },
    })
    assert.deepEqual(reads.toSorted(), ['base.star', 'main.star', ...leaves].toSorted())
    assert.equal(most, 64)
  })

  test('resolves a module against the file that names it', async () => {
    const asked: string[] = []
    const sources: Files = { '//p/main': 'load("../x", "x")', '//x': 'load("//y", "y")\nx = y', '//y': 'y = 1' }
    await marksOf(sources, ['//p/main'], {
      resolve(module, from) {
        asked.push(`${module} from ${from}`)
        return module.replace('../', '//')
      },
    })
    assert.deepEqual(asked, ['../x from //p/main', '//y from //x'])
  })

  test('of a file that several names resolve to happens once', async () => {
    const sources: Files = { 'main.star': 'load("a", "x")\nload("b", y = "x")', one: 'x = []\nmark("one")' }
    assert.deepEqual(await marksOf(sources, ['main.star'], { resolve: () => 'one' }), ['one'])
  })
})

describe("what can't be loaded", () => {
  const chain = (length: number): Files => {
    const link = (i: number) => (i === length - 1 ? 'x = 1' : `load("${i + 1}.star", y = "x")\nx = y`)
    return Object.fromEntries(Array.from({ length }, (_, i) => [i === 0 ? 'main.star' : `${i}.star`, link(i)]))
  }
  const rows: readonly [name: string, files: Files, want: string][] = [
    [
      'a cycle',
      { 'main.star': 'load("a.star", "x")', 'a.star': '\nload("b.star", "x")', 'b.star': 'load("a.star", "x")' },
      'load b.star:1:6 load cycle: a.star → b.star → a.star',
    ],
    ['itself', { 'main.star': 'load("main.star", "x")' }, 'load main.star:1:6 load cycle: main.star → main.star'],
    ['a missing file', { 'main.star': 'load("a.star", "x")' }, "load main.star:1:6 can't read a.star: no such file"],
    ['more than 1,000 modules', chain(1_500), 'limit 1000.star:1:6 more than 1000 modules are loaded'],
    [
      'a private name',
      { 'main.star': 'load("a.star", "_x")', 'a.star': '_x = 1' },
      'resolve main.star:1:17 load: names with leading underscores are not exported: _x',
    ],
  ]
  for (const [name, files, want] of rows) {
    test(name, async () => assert.equal(summary(await failureOf(evaluate(files))), want))
  }

  test('a chain of 1,000 modules is fine', async () => {
    await evaluate(chain(1_000))
  })

  test('more entries than that are fine', async () => {
    const files = Object.fromEntries(Array.from({ length: 1_200 }, (_, i) => [`${i}.star`, 'x = 1']))
    assert.deepEqual(await marksOf(files, Object.keys(files)), [])
  })

  test('a refused module names the reason, and keeps it as the cause', async () => {
    const refusal = new Error('outside of the project')
    const work = marksOf({ 'main.star': '\n\nload("../../x.star", "x")' }, ['main.star'], {
      resolve: () => {
        throw refusal
      },
    })
    const error = await failureOf(work)
    assert.equal(summary(error), 'load main.star:3:6 can\'t load "../../x.star": outside of the project')
    assert.equal(error.cause, refusal)
  })

  test('a missing entry has no line', async () => {
    assert.equal(summary(await failureOf(marksOf({}, ['x.star']))), "load x.star:0:0 can't read x.star: no such file")
  })
})

describe('when a file fails', () => {
  const files: Files = {
    'a.star': 'mark("a")\n1 // 0',
    'b.star': 'load("a.star", "x")\nmark("b")',
    'c.star': 'mark("c")\n[][0]',
    'd.star': 'mark("d")',
  }

  test('evaluation stops there', async () => {
    const error = await failureOf(marksOf(files, ['a.star', 'b.star', 'c.star', 'd.star']))
    assert.equal(summary(error), 'eval a.star:2:3 floored division by zero')
    assert.deepEqual(error.others, [])
  })

  test('or goes on with what does not depend on it', async () => {
    const marks: unknown[] = []
    const session = await StarlarkSession.open()
    const environment = session.environment({ predeclared: { mark: ({ args }) => marks.push(args[0]) } })
    const work = session.evaluate(Object.keys(files), { environment, ...fileLoader(files), keepGoing: true })
    const error = await failureOf(work)
    assert.deepEqual([error, ...error.others].map(summary), [
      'eval a.star:2:3 floored division by zero',
      'eval c.star:2:3 index 0 out of range: empty list',
    ])
    assert.deepEqual(marks, ['a', 'c', 'd'])
  })

  test('it can be tried again', async () => {
    let broken = true
    const session = await StarlarkSession.open()
    const environment = session.environment({
      predeclared: {
        check: () => {
          if (broken) throw new Error('broken')
        },
      },
    })
    const run = () => session.evaluate(['x.star'], { environment, ...fileLoader({ 'x.star': 'check()\nx = 1' }) })
    await failureOf(run())
    broken = false
    assert.equal((await run()).get('x.star')?.get('x'), 1)
  })
})

describe('modules', () => {
  test('are frozen once they are evaluated', async () => {
    const files = (statement: string): Files => ({
      'main.star': `load("lib.star", "items", "add", "nested")\n${statement}`,
      'lib.star': 'items = [1]\nnested = struct(d = {"k": [1]})\ndef add(x): items.append(x)\nadd(2)',
    })
    const rows = [
      ['items.append(3)', /cannot append to frozen list/],
      ['add(3)', /cannot append to frozen list/],
      ['nested.d["k"].append(2)', /cannot append to frozen list/],
      ['nested.d["j"] = 1', /cannot insert into frozen hash table/],
      ['for x in items: items.clear()', /cannot clear frozen list/],
    ] as const
    for (const [statement, message] of rows) {
      assert.match((await failureOf(evaluate(files(statement)), 'eval')).message, message)
    }
  })

  test('are frozen even if they fail', async () => {
    const held: StarlarkInput[] = []
    const session = await StarlarkSession.open()
    const environment = session.environment({ predeclared: { hold: ({ args }) => held.push(existing(args[0])) } })
    const files = { 'x.star': 'items = []\ndef add(): items.append(1)\nhold(add)\n1 // 0' }
    await failureOf(session.evaluate(['x.star'], { environment, ...fileLoader(files) }))
    const [add] = held
    assert.ok(typeof add === 'object' && add !== null && 'call' in add)
    assert.match((await failureOf(add.call())).message, /frozen/)
  })

  test('of an earlier phase are reused by the environment that extends it', async () => {
    const marks: unknown[] = []
    const session = await StarlarkSession.open()
    const files: Files = {
      'lib.star': 'mark("lib")\nname = "lib"',
      'project.star': 'load("lib.star", "name")\nmark("project")',
      'unit.star': 'load("lib.star", "name")\nmark(ctx.arch + name + base)',
    }
    const first = session.environment({ predeclared: { mark: ({ args }) => marks.push(args[0]), base: '!' } })
    await session.evaluate(['project.star'], { environment: first, ...fileLoader(files) })
    const second = session.environment({ predeclared: standard, extends: first })
    const ctx = new StarlarkStruct(new Map([['arch', 'arm64']]))
    const third = session.environment({ predeclared: { ctx }, extends: second })
    await session.evaluate(['unit.star'], { environment: third, ...fileLoader(files) })
    assert.deepEqual(marks, ['lib', 'project', 'arm64lib!'])
    assert.deepEqual(third.names, ['base', 'ctx', 'json', 'mark', 'math', 'struct'])
    const error = await failureOf(session.evaluate(['unit.star'], { environment: first, ...fileLoader(files) }))
    assert.equal(summary(error), 'resolve unit.star:2:6 undefined: ctx')
  })
})

describe('the dialect', () => {
  const rows = [
    ['if True: x = 1', 'topLevelControl'],
    ['x = 1\nx = 2', 'globalReassign'],
    ['x = set([1])', 'set'],
  ] as const
  for (const [source, option] of rows) {
    test(`${option} can be forbidden`, async () => {
      const session = await StarlarkSession.open()
      await session.compile('x', source, session.environment())
      const strict = session.environment({ dialect: { [option]: false } })
      await failureOf(session.compile('x', source, strict), 'resolve')
    })
  }

  test('while and recursion can be allowed', async () => {
    const session = await StarlarkSession.open()
    const environment = session.environment({ dialect: { while: true, recursion: true } })
    const source = 'def f(n): return 1 if n < 2 else n * f(n - 1)\nx = f(20)\nwhile x % 2 == 0: x //= 2'
    const module = await session.execute(await session.compile('x', source, environment))
    assert.equal(module.get('x'), 9280784638125)
  })
})

describe('compiled programs', () => {
  const memory = (): ProgramCache & { readonly entries: Map<string, Uint8Array>; hits: number } => ({
    entries: new Map<string, Uint8Array>(),
    hits: 0,
    get(key) {
      const hit = this.entries.get(key)
      if (hit !== undefined) this.hits++
      return hit
    },
    set(key, bytecode) {
      this.entries.set(key, bytecode)
    },
  })
  const files: Files = {
    'main.star': 'load("lib.star", "f")\nmark(f(2))',
    'lib.star': 'def f(x): return [x, 1.5, b"b", 1 << 80, "ä"][x - 2]',
  }

  test('tell their load statements', async () => {
    const session = await StarlarkSession.open()
    const program = await session.compile(
      'm.star',
      'load("a", "x")\nload("//b:c", "y")\nload("a", "z")',
      session.environment(),
    )
    assert.deepEqual(
      program.loads.map(({ module, position }) => [module, position?.line, position?.column]),
      [
        ['a', 1, 6],
        ['//b:c', 2, 6],
        ['a', 3, 6],
      ],
    )
  })

  test('come from the cache in another session', async () => {
    const cache = memory()
    assert.deepEqual(await marksOf(files, ['main.star'], { cache }), [2])
    assert.equal(cache.entries.size, 2)
    assert.deepEqual(await marksOf(files, ['main.star'], { cache }), [2])
    assert.equal(cache.hits, 2)
  })

  test('are compiled anew when their source or environment changes', async () => {
    const cache = memory()
    await marksOf(files, ['main.star'], { cache })
    await marksOf({ ...files, 'main.star': 'mark(1)' }, ['main.star'], { cache })
    const session = await StarlarkSession.open()
    const environment = session.environment({ predeclared: { mark: () => null, more: 1 } })
    await session.evaluate(['main.star'], { environment, ...fileLoader(files), cache })
    assert.equal(cache.hits, 0)
  })

  test('that are damaged cost a compilation, no more', async () => {
    for (const damage of [
      (b: Uint8Array) => b.subarray(0, 50),
      (b: Uint8Array) => b.map((x, i) => (i === 90 ? x ^ 1 : x)),
      () => new Uint8Array(0),
    ]) {
      const cache = memory()
      await marksOf(files, ['main.star'], { cache })
      for (const [key, bytecode] of cache.entries) cache.entries.set(key, damage(bytecode))
      assert.deepEqual(await marksOf(files, ['main.star'], { cache }), [2])
    }
  })

  test('keep the positions of the file that they were compiled from', async () => {
    const session = await StarlarkSession.open()
    const environment = session.environment()
    const program = await session.compile('deep/x.star', '\ndef f():\n  return 1 // 0\nf()', environment)
    const restored = existing(await session.restore('deep/x.star', program.bytecode, environment))
    assert.equal(summary(await failureOf(session.execute(restored))), 'eval deep/x.star:3:12 floored division by zero')
  })

  test('may be executed more than once, each time as a module of its own', async () => {
    const session = await StarlarkSession.open()
    const program = await session.compile(
      'x',
      'x = []\ny = id(x)',
      session.environment({ predeclared: { id: () => ++count } }),
    )
    let count = 0
    assert.deepEqual([(await session.execute(program)).get('y'), (await session.execute(program)).get('y')], [1, 2])
  })
})
