import assert from 'node:assert/strict'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { Diagnostic } from '#engine/catalog/diagnostics.ts'
import { View } from '#engine/catalog/view.ts'
import { userErrors } from '#engine/errors.ts'
import { scratch, type Texts, writeTexts } from '../../support/project.ts'
import { evaluateAt, shown } from '../project/evaluating.ts'

const withPins = (pins: string): Texts => ({
  'project/PROJECT.star': `project(name = "demo", prefer_modules = ${pins}, modules = [module(local = "../low"), module(local = "../high"), module(local = "../module-feeds")])\n`,
  'module-feeds/MODULE.star': `module_info(name = "feeds")
apt_feed(name = "main", distro = "debian", url = "file:///feed", suite = "s", keyring = "k.gpg")
apt_feed(name = "other", distro = "ubuntu", url = "file:///feed", suite = "s", keyring = "k.gpg")
`,
  'module-feeds/k.gpg': '',
})

const unit = (name: string, more = ''): string => `unit(name = "${name}", version = "1"${more && `, ${more}`})\n`

/** What a project with modules `low` and `high` (which outranks it) shows to a distro. */
async function view(t: Parameters<typeof scratch>[0], texts: Texts, distro = 'debian'): Promise<View> {
  const folder = scratch(t)
  for (const module of ['low', 'high', 'module-feeds']) mkdirSync(join(folder, module))
  writeTexts(folder, {
    'project/PROJECT.star': 'project(name = "demo", modules = [module(local = "../low"), module(local = "../high")])\n',
    'project/machines/m.star':
      'machine(name = "box", arch = "x86_64", kernel = kernel(unit = "linux-box", provides = "linux"))\n',
    ...texts,
  })
  const { project, machine } = await evaluateAt(join(folder, 'project'))
  assert.ok(machine)
  return new View(project, machine, distro)
}

const told = (one: Diagnostic): string =>
  one.kind === 'shadow'
    ? `${one.name}: ${one.winner.at?.file ?? one.winner.from} over ${one.loser.at?.file ?? one.loser.from} by ${one.why}`
    : `${one.name}: the pin to ${one.pin.module} came to nothing for ${one.distro}`

const found = (seen: View, name: string): string | undefined => {
  const unitFound = seen.find(name)
  return unitFound && `${unitFound.module}:${unitFound.name}`
}

test('the project outranks modules, a later module an earlier one; who lost is known', async (t) => {
  const seen = await view(t, {
    'low/units/u.star': unit('aa') + unit('bb') + unit('cc'),
    'high/units/u.star': unit('aa') + unit('bb'),
    'project/units/u.star': unit('aa'),
  })
  assert.deepEqual(
    ['aa', 'bb', 'cc', 'dd'].map((name) => found(seen, name)),
    [':aa', 'high:bb', 'low:cc', undefined],
  )
  assert.deepEqual(seen.diagnostics.map(told), [
    'aa: units/u.star over @high//units/u.star by module order',
    'aa: units/u.star over @low//units/u.star by module order',
    'bb: @high//units/u.star over @low//units/u.star by module order',
  ])
})

test('a distro sees its own units and those of no distro', async (t) => {
  const texts = {
    'low/units/u.star': unit('aa', 'distro = "debian"') + unit('bb', 'distro = "alpine"') + unit('cc'),
    'high/units/u.star': unit('cc', 'distro = "alpine"'),
  }
  const debian = await view(t, texts)
  assert.deepEqual(
    ['aa', 'bb', 'cc'].map((name) => found(debian, name)),
    ['low:aa', undefined, 'low:cc'],
  )
  const alpine = await view(t, texts, 'alpine')
  assert.deepEqual(
    ['aa', 'bb', 'cc'].map((name) => found(alpine, name)),
    [undefined, 'low:bb', 'high:cc'],
  )
})

