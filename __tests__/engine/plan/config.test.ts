import assert from 'node:assert/strict'
import { test } from 'node:test'
import { taskEnvironment } from '#engine/build/environment.ts'
import { userErrors } from '#engine/errors.ts'
import { inOrder, type PackageNode } from '#engine/plan/graph.ts'
import type { Texts } from '../../support/project.ts'
import { shown } from '../project/evaluating.ts'
import { plan, type World } from './fake-world.ts'

const unit = (name: string, more = ''): string =>
  `unit(name = "${name}", version = "1", tasks = [task("t", run = "true")]${more === '' ? '' : `, ${more}`})\n`

const machine = (config: string): Texts => ({
  'machines/m.star': `machine(name = "box", arch = "x86_64", kernel = kernel(unit = "linux-image"), public_config = ${config})\n`,
})

const world = (units: string, more: Texts = {}, targets: readonly string[] = ['app']): Promise<World> =>
  plan({ 'units/u.star': units, ...more }, targets)

function nodeIn({ targets }: World, name: string): PackageNode {
  const node = inOrder(targets).find((each) => each.kind === 'package' && each.unit.name === name)
  assert.ok(node?.kind === 'package')
  return node
}

/** What flows to a unit, with where it comes from. */
function flow(made: World, name: string): Readonly<Record<string, readonly string[]>> {
  const { environment, ...lists } = nodeIn(made, name).config
  const said = Object.entries(lists).map(
    ([list, settings]) => [list, settings.map(({ value, from }) => `${value} (${from})`)] as const,
  )
  const variables = Object.entries(environment).map(([key, { value, from }]) => `${key}=${value} (${from})`)
  return Object.fromEntries([...said, ['environment', variables] as const].filter(([, values]) => values.length > 0))
}

const libraries =
  unit(
    'low',
    'public_config = {"include_paths": ["/usr/include/low"], "CFLAGS": "-DLOW", "environment": {"LOW": "1"}}',
  ) +
  unit('mid', 'deps = ["low"], public_config = {"LDFLAGS": ["-lmid"]}') +
  unit('app', 'deps = ["mid"], public_config = {"CXXFLAGS": "-DAPP"}') +
  unit('bystander')

test('configuration flows from the machine, from the sysroot, and to the unit that declares it', async () => {
  const made = await world(
    libraries,
    machine('{"CFLAGS": "-O3 -march=x86-64-v3", "environment": {"KERNEL_HEADERS": "/usr/src"}}'),
    ['app', 'bystander'],
  )
  const box = {
    cflags: ['-O3 (machine box)', '-march=x86-64-v3 (machine box)'],
    environment: ['KERNEL_HEADERS=/usr/src (machine box)'],
  }
  assert.deepEqual(flow(made, 'bystander'), box)
  assert.deepEqual(flow(made, 'app'), {
    cflags: [...box.cflags, '-DLOW (unit low)'],
    cxxflags: ['-DAPP (unit app)'],
    ldflags: ['-lmid (unit mid)'],
    includePaths: ['/usr/include/low (unit low)'],
    environment: ['KERNEL_HEADERS=/usr/src (machine box)', 'LOW=1 (unit low)'],
  })
  assert.deepEqual(flow(made, 'low'), {
    cflags: [...box.cflags, '-DLOW (unit low)'],
    includePaths: ['/usr/include/low (unit low)'],
    environment: ['KERNEL_HEADERS=/usr/src (machine box)', 'LOW=1 (unit low)'],
  })
})

test('nothing of a machine flows to what is for every architecture, and nothing to what is not built', async () => {
  const made = await world(
    unit('app', 'scope = "noarch", deps = ["lib"]') +
      unit('lib', 'public_config = {"CFLAGS": "-DLIB"}') +
      'unit(name = "meta", version = "1", runtime_deps = ["lib"])\n',
    machine('{"CFLAGS": "-O3"}'),
    ['app', 'meta'],
  )
  assert.deepEqual(flow(made, 'app'), { cflags: ['-DLIB (unit lib)'] })
  assert.deepEqual(flow(made, 'meta'), {})
})

test('the order does not depend on that of deps', async () => {
  const units = (deps: string): string =>
    unit('bb', 'public_config = {"CFLAGS": "-DB", "include_paths": ["/usr/include/x"]}') +
    unit('aa', 'public_config = {"CFLAGS": "-DA", "include_paths": ["/usr/include/x"]}') +
    unit('app', `deps = ${deps}`)
  const [one, other] = [await world(units('["aa", "bb"]')), await world(units('["bb", "aa"]'))]
  assert.deepEqual(flow(one, 'app'), {
    cflags: ['-DA (unit aa)', '-DB (unit bb)'],
    includePaths: ['/usr/include/x (unit aa)'],
  })
  assert.deepEqual(flow(other, 'app'), flow(one, 'app'))
  assert.deepEqual(other.hashes, one.hashes)
})

