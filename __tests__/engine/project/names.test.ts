import assert from 'node:assert/strict'
import { test } from 'node:test'
import { scratch, writeTexts } from '../../support/project.ts'
import { base, planAt } from '../plan/fake-world.ts'
import { evaluate, shown } from './evaluating.ts'

/** What a name may never hold, whatever it names. */
const hostile = [
  '',
  '.',
  '..',
  '../x',
  'a/b',
  '/etc',
  'a\nb',
  'a\\nb',
  "a'b",
  'a"b',
  '$(id)',
  '`id`',
  '$' + '{x}',
  '-rf',
  '--help',
  'a b',
  'a\tb',
  'a\0b',
  'a;b',
  'a|b',
  'a&b',
  'a<b',
  'a*',
  'a%',
  'ä',
  '\u202eba',
  'a\u200bb',
  '😀',
  'x'.repeat(10_000),
]

/** A Starlark string, by escapes alone. */
const quoted = (text: string): string =>
  `"${[...text]
    .map((each) => {
      const code = each.codePointAt(0) ?? 0
      return /[A-Za-z0-9]/.test(each)
        ? each
        : code < 0x80
          ? `\\x${code.toString(16).padStart(2, '0')}`
          : `\\U${code.toString(16).padStart(8, '0')}`
    })
    .join('')}"`

const project = 'project(name = "demo")\n'

/** Every place where a project names something, as a file that says `NAME` there. */
const places: Readonly<Record<string, readonly [file: string, text: string]>> = {
  project: ['PROJECT.star', 'project(name = NAME)\n'],
  'default machine': ['PROJECT.star', 'project(name = "demo", defaults = defaults(machine = NAME))\n'],
  'default image': ['PROJECT.star', 'project(name = "demo", defaults = defaults(image = NAME))\n'],
  'default distro': ['PROJECT.star', 'project(name = "demo", defaults = defaults(distro = NAME))\n'],
  'shipped module': ['PROJECT.star', 'project(name = "demo", modules = [module("yoe:" + NAME)])\n'],
  machine: ['machines/m.star', 'machine(name = NAME, arch = "x86_64")\n'],
  'kernel of a machine': ['machines/m.star', 'machine(name = "m", arch = "x86_64", kernel = kernel(unit = NAME))\n'],
  'package of a machine': ['machines/m.star', 'machine(name = "m", arch = "x86_64", packages = [NAME])\n'],
  partition: [
    'machines/m.star',
    'machine(name = "m", arch = "x86_64", partitions = [partition(label = NAME, type = "ext4", size = "1G", root = True)])\n',
  ],
  'QEMU machine': ['machines/m.star', 'machine(name = "m", arch = "x86_64", qemu = qemu_config(machine = NAME))\n'],
  unit: ['units/u.star', 'unit(name = NAME, version = "1")\n'],
  'version of a unit': ['units/u.star', 'unit(name = "uu", version = NAME)\n'],
  'dependency of a unit': ['units/u.star', 'unit(name = "uu", version = "1", deps = [NAME])\n'],
  'run-time dependency of a unit': ['units/u.star', 'unit(name = "uu", version = "1", runtime_deps = [NAME])\n'],
  'dependency of one distro': ['units/u.star', 'unit(name = "uu", version = "1", distro_deps = {"debian": [NAME]})\n'],
  'distro of a unit': ['units/u.star', 'unit(name = "uu", version = "1", distro = NAME)\n'],
  'provided name': ['units/u.star', 'unit(name = "uu", version = "1", provides = [NAME])\n'],
  container: ['units/u.star', 'unit(name = "uu", version = "1", container = NAME)\n'],
  'environment variable': ['units/u.star', 'unit(name = "uu", version = "1", environment = {NAME: "x"})\n'],
  service: ['units/u.star', 'unit(name = "uu", version = "1", services = [NAME])\n'],
  image: ['images/i.star', 'image(name = NAME, artifacts = [])\n'],
  artifact: ['images/i.star', 'image(name = "ii", artifacts = [NAME])\n'],
  user: ['images/i.star', 'image(name = "ii", artifacts = [], users = [user(name = NAME)])\n'],
  group: ['images/i.star', 'image(name = "ii", artifacts = [], users = [user(name = "uu", groups = [NAME])])\n'],
  host: ['images/i.star', 'image(name = "ii", artifacts = [], hostname = NAME)\n'],
  toolchain: ['containers/c.star', 'container(name = NAME, distro = "debian", packages = [])\n'],
  'distro of an image': ['images/i.star', 'image(name = "ii", artifacts = [], distros = [NAME])\n'],
  'distro of a kernel': [
    'machines/m.star',
    'machine(name = "m", arch = "x86_64", distro_kernels = {NAME: kernel(unit = "linux")})\n',
  ],
  'boot loader': ['machines/m.star', 'machine(name = "m", arch = "x86_64", bootloader = uboot(unit = NAME))\n'],
  'configuration of a kernel': [
    'machines/m.star',
    'machine(name = "m", arch = "x86_64", kernel = kernel(defconfig = NAME))\n',
  ],
  'container of a task': [
    'units/u.star',
    'unit(name = "uu", version = "1", tasks = [task("t", run = "x", container = NAME)])\n',
  ],
  'suffix of a package': ['units/u.star', 'unit(name = "uu", version = "1", extra_subpackages = {NAME: ["/x"]})\n'],
  'kept folder': ['units/u.star', 'unit(name = "uu", version = "1", cache_dirs = {"/build/home/x": NAME})\n'],
  'check of a package': ['units/u.star', 'unit(name = "uu", version = "1", qa_skip = [NAME])\n'],
  'unit to extend': ['units/u.star', 'extend(NAME, services = ["x"])\n'],
  'variable that flows': [
    'units/u.star',
    'unit(name = "uu", version = "1", public_config = {"environment": {NAME: "x"}})\n',
  ],
  'pinned name': ['PROJECT.star', 'project(name = "demo", prefer_modules = {NAME: "core"})\n'],
  'module of a pin': ['PROJECT.star', 'project(name = "demo", prefer_modules = {"zlib": NAME})\n'],
}

