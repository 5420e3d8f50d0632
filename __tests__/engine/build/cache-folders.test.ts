import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { openCacheFolders } from '#engine/build/cache-folders.ts'
import type { BuildContext } from '#engine/build/context.ts'
import { openUnitLog } from '#engine/build/unit-log.ts'
import { silent } from '#engine/events.ts'
import type { PackageNode } from '#engine/plan/graph.ts'
import type { Texts } from '../../support/project.ts'
import { evaluate, shown } from '../project/evaluating.ts'
import { runApp } from './building.ts'

const unit = (more = ''): Texts => ({
  'units/app.star': `unit(name = "app", version = "1", cache_dirs = {"/go/cache": "go", "/var/cache/x": "go", "/npm": "npm"}, build = ["one", "two"]${more})\n`,
})

/** The folders that a build of this unit would see, by where it sees them. */
async function foldersOf(context: BuildContext, node: PackageNode): Promise<Readonly<Record<string, string>>> {
  const log = openUnitLog(join(context.buildRoot, 'log'), node.id, silent)
  assert.ok(node.toolchain)
  await using held = await openCacheFolders(context, node, [node.toolchain], log)
  log.close()
  return Object.fromEntries(held.mounts.map(({ target, source }) => [target, source]))
}

test('commands see the caches, writable, where the unit wants them', async (t) => {
  const { runs, root } = await runApp(t, unit())
  assert.equal(runs.length, 2)
  for (const { mounts } of runs) {
    const caches = mounts.filter(({ source }) => source.startsWith(join(root, 'cache', 'dirs')))
    assert.deepEqual(caches.map(({ target, writable }) => [target, writable]).toSorted(), [
      ['/go/cache', true],
      ['/npm', true],
      ['/var/cache/x', true],
    ])
    const source = (target: string): string | undefined => caches.find((mount) => mount.target === target)?.source
    assert.equal(source('/go/cache'), source('/var/cache/x'))
    assert.notEqual(source('/go/cache'), source('/npm'))
  }
})

test('what lies in one stays for the next build, and for nobody of another kind', async (t) => {
  const { context, node } = await runApp(t, unit())
  const { '/go/cache': folder = '' } = await foldersOf(context, node)
  writeFileSync(join(folder, 'kept'), '')
  assert.ok(existsSync(join((await foldersOf(context, node))['/go/cache'] ?? '', 'kept')))

  const { toolchain } = node
  assert.ok(toolchain)
  const key = context.keys.get(toolchain)
  assert.ok(key)
  const others: Readonly<Record<string, readonly [Partial<BuildContext>, Partial<PackageNode>]>> = {
    'another project': [{ project: { ...context.project, name: 'other' } }, {}],
    'another distro': [{}, { distro: 'ubuntu' }],
    'another architecture': [{}, { arch: 'arm64' }],
    'another toolchain': [{ keys: new Map([...context.keys, [toolchain, { ...key, hash: '0'.repeat(64) }]]) }, {}],
  }
  const seen = new Set([folder])
  for (const [name, [otherContext, otherNode]] of Object.entries(others)) {
    const { '/go/cache': other = '' } = await foldersOf({ ...context, ...otherContext }, { ...node, ...otherNode })
    assert.ok(!seen.has(other), name)
    assert.deepEqual(readdirSync(other), [])
    seen.add(other)
  }
  const another = { ...node, unit: { ...node.unit, name: 'other', cacheDirs: { '/elsewhere': 'go' } } }
  assert.equal((await foldersOf(context, another))['/elsewhere'], folder)
})

test('a clean build finds them empty, and only those of its unit', async (t) => {
  const { context, node } = await runApp(t, unit())
  const { '/go/cache': folder = '', '/npm': other = '' } = await foldersOf(context, node)
  for (const each of [folder, other]) writeFileSync(join(each, 'kept'), '')
  const bystander = join(context.store.root, 'dirs', 'another')
  mkdirSync(bystander)
  await foldersOf({ ...context, clean: true }, node)
  assert.deepEqual(
    [folder, other].flatMap((each) => readdirSync(each)),
    [],
  )
  assert.ok(existsSync(bystander))
})

test('two builds that share one are not in it at the same time', async (t) => {
  const { context, node } = await runApp(t, unit())
  const { toolchain } = node
  assert.ok(toolchain)
  const log = openUnitLog(join(context.buildRoot, 'log'), node.id, silent)
  let inside = 0
  let most = 0
  const build = async (cacheDirs: Readonly<Record<string, string>>): Promise<void> => {
    await using _held = await openCacheFolders(
      context,
      { ...node, unit: { ...node.unit, cacheDirs } },
      [toolchain],
      log,
    )
    most = Math.max(most, ++inside)
    await new Promise((done) => setTimeout(done, 30))
    inside--
  }
  await Promise.all([build({ '/a': 'x', '/b': 'y' }), build({ '/a': 'y', '/b': 'x' }), build({ '/a': 'y' })])
  log.close()
  assert.equal(most, 1)
})

test('not where it would hide what a build needs', async () => {
  const dirs = (value: string): Texts => ({
    'units/app.star': `unit(name = "app", version = "1", cache_dirs = ${value})\n`,
  })
  for (const path of [
    '/usr',
    '/usr/lib/x',
    '/lib',
    '/lib64',
    '/etc/x',
    '/proc',
    '/dev/shm',
    '/sys',
    '/tmp',
    '/tmp/x',
    '/var',
    '/var/lib/dpkg',
    '/var/cache',
    '/build',
    '/build/src',
    '/build/home',
    '/build/destdir/x',
    '/run/x',
    '/bin',
  ]) {
    const { errors } = await evaluate(dirs(`{"${path}": "x"}`))
    assert.deepEqual(errors.map(shown), [
      `units/app.star:1: BAD_FIELD unit(): cache_dirs would hide folders of the sandbox behind ${path}; take one such as "/cache/go"`,
    ])
  }
  for (const path of ['go', '/', '/a/../usr', '/a//b', '/a/', '/a\\nb']) {
    assert.equal((await evaluate(dirs(`{"${path}": "x"}`))).errors.length, 1, path)
  }
  for (const name of ['', '..', 'a/b', '-x']) {
    assert.equal((await evaluate(dirs(`{"/a": "${name}"}`))).errors.length, 1, name)
  }
  const nested = await evaluate(dirs('{"/a": "x", "/a/b": "y"}'))
  assert.deepEqual(nested.errors.map(shown), [
    'units/app.star:1: BAD_FIELD unit(): cache_dirs has /a/b inside /a: name folders beside each other',
  ])
  for (const path of [
    '/go/cache',
    '/root/.cache',
    '/home/me',
    '/opt/x',
    '/buildings',
    '/build/home/.cache/go-build',
    '/libexec.d'.replace('/lib', '/l'),
  ]) {
    assert.deepEqual((await evaluate(dirs(`{"${path}": "x"}`))).errors, [], path)
  }
})
