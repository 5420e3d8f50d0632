import assert from 'node:assert/strict'
import { test } from 'node:test'
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
