import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { type TestContext, test } from 'node:test'
import { silent } from '#engine/events.ts'
import { markSource } from '#engine/source/marks.ts'
import type { UnitManifest } from '#engine/store/manifest.ts'
import { seal } from '#engine/store/manifest.ts'
import { objectPath } from '#engine/store/object-path.ts'
import { Store } from '#engine/store/store.ts'
import type { CollectOptions } from '#toolkit/cache/collect.ts'
import { collect } from '#toolkit/cache/collect.ts'
import { noteBuild } from '#toolkit/cache/last-build.ts'
import { needsNothing } from '#toolkit/cache/needs.ts'
import { bytes, litter, manifestOf, sha } from '../../engine/store/fixture.ts'
import { scratch } from '../../support/project.ts'

const options: CollectOptions = {
  ...{ needs: needsNothing, all: false, days: 30, dryRun: false, report: silent },
}
const days = (count: number): number => Date.now() / 1000 - count * 86_400

/** A result whose file is its own name, used some days ago. */
async function result(
  store: Store,
  name: string,
  age: number,
  more: Partial<UnitManifest> = {},
): Promise<UnitManifest> {
  const manifest = { ...manifestOf({ [name]: name }), unit: name, hash: sha(`key of ${name}`), ...more }
  await store.objects.put(bytes(name))
  await store.record(seal(manifest, 'trusted', undefined))
  aged(join(store.root, 'units/x86_64', `${manifest.hash}.json`), age)
  return manifest
}

function aged(path: string, age: number): void {
  utimesSync(path, days(age), days(age))
}

function file(store: Store, path: string, age: number): void {
  mkdirSync(join(store.root, path, '..'), { recursive: true })
  writeFileSync(join(store.root, path), path)
  aged(join(store.root, path), age)
}

async function all<T>(items: AsyncIterable<T>): Promise<readonly T[]> {
  const list: T[] = []
  for await (const item of items) list.push(item)
  return list
}

const opened = async (t: TestContext): Promise<Store> => Store.open(join(scratch(t), 'cache'))

test('what nobody used for long goes, with all that was made of it; the rest stays', async (t) => {
  const store = await opened(t)
  const [fresh, old, needed] = [
    await result(store, 'fresh', 1),
    await result(store, 'old', 40),
    await result(store, 'needed', 400),
  ]
  const oldLayer = await result(store, 'layer 1', 41, { unit: 'gateway', inputs: { layer: 'disk' } })
  const layer = await result(store, 'layer 2', 40, { unit: 'gateway', inputs: { layer: 'disk' } })
  const root = (name: string, age: number): void => {
    file(store, `roots/${name}/bin/sh`, age)
    file(store, `roots/${name}.tree`, age)
  }
  root(sha('used root'), 2)
  root(sha('root'), 50)
  root(needed.hash, 50)
  for (const [name, age] of [
    ['unpacked/aa/tree.sum', 40],
    ['unpacked/bb/tree.sum', 4],
    ['feeds/aa.index', 40],
    ['feeds/debian.main/trixie.newest.json', 40],
    ['closures/aa', 40],
    ['damaged/aa', 0],
    ['measured.json', 400],
  ] as const)
    file(store, name, age)
  aged(join(store.root, 'feeds/debian.main'), 40)
  const { sha256: download } = await store.objects.put(bytes('a download'))
  const { sha256: wanted } = await store.objects.put(bytes('a package of a feed'))
  for (const sha256 of [download, wanted]) aged(objectPath(store.root, sha256), 40)
  const would = await collect(store, { ...options, dryRun: true })
  assert.ok(existsSync(join(store.root, 'roots', sha('root'))))
  const needs = {
    ...needsNothing,
    results: new Set([`x86_64/${needed.hash}`]),
    objects: new Set([wanted]),
    images: new Set(['x86_64 debian gateway']),
  }
  const { removed, freed } = await collect(store, { ...options, needs })
  assert.ok(would.freed > freed && freed > 0)
  assert.deepEqual(
    removed.map(({ kind, count }) => [kind, count]),
    [
      ['results', 2],
      ['downloads', 1],
      ['roots', 1],
      ['unpacked', 1],
      ['feeds', 1],
      ['memory', 1],
      ['damaged', 1],
    ],
  )
  for (const { hash, files } of [fresh, needed, layer]) {
    assert.ok(await store.manifest('x86_64', hash))
    for (const { sha256 } of files) assert.ok(await store.objects.path(sha256))
  }
  for (const { hash, files } of [old, oldLayer]) {
    assert.equal(await store.manifest('x86_64', hash), undefined)
    for (const { sha256 } of files) assert.ok(!(await store.objects.has(sha256)))
  }
  const stays = ['measured.json', 'unpacked/bb', 'feeds/debian.main/trixie.newest.json', `roots/${needed.hash}`]
  for (const path of stays) assert.ok(existsSync(join(store.root, path)), path)
  for (const path of ['unpacked/aa', `roots/${sha('root')}`, `roots/${sha('root')}.tree`, 'closures/aa'])
    assert.ok(!existsSync(join(store.root, path)), path)
  assert.ok((await store.objects.has(wanted)) && !(await store.objects.has(download)))
  assert.deepEqual(litter(store.root), [])
})

