import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type FunctionIdentity, HostValue, StarlarkFunction, StarlarkSession, StarlarkStruct } from '../src/index.ts'
import { evaluate, execute, existing, type Files, failureOf, summary } from './support.ts'

class Opaque extends HostValue {}

/** What identities see of the outside: another machine of the same architecture has another `ctx`. */
function predeclared(machine: string) {
  return {
    run: () => null,
    install_file: () => null,
    ctx: new StarlarkStruct(
      new Map<string, string | Opaque>([
        ['arch', 'arm64'],
        ['machine', machine],
      ]),
    ),
    step: new Opaque('step', { text: 'step("a")' }),
  }
}

async function identify(files: Files | string, machine = 'board'): Promise<FunctionIdentity> {
  const fn = (await evaluate(files, predeclared(machine))).get('f')
  assert.ok(fn instanceof StarlarkFunction)
  return fn.identity()
}

const plain = 'def f():\n    run("a")\n'
const helped = 'def help(x): return x + 1\ndef f(): return help(1)\n'
const chain = 'def c(): return 1\ndef b(): return c()\ndef f(): return b()\n'
const closure = 'def make(x):\n    def inner(): return x\n    return inner\n'

const equal: Readonly<Record<string, readonly [Files | string, Files | string]>> = {
  'lines above': [plain, `\n\nx = 1\n${plain}`],
  'another function': [plain, `def g(): return 1\n${plain}def h(): return 2\n`],
  comments: [plain, '# about f\ndef f(): # it\n    # runs\n    run("a") # a\n'],
  'a docstring': [plain, 'def f():\n    """Runs."""\n    run("a")\n'],
  layout: [plain, 'def f(\n):\n  run(\n    "a",\n  )\n'],
  'brackets and notations': ['def f(): return (16 + 1) * 2', 'def f(): return ((0x10) + 1) * (2)'],
  quotes: ['def f(): return "a"', "def f(): return r'''a'''"],
  'a global that is not named': [`X = 1\n${plain}`, `X = 2\n${plain}`],
  'a local called like a global': ['x = 1\ndef f():\n  x = 3\n  return x', 'x = 2\ndef f():\n  x = 3\n  return x'],
  'a parameter called like ctx': ['X = 1\nf = lambda ctx: ctx.machine', 'X = 2\nf = lambda ctx: ctx.machine'],
  'a field that is not named': [
    'C = struct(a = 1, b = 2)\ndef f(): return C.a',
    'C = struct(a = 1, b = 3)\ndef f(): return C.a',
  ],
  'how a global came to its value': ['X = 3\ndef f(): return X', 'X = 1 + 2\ndef f(): return X'],
  'how a default came to its value': ['def f(x = 3): return x', 'Y = 3\ndef f(x = Y): return x'],
  'a helper that moved within its file': [helped, 'def f(): return help(1)\ndef help(x): return x + 1\n'],
  'where a class made it': [
    { 'main.star': 'load("c.star", "make")\nf = make(1)', 'c.star': closure },
    { 'main.star': 'load("d/e.star", "make")\n\n\nf = make(1)', 'd/e.star': `# moved\n${closure}` },
  ],
  'what a class has beside': [
    { 'main.star': 'load("c.star", "make")\nf = make(1)', 'c.star': closure },
    { 'main.star': 'load("c.star", "make")\nf = make(1)', 'c.star': `${closure}def other(): pass\n` },
  ],
  'recursion, elsewhere': [
    'def f(): return g()\ndef g(): return f()',
    'x = 1\ndef g(): return f()\ndef f(): return g()',
  ],
}

for (const [name, [before, after]] of Object.entries(equal)) {
  test(`the same: ${name}`, async () => assert.equal((await identify(before)).digest, (await identify(after)).digest))
}

