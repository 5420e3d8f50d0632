import assert from 'node:assert/strict'
import { test } from 'node:test'
import { userErrors } from '#engine/errors.ts'
import { inOrder } from '#engine/plan/graph.ts'
import { shown } from '../project/evaluating.ts'
import { fakeFeed, packages, plan } from './fake-world.ts'

const unit = (name: string, more = ''): string =>
  `unit(name = "${name}", version = "1", tasks = [task("t", run = "true")]${more === '' ? '' : `, ${more}`})\n`

async function refused(text: string, targets: readonly string[]): Promise<readonly string[]> {
  try {
    await plan({ 'units/u.star': text }, targets)
  } catch (failure) {
    const errors = userErrors(failure)
    if (errors !== undefined) return errors.map(shown)
    throw failure
  }
  return []
}

const looked = 'looked in: units of this project and its modules, fake.main'

const faults: Readonly<Record<string, readonly [text: string, targets: readonly string[], said: readonly string[]]>> = {
  'an unknown target': [
    '',
    ['zzz'],
    [`UNIT_NOT_FOUND nothing is called or provides "zzz", asked for by the command line | ${looked}`],
  ],
  'a misspelt target': [
    unit('sensord'),
    ['sensrd'],
    ['UNIT_NOT_FOUND nothing is called or provides "sensrd", asked for by the command line | did you mean "sensord"?'],
  ],
  'an unknown dependency, with who asked': [
    unit('aa', 'deps = ["zlib1g-dve"]'),
    ['aa'],
    [
      'units/u.star:1: UNIT_NOT_FOUND nothing is called or provides "zlib1g-dve", asked for by unit "aa" | did you mean "zlib1g-dev"?',
    ],
  ],
  'an unknown run-time dependency': [
    unit('aa', 'runtime_deps = ["nope"]'),
    ['aa'],
    [`units/u.star:1: UNIT_NOT_FOUND nothing is called or provides "nope", asked for by unit "aa" | ${looked}`],
  ],
  'an unknown container': [
    unit('aa', 'container = "toolchian"'),
    ['aa'],
    [
      'units/u.star:1: UNIT_NOT_FOUND nothing is called or provides "toolchian", asked for by unit "aa" | did you mean "toolchain"?',
    ],
  ],
  'tasks in what is no container': [
    unit('aa', 'container = "bb"') + unit('bb'),
    ['aa'],
    [
      'units/u.star:1: BAD_FIELD "bb" is no container, and unit "aa" runs its tasks in one | name a unit that is declared with container(…)',
    ],
  ],
  'a name of Alpine, of a soname or a command': [
    unit('aa', 'runtime_deps = ["wpa_supplicnt", "so:libz.so.1", "R"]'),
    ['aa'],
    ['wpa_supplicnt', 'so:libz.so.1', 'R'].map(
      (name) =>
        `units/u.star:1: UNIT_NOT_FOUND nothing is called or provides "${name}", asked for by unit "aa" | ${looked}`,
    ),
  ],
  'a library by the name that its authors use': [
    unit('aa', 'deps = ["zlib"]'),
    ['aa'],
    [
      'units/u.star:1: UNIT_NOT_FOUND nothing is called or provides "zlib", asked for by unit "aa" | did you mean "zlib1g-dev"?',
    ],
  ],
  'an image as a dependency': [
    `${unit('aa', 'deps = ["im"]')}image(name = "im", artifacts = [])\n`,
    ['aa'],
    [
      'units/u.star:1: BAD_FIELD unit "aa" needs "im", which is an image and no package | name a unit that makes a package',
    ],
  ],
  'a container in an image': [
    'image(name = "im", artifacts = ["toolchain"])\n',
    ['im'],
    [
      'units/u.star:1: BAD_FIELD image "im" needs "toolchain", which is a container and no package | name a unit that makes a package',
    ],
  ],
  'a unit that needs itself': [
    unit('aa', 'deps = ["aa"]'),
    ['aa'],
    [
      'units/u.star:1: DEP_CYCLE units need each other to be built: aa → aa | take one of these out of the deps (or runtime_deps) of the one before it',
    ],
  ],
  'units that need each other': [
    unit('aa', 'deps = ["bb"]') + unit('bb', 'deps = ["cc"]') + unit('cc', 'deps = ["bb"]'),
    ['aa'],
    [
      'units/u.star:2: DEP_CYCLE units need each other to be built: bb → cc → bb | take one of these out of the deps (or runtime_deps) of the one before it',
    ],
  ],
  'a build dependency that needs its user at run time': [
    unit('aa', 'deps = ["bb"]') + unit('bb', 'runtime_deps = ["aa"]'),
    ['aa'],
    [
      'units/u.star:1: DEP_CYCLE units need each other to be built: aa → bb → aa | take one of these out of the deps (or runtime_deps) of the one before it',
    ],
  ],
  'many things at once, each once': [
    unit('aa', 'deps = ["bb", "xx1"]') + unit('bb', 'deps = ["xx2"]') + unit('cc', 'deps = ["bb"]'),
    ['aa', 'cc', 'yyy'],
    [
      `units/u.star:2: UNIT_NOT_FOUND nothing is called or provides "xx2", asked for by unit "bb" | ${looked}`,
      `units/u.star:1: UNIT_NOT_FOUND nothing is called or provides "xx1", asked for by unit "aa" | ${looked}`,
      `UNIT_NOT_FOUND nothing is called or provides "yyy", asked for by the command line | ${looked}`,
    ],
  ],
}

