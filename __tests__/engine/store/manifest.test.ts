import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'node:test'
import type { Json } from '../../../src/engine/project/model.ts'
import {
  decodeManifest,
  distrust,
  encodeManifest,
  type SealedManifest,
  seal,
  type UnitManifest,
} from '../../../src/engine/store/manifest.ts'
import { generateCacheKey, parseCacheKey, parseCacheSigner } from '../../../src/engine/store/signing.ts'
import { manifestOf, Scratch, sha, someHash } from './fixture.ts'

const pair = generateCacheKey()
const other = generateCacheKey()
const signer = parseCacheSigner(pair.privateKey)
const key = parseCacheKey(pair.publicKey)
const manifest = manifestOf({ 'app_1_amd64.deb': 'the package', 'app.json': '{}' })
const trust = { keys: [key], unsigned: false }

test('manifests: what is encoded is decoded, signed or not', () => {
  for (const sealed of [seal(manifest, 'trusted', signer), seal(manifest, 'untrusted', undefined)]) {
    assert.deepEqual(decodeManifest(encodeManifest(sealed), 'x86_64', someHash), sealed)
  }
})

const changes: readonly { name: string; change: Partial<UnitManifest> }[] = [
  { name: 'hash', change: { hash: sha('another unit') } },
  { name: 'unit', change: { unit: 'apq' } },
  { name: 'arch', change: { arch: 'arm64' } },
  { name: 'distro', change: { distro: 'ubuntu' } },
  { name: 'inputs', change: { inputs: { name: 'app' } } },
  { name: 'a content hash', change: { files: manifest.files.map((file) => ({ ...file, sha256: sha('evil') })) } },
  { name: 'a size', change: { files: manifest.files.map((file) => ({ ...file, size: file.size + 1 })) } },
  { name: 'a file name', change: { files: manifest.files.map((file) => ({ ...file, name: `${file.name}x` })) } },
  { name: 'the number of files', change: { files: manifest.files.slice(1) } },
  { name: 'the order of files', change: { files: manifest.files.toReversed() } },
  { name: 'the time', change: { facts: { ...manifest.facts, builtAt: 0 } } },
  { name: 'the duration', change: { facts: { ...manifest.facts, ms: 0 } } },
  { name: 'the builder', change: { facts: { ...manifest.facts, builder: 'evil' } } },
]
for (const { name, change } of changes) {
  test(`G1 manifests: the signature covers ${name}`, () => {
    const sealed = seal(manifest, 'trusted', signer)
    assert.equal(distrust(sealed, trust), undefined)
    assert.match(
      distrust({ ...sealed, manifest: { ...manifest, ...change } }, trust) ?? '',
      /signature by key .* is wrong/,
    )
  })
}

const sealed = seal(manifest, 'trusted', signer)
const doubts: readonly { name: string; sealed: SealedManifest; want: RegExp }[] = [
  { name: 'unsigned', sealed: seal(manifest, 'trusted', undefined), want: /nobody signed/ },
  {
    name: 'another project’s key',
    sealed: seal(manifest, 'trusted', parseCacheSigner(other.privateKey)),
    want: /does not name/,
  },
  {
    name: 'another key under this key’s name',
    sealed: {
      ...seal(manifest, 'trusted', parseCacheSigner(other.privateKey)),
      signature: { key: key.id, value: parseCacheSigner(other.privateKey).sign(encodeManifest(sealed)) },
    },
    want: /wrong/,
  },
  { name: 'an empty signature', sealed: { ...sealed, signature: { key: key.id, value: '' } }, want: /wrong/ },
  {
    name: 'a signature with something behind it',
    sealed: { ...sealed, signature: { key: key.id, value: `${sealed.signature?.value}\n` } },
    want: /wrong/,
  },
]
for (const { name, sealed: doubtful, want } of doubts) {
  test(`G1 manifests: ${name} is not trusted`, () => assert.match(distrust(doubtful, trust) ?? '', want))
}

test('manifests: unsigned ones are for scopes that say so, and a wrong signature is wrong there too', () => {
  const open = { keys: [key], unsigned: true }
  assert.equal(distrust(seal(manifest, 'untrusted', undefined), open), undefined)
  assert.match(distrust({ ...sealed, manifest: { ...manifest, unit: 'x' } }, open) ?? '', /wrong/)
})

