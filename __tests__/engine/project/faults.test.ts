import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { Texts } from '../../support/project.ts'
import { evaluate, shown } from './evaluating.ts'

/** What is wrong with a project, and exactly what is said about it. */
interface Fault {
  readonly texts: Texts
  readonly prepare?: (root: string) => void
  readonly machine?: string
  readonly said: readonly string[]
}

const unitIn = (text: string): Texts => ({ 'units/a.star': text })
const outside =
  'leads out of the project or module | use "@module//path.star", "//path.star" from the root, or a path relative to this file'
const core = 'project(name = "demo", modules = [module("yoe:module-core")])\n'

const faults: Readonly<Record<string, Fault>> = {
  'a value that contains another twice, sixty levels deep, as a key': {
    texts: unitIn('x = (0,)\nfor _ in range(60):\n    x = (x, x)\nd = {x: 1}\n'),
    said: ['units/a.star:4: STAR_LIMIT step limit of 50000000 exceeded'],
  },
  'a missing comma': {
    texts: unitIn('unit(name = "aa"\nversion = "1")\n'),
    said: ["units/a.star:2: STAR_SYNTAX got identifier, want ','"],
  },
  'a file that ends too early': {
    texts: { 'PROJECT.star': 'project(name =\n' },
    said: ['PROJECT.star:2: STAR_SYNTAX got end of file, want primary expression'],
  },
  'a PROJECT.star without project()': {
    texts: { 'PROJECT.star': '' },
    said: ['PROJECT.star:1: PROJECT_INVALID PROJECT.star calls no project(…) | write project(name = "my-product", …)'],
  },
  'a name that nothing has': {
    texts: unitIn('unti(name = "aa")\n'),
    said: ['units/a.star:1: STAR_EVAL undefined: unti | did you mean "unit"?'],
  },
  'a load of a missing file': {
    texts: unitIn('load("//classes/no.star", "x")\n'),
    said: ['units/a.star:1: LOAD_NOT_FOUND there is no file classes/no.star'],
  },
  'a load of a folder': {
    texts: { ...unitIn('load("//classes", "x")\n'), 'classes/x.star': '' },
    said: ['units/a.star:1: LOAD_NOT_FOUND classes is a folder'],
  },
  'a load of a name that the file lacks': {
    texts: { ...unitIn('load("//b.star", "frob")\n'), 'b.star': 'frobn = 1\n' },
    said: ['units/a.star:1: STAR_EVAL load: name frob not found in module //b.star (did you mean frobn?)'],
  },
  'a load from above the project': {
    texts: unitIn('load("../../x.star", "x")\n'),
    said: [`units/a.star:1: LOAD_OUTSIDE load("../../x.star") ${outside}`],
  },
  'a load from above the root': {
    texts: unitIn('load("//../x.star", "x")\n'),
    said: [`units/a.star:1: LOAD_OUTSIDE load("//../x.star") ${outside}`],
  },
  'a load out of a module': {
    texts: { 'PROJECT.star': core, ...unitIn('load("@module-core//../../x.star", "x")\n') },
    said: [`units/a.star:1: LOAD_OUTSIDE load("@module-core//../../x.star") ${outside}`],
  },
  'a load of an absolute path': {
    texts: unitIn('load("/etc/passwd", "x")\n'),
    said: [`units/a.star:1: LOAD_OUTSIDE load("/etc/passwd") ${outside}`],
  },
  'a load of an absolute path behind //': {
    texts: unitIn('load("///etc/passwd", "x")\n'),
    said: [`units/a.star:1: LOAD_OUTSIDE load("///etc/passwd") ${outside}`],
  },
  'a load through a link that leads out': {
    texts: unitIn('load("//evil.star", "x")\n'),
    prepare: (root) => {
      writeFileSync(join(root, '..', 'secret.star'), 'x = 1\n')
      symlinkSync('../secret.star', join(root, 'evil.star'))
    },
    said: ['units/a.star:1: LOAD_OUTSIDE evil.star is a link that leads out of its project or module'],
  },
  'a load through a folder that is a link to a sibling of the same beginning': {
    texts: unitIn('load("//lib/x.star", "x")\n'),
    prepare: (root) => {
      mkdirSync(`${root}-evil`)
      writeFileSync(join(`${root}-evil`, 'x.star'), 'x = 1\n')
      symlinkSync(`${root}-evil`, join(root, 'lib'))
    },
    said: ['units/a.star:1: LOAD_OUTSIDE lib/x.star is a link that leads out of its project or module'],
  },
  'a unit file that is a link to a device': {
    texts: {},
    prepare: (root) => {
      mkdirSync(join(root, 'units'))
      symlinkSync('/dev/zero', join(root, 'units', 'a.star'))
    },
    said: ['units/a.star:1: LOAD_OUTSIDE units/a.star is a link that leads out of its project or module'],
  },
  'a unit file that is a pipe': {
    texts: { 'units/b.star': '' },
    prepare: (root) => execFileSync('mkfifo', [join(root, 'units', 'a.star')]),
    said: ['units/a.star:1: LOAD_NOT_FOUND units/a.star is no file, or a link that leads nowhere'],
  },
  'a file of megabytes': {
    texts: unitIn(`#${'x'.repeat(5 << 20)}`),
    said: ['units/a.star:1: STAR_LIMIT units/a.star is larger than 4194304 bytes'],
  },
  'a load from a module that is nearly called so': {
    texts: { 'PROJECT.star': core, ...unitIn('load("@module-cor//x.star", "x")\n') },
    said: ['units/a.star:1: MODULE_NOT_FOUND this project has no module "module-cor" | did you mean "module-core"?'],
  },
  'modules that are not there': {
    texts: { 'PROJECT.star': 'project(name = "demo", modules = [module("yoe:nope"), module(local = "../gone")])\n' },
    said: [
      'PROJECT.star:1: MODULE_NOT_FOUND yoe ships no module "nope" | there are: yoe:module-alpine, yoe:module-core, yoe:module-debian',
      'PROJECT.star:1: MODULE_NOT_FOUND module "gone": there is no folder FOLDER/gone',
    ],
  },
  'a load from a module that is not there, which is told once': {
    texts: {
      'PROJECT.star': 'project(name = "demo", modules = [module("yoe:module-cor"), module(local = "m")])\n',
      'm/MODULE.star': 'module_info(name = "m", deps = [module(local = "gone")])\n',
      ...unitIn(
        'load("@module-cor//x.star", "x")\nload("@gone//x.star", "y")\nunit(name = "aa", version = "1", licence = "MIT")\n',
      ),
      'units/b.star': 'unit(name = "bb", version = "1", licence = "MIT")\n',
    },
    said: [
      'PROJECT.star:1: MODULE_NOT_FOUND yoe ships no module "module-cor" | did you mean "module-core"?',
      '@m//MODULE.star:1: MODULE_NOT_FOUND module "gone": there is no folder FOLDER/project/m/gone (project → m → gone)',
      'units/b.star:1: UNKNOWN_FIELD unit() has no field "licence" | did you mean "license"?',
    ],
  },
  'a load of a file that is nearly called so': {
    texts: { ...unitIn('load("//classes/cmak.star", "x")\n'), 'classes/cmake.star': '' },
    said: ['units/a.star:1: LOAD_NOT_FOUND there is no file classes/cmak.star | did you mean "cmake.star"?'],
  },
  'a module that is listed twice': {
    texts: {
      'PROJECT.star':
        'project(\n  name = "demo",\n  modules = [\n    module(local = "m"),\n    module(local = "./m"),\n  ],\n)\n',
      'm/x': '',
    },
    said: ['PROJECT.star:5: DUPLICATE module "m" is listed twice | the first is at PROJECT.star:4; remove one'],
  },
  'a module without a name': {
    texts: { 'PROJECT.star': 'project(name = "demo", modules = [module(local = "../..")])\n' },
    said: [
      'PROJECT.star:1: BAD_NAME module(): the last part of "../.." names the module and must be letters, digits, "+", "-", "_" and ".", starting with a letter or digit, at most 100 characters',
    ],
  },
  'a load cycle': {
    texts: {
      ...unitIn('load("//classes/b.star", "x")\n'),
      'classes/b.star': 'load("//classes/c.star", "x")\n',
      'classes/c.star': 'load("b.star", "x")\n',
    },
    said: ['classes/c.star:1: LOAD_CYCLE load cycle: classes/b.star → classes/c.star → classes/b.star'],
  },
  'a file that loads itself by another name': {
    texts: unitIn('load("//units/./a.star", "x")\n'),
    said: ['units/a.star:1: LOAD_CYCLE load cycle: units/a.star → units/a.star'],
  },
  'an endless loop': {
    texts: unitIn('def f():\n  for i in range(1 << 40):\n    for j in range(1 << 40):\n      pass\nf()\n'),
    said: ['units/a.star:3: STAR_LIMIT step limit of 50000000 exceeded'],
  },
  recursion: {
    texts: unitIn('def f(n):\n  return f(n + 1)\n\nf(0)\n'),
    said: ['units/a.star:4: STAR_EVAL function f called recursively | it happened at units/a.star:2, called from here'],
  },
  'a hundred thousand parentheses': {
    texts: unitIn(`x = ${'('.repeat(100_000)}1${')'.repeat(100_000)}\n`),
    said: ['units/a.star:1: STAR_LIMIT excessive nesting'],
  },
  'a value of gigabytes': {
    texts: unitIn('x = "a" * (1 << 31)\n'),
    said: ['units/a.star:1: STAR_EVAL repeat count 2147483648 too large'],
  },
  'a change of what another file made': {
    texts: { ...unitIn('load("//b.star", "l")\nl.append(2)\n'), 'b.star': 'l = [1]\n' },
    said: ['units/a.star:2: STAR_EVAL append: cannot append to frozen list'],
  },
  'an error inside a class': {
    texts: {
      'classes/c.star': 'def app(name):\n  unit(name = name, version = 1 // 0)\n',
      ...unitIn('load("//classes/c.star", "app")\n\napp("aa")\n'),
    },
    said: ['units/a.star:3: STAR_EVAL floored division by zero | it happened at classes/c.star:2, called from here'],
  },
  'a wrong argument inside a class': {
    texts: {
      'classes/c.star': 'def app(name):\n  unit(name = name)\n',
      ...unitIn('load("//classes/c.star", "app")\n\napp("aa")\n'),
    },
    said: ['units/a.star:3: BAD_FIELD unit(): version is missing | add version = …'],
  },
  'misspelt fields, each with the nearest name': {
    texts: unitIn('unit(name = "aa", versoin = "1", tsks = [])\n'),
    said: [
      'units/a.star:1: UNKNOWN_FIELD unit() has no field "versoin" | did you mean "version"?',
      'units/a.star:1: UNKNOWN_FIELD unit() has no field "tsks" | did you mean "tasks"?',
      'units/a.star:1: BAD_FIELD unit(): version is missing | add version = …',
    ],
  },
  'template context of a unit that is within two edits of a field': {
    texts: unitIn('unit(name = "aa", version = "1", licens = "x", port = 1502, patchez = 4)\n'),
    said: [
      'units/a.star:1: UNKNOWN_FIELD unit() has no field "licens" | did you mean "license"?',
      'units/a.star:1: UNKNOWN_FIELD unit() has no field "patchez" | did you mean "patches"?',
    ],
  },
  'a misspelt argument of a class, which its **kwargs would take': {
    texts: {
      'classes/c.star':
        'def go(name, go_package = None, flags = ["a", "b)"], *, cgo = False, # ldflag, too\n        ldflags = [], **kwargs):\n    unit(name = name, version = "1", **kwargs)\n',
      ...unitIn(
        'load("//classes/c.star", "go")\n\ngo("aa", go_packag = ".", ldflag = [], port = 1)\nextend("aa", deps = [])\n',
      ),
    },
    said: [
      'units/a.star:3: UNKNOWN_FIELD go() has no field "go_packag" | did you mean "go_package"?',
      'units/a.star:3: UNKNOWN_FIELD go() has no field "ldflag" | did you mean "ldflags"?',
    ],
  },
  'fields of a builtin that has too many to list': {
    texts: { 'images/a.star': 'image(name = "aa", artifacts = [], packets = [])\n' },
    said: [
      'images/a.star:1: UNKNOWN_FIELD image() has no field "packets" | docs/project.md lists the fields of image()',
    ],
  },
  'a field that an image does not have': {
    texts: { 'images/a.star': 'image(name = "aa", artifacts = [], artefacts = [])\n' },
    said: ['images/a.star:1: UNKNOWN_FIELD image() has no field "artefacts" | did you mean "artifacts"?'],
  },
  'fields that nothing is near to': {
    texts: unitIn('x = test("a", run = "b", __proto__ = 3)\ny = path(constructor = "x")\n'),
    said: [
      'units/a.star:1: UNKNOWN_FIELD test() has no field "__proto__" | its fields are: name, run',
      'units/a.star:2: UNKNOWN_FIELD path() has no field "constructor" | its fields are: path',
      'units/a.star:2: BAD_FIELD path(): path is missing | add path = …',
    ],
  },
  'one mistake in a value that other calls take': {
    texts: unitIn(
      'unit(name = "aa", version = "1", tasks = [task("t", steps = [install_file("../x", "$DESTDIR/x")])])\n',
    ),
    said: ['units/a.star:1: BAD_FIELD install_file(): "../x" must lie in units/a/'],
  },
  'a file to install that is missing': {
    texts: unitIn('unit(name = "aa", version = "1", tasks = [task("t", steps = [install_file("x", "$DESTDIR/x")])])\n'),
    said: ['units/a.star:1: BAD_FIELD install_file(): there is no file units/a/x'],
  },
  'a destination out of the destdir': {
    texts: {
      'units/a/x': '',
      ...unitIn('s = [install_file("x", "/etc/x"), install_file("x", "$DESTDIR/../x")]\n'),
    },
    said: [
      'units/a.star:1: BAD_FIELD install_file(): dest must be a path under a variable, such as "$DESTDIR/etc/app.conf"; "/etc/x" is not',
      'units/a.star:1: BAD_FIELD install_file(): dest must be a path under a variable, such as "$DESTDIR/etc/app.conf"; "$DESTDIR/../x" is not',
    ],
  },
  'a source outside': {
    texts: unitIn('unit(name = "aa", version = "1", source = path("../.."))\n'),
    said: ['units/a.star:1: BAD_FIELD path(): "../.." leads out of the project or module'],
  },
  'two units of one name in one module': {
    texts: { ...unitIn('unit(name = "aa", version = "1")\n'), 'units/b.star': '\nunit(name = "aa", version = "2")\n' },
    said: [
      'units/b.star:2: DUPLICATE unit "aa" is declared twice | the first is at units/a.star:1; rename or remove one',
    ],
  },
  'two providers of one name in one module': {
    texts: unitIn(
      'unit(name = "aa", version = "1", provides = ["zz"])\nunit(name = "bb", version = "1", provides = ["zz"])\n',
    ),
    said: [
      'units/a.star:2: DUPLICATE "bb" and "aa" both provide "zz" | within one module a virtual name has one provider per distro; the other is at units/a.star:1',
    ],
  },
  'two project() calls': {
    texts: { 'PROJECT.star': 'project(name = "demo")\nproject(name = "demo")\n' },
    said: ['PROJECT.star:2: DUPLICATE project() is called twice | the first call is at PROJECT.star:1'],
  },
  'builtins where they do not belong': {
    texts: {
      'PROJECT.star': 'project(name = "demo")\nunit(name = "aa", version = "1")\n',
      ...unitIn('machine(name = "x", arch = "x86_64")\napt_feed(name = "x")\n'),
    },
    said: [
      'PROJECT.star:2: BAD_FIELD unit() belongs into files under units/, images/ and containers/',
      'units/a.star:1: BAD_FIELD machine() belongs into files under machines/',
      'units/a.star:2: BAD_FIELD apt_feed() belongs into MODULE.star or PROJECT.star',
    ],
  },
  'an unknown default machine, without the noise of units that depend on it': {
    texts: {
      'PROJECT.star':
        'project(name = "demo", defaults = defaults(machine = "qemu-x86-64"), modules = [module("yoe:module-core")])\n',
      ...unitIn('x = {"x86_64": 1}[ctx.arch]\n'),
    },
    said: ['PROJECT.star:1: MACHINE_NOT_FOUND there is no machine "qemu-x86-64" | did you mean "qemu-x86_64"?'],
  },
  'an unknown machine on the command line': {
    texts: { 'PROJECT.star': core },
    machine: 'nope',
    said: ['MACHINE_NOT_FOUND there is no machine "nope" | there are: qemu-arm64, qemu-x86_64'],
  },
}

