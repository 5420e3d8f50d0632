import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import test from 'node:test'
import { DirectoryStore } from '../../../../src/engine/store/remotes/dir.ts'
import { readOnly } from '../../../../src/engine/store/remotes/read-only.ts'
import { bytes, Scratch, sha } from '../fixture.ts'
import { backends } from './backends.ts'
import { chainTests } from './chain.ts'
import { cacheOf, content, manifest } from './machines.ts'
import { plantedTests, planting } from './planted.ts'

for (const kind of ['dir', 'http', 'oci'] as const) {
  chainTests(kind, backends[kind])
  plantedTests(kind, (t) => planting(backends[kind](t), kind !== 'http'))
}

test('A9 dir: two machines save and restore the same units at once, 50 rounds: every entry is whole', async () => {
  await using scratch = new Scratch()
  const root = `${scratch.path}/shared`
  const machines = await Promise.all(
    ['one', 'two'].map((machine) => cacheOf(scratch, machine, [new DirectoryStore(root)])),
  )
  for (const { store } of machines) for (const file of [content, 'built']) await store.objects.put(bytes(file))
  const { cache } = await cacheOf(scratch, 'reader', [new DirectoryStore(root)])
  for (let round = 0; round < 50; round++) {
    const hash = sha(`unit ${round}`)
    const ours = { ...manifest, hash }
    const [, , had] = await Promise.all([
      ...machines.map((each) => each.cache.save(ours)),
      cache.restore('x86_64', hash),
    ])
    assert.ok(had === undefined || had.manifest.hash === hash, 'a reader in between sees it whole or not at all')
    assert.deepEqual((await cache.restore('x86_64', hash))?.manifest, ours)
  }
  assert.deepEqual(scratch.warnings, [])
})

test('a cache that is only read is never written, deleted from or claimed in', async () => {
  await using scratch = new Scratch()
  const real = new DirectoryStore(`${scratch.path}/shared`)
  await real.put('a/b', async (path) => writeFileSync(path, 'x'))
  const remote = readOnly(real)
  assert.equal(await remote.put('a/c', async () => assert.fail('nothing is packed for it')), 'read-only')
  await remote.delete('a/b')
  assert.deepEqual([...(await remote.has(['a/b', 'a/c']))], ['a/b'])
  assert.equal(remote.documents, undefined)
})
