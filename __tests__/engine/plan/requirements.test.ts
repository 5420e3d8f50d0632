import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ImageNode, PackageNode } from '#engine/plan/graph.ts'
import { resolveBuiltImage } from '#engine/plan/resolve.ts'
import { HostFeedsNeeded } from '#engine/plan/universe.ts'
import type { Texts } from '../../support/project.ts'
import { fakeFeed, type PlanOptions, packages, plan } from './fake-world.ts'

const unit = (name: string, more = ''): string =>
  `unit(name = "${name}", version = "1"${more === '' ? '' : `, ${more}`})\n`
const built = (name: string, more = ''): string => unit(name, `tasks = [task("t", run = "true")], ${more}`)

async function packageNode(text: string, name: string, options?: PlanOptions): Promise<PackageNode> {
  const [node] = (await plan({ 'units/u.star': text }, [name], options)).targets
  assert.ok(node?.kind === 'package')
  return node
}

async function imageNode(texts: Texts, options?: PlanOptions): Promise<ImageNode> {
  const [node] = (await plan(texts, ['im'], options)).targets
  assert.ok(node?.kind === 'image')
  return node
}

const names = (nodes: readonly PackageNode[]): readonly string[] => nodes.map((node) => node.unit.name)
const called = (records: readonly { readonly name: string }[]): readonly string[] =>
  records.map(({ name }) => name).sort()
const image = (artifacts: string): Texts => ({ 'images/i.star': `image(name = "im", artifacts = ${artifacts})\n` })

test('a subpackage is a name like others: for building, for running, in images', async () => {
  const text =
    built('zlib', 'subpackages = ["dev", "dbg"]') +
    built('app', 'deps = ["zlib-dev"], runtime_deps = ["zlib-dev (>= 1) | bash"]')
  const node = await packageNode(text, 'app')
  assert.deepEqual(names(node.sysroot), ['zlib'])
  assert.deepEqual(node.runtimeDeps, [
    [{ name: 'zlib-dev', version: { relation: '>=', version: '1' } }, { name: 'bash' }],
  ])
  const im = await imageNode({ 'units/u.star': text, ...image('["app"]') })
  assert.deepEqual(names(im.units), ['zlib', 'app'])
  assert.deepEqual(called(im.closure.filter(({ origin }) => origin.kind === 'unit')), ['app', 'zlib', 'zlib-dev'])
  assert.equal((await packageNode(text, 'zlib-dbg')).unit.name, 'zlib')
})

test('an image installs the packages that are asked for, and its key says which', async () => {
  const text = built('zlib', 'subpackages = ["dev"], extra_subpackages = {"tools": ["/usr/bin/*"]}')
  const installed = async (artifacts: string): Promise<readonly [readonly string[], string | undefined]> => {
    const { targets, hashes } = await plan({ 'units/u.star': text, ...image(artifacts) }, ['im'])
    const [node] = targets
    assert.ok(node?.kind === 'image')
    return [called(node.closure.filter(({ origin }) => origin.kind === 'unit')), hashes['debian/im.box']]
  }
  const [main, mainKey] = await installed('["zlib"]')
  const [dev, devKey] = await installed('["zlib-dev"]')
  const [tools, toolsKey] = await installed('["zlib-tools"]')
  assert.deepEqual([main, dev, tools], [['zlib'], ['zlib', 'zlib-dev'], ['zlib-tools']])
  assert.equal(new Set([mainKey, devKey, toolsKey]).size, 3)
})

test('what a built package says replaces what its unit declares', async () => {
  const { targets, universe } = await plan(
    { 'units/u.star': built('zlib', 'subpackages = ["dev"]'), ...image('["zlib"]') },
    ['im'],
  )
  const [node] = targets
  assert.ok(node?.kind === 'image')
  const [main] = node.closure.filter(({ name }) => name === 'zlib')
  assert.ok(main)
  const found = resolveBuiltImage(universe, node, new Map([['zlib', { ...main, depends: [[{ name: 'zlib-dev' }]] }]]))
  assert.deepEqual(called(found.closure.filter(({ origin }) => origin.kind === 'unit')), ['zlib', 'zlib-dev'])
  assert.deepEqual(names(found.units), ['zlib'])
})

test('alternatives: those that exist, and of them the first that will do', async () => {
  const text = built('app', 'deps = ["lib"]') + unit('lib', 'runtime_deps = ["nope | other | bash"]') + unit('other')
  const node = await packageNode(text, 'app')
  assert.deepEqual(names(node.sysroot), ['other', 'lib'])
  const [lib] = node.sysroot.filter((each) => each.unit.name === 'lib')
  assert.deepEqual(lib?.runtimeDeps, [[{ name: 'other' }, { name: 'bash' }]])
  const versioned = await packageNode(text.replace('other |', 'other >= 2 |'), 'app')
  assert.deepEqual(names(versioned.sysroot), ['lib'])
  assert.deepEqual(called(versioned.sysrootFeed), ['bash'])
})