test('tasks find it in their environment; what the unit says itself wins', async () => {
  const made = await world(
    libraries.replace('deps = ["mid"]', 'deps = ["mid"], environment = {"LOW": "mine"}'),
    machine('{"CFLAGS": "-O3", "CPPFLAGS": "-DX", "environment": {"BOARD": "box"}}'),
  )
  const folders = { libraries: ['usr/lib'], includes: ['usr/include'] }
  const env = taskEnvironment(nodeIn(made, 'app'), folders, 2, 0)
  assert.equal(env['CFLAGS'], '-O2 -g -ffile-prefix-map=/build/src=. -ffile-prefix-map=/build/sysroot= -O3 -DLOW')
  assert.equal(env['CXXFLAGS'], '-O2 -g -ffile-prefix-map=/build/src=. -ffile-prefix-map=/build/sysroot= -DAPP')
  assert.equal(env['CPPFLAGS'], '-I/build/sysroot/usr/include/low -isystem /build/sysroot/usr/include -DX')
  assert.equal(env['LDFLAGS'], '-L/build/sysroot/usr/lib -Wl,-rpath-link,/build/sysroot/usr/lib -lmid')
  assert.deepEqual([env['LOW'], env['BOARD']], ['mine', 'box'])
})

test('a cross compiler links with the C library of the sysroot, whose programs come last', async () => {
  const node = nodeIn(await world(unit('app')), 'app')
  assert.ok(node.toolchain !== undefined)
  const folders = { libraries: ['usr/lib'], includes: [] }
  const seen = (arch: 'x86_64' | 'arm64'): readonly unknown[] => {
    const toolchain = node.toolchain === undefined ? undefined : { ...node.toolchain, arch }
    const env = taskEnvironment({ ...node, toolchain }, folders, 2, 0)
    return [
      env['LDFLAGS']?.endsWith(' -Wl,--sysroot=/build/sysroot'),
      env['PATH']?.startsWith('/build/sysroot/usr/bin:'),
    ]
  }
  assert.deepEqual(seen('x86_64'), [false, true])
  assert.deepEqual(seen('arm64'), [true, false])
})

test('it is in the key of exactly those that it flows to, by value and not by origin', async () => {
  const plain = libraries.replaceAll(/, public_config = \{[^\n]*\}(?=\))/g, '')
  assert.ok(!plain.includes('public_config'))
  const before = (await world(plain, {}, ['app', 'bystander'])).hashes
  const changed = async (units: string, more: Texts = {}): Promise<readonly string[]> => {
    const after = (await world(units, more, ['app', 'bystander'])).hashes
    return Object.keys(before).filter((id) => before[id] !== after[id])
  }
  const all = ['low', 'mid', 'app', 'bystander'].map((name) => `debian/${name}.x86_64`)
  // Nothing declared: nothing in the key.
  assert.deepEqual(await changed(plain, machine('{}')), [])
  assert.deepEqual(await changed(plain, machine('{"CFLAGS": "-O3"}')), all)
  assert.deepEqual(await changed(libraries), all.slice(0, 3))
})

const faults: Readonly<Record<string, readonly [units: string, more: Texts, said: readonly string[]]>> = {
  'two that set a variable differently': [
    unit('aa', 'public_config = {"environment": {"MODE": "fast"}}') +
      unit('bb', 'public_config = {"environment": {"MODE": "slow"}}') +
      unit('app', 'deps = ["aa", "bb"]'),
    {},
    [
      'units/u.star:3: BAD_FIELD unit "app" gets MODE from unit aa ("fast") and from unit bb ("slow") | decide in its own environment = {"MODE": "…"}',
    ],
  ],
  'a variable that says where things are': [
    unit('app', 'public_config = {"environment": {"DESTDIR": "/"}}'),
    {},
    ['units/u.star:1: BAD_FIELD public_config of unit app may not set DESTDIR | give it another name'],
  ],
  'flags as variables, told once': [
    unit('app', 'deps = ["lib"]') + unit('lib'),
    machine('{"environment": {"CFLAGS": "-O3"}}'),
    [
      'machines/m.star:1: BAD_FIELD public_config of machine box may not set CFLAGS | write "CFLAGS" beside "environment", not in it',
    ],
  ],
}

for (const [what, [units, more, said]] of Object.entries(faults)) {
  test(`refused: ${what}`, async () => {
    await assert.rejects(world(units, more), (failure) => {
      assert.deepEqual(userErrors(failure)?.map(shown), said)
      return true
    })
  })
}

test("two that set a variable alike, or whose difference the unit settles, don't conflict", async () => {
  const two = (other: string): string =>
    unit('aa', 'public_config = {"environment": {"MODE": "fast"}}') +
    unit('bb', `public_config = {"environment": {"MODE": "${other}"}}`)
  assert.deepEqual(flow(await world(two('fast') + unit('app', 'deps = ["aa", "bb"]')), 'app'), {
    environment: ['MODE=fast (unit aa)'],
  })
  const settled = await world(two('slow') + unit('app', 'deps = ["aa", "bb"], environment = {"MODE": "mine"}'))
  assert.deepEqual(flow(settled, 'app'), {})
})