test('a name wins over what provides it; providers rank as units do; the machine says which kernel', async (t) => {
  const seen = await view(t, {
    'low/units/u.star': unit('real') + unit('one', 'provides = ["virtual"]') + unit('linux-box'),
    'high/units/u.star': unit('two', 'provides = ["virtual", "real"]') + unit('linux-other', 'provides = ["linux"]'),
  })
  assert.deepEqual(
    ['real', 'virtual', 'linux'].map((name) => found(seen, name)),
    ['low:real', 'high:two', 'low:linux-box'],
  )
  assert.ok(new Set(seen.names()).isSupersetOf(new Set(['real', 'one', 'virtual', 'linux'])))
})

test('what lost its name provides nothing', async (t) => {
  const seen = await view(t, { 'low/units/u.star': unit('aa', 'provides = ["vv"]'), 'high/units/u.star': unit('aa') })
  assert.equal(found(seen, 'vv'), undefined)
})

const faults: Readonly<Record<string, readonly [texts: Texts, said: readonly string[]]>> = {
  'a pin to a module that is not there': [
    withPins('{"aa": "hihg"}'),
    [
      'PROJECT.star:1: MODULE_NOT_FOUND prefer_modules takes "aa" from "hihg", and this project has no such module or feed | did you mean "high"?',
    ],
  ],
  'a pin to a feed that is not there': [
    withPins('{"aa": "feeds.mian"}'),
    [
      'PROJECT.star:1: MODULE_NOT_FOUND prefer_modules takes "aa" from "feeds.mian", and this project has no such module or feed | did you mean "feeds.main"?',
    ],
  ],
  'a pin to a module that has no such unit, where another has it': [
    { ...withPins('{"aa": "high"}'), 'low/units/u.star': unit('aa') },
    [
      'PROJECT.star:1: UNIT_NOT_FOUND prefer_modules takes "aa" from "high", and that module has no such unit | it is in low',
    ],
  ],
  'a pin of a misspelt name': [
    { ...withPins('{"zlbi": "high"}'), 'high/units/u.star': unit('zlib') },
    [
      'PROJECT.star:1: UNIT_NOT_FOUND prefer_modules takes "zlbi" from "high", and that module has no such unit | did you mean "zlib"?',
    ],
  ],
  'a pin to the module of a feed': [
    withPins('{"bash": "feeds"}'),
    [
      'PROJECT.star:1: UNIT_NOT_FOUND prefer_modules takes "bash" from "feeds", and that module has no such unit | a package of its feed is taken from "feeds.main" or "feeds.other"',
    ],
  ],
  'pins of every distro are checked, all at once': [
    withPins('{"debian": {"aa": "no1"}, "ubuntu": {"bb": "no2"}}'),
    [
      'PROJECT.star:1: MODULE_NOT_FOUND prefer_modules takes "aa" from "no1", and this project has no such module or feed | there are: low, high, module-feeds, feeds.main, feeds.other',
      'PROJECT.star:1: MODULE_NOT_FOUND prefer_modules takes "bb" from "no2", and this project has no such module or feed | there are: low, high, module-feeds, feeds.main, feeds.other',
    ],
  ],
  'a unit and the subpackage of another': [
    { 'low/units/u.star': unit('zlib', 'subpackages = ["dev"]') + unit('zlib-dev') },
    [
      '@low//units/u.star:1: DUPLICATE "zlib" and "zlib-dev" both make a package called "zlib-dev" | within one module a name means one thing for each distro; the other is at @low//units/u.star:2',
    ],
  ],
  'kernels of one module that provide the same, on a machine that decides nothing': [
    {
      'project/machines/m.star': `machine(name = "box", arch = "x86_64")
machine(name = "pi", arch = "arm64", kernel = kernel(unit = "linux-pi", provides = "linux"))
`,
      'project/PROJECT.star':
        'project(name = "demo", defaults = defaults(machine = "box"), modules = [module(local = "../low")])\n',
      'low/units/u.star':
        unit('linux-aa', 'provides = ["linux"]') + unit('linux-bb', 'provides = ["linux"]') + unit('linux-pi'),
    },
    [
      '@low//units/u.star:2: DUPLICATE "linux-bb" and "linux-aa" both provide "linux" | within one module a name means one thing for each distro; the other is at @low//units/u.star:1',
    ],
  ],
}