test('conflicts steer a choice between alternatives', async () => {
  const text = unit('app', 'runtime_deps = ["one | two"]') + unit('one', 'conflicts = ["bash"]') + unit('two')
  assert.deepEqual(names((await imageNode({ 'units/u.star': text, ...image('["app", "bash"]') })).units), [
    'two',
    'app',
  ])
  assert.deepEqual(names((await imageNode({ 'units/u.star': text, ...image('["app"]') })).units), ['one', 'app'])
})

test('versions of build dependencies: with and without the release, of units and of what they provide', async () => {
  const text = (wanted: string): string =>
    `${built('app', `deps = ["${wanted}"]`)}${unit('lib', 'release = 2, provides = ["api = 3.5", "any"]')}`
  for (const wanted of ['lib', 'lib >= 1', 'lib = 1', 'lib = 1-r2', 'lib << 2', 'api >= 3', 'api << 4', 'any'])
    assert.deepEqual(names((await packageNode(text(wanted), 'app')).sysroot), ['lib'], wanted)
  for (const wanted of ['lib >= 2', 'lib = 1-r1', 'lib << 1', 'api >= 4', 'any >= 1'])
    await assert.rejects(packageNode(text(wanted), 'app'), { message: /unit app wants/ }, wanted)
})

test('a package of a feed that needs what a unit replaces brings the unit', async () => {
  const text = built('app', 'deps = ["libpng"]') + built('zlib1g')
  const node = await packageNode(text, 'app', { feed: fakeFeed([...packages, 'libpng 1: zlib1g']) })
  assert.deepEqual([names(node.sysroot), called(node.sysrootFeed)], [['zlib1g'], ['libpng']])
})

test('a unit that replaces a package is built with the package where it needs itself', async () => {
  const node = await packageNode(built('zlib1g', 'deps = ["zlib1g-dev"]'), 'zlib1g')
  assert.deepEqual([names(node.sysroot), called(node.sysrootFeed)], [[], ['zlib1g', 'zlib1g-dev']])
})

test('a library of the toolchain comes along where a -dev package outside of it has the link to it', async () => {
  // The compiler needs libffi8: without its files libffi.so in the sysroot leads nowhere, and libffi.a would be linked.
  const feed = fakeFeed([
    ...packages.filter((line) => !line.startsWith('gcc')),
    'gcc 14: libc6 libffi8 libz2',
    'libffi8 3.4: libc6',
    'libz2 2: libc6',
    'libffi-dev 3.4: libffi8(=3.4) libz2(>=1)',
  ])
  const node = await packageNode(built('app', 'deps = ["libffi-dev"]'), 'app', { feed })
  assert.deepEqual(
    [called(node.sysrootFeed), node.inRoots],
    [
      ['libffi-dev', 'libffi8'],
      ['libc6', 'libz2'],
    ],
  )
})

test('a boot loader that the machine names is in its images', async () => {
  const texts = {
    ...image('[]'),
    'machines/m.star':
      'machine(name = "box", arch = "x86_64", kernel = kernel(unit = "linux-image"), bootloader = uboot(unit = "bash"))\n',
  }
  assert.deepEqual(called((await imageNode(texts)).closure), ['bash', 'libc6', 'linux-image'])
})

test('a kernel of a feed answers to the name that the machine gives it', async () => {
  const texts = {
    ...image('["linux"]'),
    'machines/m.star':
      'machine(name = "box", arch = "x86_64", kernel = kernel(unit = "linux-image", provides = "linux"))\n',
  }
  assert.deepEqual(called((await imageNode(texts)).closure), ['linux-image'])
})

const containers =
  'container(name = "go", distro = "debian", packages = ["bash"])\ncontainer(name = "rust", distro = "debian", packages = ["make"])\n'

test('tasks may name roots of their own', async () => {
  const text = `${containers}unit(name = "app", version = "1", deps = ["make"], tasks = [
  task("a", run = "x"), task("b", run = "x", container = "go"), task("c", run = "x", container = "rust"), task("d", run = "x", container = "go")])\n`
  const node = await packageNode(text, 'app')
  assert.equal(node.toolchain?.unit.name, 'toolchain-fake')
  assert.deepEqual(
    [...node.containers].map(([name, { id }]) => [name, id]),
    [
      ['go', 'debian/go.x86_64'],
      ['rust', 'debian/rust.x86_64'],
    ],
  )
  // One of the roots has no make.
  assert.deepEqual(called(node.sysrootFeed), ['make'])
})