const different: Readonly<Record<string, readonly [Files | string, Files | string]>> = {
  'a text': [plain, 'def f():\n    run("b")\n'],
  'a keyword': ['def f(): run(a = 1)', 'def f(): run(b = 1)'],
  'an operator': ['def f(): return 1 + 2', 'def f(): return 1 - 2'],
  'what binds first': ['def f(): return 1 + 2 * 3', 'def f(): return (1 + 2) * 3'],
  'an argument more': ['def f(): run("a")', 'def f(): run("a", "b")'],
  'a list or a tuple': ['def f(): return [1]', 'def f(): return (1,)'],
  'an int or a float': ['def f(): return 1', 'def f(): return 1.0'],
  'text or bytes': ['def f(): return "a"', 'def f(): return b"a"'],
  'the order of statements': ['def f():\n  run("a")\n  run("b")', 'def f():\n  run("b")\n  run("a")'],
  'what a block holds': [
    'def f(x = 1):\n  if x:\n    run("a")\n    run("b")',
    'def f(x = 1):\n  if x:\n    run("a")\n  run("b")',
  ],
  'else or then': ['def f(x = 1):\n  if x: run("a")', 'def f(x = 1):\n  if x: pass\n  else: run("a")'],
  'bounds of a slice': ['def f(x = ""): return x[1:]', 'def f(x = ""): return x[:1]'],
  'a set or a list': ['def f(): return [x for x in ()]', 'def f(): return {x: 1 for x in ()}'],
  'a clause': ['def f(): return [x for x in () if x]', 'def f(): return [x for x in ()]'],
  'a parameter': ['f = lambda a: 1', 'f = lambda b: 1'],
  'a kind of parameter': ['f = lambda *a: 1', 'f = lambda **a: 1'],
  'where keywords begin': ['def f(a, *, b = 1): pass', 'def f(a, b = 1): pass'],
  'a default': ['def f(x = 1): return x', 'def f(x = 2): return x'],
  'a default of a function inside': ['def f():\n  g = lambda x = 1: x', 'def f():\n  g = lambda x = 2: x'],
  'a body inside': ['def f():\n  g = lambda: 1', 'def f():\n  g = lambda: 2'],
  'a global': ['X = 1\ndef f(): return X', 'X = 2\ndef f(): return X'],
  'a global declared later': ['def f(): return X\nX = 1', 'def f(): return X\nX = 2'],
  'a global of a function inside': ['X = 1\ndef f(): return lambda: X', 'X = 2\ndef f(): return lambda: X'],
  'deep in a global': ['X = {"a": [1, (2, 3)]}\ndef f(): return X', 'X = {"a": [1, (2, 4)]}\ndef f(): return X'],
  'the order of a dict': ['X = {"a": 1, "b": 2}\ndef f(): return X', 'X = {"b": 2, "a": 1}\ndef f(): return X'],
  'a range': ['X = range(3)\ndef f(): return X', 'X = range(4)\ndef f(): return X'],
  'a field that is named': [
    'C = struct(a = 1, b = struct(c = 2))\ndef f(): return C.b.c',
    'C = struct(a = 1, b = struct(c = 3))\ndef f(): return C.b.c',
  ],
  'a struct as a whole': [
    'C = struct(a = 1, b = 2)\ndef f(): return [C.a, C]',
    'C = struct(a = 1, b = 3)\ndef f(): return [C.a, C]',
  ],
  'the receiver of a method': ['J = ",".join\ndef f(): return J([])', 'J = ";".join\ndef f(): return J([])'],
  'a builtin': ['X = run\ndef f(): X("a")', 'X = install_file\ndef f(): X("a")'],
  'a name that is no builtin any more': ['def f(): return len("a")', 'def len(x): return 1\ndef f(): return len("a")'],
  'a helper': [helped, helped.replace('+ 1', '+ 2')],
  'the helper of a helper': [chain, chain.replace('return 1', 'return 2')],
  'a function as a value': [
    'def g(): return 1\nX = {"do": [g]}\ndef f(): X["do"][0]()',
    'def g(): return 2\nX = {"do": [g]}\ndef f(): X["do"][0]()',
  ],
  'a function as a default': ['f = lambda g = lambda: 1: g()', 'f = lambda g = lambda: 2: g()'],
  'what was captured': [`${closure}f = make(1)`, `${closure}f = make(2)`],
  'what was captured of two of a name': [
    'def make(x):\n  return [lambda: (x, [x for x in (1,)]) for x in (9, x)][0]\nf = make(1)',
    'def make(x):\n  return [lambda: (x, [x for x in (1,)]) for x in (9, x)][0]\nf = make(2)',
  ],
  'a loaded value': [
    { 'main.star': 'load("c.star", "X")\ndef f(): return X', 'c.star': 'X = 1' },
    { 'main.star': 'load("c.star", "X")\ndef f(): return X', 'c.star': 'X = 2' },
  ],
  'a loaded helper': [
    { 'main.star': 'load("c.star", "h")\ndef f(): return h()', 'c.star': 'def h(): return 1' },
    { 'main.star': 'load("c.star", "h")\ndef f(): return h()', 'c.star': 'def h(): return 2' },
  ],
  'what a loaded helper loads': [
    {
      'main.star': 'load("c.star", "h")\ndef f(): return h()',
      'c.star': 'load("d.star", "X")\ndef h(): return X',
      'd.star': 'X = 1',
    },
    {
      'main.star': 'load("c.star", "h")\ndef f(): return h()',
      'c.star': 'load("d.star", "X")\ndef h(): return X',
      'd.star': 'X = 2',
    },
  ],
  'what lies beside whom': [
    {
      'main.star': 'load("c.star", "h")\ndef g(): install_file("a")\ndef f():\n  g()\n  h()',
      'c.star': 'def h(): pass',
    },
    {
      'main.star': 'load("c.star", "g")\ndef h(): pass\ndef f():\n  g()\n  h()',
      'c.star': 'def g(): install_file("a")',
    },
  ],
  'recursion that does another thing': [
    'def f(): return g()\ndef g(): return f()',
    'def f(): return g()\ndef g(): return g()',
  ],
}

for (const [name, [before, after]] of Object.entries(different)) {
  test(`not the same: ${name}`, async () => {
    assert.notEqual((await identify(before)).digest, (await identify(after)).digest)
  })
}

