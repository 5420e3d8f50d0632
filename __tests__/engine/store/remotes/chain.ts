/** What a chain of caches promises, whatever a store of it is made of. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { type TestContext, test } from 'node:test'
import { entryName } from '../../../../src/engine/store/cache.ts'
import { DirectoryStore } from '../../../../src/engine/store/remotes/dir.ts'
import { litter, Scratch, sha, someHash } from '../fixture.ts'
import type { Backend } from './backends.ts'
import { breakingLine } from './breaking-line.ts'
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

  if (kind === 'dir') return
  test(`B1 ${kind}: a line that breaks at 60 % of a large entry: it goes on there`, async (t) => {
    const backend = await make(t)
    const [name, data] = ['units/x86_64/large', randomBytes(8 * 2 ** 20)]
    if ((await backend.open().put(name, async (path) => writeFileSync(path, data))) === 'read-only') {
      mkdirSync(dirname(backend.fileOf(name)), { recursive: true })
      writeFileSync(backend.fileOf(name), data)
    }
    const line = await breakingLine(t, backend.host ?? '', Math.round(data.length * 0.6))
    const told: number[] = []
    const progress = (done: number): unknown => told.push(done)
    const whole = await backend.open(line.host).get(name, async (path) => readFileSync(path).equals(data), { progress })
    assert.equal(whole, true)
    assert.equal(line.breaks(), 1)
    // Beside it: headers, manifests of a registry, and what was on its way when the line broke.
    assert.ok(line.bytes() < data.length * 1.1, `${line.bytes()} bytes came, of ${data.length}`)
    assert.deepEqual(
      told,
      [...told].sort((a, b) => a - b),
      'and nobody is shown that it went back',
    )
    assert.equal(told.at(-1), data.length)
  })
}
