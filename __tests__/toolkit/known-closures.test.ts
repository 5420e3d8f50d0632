import assert from 'node:assert/strict'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import type { PackageRecord } from '#engine/catalog/package.ts'
import { knownClosures } from '#toolkit/known-closures.ts'
import { scratch } from '../support/project.ts'

function record(name: string): PackageRecord {
  return {
    name,
    version: '1',
    arch: 'all',
    depends: [[{ name: 'libc6' }]],
    provides: [],
    conflicts: [],
    essential: false,
    priority: 'é😀',
    origin: { kind: 'feed', feed: 'debian.main', path: `pool/${name}.deb`, sha256: 'ab', size: 1 },
  }
}

const [a, b, c] = [record('a'), record('b'), record('c')] as const

function setUp(t: TestContext) {
  const root = scratch(t)
  const open = () => knownClosures(root, ['project', 'board'])
  const files = (): readonly string[] => readdirSync(join(root, 'closures')).map((name) => join(root, 'closures', name))
  return { root, open, files }
}

test('closures are known to the next run, each package once, in one file', async (t) => {
  const { root, open, files } = setUp(t)
  const first = open()
  assert.equal(first.get('one'), undefined)
  first.set('one', [a, b])
  first.set('empty', [])
  await setImmediate()
  const second = open()
  assert.deepEqual([second.get('one'), second.get('empty'), second.get('other')], [[a, b], [], undefined])
  second.set('two', [b, c])
  await setImmediate()
  const third = open()
  assert.deepEqual(
    [third.get('two'), third.get('one')],
    [
      [b, c],
      [a, b],
    ],
  )
  assert.equal(third.get('one')?.[1], third.get('two')?.[0], 'one object for a package')
  assert.equal(third.get('__proto__'), undefined)
  assert.equal(files().length, 1)
  assert.equal(readFileSync(files()[0] ?? '', 'utf8').split('pool/b.deb').length, 2)
  assert.deepEqual(readdirSync(join(root, 'tmp')), [])
})

test('what was not used for longest gives way', async (t) => {
  const { open } = setUp(t)
  const many = Array.from({ length: 90_000 }, () => a)
  for (const key of ['old', 'older']) {
    const closures = open()
    closures.set(key, many)
    await setImmediate()
  }
  const last = open()
  assert.equal(last.get('old')?.length, many.length)
  last.set('new', many)
  await setImmediate()
  const now = open()
  assert.deepEqual(
    ['new', 'old', 'older'].map((key) => now.get(key)?.length),
    [many.length, many.length, undefined],
  )
})

test('a damaged file is an empty one', async (t) => {
  const { open, files } = setUp(t)
  open().set('one', [a, b])
  await setImmediate()
  const [path = ''] = files()
  const whole = readFileSync(path)
  for (let at = 0; at < whole.length; at += 7) {
    const copy = Buffer.from(whole)
    copy[at] = (copy[at] ?? 0) ^ 1
    for (const damaged of [copy, whole.subarray(0, at)]) {
      writeFileSync(path, damaged)
      assert.equal(open().get('one'), undefined)
    }
  }
})

test('a cache that can not be written to is no failure', async (t) => {
  const { root, open } = setUp(t)
  writeFileSync(join(root, 'closures'), 'a file in the way')
  open().set('one', [a])
  await setImmediate()
  assert.equal(open().get('one'), undefined)
  assert.deepEqual(readdirSync(join(root, 'tmp')), [])
})