for (const [what, [text, targets, said]] of Object.entries(faults)) {
  test(`refused: ${what}`, async () => {
    assert.deepEqual(await refused(text, targets), said)
  })
}

test('a cycle is told once, and alike from wherever it is met', async () => {
  const text =
    unit('aa', 'deps = ["cc"]') +
    unit('bb', 'deps = ["dd"]') +
    unit('cc', 'deps = ["bb"]') +
    unit('dd', 'runtime_deps = ["cc"]')
  const said = [
    'units/u.star:2: DEP_CYCLE units need each other to be built: bb → dd → cc → bb | take one of these out of the deps (or runtime_deps) of the one before it',
  ]
  for (const targets of [['aa'], ['bb'], ['cc'], ['aa', 'bb', 'cc'], ['cc', 'bb', 'aa']])
    assert.deepEqual(await refused(text, targets), said, targets.join())
})

test('a machine that asks for what is missing is named', async () => {
  await assert.rejects(
    plan(
      {
        'machines/m.star': 'machine(name = "box", arch = "x86_64", kernel = kernel(unit = "linux-board"))\n',
        'images/i.star': 'image(name = "im", artifacts = ["bash"])\n',
      },
      ['im'],
    ),
    (failure) => {
      assert.deepEqual(userErrors(failure)?.map(shown), [
        `machines/m.star:1: UNIT_NOT_FOUND nothing is called or provides "linux-board", asked for by machine "box" | ${looked}`,
      ])
      return true
    },
  )
})

test('a closure that a feed can not satisfy says which chain asks', async () => {
  await assert.rejects(
    plan({ 'images/i.star': 'image(name = "im", artifacts = ["app"])\n' }, ['im'], {
      feed: fakeFeed([...packages, 'app 1: lib', 'lib 1: gone']),
    }),
    (failure) => {
      const [error] = userErrors(failure) ?? []
      assert.equal(error?.code, 'UNIT_NOT_FOUND')
      assert.equal(`${error?.at?.file}:${error?.at?.line}`, 'images/i.star:1')
      assert.match(error?.message ?? '', /gone/)
      assert.match(`${error?.message} ${error?.hint}`, /app.*lib/s)
      return true
    },
  )
})

