import assert from 'node:assert/strict'
import { appendFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { foldersOf } from '#engine/build/folders.ts'
import { canonical } from '#engine/plan/canonical.ts'
import { encodeManifest, seal } from '#engine/store/manifest.ts'
import { listUnits } from '#toolkit/introspect/listing.ts'
import { parseQuery } from '#toolkit/introspect/query.ts'
import { whyRebuild } from '#toolkit/introspect/rebuild.ts'
import { whyOf } from '#toolkit/introspect/why.ts'
import type { Plan } from '#toolkit/planning.ts'
import { planCatalog } from '#toolkit/planning.ts'
import { packDeb } from '../../../src/feeds/debian/pack.ts'
import { leaveBuilt } from '../../support/left-by-builds.ts'
import { packInput } from '../../support/making.ts'
import type { Asked, Vendors } from './vendor.ts'
import { vendors } from './vendor.ts'

const plan = async ({ catalog }: Vendors, targets: readonly string[], asked: Asked = {}): Promise<Plan> =>
  planCatalog(await catalog({ ...asked, targets }), targets)

function write(path: string, content: string | Uint8Array): void {
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, content)
}

async function causes(made: Plan): Promise<readonly string[]> {
  const { causes: found } = await whyRebuild(made)
  return found.map(({ chain, changes, forgotten }) => {
    const text = changes.map(({ field, how, before, after }) =>
      before === undefined && after === undefined
        ? `${field} ${how}`
        : `${field} ${JSON.stringify(before) ?? '-'} -> ${JSON.stringify(after) ?? '-'}`,
    )
    return `${chain.join(' < ')}: ${forgotten ? 'forgotten' : text.join(', ')}`
  })
}

test('a change is followed to its cause, file by file and field by field', async (t) => {
  const world = await vendors(t)
  const { root } = world.project
  const edit = (path: string, from: string, to: string): void => {
    const text = readFileSync(join(root, path), 'utf8')
    assert.ok(text.includes(from), `${path} has no ${from}`)
    writeFileSync(join(root, path), text.replace(from, to))
  }
  const target = ['gateway-image']
  assert.deepEqual(await whyRebuild(await plan(world, target)), {
    ...{ unit: 'gateway-image', id: 'debian/gateway-image.bench', state: 'to build', why: 'not built here before' },
    causes: [],
  })
  leaveBuilt(await plan(world, target))
  assert.equal((await whyRebuild(await plan(world, target))).state, 'cached')

  const cases: readonly (readonly [name: string, change: () => void, want: readonly string[]])[] = [
    [
      'a patch',
      () => appendFileSync(join(root, 'vendor/product-common/libmodbus/0001-timeout.patch'), '+b\n'),
      ['gateway-image < sensord < libmodbus: libmodbus/0001-timeout.patch changed'],
    ],
    [
      'a new source file',
      () => writeFileSync(join(root, 'sensord/new.c'), ''),
      ['gateway-image < sensord: sensord/new.c added'],
    ],
    [
      'a removed and a changed one',
      () => {
        rmSync(join(root, 'sensord/new.c'))
        appendFileSync(join(root, 'sensord/main.c'), '/* */')
      },
      ['gateway-image < sensord: sensord/main.c changed, sensord/new.c removed'],
    ],
    [
      'an overlay and a field',
      () => {
        appendFileSync(join(root, 'overlays/gateway/etc/motd'), '!')
        edit('images/gateway.star', 'hostname = "gateway"', 'hostname = "gate"')
      },
      ['gateway-image: hostname "gateway" -> "gate", overlays/gateway/etc/motd changed'],
    ],
    [
      'a task and a version, in two units',
      () => {
        edit('units/netcfg.star', 'echo fleet', 'echo boats')
        edit('units/netcfg.star', '"3"', '"4"')
        edit('units/webui.star', '["sensord", "web-server"]', '["sensord"]')
      },
      [
        'gateway-image: package nginx-light "1.26.3-3" -> -, unit tinyweb removed',
        'gateway-image < netcfg: task install "mkdir -p $DESTDIR/etc/netcfg && echo fleet > $DESTDIR/etc/netcfg/name" -> "mkdir -p $DESTDIR/etc/netcfg && echo boats > $DESTDIR/etc/netcfg/name", version "3" -> "4"',
        'gateway-image < webui: runtime_deps "tinyweb" -> -',
      ],
    ],
  ]
  for (const [name, change, want] of cases) {
    change()
    const made = await plan(world, target)
    assert.deepEqual(await causes(made), want, name)
    leaveBuilt(made)
  }

  appendFileSync(join(root, 'vendor/product-common/libmodbus/0001-timeout.patch'), '+c\n')
  leaveBuilt(await plan(world, ['sensord']))
  assert.deepEqual(
    await causes(await plan(world, target)),
    ['gateway-image < sensord < libmodbus: libmodbus/0001-timeout.patch changed'],
    'units that were built since are compared with what the cache has of then',
  )
  rmSync(join(world.project.cache, 'units'), { recursive: true })
  assert.deepEqual(await causes(await plan(world, target)), ['gateway-image < sensord: forgotten'])
})

