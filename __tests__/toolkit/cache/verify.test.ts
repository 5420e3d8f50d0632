import assert from 'node:assert/strict'
import { chmodSync, existsSync, mkdirSync, readFileSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { silent } from '#engine/events.ts'
import { seal } from '#engine/store/manifest.ts'
import { objectPath } from '#engine/store/object-path.ts'
import { generateCacheKey, parseCacheKey, parseCacheSigner } from '#engine/store/signing.ts'
import { Store } from '#engine/store/store.ts'
import { verifyStore } from '#toolkit/cache/verify.ts'
import { bytes, manifestOf, sha } from '../../engine/store/fixture.ts'
import { scratch } from '../../support/project.ts'

const signer = parseCacheSigner(generateCacheKey().privateKey)
const trust = { keys: [parseCacheKey(signer.publicKey)], unsigned: false }
const signal = new AbortController().signal

const opened = async (t: TestContext): Promise<Store> => Store.open(join(scratch(t), 'cache'))
const verify = (store: Store) => verifyStore({ cacheRoot: store.root, trust, report: silent, signal })

/** Writes a file as a failing disk does: its times say nothing. */
function harm(path: string, content: Uint8Array): void {
  const { atimeMs, mtimeMs } = statSync(path)
  chmodSync(path, 0o644)
  writeFileSync(path, content)
  utimesSync(path, atimeMs / 1000, mtimeMs / 1000)
}

test('A8: of 1,000 harmed blobs each is found and set aside, and none that is whole', async (t) => {
  const store = await opened(t)
  const texts = Array.from({ length: 1100 }, (_, index) => `blob ${index} `.repeat(1 + (index % 40)))
  const names: string[] = []
  for (const text of texts) names.push((await store.objects.put(bytes(text))).sha256)
  const paths = names.map((name) => objectPath(store.root, name))
  const before = paths.map((path) => statSync(path))
  for (let index = 0; index < 1000; index++) {
    const path = paths[index] ?? ''
    const good = readFileSync(path)
    const at = (index * 104_729) % good.length
    switch (index % 10) {
      case 7:
        harm(path, good.subarray(0, at))
        break
      case 8: {
        const other = paths[index + 1] ?? ''
        const another = readFileSync(other)
        harm(other, good)
        harm(path, another)
        break
      }
      case 9:
        // Swapped with the one before.
        break
      default:
        good[at] = (good[at] ?? 0) ^ (1 << (index % 8))
        harm(path, index % 10 === 6 ? Buffer.alloc(0) : good)
    }
  }
  // The control: who trusts times and sizes sees the blobs that were cut, and no flipped bit.
  const suspicious = paths.filter((path, index) => {
    const [now, then] = [statSync(path), before[index]]
    return now.size !== then?.size || Math.abs(now.mtimeMs - then.mtimeMs) > 1
  })
  assert.ok(suspicious.length < 450, `${suspicious.length}`)
  const { damaged, objects } = await verify(store)
  assert.equal(objects, 1100)
  assert.deepEqual(damaged.map(({ name }) => name).sort(), names.slice(0, 1000).sort())
  const again = await verify(store)
  assert.deepEqual([again.damaged, again.objects], [[], 100])
})

test('what a damaged file belongs to is told; harmed and forged manifests are set aside', async (t) => {
  const store = await opened(t)
  const manifests = ['app', 'lib', 'tool', 'good'].map((unit) => ({
    ...manifestOf({ [unit]: unit }),
    unit,
    hash: sha(`key of ${unit}`),
  }))
  for (const manifest of manifests) {
    await store.objects.put(bytes(manifest.unit))
    await store.record(seal(manifest, 'trusted', signer))
  }
  const pathOf = (unit: string): string => join(store.root, 'units/x86_64', `${sha(`key of ${unit}`)}.json`)
  harm(objectPath(store.root, sha('app')), Buffer.from('apq'))
  writeFileSync(pathOf('lib'), readFileSync(pathOf('lib'), 'utf8').replace('"ms":1234', '"ms":1235'))
  const [, , tool] = manifests
  assert.ok(tool)
  // Its digest is right, and the signature another manifest's.
  const other = seal({ ...tool, unit: 'x' }, 'trusted', signer).signature
  assert.ok(other)
  await store.record({ manifest: tool, scope: 'trusted', signature: other })
  mkdirSync(join(store.root, 'objects', 'zz'))
  writeFileSync(join(store.root, 'objects', 'zz', 'x'), '')
  const { damaged, results } = await verify(store)
  assert.equal(results, 4)
  assert.deepEqual(damaged.map(({ what, of, why }) => [what, of.join(), why]).sort(), [
    ['object', '', 'its name is not that of an object'],
    ['object', 'app', 'its content is not what its name says'],
    ['result', '', 'its content is not what its digest says'],
    ['result', 'tool', `its signature by key ${signer.keyId} is wrong`],
  ])
  assert.deepEqual((await verify(store)).damaged, [])
  assert.ok(await store.manifest('x86_64', sha('key of good')))
  assert.equal(await store.manifest('x86_64', sha('key of tool')), undefined)
})

test('a root in which somebody wrote is set aside; one that is as it was stays', async (t) => {
  const store = await opened(t)
  const [good, bad] = [sha('good root'), sha('bad root')]
  for (const name of [good, bad]) {
    mkdirSync(join(store.root, 'roots', name, 'bin'), { recursive: true })
    writeFileSync(join(store.root, 'roots', name, 'bin/sh'), 'a shell')
  }
  // The first look takes down how they are.
  assert.deepEqual((await verify(store)).damaged, [])
  harm(join(store.root, 'roots', bad, 'bin/sh'), Buffer.from('b shell'))
  assert.deepEqual(
    (await verify(store)).damaged.map(({ what, name }) => [what, name]),
    [['root', bad]],
  )
  assert.deepEqual(
    [good, bad].map((name) => existsSync(join(store.root, 'roots', name))),
    [true, false],
  )
})
