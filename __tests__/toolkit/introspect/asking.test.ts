import assert from 'node:assert/strict'
import { existsSync, globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { YoeError } from '#engine/errors.ts'
import type { Catalog } from '#toolkit/catalog-view.ts'
import { configOf, describeName } from '#toolkit/introspect/describe.ts'
import { graphOf, staleGraph } from '#toolkit/introspect/graph.ts'
import { listUnits } from '#toolkit/introspect/listing.ts'
import { parseQuery } from '#toolkit/introspect/query.ts'
import { refsOf, refsTree } from '#toolkit/introspect/refs.ts'
import { whatIf } from '#toolkit/introspect/what-if.ts'
import { whyOf } from '#toolkit/introspect/why.ts'
import { vendors } from './vendor.ts'

const rows = async (catalog: Catalog, ...words: readonly string[]) =>
  listUnits(catalog, parseQuery(words, catalog.project))
const names = async (catalog: Catalog, ...words: readonly string[]): Promise<string> =>
  (await rows(catalog, ...words)).map(({ name }) => name).join(' ')

test('what declarations tell is told without a feed', async (t) => {
  const { closed } = await vendors(t)
  const catalog = await closed()
  assert.equal(await names(catalog, 'type:unit', 'module:project'), 'netcfg sensord webui')
  assert.equal(await names(catalog, 'type:library'), 'libmodbus zlib')
  assert.equal(await names(catalog, 'web'), 'tinyweb webui', 'names that units provide count')
  assert.equal(await names(catalog, 'type:image', 'module:bsp-b'), 'demo-image')
  assert.equal(await names(catalog, 'type:container'), 'kernel-debian toolchain-debian tools-debian')
  const graph = await graphOf(catalog, ['sensord'])
  assert.deepEqual(
    graph.edges.filter(({ from }) => from === 'sensord'),
    [
      { from: 'sensord', to: 'toolchain-debian', relations: ['container'] },
      { from: 'sensord', to: 'libmodbus', relations: ['build'] },
      { from: 'sensord', to: 'zlib', relations: ['build'] },
      { from: 'sensord', to: 'tzdata', relations: ['runtime'] },
    ],
  )
  const refs = await refsOf(catalog, 'zlib', { direct: true })
  assert.deepEqual(
    refs.units.map(({ name, relations, rebuilt }) => [name, relations.join(), rebuilt]),
    [
      ['libmodbus', 'build', true],
      ['sensord', 'build', true],
      ['stress-tool', 'runtime', false],
    ],
  )
  const machine = await describeName(catalog, 'a200')
  assert.equal(machine.kind, 'machine')
  assert.deepEqual(await configOf(catalog, 'a200'), [])
})

test('what needs feeds opens those of the distro only', async (t) => {
  const { catalog, closed, project } = await vendors(t)
  await assert.rejects(async () => names(await closed(), 'in:gateway-image'), /feed product-common.debian was opened/)
  await assert.rejects(async () => whyOf(await closed(), 'zlib', undefined), /feed product-common.debian was opened/)
  await whyOf(await catalog({ distro: 'ubuntu' }), 'libc6', undefined)
  assert.deepEqual(
    globSync('feeds/*', { cwd: project.cache }).filter((path) => !path.endsWith('.index')),
    ['feeds/product-common.ubuntu'],
  )
})

test('lists show what lost its name, and images that a machine can not have', async (t) => {
  const { closed } = await vendors(t)
  const notes = async (asked: object): Promise<readonly string[]> =>
    (await rows(await closed(asked))).flatMap(({ name, note, at }) =>
      note === undefined ? [] : [`${name} ${at?.file}: ${note}`],
    )
  assert.deepEqual(await notes({ machine: 'bench' }), [
    'ledctl @bsp-b//units/tools.star: shadowed by @product-common//units/base.star:47',
    'netcfg @product-common//units/base.star: shadowed by units/netcfg.star:2',
    'panel-image images/panel.star: for ubuntu',
  ])
  assert.deepEqual((await notes({ machine: 'a200' })).slice(-1), [
    'panel-image images/panel.star: machine "a200" has a kernel for debian, not for ubuntu',
  ])
})

test('in: is the closure of an image, a unit or a package, with what comes from feeds', async (t) => {
  const { catalog } = await vendors(t)
  const debian = await catalog()
  assert.equal(await names(debian, 'in:sensord'), 'sensord tzdata')
  assert.equal(await names(debian, 'in:gdb', 'type:feed'), 'gdb libc6 libpython3.13 zlib1g')
  assert.equal(await names(debian, 'in:gateway-image', 'type:unit'), 'base linux-generic netcfg sensord tinyweb webui')
  assert.equal(await names(debian, 'in:gateway-debug-image', 'in:rescue-image', 'module:bsp-b'), 'ssh-tiny')
  assert.equal(await names(debian, 'in:gateway-image', 'module:product-common.debian', 'ssl'), 'libssl3t64')
  await assert.rejects(names(debian, 'in:gatway-image'), (failure) => {
    assert.ok(failure instanceof YoeError)
    assert.deepEqual([failure.code, failure.hint], ['UNIT_NOT_FOUND', 'did you mean "gateway-image"?'])
    return true
  })
  await assert.rejects(names(debian, 'type:feed'), /needs in:/)
})

test('refs follow every step, and tell images by what they pick', async (t) => {
  const { catalog } = await vendors(t)
  const debian = await catalog()
  const zlib = await refsOf(debian, 'zlib', { direct: false })
  assert.deepEqual(
    zlib.units.map(({ name, direct, via, rebuilt }) => [name, direct, via.join(), rebuilt]),
    [
      ['libmodbus', true, '', true],
      ['sensord', true, '', true],
      ['stress-tool', true, '', false],
      ['webui', false, 'sensord', false],
    ],
  )
  assert.deepEqual(
    zlib.images.map(({ name, via }) => [name, via.join()]),
    [['factory-image', 'stress-tool']],
  )
  const ssl = await refsOf(debian, 'libssl3t64', { direct: false })
  assert.equal(ssl.kind, 'feed')
  assert.deepEqual(ssl.images.find(({ name }) => name === 'gateway-image')?.via, ['base', 'webui'])
  const compiler = await refsOf(debian, 'gcc', { direct: false })
  assert.deepEqual(compiler.units.map(({ name, kind }) => `${kind} ${name}`).slice(0, 2), [
    'container kernel-debian',
    'container toolchain-debian',
  ])
  assert.ok(
    compiler.units.every(
      ({ kind, rebuilt, relations }) => kind === 'container' || !relations.includes('container') || rebuilt,
    ),
  )
  const library = await refsOf(debian, 'libc6', { direct: false })
  assert.deepEqual(
    library.units.map(({ name, direct }) => [name, direct]),
    [
      ['kernel-debian', false],
      ['toolchain-debian', false],
      ['tools-debian', false],
    ],
  )
  const tree = await refsTree(debian, 'libmodbus')
  const text = (node: typeof tree): string =>
    `${node.name}${node.repeated ? '*' : ''}${node.neededBy.length === 0 ? '' : `(${node.neededBy.map(text).join(' ')})`}`
  assert.equal(
    text(tree),
    'libmodbus(sensord(gateway-debug-image gateway-image webui(demo-image gateway-debug-image gateway-image)))',
  )
  assert.equal((await refsOf(debian, 'ssh-server', { direct: true })).means, 'ssh-tiny')
  assert.equal((await refsOf(debian, 'linux-a100', { direct: false })).units.length, 0)
})

test('why tells one shortest chain for each pick', async (t) => {
  const { catalog } = await vendors(t)
  const debian = await catalog()
  const { images, absent } = await whyOf(debian, 'libssl3t64', 'gateway-image')
  assert.deepEqual(absent, [])
  assert.deepEqual(
    images.flatMap(({ chains }) => chains.map(({ by, packages }) => `${by}: ${packages.join(' ')}`)),
    [
      'image gateway-image: base systemd-sysv systemd libssl3t64',
      'image gateway-image: webui tinyweb nginx-light libssl3t64',
    ],
  )
  const essential = await whyOf(debian, 'libc6', 'rescue-image')
  assert.ok(
    essential.images.some(({ chains }) =>
      chains.some(({ by, pick }) => by === 'every installation' && pick === 'dpkg'),
    ),
  )
  const machine = await whyOf(debian, 'linux-image-generic', 'rescue-image')
  assert.deepEqual(
    machine.images[0]?.chains.map(({ by, pick }) => [by, pick]),
    [['machine bench', 'linux-generic']],
  )
  const nothing = await whyOf(debian, 'libmodbus', undefined)
  assert.deepEqual([nothing.images, nothing.absent.length], [[], 5])
  await assert.rejects(whyOf(debian, 'zlib', 'zlib'), /there is no image "zlib"/)
  const small = await catalog({ machine: 'a200', targets: ['panel-image'] })
  await assert.rejects(whyOf(small, 'zlib', 'panel-image'), /has a kernel for debian, not for ubuntu/)
})

test('desc tells why a name means what it does, and what lost', async (t) => {
  const { catalog } = await vendors(t)
  const meaning = async (name: string, asked = {}): Promise<unknown> => {
    const found = await describeName(await catalog(asked), name)
    if (found.kind === 'feed') return [found.packages.map((one) => one.name), found.losers.map((one) => one.name)]
    if (found.kind === 'machine') return found.kind
    return [
      found.name,
      found.meaning?.because,
      found.meaning?.losers.map(({ from, name: loser }) => `${from} ${loser}`),
    ]
  }
  assert.deepEqual(await meaning('sensord'), ['sensord', undefined, undefined])
  assert.deepEqual(await meaning('netcfg'), [
    'netcfg',
    'the project comes before its modules',
    ['product-common netcfg'],
  ])
  assert.deepEqual(await meaning('ssh-server'), [
    'ssh-tiny',
    'module bsp-b stands after product-common in the list, and later ones win',
    ['product-common ssh-openssh'],
  ])
  assert.deepEqual(await meaning('linux'), ['linux-generic', 'it is the kernel of machine bench', ['bsp-a linux-a100']])
  assert.deepEqual(await meaning('linux', { machine: 'a100' }), [
    'linux-a100',
    'it is the kernel of machine a100',
    ['product-common linux-generic'],
  ])
  assert.deepEqual(await meaning('zlib1g'), [['zlib1g'], ['zlib']])
  assert.deepEqual(await meaning('httpd'), [['nginx-light', 'lighttpd'].sort(), []])
  assert.equal(await meaning('b1'), 'machine')
  await assert.rejects(meaning('kiosk'), /nothing is called or provides "kiosk" on debian/)
  const only = describeName(await catalog(), 'toolchain-ubuntu')
  await assert.rejects(
    only,
    (failure) => failure instanceof YoeError && failure.hint === 'it is for ubuntu: say --distro',
  )
  const inert = await describeName(await catalog({ machine: 'a200', targets: ['panel-image'] }), 'panel-image')
  assert.ok(inert.kind === 'image' && inert.build === undefined && /not for ubuntu/.test(inert.inert ?? ''))
})

test('what-if plans a changed project and writes nothing', async (t) => {
  const { catalog, project } = await vendors(t)
  const debian = await catalog()
  await whyOf(debian, 'zlib', undefined)
  const texts = (): string =>
    globSync('**/*.star', { cwd: project.root })
      .sort()
      .map((path) => readFileSync(join(project.root, path), 'utf8'))
      .join('\n')
  const before = texts()
  const bump = await whatIf(debian, { kind: 'bump', unit: 'zlib', version: '1.4' }, [
    'gateway-image',
    'factory-image',
    'rescue-image',
  ])
  assert.deepEqual(
    bump.rebuilt.map(({ name }) => name),
    ['zlib', 'libmodbus', 'sensord', 'gateway-image', 'factory-image'],
  )
  assert.deepEqual(
    bump.images.map(({ name, packages }) => [name, packages.map((one) => `${one.before} ${one.after}`)]),
    [
      ['gateway-image', []],
      ['factory-image', ['1.3.1-r0 1.4-r0']],
      ['rescue-image', []],
    ],
  )
  const add = await whatIf(debian, { kind: 'add', name: 'gdb' }, ['gateway-image'])
  assert.deepEqual(add.images[0], {
    name: 'gateway-image',
    packages: [
      { name: 'gdb', after: '16.3-1', bytes: 4_200_000 },
      { name: 'libpython3.13', after: '3.13.5-2', bytes: 2_100_000 },
    ],
    count: [16, 18],
    bytes: 6_300_000,
    unknown: [],
  })
  const remove = await whatIf(debian, { kind: 'remove', name: 'webui' }, ['gateway-image'])
  assert.deepEqual(
    [remove.images[0]?.packages.map(({ name }) => name), remove.images[0]?.bytes, remove.images[0]?.unknown],
    [['nginx-light', 'tinyweb', 'webui'], -700_000, ['tinyweb', 'webui']],
  )
  const still = await whatIf(debian, { kind: 'remove', name: 'netcfg' }, ['gateway-image'])
  assert.deepEqual(still.images[0]?.still, ['image gateway-image', 'base', 'netcfg'])
  const clash = await whatIf(debian, { kind: 'add', name: 'openssh-server' }, ['rescue-image'])
  assert.match(clash.errors[0]?.message ?? '', /openssh-server.*dropbear-bin/)
  const broken = await whatIf(debian, { kind: 'add', name: 'broken' }, ['gateway-image'])
  assert.match(broken.errors[0]?.message ?? '', /broken needs libssl3t64 \(>= 4\)/)
  await assert.rejects(
    whatIf(debian, { kind: 'remove', name: 'libssl3t64' }, ['gateway-image']),
    /by base → systemd-sysv → systemd → libssl3t64/,
  )
  await assert.rejects(whatIf(debian, { kind: 'bump', unit: 'libc6', version: '3' }, []), /a feed, which decides/)
  await assert.rejects(
    whatIf(debian, { kind: 'add', name: 'gbd' }, ['gateway-image']),
    (failure) => failure instanceof YoeError && failure.hint === 'did you mean "gdb"?',
  )
  assert.equal(texts(), before)
  assert.ok(!existsSync(join(project.root, 'build/debian')))
})

test('a graph of what is stale holds what a build would make', async (t) => {
  const { catalog } = await vendors(t)
  const graph = await staleGraph(await catalog(), ['gateway-image'])
  assert.ok(graph.nodes.every(({ why }) => why === 'not built here before'))
  assert.ok(graph.nodes.some(({ name }) => name === 'tools-debian') && !graph.nodes.some(({ kind }) => kind === 'feed'))
})
