import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { PackageUnit } from '#engine/project/model.ts'
import type { Texts } from '../../support/project.ts'
import { evaluate, shown } from './evaluating.ts'

const base = `unit(
    name = "app", version = "1", deps = ["zlib"], runtime_deps = ["bash"], services = ["app"], conffiles = ["/etc/a"],
    environment = {"A": "1"}, tasks = [task("build", run = "make")],
)
`

async function unitOf(texts: Texts, name = 'app'): Promise<PackageUnit> {
  const { evaluated, errors } = await evaluate(texts)
  assert.deepEqual(errors.map(shown), [])
  const unit = evaluated?.project.units.find((known) => known.name === name)
  assert.ok(unit?.kind === 'package')
  return unit
}

test('extend adds to each list, says nothing twice, and is on record', async () => {
  const unit = await unitOf({
    'units/a.star': base,
    'units/b.star': `

extend(
    "app", deps = ["zlib", "openssl >= 3"], runtime_deps = ["bash", "dash | busybox"], services = ["app", "app-extra"],
    conffiles = ["/etc/b"], environment = {"A": "1", "B": "2"}, tasks = [task("more", run = "true")],
)
`,
  })
  assert.deepEqual(unit.deps, [{ name: 'zlib' }, { name: 'openssl', version: { relation: '>=', version: '3' } }])
  assert.deepEqual(unit.runtimeDeps, [[{ name: 'bash' }], [{ name: 'dash' }, { name: 'busybox' }]])
  assert.deepEqual(unit.services, ['app', 'app-extra'])
  assert.deepEqual(unit.conffiles, ['/etc/a', '/etc/b'])
  assert.deepEqual(unit.environment, { A: '1', B: '2' })
  assert.deepEqual(
    unit.tasks.map(({ name, at }) => [name, at.file]),
    [
      ['build', 'units/a.star'],
      ['more', 'units/b.star'],
    ],
  )
  assert.equal(unit.at.file, 'units/a.star')
  assert.deepEqual(unit.extensions, [{ at: { file: 'units/b.star', line: 3, column: 7 }, via: [] }])
})

test('extend does not mind the order of files', async () => {
  const more = 'extend("app", services = ["more"])\n'
  const after = await unitOf({ 'units/a.star': base, 'units/b.star': more })
  const before = await unitOf({ 'units/b.star': base, 'units/a.star': more })
  assert.deepEqual(before.services, ['app', 'more'])
  assert.deepEqual(after.services, before.services)
})

test('extend reaches every unit of the name in its module, and no other', async () => {
  const { evaluated, errors } = await evaluate({
    'PROJECT.star': 'project(name = "demo", modules = [module(local = "mm")])\n',
    'mm/units/a.star': 'unit(name = "app", version = "1")\n',
    'units/a.star':
      'unit(name = "app", version = "1", distro = "debian")\nunit(name = "app", version = "1", distro = "ubuntu")\nextend("app", services = ["app"])\n',
  })
  assert.deepEqual(errors.map(shown), [])
  assert.deepEqual(
    evaluated?.project.units.map((unit) => [unit.module, unit.kind === 'package' ? unit.services : []]),
    [
      ['mm', []],
      ['', ['app']],
      ['', ['app']],
    ],
  )
})

test('what is added for some distros makes units of their own, where the project has such distros', async () => {
  const feeds = (...distros: readonly string[]): string =>
    distros
      .map(
        (distro) =>
          `apt_feed(name = "${distro}", distro = "${distro}", url = "https://example.com/${distro}", suite = "s", keyring = "k.gpg")\n`,
      )
      .join('')
  const units = `unit(name = "app", version = "1")
extend("app", conffiles = ["/etc/app"])
extend("app", distro = "one", services = ["app-one"])
extend("app", distros = ["two", "three"], services = ["app"])
`
  const seen = async (...distros: readonly string[]): Promise<unknown> => {
    const { evaluated, errors } = await evaluate({
      'PROJECT.star': 'project(name = "demo", modules = [module(local = "mm")])\n',
      'mm/MODULE.star': `module_info(name = "mm")\n${feeds(...distros)}`,
      'mm/k.gpg': 'x',
      'units/a.star': units,
    })
    assert.deepEqual(errors.map(shown), [])
    return evaluated?.project.units.map((unit) => [
      unit.distros,
      unit.kind === 'package' ? [unit.services, unit.conffiles, unit.extensions.length] : [],
    ])
  }
  assert.deepEqual(await seen('one', 'two', 'three', 'four'), [
    [['four'], [[], ['/etc/app'], 1]],
    [['one'], [['app-one'], ['/etc/app'], 2]],
    [
      ['three', 'two'],
      [['app'], ['/etc/app'], 2],
    ],
  ])
  // A project of one distro has the unit as it was declared.
  assert.deepEqual(await seen('two'), [[undefined, [['app'], ['/etc/app'], 2]]])
  assert.deepEqual(await seen('four'), [[undefined, [[], ['/etc/app'], 1]]])
})