/** Manifests as a hostile store would send them: well-formed JSON with a right digest. */
const many = Array.from({ length: 10_001 }, (_, i) => ({ name: `f${i}`, sha256: someHash, size: 0 }))
const hostile: readonly { name: string; manifest: { readonly [key: string]: Json }; want: RegExp }[] = [
  {
    name: 'a path as a file name',
    manifest: { files: [{ name: '../x', sha256: someHash, size: 1 }] },
    want: /file name/,
  },
  {
    name: 'an absolute file name',
    manifest: { files: [{ name: '/x', sha256: someHash, size: 1 }] },
    want: /file name/,
  },
  {
    name: 'a file name with a line end',
    manifest: { files: [{ name: 'a\nb', sha256: someHash, size: 1 }] },
    want: /file name/,
  },
  {
    name: 'two files of one name',
    manifest: { files: [1, 2].map((size) => ({ name: 'x', sha256: someHash, size })) },
    want: /one name/,
  },
  {
    name: 'a digest that is a path',
    manifest: { files: [{ name: 'x', sha256: '../../../etc/passwd', size: 1 }] },
    want: /digest of x/,
  },
  { name: 'a negative size', manifest: { files: [{ name: 'x', sha256: someHash, size: -1 }] }, want: /size of x/ },
  { name: 'half a byte', manifest: { files: [{ name: 'x', sha256: someHash, size: 0.5 }] }, want: /size of x/ },
  { name: 'G2 a terabyte', manifest: { files: [{ name: 'x', sha256: someHash, size: 2 ** 40 }] }, want: /more than/ },
  { name: 'G2 very many files', manifest: { files: many }, want: /at most 10000/ },
  { name: 'an architecture that is a path', manifest: { arch: '../..' }, want: /a name/ },
  { name: 'another unit’s hash (swapped)', manifest: { hash: sha('other') }, want: /another unit/ },
]
for (const { name, manifest: change, want } of hostile) {
  test(`manifests: ${name} is refused`, () => {
    const bytes = encodeManifest({ manifest: { ...manifest, ...change } as UnitManifest, scope: 'trusted' })
    assert.match(String(decodeManifest(bytes, 'x86_64', someHash)), want)
  })
}

test('manifests: nothing but the one spelling is read', () => {
  const text = encodeManifest(sealed).toString()
  const variants = [
    ` ${text}`,
    text.trimEnd(),
    `${text}\n`,
    text.replace('{"format"', '{ "format"'),
    text.replace('"scope":"trusted"', '"scope":"trusted","more":1'),
    text.replace('"unit":"app"', '"unit":"app","unit":"app"'),
    '{}',
    'null',
    '[]',
    '',
    '\xff',
    `{"__proto__":${text}}`,
  ]
  for (const variant of variants)
    assert.equal(
      typeof decodeManifest(Buffer.from(variant, 'latin1'), 'x86_64', someHash),
      'string',
      variant.slice(0, 60),
    )
})

test('A8 manifests: any flipped bit is seen, set aside and a miss', async () => {
  await using scratch = new Scratch()
  const store = await scratch.store()
  const bytes = encodeManifest(seal(manifest, 'trusted', signer))
  await store.record(sealed)
  const path = join(store.root, 'units', 'x86_64', `${someHash}.json`)
  assert.deepEqual(readFileSync(path), bytes)
  for (let turn = 0; turn < 1000; turn++) {
    const at = (turn * 7919) % bytes.length
    const flipped = Buffer.from(bytes)
    flipped[at] = (flipped[at] ?? 0) ^ (1 << (turn % 8))
    assert.equal(typeof decodeManifest(flipped, 'x86_64', someHash), 'string', `byte ${at}`)
    if (turn >= 5) continue
    writeFileSync(path, flipped)
    assert.equal(await store.manifest('x86_64', someHash), undefined)
    assert.equal(scratch.warnings.length, turn + 1)
    await store.record(sealed)
    assert.ok(await store.manifest('x86_64', someHash))
  }
})

test('manifests: what an untrusted run made is invisible to a trusted one in the same cache', async () => {
  await using scratch = new Scratch()
  const fork = await scratch.store('cache', { scope: 'untrusted' })
  await fork.record(seal(manifest, fork.scope, undefined))
  assert.ok(await fork.manifest('x86_64', someHash))
  const main = await scratch.store('cache')
  assert.equal(await main.manifest('x86_64', someHash), undefined)
  await main.record(seal(manifest, main.scope, undefined))
  assert.ok(await main.manifest('x86_64', someHash))
  assert.ok(await fork.manifest('x86_64', someHash))
})

test('keys: a pair made here signs and verifies, and survives being written down', () => {
  assert.match(pair.publicKey, /^ed25519:[A-Za-z0-9+/]{43}=$/)
  assert.equal(parseCacheSigner(`${pair.privateKey}\n`).publicKey, pair.publicKey)
  assert.ok(key.verify(Buffer.from('x'), signer.sign(Buffer.from('x'))))
  assert.ok(!key.verify(Buffer.from('y'), signer.sign(Buffer.from('x'))))
  for (const bad of ['', 'ed25519:', 'ed25519:AAAA', `${pair.publicKey}A`, pair.privateKey, 'ssh-ed25519 AAAA']) {
    assert.throws(() => parseCacheKey(bad), { code: 'KEY_INVALID' }, bad)
  }
  for (const bad of ['', 'ed25519-private:AAAA', pair.publicKey]) {
    assert.throws(
      () => parseCacheSigner(bad),
      (failure: Error) => !failure.message.includes('AAAA'),
    )
  }
})

test('C6 keys: those that anybody can sign for are refused at load', () => {
  const weak = [
    '0100000000000000000000000000000000000000000000000000000000000000',
    'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
    '0000000000000000000000000000000000000000000000000000000000000080',
    '0000000000000000000000000000000000000000000000000000000000000000',
    'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
    'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa',
    '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
    '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85',
    // Not canonical: the same points, spelt y + p.
    'eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
    'edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
    'ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff',
  ]
  for (const hex of weak) {
    assert.throws(
      () => parseCacheKey(`ed25519:${Buffer.from(hex, 'hex').toString('base64')}`),
      { code: 'KEY_INVALID' },
      hex,
    )
  }
})
