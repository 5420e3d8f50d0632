/** What a chain of caches promises, whatever a store of it is made of. */
import assert from 'node:assert/strict'
import { readFileSync, rmSync } from 'node:fs'
import { type TestContext, test } from 'node:test'
import { entryName } from '../../../../src/engine/store/cache.ts'
import { DirectoryStore } from '../../../../src/engine/store/remotes/dir.ts'
import { litter, Scratch, sha, someHash } from '../fixture.ts'
import type { Backend } from './backends.ts'
import { cacheOf, content, manifest, name, publish } from './machines.ts'

export function chainTests(kind: string, make: (t: TestContext) => Promise<Backend>): void {
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