for (const [what, [texts, said]] of Object.entries(faults)) {
  test(`refused: ${what}`, async (t) => {
    await assert.rejects(view(t, texts), (failure) => {
      assert.deepEqual(userErrors(failure)?.map(shown), said)
      return true
    })
  })
}

test('a pin outranks the order of modules, and even the project; a distro has pins of its own', async (t) => {
  const texts = {
    ...withPins('{"aa": "low", "bb": "low", "ubuntu": {"aa": "high"}}'),
    'low/units/u.star': unit('aa') + unit('bb') + unit('cc'),
    'high/units/u.star': unit('aa') + unit('cc'),
    'project/units/u.star': unit('bb'),
  }
  const debian = await view(t, texts)
  assert.deepEqual(
    ['aa', 'bb', 'cc'].map((name) => found(debian, name)),
    ['low:aa', 'low:bb', 'high:cc'],
  )
  assert.deepEqual(debian.diagnostics.map(told), [
    'aa: @low//units/u.star over @high//units/u.star by pin',
    'bb: @low//units/u.star over units/u.star by pin',
    'cc: @high//units/u.star over @low//units/u.star by module order',
  ])
  assert.equal(found(await view(t, texts, 'ubuntu'), 'aa'), 'high:aa')
})

test('a module may be pinned without its "module-"; a feed wins over units of the name', async (t) => {
  const seen = await view(t, {
    ...withPins('{"aa": "feeds", "bb": "feeds.main", "cc": "feeds.other"}'),
    'module-feeds/units/u.star': unit('aa'),
    'project/units/u.star': unit('aa'),
    'high/units/u.star': unit('bb') + unit('cc'),
  })
  assert.deepEqual(
    ['aa', 'bb', 'cc'].map((name) => found(seen, name)),
    ['module-feeds:aa', undefined, 'high:cc'],
  )
  assert.deepEqual(seen.diagnostics.map(told), [
    'aa: @module-feeds//units/u.star over units/u.star by pin',
    'bb: feeds.main over @high//units/u.star by pin',
    'cc: the pin to feeds.other came to nothing for debian',
  ])
})

test('a pin that the distro hides falls through, and is told', async (t) => {
  const seen = await view(t, {
    ...withPins('{"aa": "low"}'),
    'low/units/u.star': unit('aa', 'distro = "ubuntu"'),
    'high/units/u.star': unit('aa'),
  })
  assert.equal(found(seen, 'aa'), 'high:aa')
  assert.deepEqual(seen.diagnostics.map(told), ['aa: the pin to low came to nothing for debian'])
  assert.deepEqual(seen.hidden('aa'), ['ubuntu'])
})

test('a pin decides a virtual name, against a unit that is called so', async (t) => {
  const seen = await view(t, {
    ...withPins('{"init": "low", "mta": "low"}'),
    'low/units/u.star': unit('systemd', 'provides = ["init"]') + unit('postfix', 'provides = ["mta"]'),
    'high/units/u.star': unit('init') + unit('exim', 'provides = ["mta"]'),
  })
  assert.deepEqual(
    ['init', 'mta'].map((name) => found(seen, name)),
    ['low:systemd', 'low:postfix'],
  )
  assert.deepEqual(seen.diagnostics.map(told), [
    'init: @low//units/u.star over @high//units/u.star by pin',
    'mta: @low//units/u.star over @high//units/u.star by pin',
  ])
})

