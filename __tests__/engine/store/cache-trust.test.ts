/** G1, C7: who signed an entry decides whether it is used; what is not used is built, and takes the other's place. */
import assert from 'node:assert/strict'
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import test from 'node:test'
import { entryName, UnitCache } from '../../../src/engine/store/cache.ts'
import { seal, type Trust } from '../../../src/engine/store/manifest.ts'
import { parseKeyFile, trustIn } from '../../../src/engine/store/named-keys.ts'
import { DirectoryStore } from '../../../src/engine/store/remotes/dir.ts'
import { type CacheSigner, generateCacheKey, parseCacheSigner } from '../../../src/engine/store/signing.ts'
import { bytes, manifestOf, Scratch, sha, someHash } from './fixture.ts'
import { attacks, entry, manifest, ours, stranger, text } from './planted.ts'

const fresh = (): CacheSigner => parseCacheSigner(generateCacheKey().privateKey)
const old = fresh()
const name = entryName('x86_64', someHash)
const entryOf = (scratch: Scratch, at = name): string => join(scratch.path, 'shared', at)

function plant(scratch: Scratch, content: Buffer, at = name): void {
  mkdirSync(dirname(entryOf(scratch, at)), { recursive: true })
  writeFileSync(entryOf(scratch, at), content)
}

const trustOf = (keys: string, now = Date.now()): Trust => trustIn(parseKeyFile(keys, 'keys/cache.pub'), now)
const strict = trustOf(ours.publicKey)

async function machine(scratch: Scratch, trust: Trust, signer?: CacheSigner, folder = 'machine') {
  const store = await scratch.store(folder)
  const remotes = [new DirectoryStore(join(scratch.path, 'shared'))]
  return { store, cache: new UnitCache({ store, remotes, trust, signer, report: scratch.report }) }
}

for (const { name: what, entry: planted, want } of attacks) {
  test(`${what}: a miss and a warning, nothing of it stays, and what is built takes its place`, async () => {
    await using scratch = new Scratch()
    plant(scratch, planted)
    const { store, cache } = await machine(scratch, strict, ours)
    assert.equal(await cache.restore('x86_64', someHash), undefined)
    assert.equal(scratch.warnings.length, 1)
    assert.match(scratch.warnings[0] ?? '', want)
    assert.equal(await store.manifest('x86_64', someHash), undefined)
    assert.equal(await store.objects.path(sha('the implant')), undefined)
    // It is built.
    await store.objects.put(bytes(text))
    await cache.save(manifest)
    const other = await machine(scratch, strict, undefined, 'other')
    assert.deepEqual(await other.cache.restore('x86_64', someHash), { manifest, from: join(scratch.path, 'shared') })
    assert.equal(scratch.warnings.length, 1)
  })
}

test('G1 the control: a reader that only asks whether digests agree takes what anybody wrote', async () => {
  const evil = manifestOf({ 'app.deb': 'the implant' })
  for (const signer of [undefined, stranger]) {
    await using scratch = new Scratch()
    plant(scratch, entry(seal(evil, 'trusted', signer), 'the implant'))
    const remote = Object.assign(new DirectoryStore(join(scratch.path, 'shared')), { vouched: true })
    const store = await scratch.store('naive')
    const cache = new UnitCache({
      store,
      remotes: [remote],
      trust: { keys: [], unsigned: true },
      report: scratch.report,
    })
    assert.deepEqual((await cache.restore('x86_64', someHash))?.manifest, evil)
  }
})

test('G1 one key and a thousand entries are one warning', async () => {
  await using scratch = new Scratch()
  const { cache } = await machine(scratch, trustOf(`${ours.publicKey}\n${old.publicKey} revoked\n`))
  for (let index = 0; index < 20; index++) {
    const hash = sha(`unit ${index}`)
    plant(scratch, entry(seal({ ...manifest, hash }, 'trusted', old)), entryName('x86_64', hash))
    assert.equal(await cache.restore('x86_64', hash), undefined)
  }
  assert.equal(scratch.warnings.length, 1)
  assert.match(scratch.warnings[0] ?? '', /which is revoked/)
})

test('C7: during the overlap an entry of the old key is used, and has the new key’s signature from then on', async () => {
  await using scratch = new Scratch()
  plant(scratch, entry(seal(manifest, 'trusted', old)))
  const keys = `${ours.publicKey}\n${old.publicKey} until=2026-01-31\n`
  const [during, after] = [Date.UTC(2026, 0, 10), Date.UTC(2026, 1, 10)]

  // Who has no key reads, and changes nothing.
  const before = readFileSync(entryOf(scratch))
  const reader = await machine(scratch, trustOf(keys, during), undefined, 'reader')
  assert.ok(await reader.cache.restore('x86_64', someHash))
  assert.deepEqual(readFileSync(entryOf(scratch)), before)
  copyFileSync(entryOf(scratch), join(scratch.path, 'kept'))

  const signing = await machine(scratch, trustOf(keys, during), ours, 'signing')
  assert.ok(await signing.cache.restore('x86_64', someHash))
  assert.deepEqual(scratch.warnings, [])
  const late = await machine(scratch, trustOf(keys, after), undefined, 'late')
  assert.ok(await late.cache.restore('x86_64', someHash))
  assert.deepEqual(scratch.warnings, [])

  // Nobody with the new key came by in time.
  plant(scratch, readFileSync(join(scratch.path, 'kept')))
  const later = await machine(scratch, trustOf(keys, after), ours, 'later')
  assert.equal(await later.cache.restore('x86_64', someHash), undefined)
  assert.match(scratch.warnings.join(), /which was retired on 2026-01-31/)
})

test('C7: what a revoked key signed is not used from this machine’s own store either', async () => {
  await using scratch = new Scratch()
  plant(scratch, entry(seal(manifest, 'trusted', old)))
  assert.ok(await (await machine(scratch, trustOf(old.publicKey))).cache.restore('x86_64', someHash))
  const usual = await scratch.store('machine')
  assert.ok(await usual.manifest('x86_64', someHash))
  const wary = await scratch.store('machine', { revoked: new Set([old.keyId]) })
  assert.equal(await wary.manifest('x86_64', someHash), undefined)
  assert.equal(await wary.manifest('x86_64', someHash), undefined)
  assert.equal(scratch.warnings.length, 1)
  assert.match(scratch.warnings[0] ?? '', /which is revoked/)
})

test('what nobody would believe is not sent', async () => {
  await using scratch = new Scratch()
  const rows: readonly (readonly [Trust, CacheSigner | undefined, boolean])[] = [
    [strict, undefined, false],
    [strict, stranger, false],
    [trustOf(`${ours.publicKey} revoked`), ours, false],
    [{ keys: [], unsigned: false }, undefined, false],
    [strict, ours, true],
  ]
  for (const [index, [trust, signer, sent]] of rows.entries()) {
    const { store, cache } = await machine(scratch, trust, signer, `machine-${index}`)
    await store.objects.put(bytes(text))
    await cache.save(manifest)
    const shared = new DirectoryStore(join(scratch.path, 'shared'))
    assert.equal((await shared.has([name])).has(name), sent, String(index))
  }
})
