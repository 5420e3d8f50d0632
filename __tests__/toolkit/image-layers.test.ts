import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import type { LayerStore } from '#engine/image/layers.ts'
import { UnitCache } from '#engine/store/cache.ts'
import { DirectoryStore } from '#engine/store/remotes/dir.ts'
import { generateCacheKey, parseCacheKey, parseCacheSigner } from '#engine/store/signing.ts'
import { ImageLayers } from '#toolkit/image-layers.ts'
import { quietContext } from '../engine/build/quiet-context.ts'
import { scratch } from '../support/project.ts'

const signer = parseCacheSigner(generateCacheKey().privateKey)
const image = { arch: 'x86_64', distro: 'debian', unit: { name: 'gateway' } } as const

/** A machine with an empty cache that shares `shared` with others. */
async function machine(t: TestContext, shared: string) {
  const root = scratch(t)
  const context = await quietContext(root, { keys: new Map() })
  const cache = new UnitCache({
    store: context.store,
    remotes: [new DirectoryStore(shared)],
    trust: { keys: [parseCacheKey(signer.publicKey)], unsigned: false },
    signer,
    report: context.report,
  })
  const layers = new ImageLayers(context, cache, signer)
  const file = (text: string): string => {
    const path = join(root, 'layer')
    writeFileSync(path, text)
    return path
  }
  return { layers, of: layers.of(image), file }
}

const key = (digit: string): string => digit.repeat(64)
const textOf = async (layers: LayerStore, hash: string, name: 'feed packages' | 'configuration') => {
  const path = await layers.find(hash, name)
  return path === undefined ? undefined : readFileSync(path, 'utf8')
}

test('the layer of feed packages comes from a shared store; those that change with every unit stay here', async (t) => {
  const shared = join(scratch(t), 'shared')
  const first = await machine(t, shared)
  assert.equal(await first.of.find(key('a'), 'feed packages'), undefined)
  const kept = await first.of.keep(key('a'), first.file('of feeds'), 'feed packages')
  assert.equal(readFileSync(kept, 'utf8'), 'of feeds')
  await first.of.keep(key('b'), first.file('of units'), 'configuration')
  await first.layers.settled()
  assert.equal(await textOf(first.of, key('b'), 'configuration'), 'of units')

  const second = await machine(t, shared)
  assert.equal(await textOf(second.of, key('a'), 'feed packages'), 'of feeds')
  assert.equal(await second.of.find(key('b'), 'configuration'), undefined)
})