test('of several kernels that provide the same the machine means its own, even against what is called so', async (t) => {
  const texts = {
    'project/machines/m.star': `machine(name = "box", arch = "x86_64", kernel = kernel(unit = "linux-box", provides = "linux"))
machine(name = "pi", arch = "arm64", kernel = kernel(unit = "linux-pi", provides = "linux"))
`,
    'project/PROJECT.star':
      'project(name = "demo", defaults = defaults(machine = "box"), modules = [module(local = "../low"), module(local = "../high")])\n',
    'low/units/u.star': unit('linux-box', 'provides = ["linux"]') + unit('linux-pi', 'provides = ["linux"]'),
  }
  assert.equal(found(await view(t, texts), 'linux'), 'low:linux-box')
  const seen = await view(t, { ...texts, 'high/units/u.star': unit('linux') })
  assert.equal(found(seen, 'linux'), 'low:linux-box')
  assert.deepEqual(seen.diagnostics.map(told), ['linux: @low//units/u.star over @high//units/u.star by kernel'])
})

test('a machine has a kernel for each distro', async (t) => {
  const texts = {
    'project/machines/m.star': `machine(name = "box", arch = "x86_64", kernel = kernel(unit = "linux-any", provides = "linux"),
    distro_kernels = {"debian": kernel(unit = "linux-deb", provides = "linux", cmdline = "quiet")})
`,
    'low/units/u.star': unit('linux-any') + unit('linux-deb'),
  }
  const debian = await view(t, texts)
  assert.deepEqual([found(debian, 'linux'), debian.machine.kernel?.cmdline], ['low:linux-deb', 'quiet'])
  assert.equal(found(await view(t, texts, 'ubuntu'), 'linux'), 'low:linux-any')
})

test('packages that a unit makes beside its main one are names like units, and rank like them', async (t) => {
  const seen = await view(t, {
    'low/units/u.star':
      unit('zlib', 'subpackages = ["dev"], extra_subpackages = {"doc": ["/usr/share/doc/*"]}') + unit('png-dev'),
    'high/units/u.star': unit('png', 'subpackages = ["dev", "dbg"]') + unit('zlib-doc'),
  })
  assert.deepEqual(
    ['zlib-dev', 'zlib-doc', 'png-dev', 'png-dbg', 'zlib-dbg'].map((name) => found(seen, name)),
    ['low:zlib', 'high:zlib-doc', 'high:png', 'high:png', undefined],
  )
  assert.deepEqual(
    seen.units().map(({ name }) => name),
    ['png', 'zlib', 'zlib-doc'],
  )
  assert.deepEqual(seen.diagnostics.map(told), [
    'png-dev: @high//units/u.star over @low//units/u.star by module order',
    'zlib-doc: @high//units/u.star over @low//units/u.star by module order',
  ])
})

test('names of JavaScript are names like others', async (t) => {
  const seen = await view(t, {
    'low/units/u.star':
      unit('constructor', 'provides = ["tostring"]') + unit('proto', 'distro_deps = {"debian": ["constructor"]}'),
  })
  assert.deepEqual(
    ['constructor', 'tostring', 'valueof', 'hasownproperty', '__proto__'].map((name) => found(seen, name)),
    ['low:constructor', 'low:constructor', undefined, undefined, undefined],
  )
})

test('ctx.provides can be asked while what pins name is not declared yet', async (t) => {
  const seen = await view(t, {
    ...withPins('{"aa": "low", "board-image": "low"}'),
    'low/units/u.star': unit('aa', 'kernel = str(ctx.provides.get("linux"))') + unit('linux-box'),
    'low/images/i.star':
      'image(name = "board-image", artifacts = [], hostname = "b" if ctx.provides.get("linux") else "c")\n',
  })
  const [aa, image] = [seen.find('aa'), seen.find('board-image')]
  assert.ok(aa?.kind === 'package' && image?.kind === 'image')
  assert.deepEqual([aa.extra, image.hostname], [{ kernel: 'linux-box' }, 'b'])
})