test('the root of a task decides about the key, its name does not', async () => {
  const text = `${containers}unit(name = "app", version = "1", tasks = [task("b", run = "x", container = "go")])\n`
  const keyOf = async (units: string, feed = packages): Promise<string | undefined> =>
    (await plan({ 'units/u.star': units }, ['app'], { feed: fakeFeed(feed) })).hashes['debian/app.x86_64']
  const key = await keyOf(text)
  assert.notEqual(await keyOf(text.replace('container = "go")]', 'container = "rust")]')), key)
  assert.notEqual(
    await keyOf(
      text,
      packages.map((line) => line.replace('bash 5', 'bash 6')),
    ),
    key,
  )
})

test('a root of the machine that builds has packages of its architecture', async () => {
  const text = built('app', 'container_arch = "host", deps = ["zlib1g"]') + built('plain')
  const host = { arch: 'arm64', packageArch: 'arm64', feeds: undefined } as const
  await assert.rejects(packageNode(text, 'app', { universe: { host } }), HostFeedsNeeded)
  const without = { ...host, unavailable: true }
  await assert.rejects(packageNode(text, 'app', { universe: { host: without } }), new HostFeedsNeeded(true))
  const feeds = [fakeFeed(packages, 'fake.main', 'arm64')]
  const node = await packageNode(text, 'app', { universe: { host: { ...host, feeds } } })
  assert.deepEqual(
    [node.toolchain?.id, node.toolchain?.tools?.id],
    ['debian/toolchain-fake.arm64', 'debian/tools-fake.arm64'],
  )
  assert.ok(node.toolchain?.packages.every(({ arch }) => arch === 'arm64'))
  assert.deepEqual(
    node.sysrootFeed.map(({ name, arch }) => `${name}:${arch}`),
    ['libc6:amd64', 'zlib1g:amd64'],
  )
  const like = { arch: 'x86_64', packageArch: 'amd64', feeds: undefined } as const
  assert.equal(
    (await packageNode(text, 'app', { universe: { host: like } })).toolchain?.id,
    'debian/toolchain-fake.x86_64',
  )
})

test("tools of the machine that builds install another's roots, if it has them all, and no key says so", async () => {
  const text = built('plain')
  const host = { arch: 'arm64', packageArch: 'arm64', feeds: undefined } as const
  await assert.rejects(packageNode(text, 'plain', { universe: { host } }), new HostFeedsNeeded(false))
  const rootOf = async (universe: object) => (await packageNode(text, 'plain', { universe })).toolchain
  const feed = fakeFeed(packages, 'fake.main', 'arm64')
  const native = await rootOf({ host: { ...host, feeds: [feed] } })
  assert.deepEqual(
    [native?.arch, native?.tools?.id, native?.installer?.id],
    ['x86_64', 'debian/tools-fake.x86_64', 'debian/tools-fake.arm64'],
  )
  const lacking = fakeFeed(
    packages.filter((line) => !line.startsWith('mmdebstrap')),
    'fake.main',
    'arm64',
  )
  assert.equal((await rootOf({ host: { ...host, feeds: [lacking] } }))?.installer, undefined)
  assert.equal((await rootOf({ host: { ...host, unavailable: true } }))?.installer, undefined)
  const key = async (universe: object): Promise<string | undefined> =>
    (await plan({ 'units/u.star': text }, ['plain'], { universe })).hashes['debian/plain.x86_64']
  assert.equal(await key({ host: { ...host, feeds: [feed] } }), await key({}))
})

test('the newest of several feeds counts, unless a pin says otherwise', async () => {
  const feeds = [fakeFeed(['bash 6'], 'fake.security')]
  const version = async (texts: Texts): Promise<string | undefined> =>
    (await imageNode({ ...image('["bash"]'), ...texts }, { feeds })).closure.find(({ name }) => name === 'bash')
      ?.version
  assert.equal(await version({}), '6')
  const pinned = `project(name = "demo", defaults = defaults(machine = "box", distro = "debian"), prefer_modules = {"bash": "main"})
apt_feed(name = "main", distro = "debian", url = "file:///f", suite = "s", keyring = "k.gpg")\n`
  const main = fakeFeed(packages, 'main')
  const im = await imageNode({ ...image('["bash"]'), 'PROJECT.star': pinned, 'k.gpg': '' }, { feed: main, feeds })
  assert.equal(im.closure.find(({ name }) => name === 'bash')?.version, '5')
})
