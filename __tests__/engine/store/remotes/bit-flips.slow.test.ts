import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import test from 'node:test'
import { bytes, Scratch, someHash } from '../fixture.ts'
import { backends } from './backends.ts'
import { cacheOf, content, manifest, name, publish } from './machines.ts'

for (const [kind, make] of Object.entries(backends)) {
  test(`A8 ${kind}: a bit flipped anywhere, 1,000 times, a cut and nothing: never taken; the whole one is`, async (t) => {
    await using scratch = new Scratch()
    const backend = await make(t)
    await publish(scratch, backend)
    const path = backend.fileOf(name)
    const good = readFileSync(path)
    const { store, cache } = await cacheOf(scratch, 'reader', [backend.open()])
    // Set aside as useless by the first, which is told once; asked for each time.
    const refused = async (harmed: Buffer, what: string): Promise<void> => {
      writeFileSync(path, harmed)
      assert.equal(await cache.restore('x86_64', someHash), undefined, what)
    }
    for (let round = 0; round < 1000; round++) {
      const harmed = Buffer.from(good)
      const [at, bit] = [(round * 104_729) % good.length, round % 8]
      harmed[at] = (harmed[at] ?? 0) ^ (1 << bit)
      await refused(harmed, `bit ${bit} of byte ${at}`)
    }
    await refused(good.subarray(0, good.length - 1), 'a cut')
    await refused(Buffer.alloc(0), 'nothing')
    assert.equal(await store.manifest('x86_64', someHash), undefined)
    assert.ok(scratch.warnings.length > 0 && scratch.warnings.every((text) => text.includes('not used')))
    // A registry keeps what it has under a digest, whatever became of it on its disk.
    if (kind === 'dir' || kind === 's3') {
      for (const file of [content, 'built']) await store.objects.put(bytes(file))
      await cache.save(manifest)
      await store.forget('x86_64', someHash)
    } else writeFileSync(path, good)
    // The control: without all of this, the very same bytes are had.
    assert.ok(await cache.restore('x86_64', someHash))
  })
}