for (const [what, { texts, prepare, machine, said }] of Object.entries(faults)) {
  test(what, async () => {
    const { errors } = await evaluate(texts, {
      ...(prepare === undefined ? {} : { prepare }),
      ...(machine === undefined ? {} : { machine }),
    })
    const told = errors.map((error) => shown(error).replace(/\/\S*\/yoe-evaluate-\w+/, 'FOLDER'))
    assert.deepEqual(told, said)
  })
}

test('all errors of all files are found together, in the order of evaluation', async () => {
  const { errors } = await evaluate({
    'machines/m.star': 'machine(name = "m", arch = "z80")\n',
    'units/a.star': 'unit(name = "A", version = "1")\n',
    'units/b.star': 'unit(\n',
    'units/c.star': 'load("//no.star", "x")\n',
    'units/d.star': 'fail("no")\n',
    'images/z.star': 'image(name = "zz")\n',
  })
  assert.deepEqual(errors.map(({ at, code }) => `${at?.file} ${code}`).sort(), [
    'images/z.star BAD_FIELD',
    'machines/m.star BAD_FIELD',
    'units/a.star BAD_FIELD',
    'units/b.star STAR_SYNTAX',
    'units/c.star LOAD_NOT_FOUND',
    'units/d.star STAR_EVAL',
  ])
})

test('what many files load is one instance, and a file has one id whatever it is called', async () => {
  const users = Array.from({ length: 300 }, (_, index): [string, string] => [
    `units/u${index}.star`,
    `load("${index % 2 === 0 ? '//b.star' : '../b.star'}", "x")\nunit(name = "u${index}", version = str(x))\n`,
  ])
  const { evaluated } = await evaluate({ 'b.star': 'x = 1\n', ...Object.fromEntries(users) })
  assert.equal(evaluated?.project.units.length, 300)
})