test('of another yoe only that is told, and what somebody changed; not fields that the old one did not know', async (t) => {
  const world = await vendors(t)
  const { root } = world.project
  const made = await plan(world, ['gateway-image'])
  leaveBuilt(made)
  const [node] = made.targets
  if (node === undefined) throw new TypeError('no image')
  const { last } = foldersOf(made.workspace.buildRoot, node)
  const { engine, unit, ...rest } = JSON.parse(readFileSync(last, 'utf8'))
  const { hostname, ...known } = unit
  assert.equal(hostname, 'gateway')
  writeFileSync(last, canonical({ ...rest, unit: known, engine: 0 }))
  rmSync(join(world.project.cache, 'units'), { recursive: true })
  const now = await plan(world, ['gateway-image'])
  assert.equal((await whyRebuild(now)).why, 'yoe itself changed')
  assert.deepEqual(await causes(now), [`gateway-image: yoe itself 0 -> ${engine}`])
  appendFileSync(join(root, 'overlays/gateway/etc/motd'), '!')
  assert.deepEqual(await causes(await plan(world, ['gateway-image'])), [
    `gateway-image: overlays/gateway/etc/motd changed, yoe itself 0 -> ${engine}`,
  ])
})

test('status: compares with what a build would find', async (t) => {
  const world = await vendors(t)
  const { catalog, closed, project } = world
  const found = async (status: string): Promise<string> => {
    const opened = await catalog()
    const rows = await listUnits(opened, parseQuery([`status:${status}`, 'type:unit'], opened.project))
    return rows.map(({ name }) => name).join(' ')
  }
  const made = await plan(world, ['sensord', 'webui'])
  leaveBuilt(made, (node) => node.unit.name !== 'webui')
  assert.equal(await found('cached'), 'libmodbus sensord zlib')
  assert.equal(await found('stale'), 'webui')
  const sensord = made.targets.find(({ unit }) => unit.name === 'sensord')
  if (sensord === undefined) throw new TypeError('no sensord')
  appendFileSync(join(project.root, 'sensord/main.c'), '\n')
  assert.equal(await found('stale'), 'sensord webui')
  const { keys, workspace } = await plan(world, ['sensord'])
  const [hash = ''] = [...keys].filter(([node]) => node.unit.name === 'sensord').map(([, key]) => key.hash)
  write(foldersOf(workspace.buildRoot, sensord).failed, JSON.stringify({ hash, errors: [] }))
  assert.equal(await found('failed'), 'sensord')
  write(join(workspace.cacheRoot, 'locks', `unit-${hash}`), `process ${process.pid} on nowhere, since now`)
  assert.equal(await found('building'), 'sensord')
  const without = await closed()
  const rows = await listUnits(without, parseQuery(['type:unit', 'module:project'], without.project))
  assert.deepEqual(
    rows.map(({ name, status }) => [name, status]),
    [
      ['netcfg', 'never'],
      ['sensord', 'failed'],
      ['webui', 'built'],
    ],
    'without feeds only the last build is known',
  )
})

test('what was built is asked what it links: nobody declares that', async (t) => {
  const world = await vendors(t)
  const { catalog, project } = world
  const has = async (name: string): Promise<readonly string[]> => {
    const { images } = await whyOf(await catalog(), name, 'gateway-image')
    return images.flatMap(({ chains }) => chains.map(({ packages }) => packages.join(' ')))
  }
  assert.deepEqual(await has('libmodbus'), [])
  const made = await plan(world, ['sensord'])
  const node = made.targets[0]
  const key = node === undefined ? undefined : made.keys.get(node)
  if (node?.kind !== 'package' || key === undefined) throw new TypeError('no sensord')
  const unit = { ...node.unit, runtimeDeps: [[{ name: 'tzdata' }], [{ name: 'libmodbus' }], [{ name: 'gone' }]] }
  const dest = join(project.root, 'dest')
  mkdirSync(join(dest, 'usr'), { recursive: true })
  const { runtimeDeps } = unit
  const [deb] = await packDeb(packInput(dest, join(project.root, 'out'), { unit, runtimeDeps }))
  if (deb === undefined) throw new TypeError('nothing was packed')
  const { cacheRoot, buildRoot } = made.workspace
  write(join(cacheRoot, 'objects', deb.sha256.slice(0, 2), deb.sha256.slice(2)), readFileSync(deb.path))
  write(foldersOf(buildRoot, node).last, canonical(key.inputs))
  const files = [{ name: deb.filename, sha256: deb.sha256, size: deb.size }]
  const facts = { builtAt: 0, ms: 1, builder: 'test' }
  const manifest = { unit: 'sensord', arch: 'x86_64', distro: 'debian', ...key, files, facts }
  const place = join(cacheRoot, 'units/x86_64', `${key.hash}.json`)
  write(place, encodeManifest(seal(manifest, 'trusted', undefined)))
  const chains = ['sensord libmodbus', 'webui sensord libmodbus']
  assert.deepEqual(await has('libmodbus'), chains)
  rmSync(place)
  assert.deepEqual(await has('libmodbus'), chains, 'each package is read once')
  const memory = join(buildRoot, 'linked.json')
  writeFileSync(memory, readFileSync(memory, 'utf8').replace('libmodbus', 'zlib'))
  assert.deepEqual(await has('libmodbus'), [], 'and a damaged memory is none')
})
