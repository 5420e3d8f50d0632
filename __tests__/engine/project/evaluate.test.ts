import assert from 'node:assert/strict'
import { cpSync, mkdirSync, realpathSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { digestOf } from '#engine/plan/canonical.ts'
import { bareUnit } from '#engine/project/bare-unit.ts'
import type { Json, Project } from '#engine/project/model.ts'
import { checkout, scratch, writeTexts } from '../../support/project.ts'
import { evaluate, evaluateAt, shown } from './evaluating.ts'

const gateway = join(checkout, 'examples', 'gateway')

/** Everything that a project says but where it lies. */
function said(project: Project): string {
  const { root: _, modules, ...rest } = project
  const document: Json = JSON.parse(JSON.stringify({ ...rest, modules: modules.map(({ name, at }) => ({ name, at })) }))
  return digestOf('test', document)
}

function copyGateway(to: string): string {
  mkdirSync(to, { recursive: true })
  for (const part of ['PROJECT.star', 'units', 'images', 'overlays', 'sensord'])
    cpSync(join(gateway, part), join(to, part), { recursive: true })
  return to
}

test('a hundred evaluations say the same', async (t) => {
  const root = copyGateway(join(scratch(t), 'gateway'))
  const expected = said((await evaluateAt(root)).project)
  for (let round = 0; round < 100; round++) assert.equal(said((await evaluateAt(root)).project), expected)
})

test('where a project lies is not in what it says', async (t) => {
  const folder = scratch(t)
  const [one, other] = [copyGateway(join(folder, 'a')), copyGateway(join(folder, 'deeper', 'päth with spaces', 'b'))]
  assert.equal(said((await evaluateAt(one)).project), said((await evaluateAt(other)).project))
})

test('declarations belong to the file that a user would edit, and name the class in between', async () => {
  const { evaluated, errors } = await evaluate({
    'classes/inner.star': 'def inner(name, **kwargs):\n  unit(name = name, version = "1", **kwargs)\n',
    'classes/outer.star':
      'load("inner.star", "inner")\n\ndef outer(name):\n  inner(name, tasks = [task("t", steps = [install_file("x", "$DESTDIR/x")])])\n',
    'classes/outer/x': 'beside the class',
    'units/deep/u.star': 'load("//classes/outer.star", "outer")\n\n\nouter("uu")\n',
  })
  assert.deepEqual(errors.map(shown), [])
  const unit = evaluated?.project.units[0]
  assert.ok(unit?.kind === 'package')
  assert.deepEqual([unit.at.file, unit.at.line, unit.builtVia], ['units/deep/u.star', 4, ['outer', 'inner']])
  const [step] = unit.tasks[0]?.steps ?? []
  assert.deepEqual(step?.kind === 'install' && step.source, { module: '', path: 'classes/outer/x' })
})

test('a unit of a name and a version is the bare unit', async () => {
  const { evaluated, errors } = await evaluate({ 'units/u.star': 'unit(name = "app", version = "1.0")\n' })
  assert.deepEqual(errors.map(shown), [])
  const [unit] = evaluated?.project.units ?? []
  assert.ok(unit !== undefined)
  assert.deepEqual({ ...unit }, bareUnit('app', '1.0', unit.at))
})

test('modules come in their order, the project last; images after all units, by name', async (t) => {
  const folder = scratch(t)
  const root = join(folder, 'project')
  const declare = (name: string): string => `unit(name = "${name}", version = "1")\n`
  writeTexts(folder, {
    'project/PROJECT.star': 'project(name = "demo", modules = [module(local = "../m2"), module(local = "../m1")])\n',
    'project/units/z.star': declare('p-z'),
    'project/units/b/a.star': declare('p-b-a'),
    'project/units/a.star': declare('p-a'),
    'project/units/notes.txt': 'no Starlark',
    'm1/units/u.star': declare('m1-u'),
    'm2/images/i.star': declare('m2-i'),
    'm2/units/u.star': declare('m2-u'),
  })
  const { project } = await evaluateAt(root)
  assert.deepEqual(
    project.units.map(({ name, module }) => `${module}:${name}`),
    ['m2:m2-u', 'm1:m1-u', ':p-a', ':p-b-a', ':p-z', 'm2:m2-i'],
  )
})

test('a name that two modules declare is no error, and the feed of a module is called after it', async (t) => {
  const folder = scratch(t)
  writeTexts(folder, {
    'project/PROJECT.star': 'project(name = "demo", modules = [module(local = "../module-acme")])\nunits = 1\n',
    'project/units/u.star': 'unit(name = "uu", version = "2")\n',
    'module-acme/units/u.star': 'unit(name = "uu", version = "1")\n',
    'module-acme/keys/k.gpg': '',
    'module-acme/MODULE.star':
      'module_info(name = "acme", description = "things")\napt_feed(name = "main", distro = "debian", url = "http://x.org/d", suite = "s", component = "main", arches = ["amd64"], keyring = "keys/k.gpg")\n',
  })
  const { project } = await evaluateAt(join(folder, 'project'))
  assert.equal(project.units.length, 2)
  assert.deepEqual(
    project.feeds.map(({ id, module }) => [id, module]),
    [['acme.main', 'module-acme']],
  )
  assert.equal(project.modules[0]?.description, 'things')
})

test('links inside the root are followed, files and folders', async () => {
  const { evaluated, errors } = await evaluate(
    {
      'real/b.star': 'x = "1"\n',
      'units/u.star': 'load("//linked/b.star", "x")\nload("//c.star", y = "x")\nunit(name = "uu", version = x + y)\n',
    },
    {
      prepare: (root) => {
        symlinkSync('real', join(root, 'linked'))
        symlinkSync('real/b.star', join(root, 'c.star'))
      },
    },
  )
  assert.deepEqual(errors.map(shown), [])
  assert.equal(evaluated?.project.units[0]?.version, '11')
})

test('what was looked at is known, also what was looked for and missing', async (t) => {
  const root = join(realpathSync(scratch(t)), 'project')
  writeTexts(root, {
    'PROJECT.star': 'project(name = "demo")\n',
    'classes/c.star': 'v = "1"\n',
    'units/u.star': 'load("//classes/c.star", "v")\nunit(name = "uu", version = v, source = path("//src"))\n',
    'src/main.c': '',
  })
  const facts = Object.entries((await evaluateAt(root)).facts).map(
    ([path, fact]) => `${path.slice(root.length + 1)} ${fact === 'missing' ? fact : 'there'}`,
  )
  assert.deepEqual(facts.sort(), [
    'PROJECT.star there',
    'classes/c.star there',
    'containers missing',
    'images missing',
    'machines missing',
    'src there',
    'units there',
    'units/u.star there',
  ])
})

test('evaluation depends on nothing around it', async (t) => {
  const root = copyGateway(join(scratch(t), 'gateway'))
  const expected = said((await evaluateAt(root)).project)
  const { TZ, LANG, HOME } = process.env
  const before = process.cwd()
  try {
    process.env['TZ'] = 'Asia/Kathmandu'
    process.env['LANG'] = 'tr_TR.UTF-8'
    process.env['HOME'] = '/nonexistent'
    process.chdir('/')
    t.mock.timers.enable({ apis: ['Date'], now: 4_000_000_000_000 })
    assert.equal(said((await evaluateAt(root)).project), expected)
  } finally {
    t.mock.timers.reset()
    process.chdir(before)
    Object.assign(process.env, { TZ, LANG, HOME })
    for (const name of ['TZ', 'LANG', 'HOME']) if (process.env[name] === 'undefined') delete process.env[name]
  }
})

test('the language has no clock, no chance and no files', async () => {
  for (const name of ['time', 'random', 'open', 'os', 'glob', 'env', 'getenv', 'read_file', 'exec', 'host']) {
    const { errors } = await evaluate({ 'units/u.star': `x = ${name}\n` })
    assert.equal(errors[0]?.message, `undefined: ${name}`)
  }
})