test('of ctx only what is named counts', async () => {
  const digests = async (source: string): Promise<boolean> =>
    (await identify(source, 'one')).digest === (await identify(source, 'two')).digest
  assert.equal(await digests('def f(): run("a")'), true)
  assert.equal(await digests('def f(): run(ctx.arch)'), true)
  assert.equal(await digests('f = lambda ctx: ctx.machine'), true)
  assert.equal(await digests('def f(): run(ctx.machine)'), false)
  assert.equal(await digests('def g(x): return x.arch\ndef f(): run(g(ctx))'), false)
  assert.equal(await digests('M = ctx.machine\ndef f(): run(M)'), false)
})

test('a hundred times the same', async () => {
  const digests = new Set<string>()
  for (let turn = 0; turn < 100; turn++)
    digests.add(
      (await identify(`${closure}${chain}X = {"a": set([1])}\ng = f\nf = lambda: [X, g, step, json.encode]`)).digest,
    )
  assert.equal(digests.size, 1)
})

test('what may be called how, from which files, with which builtins', async () => {
  const identity = await identify({
    'main.star':
      'load("c.star", "h")\ndef g(a): install_file("a")\ndef f(ctx, x = 1, *args, y, **more):\n  g(1)\n  h(len([]))',
    'c.star': 'load("d.star", "i")\ndef h(x): run("a")\nhidden = i',
    'd.star': 'def i(): pass',
  })
  assert.deepEqual(identity.required, ['ctx', 'y'])
  assert.deepEqual(identity.files, ['main.star', 'c.star'])
  assert.deepEqual(identity.builtins, ['install_file', 'run'])
  assert.match(identity.digest, /^[0-9a-f]{64}$/)
  assert.deepEqual((await identify('f = run')).required, [])
})

test('what was captured does not change any more', async () => {
  const module = await evaluate(
    'def make():\n  seen = []\n  def inner():\n    seen.append(1)\n    return len(seen)\n  return inner\nmade = [make]\nshow(make())',
    { show: ({ args }) => void shown.push(args[0]) },
  )
  const [fn] = shown
  assert.ok(fn instanceof StarlarkFunction)
  assert.equal(await fn.call(), 1)
  await fn.identity()
  assert.match(summary(await failureOf(fn.call())), /cannot append to frozen list/)
  assert.ok(module)
})
const shown: unknown[] = []

test('cycles end', async () => {
  const cyclic = 'X = []\nX.append({"me": X})\ndef f(): return X'
  assert.equal((await identify(cyclic)).digest, (await identify(`\n${cyclic}`)).digest)
  assert.notEqual((await identify(cyclic)).digest, (await identify(cyclic.replace('"me"', '"you"'))).digest)
})

test('what is too large or too deep is refused, and the session lives', async () => {
  for (const [source, message] of [
    ['X = [0] * 2000000\ndef f(): return X', /too large to be identified/],
    ['X = "a" * 70000000\ndef f(): return X', /too large to be identified/],
    [
      'def nest():\n  x = ()\n  for _ in range(1000): x = (x,)\n  return x\nX = nest()\ndef f(): return X',
      /nested deeper than 200/,
    ],
    [
      'def nest():\n  x = ()\n  for _ in range(22): x = (x, x)\n  return x\nX = nest()\ndef f(): return X',
      /too large to be identified/,
    ],
  ] as const) {
    const session = await StarlarkSession.open()
    const module = await execute(session, session.environment(), source)
    const fn = module.get('f')
    assert.ok(fn instanceof StarlarkFunction)
    assert.match((await failureOf(fn.identity(), 'limit')).message, message)
    assert.equal(session.lost, undefined)
  }
})

test('ten thousand functions in a chain', async () => {
  const functions = Array.from({ length: 10_000 }, (_, i) => `def f${i}(): return ${i === 0 ? '1' : `f${i - 1}()`}`)
  const source = (first: string): string => `${functions.join('\n').replace('return 1', first)}\nf = f9999`
  assert.notEqual((await identify(source('return 1'))).digest, (await identify(source('return 2'))).digest)
})

test('from bytecode it is the same, where the source is at hand', async () => {
  const compiling = await StarlarkSession.open()
  const program = await compiling.compile('main.star', chain, compiling.environment())
  const compiled = (await compiling.execute(program)).get('f')
  const restoring = await StarlarkSession.open()
  const restore = async (source?: string) => {
    const restored = existing(await restoring.restore('main.star', program.bytecode, restoring.environment(), source))
    return (await restoring.execute(restored)).get('f')
  }
  const restored = await restore(chain)
  assert.ok(compiled instanceof StarlarkFunction && restored instanceof StarlarkFunction)
  assert.equal((await compiled.identity()).digest, (await restored.identity()).digest)
  const without = await restore()
  assert.ok(without instanceof StarlarkFunction)
  assert.match((await failureOf(without.identity(), 'eval')).message, /source of f is not known/)
})