test('sources of projects that are there stay, those of others go with their repositories', async (t) => {
  const store = await opened(t)
  const project = join(scratch(t), 'project')
  const gone = join(scratch(t), 'gone')
  mkdirSync(project)
  const source = async (name: string, users: readonly string[], age: number): Promise<string> => {
    const { sha256 } = await store.objects.put(bytes(name))
    for (const user of users) await markSource(store.root, `archive-${sha256}`, name, join(user, 'build'))
    for (const path of [objectPath(store.root, sha256), join(store.root, 'sources', `archive-${sha256}`)])
      aged(path, age)
    return sha256
  }
  const mark = sha(join(gone, 'build')).slice(0, 16)
  const [used, dead] = [await source('used', [project], 40), await source('dead', [gone], 40)]
  aged(join(store.root, 'sources', `archive-${dead}`, mark), 40)
  aged(join(store.root, 'sources', `archive-${dead}`), 40)
  file(store, `git/trees/${'c'.repeat(40)}`, 40)
  writeFileSync(join(store.root, 'git/trees', 'd'.repeat(40)), `${used}\n${'d'.repeat(40)}.git\n`)
  for (const [name, age] of [
    ['c', 40],
    ['d', 40],
    ['e', 1],
  ] as const) {
    file(store, `git/${name.repeat(40)}.git/HEAD`, age)
    aged(join(store.root, `git/${name.repeat(40)}.git`), age)
  }
  await collect(store, options)
  assert.deepEqual([await store.objects.has(used), await store.objects.has(dead)], [true, false])
  const left = ['c', 'd', 'e'].filter((name) => existsSync(join(store.root, 'git', `${name.repeat(40)}.git`)))
  assert.deepEqual(left, ['d', 'e'])
  assert.ok(!existsSync(join(store.root, 'sources', `archive-${dead}`)))
})

test('--all leaves what a project needs to be planned, and what keeps older lists out', async (t) => {
  const store = await opened(t)
  await result(store, 'fresh', 0)
  for (const path of ['feeds/aa.index', 'feeds/debian.main/trixie.newest.json', 'modules/core-1/MODULE.star'])
    file(store, path, 1)
  const { left } = await collect(store, { ...options, all: true })
  assert.ok(left > 0)
  assert.deepEqual(await all(store.objects.list()), [])
  assert.deepEqual(await all(store.entries()), [])
  for (const path of ['feeds/aa.index', 'feeds/debian.main/trixie.newest.json', 'modules/core-1/MODULE.star'])
    assert.ok(existsSync(join(store.root, path)), path)
})

