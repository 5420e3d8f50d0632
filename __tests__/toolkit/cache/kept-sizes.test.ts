import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { silent } from '#engine/events.ts'
import { Store } from '#engine/store/store.ts'
import { collect } from '#toolkit/cache/collect.ts'
import { sizesOf } from '#toolkit/cache/kept-sizes.ts'
import { needsNothing } from '#toolkit/cache/needs.ts'
import type { ThingKind } from '#toolkit/cache/things.ts'
import { contentsOf } from '#toolkit/cache/things.ts'
import { scratch } from '../../support/project.ts'

const file = (path: string, kib: number): void => writeFileSync(path, Buffer.alloc(kib * 1024, 1))

/** A cache with one folder of each sort. */
function folders(t: TestContext) {
  const root = scratch(t)
  const paths = { fixed: join(root, 'fixed'), noted: join(root, 'noted'), open: join(root, 'open') }
  for (const path of Object.values(paths)) {
    mkdirSync(path)
    file(join(path, 'file'), 100)
  }
  const ask = async (stamp = '1', anew = false) => {
    const things = [{ path: paths.fixed, stamp: '' }, { path: paths.noted, stamp }, { path: paths.open }]
    const sizes = await sizesOf(root, things, anew)
    return Object.values(paths).map((path) => Math.floor((sizes.get(path) ?? 0) / 102_400))
  }
  const grow = (): void => {
    for (const path of Object.values(paths)) file(join(path, 'more'), 100)
  }
  return { root, paths, ask, grow }
}

test('a size that was measured is kept, as long as nothing says that it is another one', async (t) => {
  const { ask, grow } = folders(t)
  assert.deepEqual(await ask(), [1, 1, 1])
  grow()
  assert.deepEqual(await ask(), [1, 1, 2])
  assert.deepEqual(await ask('2'), [1, 2, 2])
  assert.deepEqual(await ask('2', true), [2, 2, 2], 'who has to know measures')
  assert.deepEqual(await ask('2'), [2, 2, 2], 'and what it found is kept')
})

test('sizes that can not be read, or of what is gone, count for nothing', async (t) => {
  const { root, paths, ask } = folders(t)
  for (const nonsense of ['', 'null', '[1]', '{"fixed":{"stamp":"","bytes":"7"},"noted":null}', '\u0000']) {
    writeFileSync(join(root, 'sizes.json'), nonsense)
    assert.deepEqual(await ask(), [1, 1, 1])
  }
  await sizesOf(root, [{ path: paths.noted, stamp: '3' }], false)
  assert.deepEqual(Object.keys(JSON.parse(readFileSync(join(root, 'sizes.json'), 'utf8'))), ['noted'])
})

test('what is shown may be what was kept; what is removed, and what a budget counts, never is', async (t) => {
  const store = await Store.open(scratch(t))
  const root = join(store.root, 'roots', 'a'.repeat(64))
  mkdirSync(root, { recursive: true })
  file(join(root, 'file'), 100)
  const sizeOf = async (how: 'kept' | 'measured', kind: ThingKind = 'roots'): Promise<number> =>
    (await contentsOf(store, how)).things.find((thing) => thing.kind === kind)?.bytes ?? 0
  const before = await sizeOf('kept')
  file(join(root, 'more'), 1000)
  assert.equal(await sizeOf('kept'), before)
  const collected = await collect(store, {
    ...{ needs: needsNothing, all: false, days: 30, dryRun: true, report: silent },
  })
  assert.ok(collected.left > before + 1_000_000)
  assert.ok((await sizeOf('kept')) > before + 1_000_000, 'it has measured')
})