test('classes that compose are both on record', async () => {
  const unit = await unitOf({
    'classes/c.star':
      'def one(name):\n  unit(name = name, version = "1")\ndef other(name):\n  extend(name, services = [name])\ndef both(name):\n  one(name)\n  other(name)\n',
    'units/a.star': 'load("//classes/c.star", "both")\nboth("app")\n',
  })
  assert.deepEqual(unit.builtVia, ['both', 'one'])
  assert.deepEqual(
    unit.extensions.map(({ via }) => via),
    [['both', 'other']],
  )
})

const faults: Readonly<Record<string, readonly [texts: Texts, said: string]>> = {
  'nothing of that name': [
    { 'units/a.star': base, 'units/b.star': 'extend("apq", services = ["x"])\n' },
    'units/b.star:1: UNIT_NOT_FOUND this project has no unit "apq" to extend | did you mean "app"?',
  ],
  'nothing like it': [
    { 'units/b.star': 'extend("constructor", services = ["x"])\n' },
    'units/b.star:1: UNIT_NOT_FOUND this project has no unit "constructor" to extend | declare unit(name = "constructor", …) beside it',
  ],
  'a unit of a module': [
    {
      'PROJECT.star': 'project(name = "demo", modules = [module(local = "mm")])\n',
      'mm/units/a.star': 'unit(name = "app", version = "1")\n',
      'units/a.star': 'extend("app", services = ["x"])\n',
    },
    'units/a.star:1: UNIT_NOT_FOUND unit "app" belongs to module "mm", so it can\'t be extended here | declare a unit of your own of that name, which then replaces it',
  ],
  'an image': [
    { 'images/i.star': 'image(name = "im", artifacts = ["bash"])\nextend("im", services = ["x"])\n' },
    'images/i.star:2: UNIT_NOT_FOUND "im" is no unit that makes a package, so it can\'t be extended | declare unit(name = "im", …) beside it',
  ],
  'what is for other distros': [
    {
      'units/a.star':
        'unit(name = "app", version = "1", distro = "debian")\nextend("app", distro = "alpine", services = ["x"])\n',
    },
    'units/a.star:2: BAD_FIELD unit "app" is for debian; this adds to it for alpine | remove the call, or say distros = […] of the unit',
  ],
  'a task of a name that is taken': [
    { 'units/a.star': `${base}extend("app", tasks = [task("build", run = "x")])\n` },
    'units/a.star:5: DUPLICATE unit "app": has two tasks called "build" | the first is at units/a.star:1; rename or remove one',
  ],
  'a variable with another value': [
    { 'units/a.star': `${base}extend("app", environment = {"A": "2"})\n` },
    'units/a.star:5: DUPLICATE unit "app": sets the variable A twice | the first is at units/a.star:1; rename or remove one',
  ],
  'what an earlier one says differently': [
    {
      'units/a.star': `${base}extend("app", environment = {"B": "1"}, tasks = [task("t", run = "x")])\nextend("app", environment = {"B": "2"}, tasks = [task("t", run = "y")])\n`,
    },
    'units/a.star:6: DUPLICATE unit "app": has two tasks called "t" | the first is at units/a.star:5; rename or remove one\n' +
      'units/a.star:6: DUPLICATE unit "app": sets the variable B twice | the first is at units/a.star:5; rename or remove one',
  ],
  'a field that can’t be added to': [
    { 'units/a.star': `${base}extend("app", version = "2")\n` },
    'units/a.star:5: UNKNOWN_FIELD extend() has no field "version" | its fields are: name, distro, distros, deps, runtime_deps, services, conffiles, environment, tasks',
  ],
}

for (const [what, [texts, said]] of Object.entries(faults)) {
  test(`extend is refused for ${what}`, async () => {
    assert.equal((await evaluate(texts)).errors.map(shown).join('\n'), said)
  })
}
