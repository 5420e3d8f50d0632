import assert from 'node:assert/strict'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import test from 'node:test'
import { entryName } from '../../../../src/engine/store/cache.ts'
import { DirectoryStore } from '../../../../src/engine/store/remotes/dir.ts'
import { readOnly } from '../../../../src/engine/store/remotes/read-only.ts'
import { bytes, litter, Scratch, sha, someHash } from '../fixture.ts'
import { backends } from './backends.ts'
import { cacheOf, content, manifest, name, publish } from './machines.ts'

for (const [kind, make] of Object.entries(backends)) {
  test(`${kind}: what one machine built, another has, and its nearer cache, too`, async (t) => {
    await using scratch = new Scratch()
    const backend = await make(t)
    await publish(scratch, backend)
    const near = new DirectoryStore(`${scratch.path}/near`)
    const { store, cache } = await cacheOf(scratch, 'reader', [near, backend.open()])
    const far = backend.open().toString()
    assert.deepEqual(await cache.restore('x86_64', someHash), { manifest, from: far })
    assert.deepEqual(readFileSync((await store.objects.path(sha(content))) ?? ''), content)
    assert.equal(await cache.restore('x86_64', sha('another')), undefined)
    assert.deepEqual([...(await backend.open().has([name, entryName('x86_64', sha('another'))]))], [name])
    const next = await cacheOf(scratch, 'next', [near, backend.open()])
    assert.equal((await next.cache.restore('x86_64', someHash))?.from, near.toString())
    assert.deepEqual(scratch.warnings, [])
    assert.deepEqual(litter(store.root), [])
  })

  test(`G8 ${kind}: an entry that is cleared away between look-up and download is a miss`, async (t) => {
    await using scratch = new Scratch()
    const backend = await make(t)
    await publish(scratch, backend)
    const remote = backend.open()
    assert.ok((await remote.has([name])).has(name))
    rmSync(backend.fileOf(name))
    const { cache } = await cacheOf(scratch, 'reader', [remote])
    assert.equal(await cache.restore('x86_64', someHash), undefined)
    assert.deepEqual(scratch.warnings, [])
  })
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