test('run-time dependencies may form cycles', async () => {
  const text = unit('cc', 'deps = ["aa"]') + unit('aa', 'runtime_deps = ["bb"]') + unit('bb', 'runtime_deps = ["aa"]')
  const { targets } = await plan({ 'units/u.star': text }, ['cc'])
  const [node] = targets
  assert.deepEqual(node?.kind === 'package' && node.sysroot.map((each) => each.unit.name).sort(), ['aa', 'bb'])
})

test('a sysroot is what is declared, and what that needs; packages of the toolchain are not unpacked again', async () => {
  const text =
    unit('app', 'deps = ["lib", "libc6"]') +
    unit('lib', 'deps = ["zlib1g-dev"], runtime_deps = ["helper"]') +
    unit('helper') +
    unit('bystander')
  const { targets, hashes } = await plan({ 'units/u.star': text }, ['app'])
  const [node] = targets
  assert.ok(node?.kind === 'package')
  assert.deepEqual(
    node.sysroot.map((each) => each.unit.name),
    ['helper', 'lib'],
  )
  assert.deepEqual(
    node.sysrootFeed.map((each) => each.name),
    ['zlib1g', 'zlib1g-dev'],
  )
  assert.equal(hashes['debian/bystander.x86_64'], undefined)
})

test('dependencies come first, each once, in one order', async () => {
  const text =
    unit('top', 'deps = ["left", "right"]') +
    unit('left', 'deps = ["low"]') +
    unit('right', 'deps = ["low"]') +
    unit('low')
  const { targets } = await plan({ 'units/u.star': text }, ['top'])
  assert.deepEqual(
    inOrder(targets).map(({ id }) => id),
    ['tools-fake', 'toolchain-fake', 'low', 'left', 'right', 'top'].map((name) => `debian/${name}.x86_64`),
  )
})

test('a unit wins over a feed package of its name, whatever their versions', async () => {
  const text = `${unit('bash').replace('"1"', '"0.1"')}image(name = "im", artifacts = ["bash"])\n`
  const [node] = (await plan({ 'units/u.star': text }, ['im'])).targets
  assert.ok(node?.kind === 'image')
  assert.deepEqual(
    node.units.map(({ id }) => id),
    ['debian/bash.x86_64'],
  )
  assert.ok(!node.feedPackages.some(({ name }) => name === 'bash'))
})

test('scopes: noarch and machine have folders of their own', async () => {
  const text = unit('aa', 'scope = "noarch"') + unit('bb', 'scope = "machine"') + unit('cc')
  const { targets } = await plan({ 'units/u.star': text }, ['aa', 'bb', 'cc'])
  assert.deepEqual(
    targets.map(({ id }) => id),
    ['debian/aa.noarch', 'debian/bb.box', 'debian/cc.x86_64'],
  )
})

test('what an image excludes is not asked for', async () => {
  const { targets } = await plan(
    {
      'images/i.star':
        'image(name = "im", artifacts = ["bash", "nope"], exclude = ["nope"], distro_artifacts = {"debian": ["make"], "other": ["never"]})\n',
    },
    ['im'],
  )
  const [node] = targets
  assert.deepEqual(node?.kind === 'image' && node.closure.map(({ name }) => name).sort(), [
    'bash',
    'libc6',
    'linux-image',
    'make',
  ])
})

test('what an image excludes must be something: a misspelt name would ship what was meant', async () => {
  const image = (exclude: string): string => `image(name = "im", artifacts = ["bash"], exclude = ["${exclude}"])\n`
  const { targets } = await plan({ 'images/i.star': image('make') }, ['im'])
  assert.equal(targets.length, 1)
  await assert.rejects(plan({ 'images/i.star': image('mkae') }, ['im']), (failure) => {
    const [error] = userErrors(failure) ?? []
    assert.equal(error?.message, 'nothing is called or provides "mkae", asked for by exclude of image "im"')
    assert.match(error?.hint ?? '', /did you mean "make"/)
    return true
  })
})
