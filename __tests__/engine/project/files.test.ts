import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { closeSync, ftruncateSync, mkdirSync, openSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { scratch, type Texts, writeTexts } from '../../support/project.ts'
import { evaluate, evaluateAt, shown } from './evaluating.ts'

async function names(texts: Texts, prepare?: (root: string) => void): Promise<string> {
  const { evaluated, errors } = await evaluate(texts, prepare === undefined ? {} : { prepare })
  return errors.map(shown).join('\n') || (evaluated?.project.units.map(({ name }) => name).join(' ') ?? '')
}

const unit = (name: string): string => `unit(name = "${name}", version = "1")`

const spellings: Readonly<Record<string, readonly [text: string, said: string]>> = {
  'lines that end in CRLF': [`${unit('one')}\r\n\r\nif True:\r\n    ${unit('two')}\r\n`, 'one two'],
  'CRLF in a string of several lines': ['unit(name = "one", version = "1", build = ["""a\r\nb"""])\r\n', 'one'],
  'a line that goes on after CRLF': ['unit(name = \\\r\n  "one", version = "1")\r\n', 'one'],
  'no newline at the end': [`${unit('one')}\n${unit('two')}`, 'one two'],
  'no newline after a comment': [`${unit('one')}\n# the end`, 'one'],
  'no newline after a block': [`if True:\n    ${unit('one')}`, 'one'],
  'a byte order mark': [`\ufeff${unit('one')}\n`, 'one'],
  'nothing but a byte order mark': ['\ufeff', ''],
  nothing: ['', ''],
  'white space only': ['  \n\t\n', ''],
  'errors of CRLF files at their lines': [
    '\r\n\r\nx = = 1\r\n',
    "units/u.star:3: STAR_SYNTAX got '=', want primary expression",
  ],
}

for (const [what, [text, said]] of Object.entries(spellings)) {
  test(`files may have ${what}`, async () => {
    assert.equal(await names({ 'units/u.star': text }), said)
  })
}

test('files and folders of a project have names of any language', async (t) => {
  const root = join(scratch(t), 'mein Projekt', 'größe 📦')
  writeTexts(root, {
    'PROJECT.star': 'project(name = "demo", modules = [module(local = "../das Modul/unit")])\n',
    '../das Modul/unit/units/ö.star': `${unit('other')}\n`,
    'units/über uns/ä b.star':
      'load("//Klassen für alle/ç.star", "v")\nunit(name = "one", version = v, source = path("../../quelle 1"))\n',
    'quelle 1/main.c': '',
    'Klassen für alle/ç.star': 'v = "1"\n',
  })
  const { project } = await evaluateAt(root)
  assert.deepEqual(
    project.units.map(({ name, at }) => [name, at.file]),
    [
      ['other', '@unit//units/ö.star'],
      ['one', 'units/über uns/ä b.star'],
    ],
  )
})

test('a file is one instance, whatever links lead to it', async () => {
  const declares = 'unit(name = "one", version = "1")\nx = []\n'
  const texts = {
    'units/a.star': declares,
    'units/c.star':
      'load("a.star", "x")\nload("b.star", y = "x")\nload("//linked/a.star", z = "x")\nload("//units/../units/./a.star", w = "x")\n',
  }
  const prepare = (root: string): void => {
    symlinkSync('a.star', join(root, 'units', 'b.star'))
    symlinkSync('units', join(root, 'linked'))
  }
  assert.equal(await names(texts, prepare), 'one')
})

test('files that load each other by links are a circle like any other', async () => {
  const found = await names(
    { 'units/a.star': 'load("//linked/b.star", "x")\n', 'units/b.star': 'load("//linked/a.star", "x")\n' },
    (root) => symlinkSync('units', join(root, 'linked')),
  )
  assert.equal(found, 'units/b.star:1: LOAD_CYCLE load cycle: units/a.star → units/b.star → units/a.star')
})

const leak: Readonly<Record<string, readonly [prepare: (module: string) => void, said: string]>> = {
  'a link of a module that leads out': [
    (module) => {
      writeFileSync(join(module, '..', 'secret.star'), 'x = 1\n')
      symlinkSync('../secret.star', join(module, 'x.star'))
    },
    'LOAD_OUTSIDE @mm//x.star is a link that leads out of its project or module',
  ],
  'a link of a module into the project': [
    (module) => symlinkSync('../PROJECT.star', join(module, 'x.star')),
    'LOAD_OUTSIDE @mm//x.star is a link that leads out of its project or module',
  ],
  'a link to an endless device': [
    (module) => symlinkSync('/dev/zero', join(module, 'x.star')),
    'LOAD_OUTSIDE @mm//x.star is a link that leads out of its project or module',
  ],
  'a pipe that nobody writes to': [
    (module) => execFileSync('mkfifo', [join(module, 'x.star')]),
    'LOAD_NOT_FOUND @mm//x.star is no file, or a link that leads nowhere',
  ],
  'a link to itself': [
    (module) => symlinkSync('x.star', join(module, 'x.star')),
    'LOAD_NOT_FOUND @mm//x.star is no file, or a link that leads nowhere',
  ],
  'a link to nothing': [
    (module) => symlinkSync('nothing', join(module, 'x.star')),
    'LOAD_NOT_FOUND @mm//x.star is no file, or a link that leads nowhere',
  ],
  'a file of a gigabyte': [
    (module) => {
      const file = openSync(join(module, 'x.star'), 'w')
      ftruncateSync(file, 2 ** 30)
      closeSync(file)
    },
    'STAR_LIMIT @mm//x.star is larger than 4194304 bytes',
  ],
  'a folder': [(module) => mkdirSync(join(module, 'x.star')), 'LOAD_NOT_FOUND @mm//x.star is a folder'],
}

for (const [what, [prepare, said]] of Object.entries(leak)) {
  test(`load() refuses ${what}`, async () => {
    const found = await names(
      {
        'PROJECT.star': 'project(name = "demo", modules = [module(local = "mm")])\n',
        'mm/MODULE.star': '',
        'units/u.star': 'load("@mm//x.star", "x")\n',
      },
      (root) => prepare(join(root, 'mm')),
    )
    assert.equal(found, `units/u.star:1: ${said}`)
  })
}

for (const reference of [
  '@mm//../x.star',
  '@mm//a/../../x.star',
  '@mm///etc/x.star',
  '@mm//..',
  '@../x.star',
  '@mm/x.star',
  '@//x.star',
]) {
  test(`load("${reference}") is refused`, async () => {
    const found = await names({
      'PROJECT.star': 'project(name = "demo", modules = [module(local = "mm")])\n',
      'mm/MODULE.star': '',
      'units/u.star': `load("${reference}", "x")\n`,
    })
    assert.match(found, /^units\/u\.star:1: LOAD_OUTSIDE load\("[^"]*"\) leads out/)
  })
}

test('a project loads a thousand files, and no more', async () => {
  const many = (count: number): Texts => ({
    'units/u.star': Array.from({ length: count }, (_, index) => `load("//c/f${index}.star", x${index} = "x")\n`).join(
      '',
    ),
    ...Object.fromEntries(Array.from({ length: count }, (_, index) => [`c/f${index}.star`, 'x = 1\n'])),
  })
  assert.equal(await names(many(1000)), '')
  assert.equal(await names(many(1001)), 'units/u.star:1001: STAR_LIMIT more than 1000 modules are loaded')
})

test('ten thousand units are no trouble', async () => {
  const perFile = 100
  const texts = Object.fromEntries(
    Array.from({ length: 100 }, (_, file) => [
      `units/f${file}.star`,
      `[unit(name = "u%d" % n, version = "1", runtime_deps = ["u%d" % (n + 1)], provides = ["v%d" % n], port = n) for n in range(${file * perFile}, ${(file + 1) * perFile})]\n`,
    ]),
  )
  const { evaluated, errors } = await evaluate(texts)
  assert.deepEqual(errors.map(shown), [])
  assert.equal(evaluated?.project.units.length, 10_000)
})