test('a module stays as long as a project builds with it, however old its files are', async (t) => {
  const store = await opened(t)
  const home = join(store.root, 'modules')
  for (const name of ['used-1', 'unused-1']) {
    file(store, `modules/${name}/MODULE.star`, 400)
    aged(join(home, name), 400)
  }
  const project = { modules: [{ root: join(home, 'used-1') }] }
  const plan: unknown = {
    ...{ workspace: { cacheRoot: store.root, buildRoot: '/somewhere/build' }, machine: { name: 'board' } },
    ...{ distro: 'debian', targets: [], project },
  }
  // @ts-expect-error a plan has much more
  await noteBuild(plan, [], [], 1)
  await collect(store, options)
  assert.deepEqual([existsSync(join(home, 'used-1')), existsSync(join(home, 'unused-1'))], [true, false])
})

const builder = `
import { Store } from '%src%/engine/store/store.ts'
import { seal } from '%src%/engine/store/manifest.ts'
import { createHash } from 'node:crypto'
const sha = (text) => createHash('sha256').update(text).digest('hex')
const [root, rounds] = process.argv.slice(1)
let lost = 0
for (let round = 0; round < Number(rounds); round++) {
  const store = await Store.open(root)
  await store.hold()
  const files = []
  for (let part = 0; part < 5; part++) {
    const text = 'part ' + part + ' of round ' + round + ' of ' + process.pid
    const info = await store.objects.put((async function* () { yield Buffer.from(text) })())
    files.push({ name: 'file-' + part, ...info })
    await new Promise((done) => setTimeout(done, 4))
  }
  const manifest = { unit: 'app', arch: 'x86_64', distro: 'debian', hash: sha('unit ' + round + process.pid),
    inputs: {}, files, facts: { builtAt: 1, ms: 1, builder: 'test' } }
  await store.record(seal(manifest, 'trusted', undefined))
  await new Promise((done) => setTimeout(done, 10))
  // What it would be published from.
  const sealed = await store.manifest('x86_64', manifest.hash)
  const there = await Promise.all(files.map(({ sha256 }) => store.objects.has(sha256)))
  if (sealed === undefined || there.includes(false)) lost++
  await store.release()
}
console.log('lost ' + lost)
process.exit(0)
`

/** Builds and publishes in another process, again and again. */
async function building(root: string, rounds: number): Promise<number> {
  const text = builder.replaceAll('%src%', resolve(import.meta.dirname, '../../../src'))
  const child = spawn(process.execPath, ['--input-type=module', '-e', text, '--', root, `${rounds}`], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let said = ''
  child.stdout.on('data', (chunk) => {
    said += chunk
  })
  await new Promise((done) => child.once('close', done))
  const [, lost] = /lost (\d+)/.exec(said) ?? []
  assert.ok(lost !== undefined)
  return Number(lost)
}

/** Clears away in a loop beside builds; how many of these lost what they had just made. */
async function lostBeside(root: string, clear: (store: Store) => Promise<void>): Promise<number> {
  const builds = Promise.all([building(root, 25), building(root, 25)])
  let open = true
  void builds.finally(() => {
    open = false
  })
  const store = await Store.open(root)
  while (open) {
    await clear(store)
    await new Promise((done) => setTimeout(done, 2))
  }
  return (await builds).reduce((sum, lost) => sum + lost, 0)
}

test('A12: clearing everything away, again and again, takes nothing from builds beside it', async (t) => {
  const root = join(scratch(t), 'cache')
  let freed = 0
  const lost = await lostBeside(root, async (store) => {
    freed += (await collect(store, { ...options, all: true })).freed
  })
  assert.equal(lost, 0)
  assert.ok(freed > 0, 'it cleared something away meanwhile')
})

test('A12, the control: who does not wait for builds takes what they are about to record', async (t) => {
  const root = join(scratch(t), 'cache')
  const lost = await lostBeside(root, async (store) => {
    const listed = new Set<string>()
    for await (const { sealed } of store.entries())
      if (typeof sealed !== 'string') for (const { sha256 } of sealed.manifest.files) listed.add(sha256)
    for await (const sha256 of store.objects.list())
      if (!listed.has(sha256)) rmSync(objectPath(root, sha256), { force: true })
  })
  assert.ok(lost > 0)
})
