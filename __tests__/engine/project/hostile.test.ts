import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Texts } from '../../support/project.ts'
import { evaluate, shown } from './evaluating.ts'

async function told(texts: Texts): Promise<string> {
  const { evaluated, errors } = await evaluate(texts)
  return errors.map(shown).join('\n') || (evaluated?.project.units.map(({ name }) => name).join(' ') ?? '')
}

const inModule = (files: Texts): Texts => ({
  'PROJECT.star': 'project(name = "demo", modules = [module(local = "mm")])\n',
  'mm/MODULE.star': '',
  ...files,
})

/** What a module may do to others: nothing. */
const meddling: Readonly<Record<string, readonly [texts: Texts, said: string]>> = {
  'a builtin given another meaning in a file counts in that file': [
    inModule({
      'mm/units/a.star': 'def unit(**kwargs):\n    pass\nunit(name = "lost", version = "1")\n',
      'mm/units/b.star': 'unit(name = "of-module", version = "1")\n',
      'units/u.star': 'unit(name = "of-project", version = "1")\n',
    }),
    'of-module of-project',
  ],
  'a builtin that a file gives away counts where it is loaded by name': [
    inModule({
      'mm/c.star': '_unit = unit\ndef wrapped(name):\n    _unit(name = name + "-x", version = "1")\n',
      'units/u.star': 'load("@mm//c.star", unit = "wrapped")\nunit("aa")\n',
      'units/v.star': 'unit(name = "bb", version = "1")\n',
    }),
    'aa-x bb',
  ],
  'a list of another file': [
    inModule({ 'mm/c.star': 'deps = ["zlib"]\n', 'units/u.star': 'load("@mm//c.star", "deps")\ndeps.append("x")\n' }),
    'units/u.star:2: STAR_EVAL append: cannot append to frozen list',
  ],
  'a dict of another file': [
    inModule({ 'mm/c.star': 'd = {}\n', 'units/u.star': 'load("@mm//c.star", "d")\nd["x"] = 1\n' }),
    'units/u.star:2: STAR_EVAL cannot insert into frozen hash table',
  ],
  'a list inside a struct of another file': [
    inModule({ 'mm/c.star': 's = struct(l = [1])\n', 'units/u.star': 'load("@mm//c.star", "s")\ns.l.extend([2])\n' }),
    'units/u.star:2: STAR_EVAL extend: cannot extend frozen list',
  ],
  'a field of a struct': [
    { 'units/u.star': 's = struct(a = 1)\ns.a = 2\n' },
    "units/u.star:2: STAR_EVAL can't assign to .a field of struct",
  ],
  'a default value that calls would share': [
    { 'c.star': 'def f(l = []):\n    l.append(1)\n', 'units/u.star': 'load("//c.star", "f")\nf()\n' },
    'units/u.star:2: STAR_EVAL append: cannot append to frozen list | it happened at c.star:2, called from here',
  ],
  'what it closed over': [
    {
      'c.star':
        'def counter():\n    n = [0]\n    def f():\n        n[0] += 1\n        return n[0]\n    return f\nf = counter()\n',
      'units/u.star': 'load("//c.star", "f")\nf()\n',
    },
    'units/u.star:2: STAR_EVAL cannot assign to element of frozen list | it happened at c.star:4, called from here',
  ],
  ctx: [{ 'units/u.star': 'ctx.arch = "arm64"\n' }, "units/u.star:1: STAR_EVAL can't assign to .arch field of struct"],
  'a builtin': [
    { 'units/u.star': 'unit.name = "x"\n' },
    "units/u.star:1: STAR_EVAL can't assign to .name field of builtin_function_or_method",
  ],
  'a name that it may not load': [
    { 'c.star': '_private = 1\n', 'units/u.star': 'load("//c.star", "_private")\n' },
    'units/u.star:1: STAR_EVAL load: names with leading underscores are not exported: _private',
  ],
}

for (const [what, [texts, said]] of Object.entries(meddling)) {
  test(`a module can't change ${what}`, async () => {
    assert.equal(await told(texts), said)
  })
}

test('a hundred evaluations of dicts, sets and strings give one order', async () => {
  const texts = {
    'units/u.star': `d = {str(n * 7919 % 101): n for n in range(101)}
s = set([str(n * 31 % 67) for n in range(67)])
unit(name = "uu", version = "1", order = [list(d), list(s), d.items(), dir(struct(b = 1, a = 2)), sorted(d), hash("x"), json.encode(d), repr(d)])
`,
  }
  const orders = new Set<string>()
  for (let round = 0; round < 100; round++) {
    const unit = (await evaluate(texts)).evaluated?.project.units[0]
    orders.add(JSON.stringify(unit))
  }
  assert.equal(orders.size, 1)
  assert.ok([...orders][0]?.includes('"order"'))
})