for (const [what, [file, text]] of Object.entries(places)) {
  test(`no ${what} has a name that could be a path, an option or a command`, async () => {
    for (const name of hostile) {
      const { errors } = await evaluate({ 'PROJECT.star': project, [file]: text.replace('NAME', quoted(name)) })
      assert.ok(errors.length > 0, `${JSON.stringify(name)} was taken`)
      for (const error of errors) {
        assert.ok(['BAD_FIELD', 'BAD_NAME'].includes(error.code), shown(error))
        assert.equal(error.at?.file, file)
        assert.equal(error.at?.line, 1)
        assert.ok(error.message.length < 400)
      }
    }
  })
}

/** What people only read, on one line. */
const titles: Readonly<Record<string, readonly [file: string, text: string]>> = {
  task: ['units/u.star', 'unit(name = "uu", version = "1", tasks = [task(NAME, run = "x")])\n'],
  test: ['units/u.star', 'unit(name = "uu", version = "1", tests = [test(NAME, run = "x")])\n'],
  description: ['units/u.star', 'unit(name = "uu", version = "1", description = NAME)\n'],
  'command line of a kernel': [
    'machines/m.star',
    'machine(name = "m", arch = "x86_64", kernel = kernel(cmdline = NAME))\n',
  ],
}

for (const [what, [file, text]] of Object.entries(titles)) {
  test(`no ${what} breaks a line, hides what it says, or fills a page`, async () => {
    for (const title of [
      'a\nb',
      'a\rb',
      'a\0b',
      'a\u001b[31mb',
      '\u202eba',
      '\u2066ab',
      'a\u007fb',
      'x'.repeat(10_000),
    ]) {
      const { errors } = await evaluate({ [file]: text.replace('NAME', quoted(title)) })
      assert.deepEqual(
        errors.map(({ code }) => code),
        ['BAD_FIELD'],
        JSON.stringify(title.slice(0, 20)),
      )
      // What a terminal could be misled by is written out by whoever prints (src/cli/shown.ts).
      assert.doesNotMatch(errors[0]?.message ?? '', /\n|x{100}/)
    }
    const { errors } = await evaluate({ [file]: text.replace('NAME', quoted('größer, "$(id)" & schöner 📦')) })
    assert.deepEqual(errors.map(shown), [])
  })
}