/** Texts that make a careless pattern or function take for ever. */
const long = 1_000_000
const catastrophic: Readonly<Record<string, string>> = {
  letters: `"a" * ${long} + "!"`,
  spaces: `"a" + " " * ${long} + "!"`,
  brackets: `"a" + "(" * ${long}`,
  'signs of versions': `"a " + ">=" * ${long}`,
  'a version and spaces': `"a >= 1" + " " * ${long} + "x"`,
  alternatives: `"a|" * ${long}`,
  slashes: `"/" * ${long} + "\\n"`,
  'parts of a path': `"/a" * ${long} + "/"`,
  dots: `"." * ${long} + "!"`,
  'an address': `"http://" + "a." * ${long} + " "`,
  'an address of git': `"git@" + "a.b/" * ${long} + "!"`,
  'parts of a name': `"a-" * ${long} + "!"`,
  digits: `"1" * ${long} + "x"`,
}

/** A call with TEXT in the place of a value. */
const fields: Readonly<Record<string, readonly [file: string, call: string]>> = {
  name: ['units/u.star', 'unit(name = TEXT, version = "1")'],
  version: ['units/u.star', 'unit(name = "uu", version = TEXT)'],
  dependency: ['units/u.star', 'unit(name = "uu", version = "1", deps = [TEXT], provides = [TEXT], replaces = [TEXT])'],
  alternatives: ['units/u.star', 'unit(name = "uu", version = "1", runtime_deps = [TEXT])'],
  source: ['units/u.star', 'unit(name = "uu", version = "1", source = TEXT, tag = TEXT)'],
  patch: ['units/u.star', 'unit(name = "uu", version = "1", patches = [TEXT])'],
  conffile: ['units/u.star', 'unit(name = "uu", version = "1", conffiles = [TEXT])'],
  files: ['units/u.star', 'files(TEXT)'],
  destination: ['units/u.star', 'install_file("x", "$DESTDIR/" + TEXT)'],
  template: ['units/u.star', 'install_template(TEXT, "$DESTDIR/x")'],
  flags: ['units/u.star', 'unit(name = "uu", version = "1", public_config = {"CFLAGS": TEXT})'],
  'kept folder': ['units/u.star', 'unit(name = "uu", version = "1", cache_dirs = {TEXT: TEXT})'],
  timezone: [
    'images/i.star',
    'image(name = "ii", artifacts = ["aa"], timezone = TEXT, locale = TEXT, hostname = TEXT)',
  ],
  user: [
    'images/i.star',
    'user(name = TEXT, password = TEXT, authorized_keys = ["ssh-ed25519 " + TEXT], shell = TEXT)',
  ],
  mirrors: ['PROJECT.star', 'project(name = "demo", sources = sources(mirrors = {TEXT: TEXT}, go_proxy = TEXT))'],
  module: [
    'PROJECT.star',
    'project(name = "demo", modules = [module(TEXT, ref = TEXT, path = TEXT), module(local = TEXT)])',
  ],
}

for (const [what, [file, call]] of Object.entries(fields)) {
  test(`no text makes the check of ${what} take long`, async () => {
    for (const [kind, text] of Object.entries(catastrophic)) {
      const { errors } = await evaluate({ 'units/u/x': '', [file]: `TEXT = ${text}\nx = ${call}\n` })
      assert.ok(errors.length > 0, kind)
      for (const { message } of errors) assert.ok(message.length < 1000, `${kind}: ${message.slice(0, 200)}`)
    }
  })
}

test('functions of the language take no time or memory without bounds', async () => {
  const rows: Readonly<Record<string, RegExp | ''>> = {
    's = "a" * 1000000\nx = s.find("a" * 500000 + "b")': '',
    's = "a" * 1000000\nx = s.count("aa")': '',
    's = "ab" * 500000\nx = s.split("a")': '',
    's = "a" * 100000\nx = s.replace("a", "b" * 100000)': /STAR_LIMIT|STAR_EVAL/,
    's = "%s" * 100000\nx = s % tuple(["x" * 100000] * 100000)': /STAR_LIMIT|STAR_EVAL/,
    'x = ("x" * 100000).join(["y"] * 100000)': /STAR_LIMIT|STAR_EVAL/,
    'x = sorted(range(10000000000))': /STAR_LIMIT|STAR_EVAL/,
    'x = 1 << 1000000000': /STAR_LIMIT|STAR_EVAL/,
    'x = json.decode("[" * 100000)': /STAR_LIMIT|STAR_EVAL/,
    'def f():\n  x = ["a"]\n  for i in range(100):\n    x += x\nf()': /STAR_LIMIT|STAR_EVAL/,
  }
  for (const [text, said] of Object.entries(rows)) {
    const found = await told({ 'units/u.star': `${text}\n` })
    if (said === '') assert.equal(found, '', text)
    else assert.match(found, said, text)
  }
})