test('keys that mean something to JavaScript are keys like others', async () => {
  const odd = ['__proto__', 'constructor', 'toString', 'hasOwnProperty', 'prototype', 'valueOf', '0', '١']
  const dict = `{${odd.map((key) => `"${key}": "v"`).join(', ')}}`
  const { evaluated, errors } = await evaluate({
    'units/u.star': `unit(
  name = "uu", version = "1",
  __proto__ = ${dict}, constructor = 1, toString = [${dict}], hasOwnProperty = True,
  environment = {"__proto__": "a", "constructor": "b", "toString": "c"},
  distro_deps = {"constructor": ["zz"]},
)
`,
  })
  assert.deepEqual(errors.map(shown), [])
  const unit = evaluated?.project.units[0]
  assert.ok(unit?.kind === 'package')
  const expected = Object.fromEntries(odd.map((key) => [key, 'v']))
  assert.deepEqual(
    Object.entries(unit.extra).map(([key, value]) => [key, JSON.stringify(value)]),
    [
      ['__proto__', JSON.stringify(expected)],
      ['constructor', '1'],
      ['toString', JSON.stringify([expected])],
      ['hasOwnProperty', 'true'],
    ],
  )
  assert.deepEqual(Object.keys(unit.environment), ['__proto__', 'constructor', 'toString'])
  assert.deepEqual(Object.keys(JSON.parse(JSON.stringify(unit)).extra), Object.keys(unit.extra))
  assert.equal(Object.getPrototypeOf(unit.environment), Object.prototype)
})

test('names of JavaScript’s own properties lead to no member of an object', async () => {
  const { evaluated, errors } = await evaluate({
    'PROJECT.star': 'project(name = "constructor", defaults = defaults(distro = "constructor"))\n',
    'machines/m.star': `machine(
  name = "toString", arch = "x86_64", distro_packages = {"__proto__": ["zz"]} if False else {"hasOwnProperty": ["zz"]},
  kernel = kernel(unit = "constructor", provides = "valueof"),
)
`,
    'units/u.star': `unit(name = "constructor", version = "1", distro_runtime_deps = {"toString": ["zz"]}, valueOf = ctx.provides.get("constructor", "none"))
extend("constructor", environment = {"toString": "x"})
`,
    'images/i.star':
      'image(name = "prototype", artifacts = resolve_closure(["constructor", "valueof"]), distros = ["valueOf", "constructor"])\n',
  })
  assert.deepEqual(errors.map(shown), [])
  const [unit, image] = evaluated?.project.units ?? []
  assert.ok(unit?.kind === 'package' && image?.kind === 'image')
  assert.deepEqual(Object.entries(unit.extra), [['valueOf', 'none']])
  assert.deepEqual(Object.entries(unit.environment), [['toString', 'x']])
  assert.deepEqual(image.artifacts, ['constructor'])
})

test('a unit called like the constructor of an object is planned like any other', async (t) => {
  const root = scratch(t)
  writeTexts(root, {
    ...base,
    'units/u.star': `unit(name = "constructor", version = "1", toString = {"__proto__": 1}, tasks = [task("toString", run = "x")])
unit(name = "hasownproperty", version = "1", deps = ["constructor"], provides = ["valueof"], tasks = [task("t", run = "x")])
unit(name = "tolocalestring", version = "1", runtime_deps = ["valueof"])
`,
    'images/i.star': 'image(name = "prototype", artifacts = ["tolocalestring", "constructor"])\n',
  })
  const { hashes, targets } = await planAt(root, ['prototype'])
  const [image] = targets
  assert.ok(image?.kind === 'image')
  assert.deepEqual(image.units.map(({ unit }) => unit.name).sort(), ['constructor', 'hasownproperty', 'tolocalestring'])
  assert.ok(Object.keys(hashes).includes('debian/constructor.x86_64'))
})

test('a feed takes no field from a prototype', async () => {
  const { errors } = await evaluate({
    'PROJECT.star': `${project}apt_feed(__proto__ = {"name": "main", "distro": "debian", "url": "http://x.org/d", "suite": "s", "component": "main", "keyring": "k"})\n`,
  })
  assert.ok(
    errors.some(({ message }) => /__proto__/.test(message)),
    errors.map(shown).join('\n'),
  )
  assert.ok(errors.some(({ message }) => /name|url/.test(message)))
})
