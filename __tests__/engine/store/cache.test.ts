import assert from 'node:assert/strict'
import { chmodSync, readdirSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'node:test'
import { zstdCompressSync, zstdDecompressSync } from 'node:zlib'
import { YoeError } from '../../../src/engine/errors.ts'
import { entryName, UnitCache } from '../../../src/engine/store/cache.ts'
import { encodeManifest, seal, type Trust } from '../../../src/engine/store/manifest.ts'
import type { RemoteStore } from '../../../src/engine/store/remote.ts'
import { DirectoryStore } from '../../../src/engine/store/remotes/dir.ts'
import { generateCacheKey, parseCacheKey, parseCacheSigner } from '../../../src/engine/store/signing.ts'
import type { Store } from '../../../src/engine/store/store.ts'
import { bytes, litter, manifestOf, Scratch, sha, someHash } from './fixture.ts'

const pair = generateCacheKey()
const signer = parseCacheSigner(pair.privateKey)
const trust: Trust = { keys: [parseCacheKey(pair.publicKey)], unsigned: false }
const files = { 'app.deb': 'the package '.repeat(1000), 'app.log': '', 'same.deb': 'the package '.repeat(1000) }
const manifest = manifestOf(files)
const name = entryName('x86_64', someHash)

async function built(store: Store): Promise<void> {
  for (const text of Object.values(files)) await store.objects.put(bytes(text))
}

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = []
  for await (const item of items) list.push(item)
  return list
}

/** A store whose host keeps those who may not write from writing. */
class VouchedStore extends DirectoryStore {
  readonly vouched = true
}

/** A machine that built the unit and sent it to the shared folder `shared`. */
async function publish(scratch: Scratch, signed = true): Promise<string> {
  const store = await scratch.store('builder', { scope: signed ? 'trusted' : 'untrusted' })
  await built(store)
  const remotes = [new VouchedStore(join(scratch.path, 'shared'))]
  const more = signed ? { signer, trust } : { trust: { ...trust, unsigned: true } }
  const cache = new UnitCache({ store, remotes, report: scratch.report, ...more })
  await cache.save(manifest)
  assert.deepEqual(litter(store.root), [])
  return join(scratch.path, 'shared', name)
}

/** Another machine. */
async function reader(scratch: Scratch, remotes: readonly RemoteStore[], more: Partial<Trust> = {}) {
  const store = await scratch.store('reader', { scope: more.unsigned === true ? 'untrusted' : 'trusted' })
  return { store, cache: new UnitCache({ store, remotes, trust: { ...trust, ...more }, report: scratch.report }) }
}

test('cache: a unit built on one machine is had by another, every byte', async () => {
  await using scratch = new Scratch()
  await publish(scratch)
  const shared = new DirectoryStore(join(scratch.path, 'shared'))
  const { store, cache } = await reader(scratch, [shared])
  assert.deepEqual(await cache.restore('x86_64', someHash), { manifest, from: shared.toString() })
  assert.deepEqual(await cache.restore('x86_64', someHash), { manifest, from: 'local' })
  for (const text of Object.values(files)) {
    assert.equal(readFileSync((await store.objects.path(sha(text))) ?? '', 'utf8'), text)
  }
  assert.equal(await cache.restore('x86_64', sha('another')), undefined)
  assert.deepEqual(await all(shared.list('units/')), [name])
  assert.deepEqual(readdirSync(join(scratch.path, 'shared', '.incoming')), [])
  assert.deepEqual(scratch.warnings, [])
})

test('cache: equal contents travel once', async () => {
  await using scratch = new Scratch()
  const entry = readFileSync(await publish(scratch))
  const start = 20 + encodeManifest(seal(manifest, 'trusted', signer)).length
  assert.equal(zstdDecompressSync(entry.subarray(start)).length, files['app.deb'].length)
})

test('cache: a disk image travels small and arrives sparse', async () => {
  await using scratch = new Scratch()
  const disk = Buffer.alloc(48 * 2 ** 20 + 4096)
  disk.write('a partition table', 512)
  disk.write('a file system', 33 * 2 ** 20 + 5000)
  const ours = manifestOf({ 'disk.img': disk })
  const builder = await scratch.store('builder')
  await builder.objects.put(bytes(disk))
  const shared = new DirectoryStore(join(scratch.path, 'shared'))
  await new UnitCache({ store: builder, remotes: [shared], trust, report: scratch.report, signer }).save(ours)
  assert.ok(readFileSync(join(scratch.path, 'shared', name)).length < 16 * 1024)
  const { store, cache } = await reader(scratch, [shared])
  assert.notEqual(await cache.restore('x86_64', someHash), undefined)
  const path = (await store.objects.path(sha(disk))) ?? ''
  assert.ok(readFileSync(path).equals(disk))
  assert.ok(statSync(path).blocks * 512 < 2 ** 20, `${statSync(path).blocks} blocks`)
})

const zstdMagic = Buffer.from('28b52ffd', 'hex')

const harms: readonly { name: string; harm: (entry: string, bytes: Buffer) => void; want: RegExp }[] = [
  {
    name: 'G2 a changed blob',
    harm: (entry, bytes) => flip(entry, bytes, bytes.length - 5),
    want: /can't be unpacked/,
  },
  {
    name: 'G2 other blobs',
    harm: (entry, bytes) => {
      const start = bytes.indexOf(zstdMagic)
      const body = zstdDecompressSync(bytes.subarray(start))
      writeFileSync(entry, Buffer.concat([bytes.subarray(0, start), zstdCompressSync(body.reverse())]))
    },
    want: /the content of .* is not what its manifest says/,
  },
  { name: 'a changed manifest', harm: (entry, bytes) => flip(entry, bytes, 200), want: /not/ },
  { name: 'a changed head', harm: (entry, bytes) => flip(entry, bytes, 2), want: /no yoe-unit/ },
  { name: 'a changed length', harm: (entry, bytes) => flip(entry, bytes, 18), want: /not/ },
  {
    name: 'a huge manifest',
    harm: (entry, bytes) => writeFileSync(entry, Buffer.concat([Buffer.from('yoe-unit/1\n99999999\n'), bytes])),
    want: /too large/,
  },
  {
    name: 'G2 a missing blob',
    harm: (entry, bytes) => truncateSync(entry, bytes.length - 10),
    want: /can't be unpacked/,
  },
  {
    name: 'G2 something behind the end',
    harm: (entry, bytes) => {
      const start = bytes.indexOf(zstdMagic)
      const body = Buffer.concat([zstdDecompressSync(bytes.subarray(start)), Buffer.from('x')])
      writeFileSync(entry, Buffer.concat([bytes.subarray(0, start), zstdCompressSync(body)]))
    },
    want: /goes on where its manifest ends/,
  },
  { name: 'nothing', harm: (entry) => truncateSync(entry, 0), want: /no yoe-unit/ },
  {
    name: 'G6 something planted',
    harm: (entry) => {
      const planted = encodeManifest(seal(manifestOf({ 'app.deb': 'evil' }), 'trusted', undefined))
      writeFileSync(
        entry,
        Buffer.concat([
          Buffer.from(`yoe-unit/1\n${String(planted.length).padStart(8, '0')}\n`),
          planted,
          Buffer.from('evil'),
        ]),
      )
    },
    want: /nobody signed it/,
  },
]
function flip(path: string, content: Buffer, at: number): void {
  const flipped = Buffer.from(content)
  flipped[at] = (flipped[at] ?? 0) ^ 1
  writeFileSync(path, flipped)
}
for (const { name: what, harm, want } of harms) {
  test(`cache: ${what} in a shared store is a miss with one warning, and nothing of it is kept as a unit`, async () => {
    await using scratch = new Scratch()
    const entry = await publish(scratch)
    harm(entry, readFileSync(entry))
    const { store, cache } = await reader(scratch, [new DirectoryStore(join(scratch.path, 'shared'))])
    assert.equal(await cache.restore('x86_64', someHash), undefined)
    assert.equal(scratch.warnings.length, 1)
    assert.match(scratch.warnings[0] ?? '', want)
    assert.equal(await store.manifest('x86_64', someHash), undefined)
    assert.ok(!(await store.objects.has(sha('evil'))))
    assert.deepEqual(litter(store.root), [])
  })
}

test('A8 cache: bits flipped anywhere in an entry', async () => {
  await using scratch = new Scratch()
  const entry = await publish(scratch)
  const good = readFileSync(entry)
  for (let turn = 0; turn < 60; turn++) {
    flip(entry, good, (turn * 7919 * 31) % good.length)
    const { cache } = await reader(scratch, [new DirectoryStore(join(scratch.path, 'shared'))])
    assert.equal(await cache.restore('x86_64', someHash), undefined)
  }
})

test('G1 cache: an entry under another unit’s name is a miss', async () => {
  await using scratch = new Scratch()
  const entry = await publish(scratch)
  const other = sha('another')
  writeFileSync(join(scratch.path, 'shared', entryName('x86_64', other)), readFileSync(entry))
  const { cache } = await reader(scratch, [new DirectoryStore(join(scratch.path, 'shared'))])
  assert.equal(await cache.restore('x86_64', other), undefined)
  assert.match(scratch.warnings[0] ?? '', /manifest of another unit/)
})

test('cache: unsigned entries serve runs of their own scope only', async () => {
  await using scratch = new Scratch()
  await publish(scratch, false)
  const remotes = [new VouchedStore(join(scratch.path, 'shared'))]
  const keyed = await reader(scratch, remotes)
  assert.equal(await keyed.cache.restore('x86_64', someHash), undefined)
  const fork = await reader(scratch, remotes, { unsigned: true })
  assert.ok(await fork.cache.restore('x86_64', someHash))
  const again = await reader(scratch, [])
  assert.equal(await again.cache.restore('x86_64', someHash), undefined, 'nor does the local copy of one')
})

test('cache: a trusted run that takes unsigned entries takes none of runs that anybody can start', async () => {
  const open = { keys: [], unsigned: true }
  for (const [scope, had] of [
    ['trusted', true],
    ['untrusted', false],
  ] as const) {
    await using scratch = new Scratch()
    const shared = new VouchedStore(join(scratch.path, 'shared'))
    const builder = await scratch.store('builder', { scope })
    await built(builder)
    await new UnitCache({ store: builder, remotes: [shared], trust: open, report: scratch.report }).save(manifest)
    const store = await scratch.store('reader')
    const cache = new UnitCache({ store, remotes: [shared], trust: open, report: scratch.report })
    assert.equal((await cache.restore('x86_64', someHash)) !== undefined, had)
    assert.equal((await store.manifest('x86_64', someHash)) !== undefined, had, 'and it stays usable here')
    assert.equal(scratch.warnings.filter((text) => /anybody can start/.test(text)).length, had ? 0 : 1)
  }
})

test('cache: an entry that can not be packed is a warning', async () => {
  await using scratch = new Scratch()
  const shared = new DirectoryStore(join(scratch.path, 'shared'))
  const store = await scratch.store('builder')
  await new UnitCache({ store, remotes: [shared], trust, report: scratch.report, signer }).save(manifest)
  assert.match(scratch.warnings.join(), /^app was not saved to .*is missing/)
  assert.deepEqual(await all(shared.list('units/')), [])
})

/** A shared store that fails as told. */
function faulty(counts: { asked: number }, failure: () => Error): RemoteStore {
  const fail = async (): Promise<never> => {
    counts.asked++
    throw failure()
  }
  const nothing = async function* () {}
  return { get: fail, put: fail, has: fail, list: nothing, delete: fail, toString: () => 'the far store' }
}

test('G7 cache: a store that is down costs one warning and is then left alone; the next one serves', async () => {
  await using scratch = new Scratch()
  await publish(scratch)
  const counts = { asked: 0 }
  const down = faulty(counts, () => new YoeError('FETCH_FAILED', 'HTTP 503'))
  const { cache, store } = await reader(scratch, [down, new DirectoryStore(join(scratch.path, 'shared'))])
  assert.ok(await cache.restore('x86_64', someHash))
  assert.equal(await cache.restore('x86_64', sha('b')), undefined)
  await built(store)
  await cache.save({ ...manifest, hash: sha('c') })
  assert.equal(counts.asked, 1)
  assert.deepEqual(scratch.warnings, ['the far store: HTTP 503'])
  for (const bug of [new TypeError('oops'), new YoeError('DISK_FULL', 'full')]) {
    const { cache: fresh } = await reader(scratch, [faulty(counts, () => bug)])
    await assert.rejects(fresh.restore('x86_64', sha('d')), bug, 'what is no fault of the store is not hidden')
  }
})

test('cache: a hit is copied to the nearer stores, still signed', async () => {
  await using scratch = new Scratch()
  await publish(scratch)
  const near = new DirectoryStore(join(scratch.path, 'near'))
  const { cache } = await reader(scratch, [near, new DirectoryStore(join(scratch.path, 'shared'))])
  await cache.restore('x86_64', someHash)
  assert.deepEqual(readFileSync(join(scratch.path, 'near', name)), readFileSync(join(scratch.path, 'shared', name)))
})

test('cache: a local result with a damaged object is restored from elsewhere', async () => {
  await using scratch = new Scratch()
  await publish(scratch)
  const remotes = [new DirectoryStore(join(scratch.path, 'shared'))]
  const { cache, store } = await reader(scratch, remotes)
  await cache.restore('x86_64', someHash)
  const path = (await store.objects.path(sha(files['app.deb']))) ?? ''
  chmodSync(path, 0o644)
  writeFileSync(path, 'damage')
  const later = await reader(scratch, remotes)
  assert.equal((await later.cache.restore('x86_64', someHash))?.from, remotes[0]?.toString())
  assert.equal(readFileSync(path, 'utf8'), files['app.deb'])
  assert.equal(scratch.warnings.length, 1)
})

test('dir: entries never change, are listed, deleted, and gone is fine', async () => {
  await using scratch = new Scratch()
  const dir = new DirectoryStore(join(scratch.path, 'shared'))
  const fill = (text: string) => async (path: string) => writeFileSync(path, text)
  assert.equal(await dir.put('a/b', fill('1')), 'saved')
  assert.equal(await dir.put('a/b', fill('2')), 'exists')
  assert.equal(await dir.get('a/b', async (path) => readFileSync(path, 'utf8')), '1')
  assert.equal(await dir.get('a/c', async () => 'x'), undefined)
  assert.deepEqual(await all(dir.list('a')), ['a/b'])
  await dir.delete('a/b')
  await dir.delete('a/b')
  assert.deepEqual(await all(dir.list('')), [])
  for (const bad of ['../x', '/x', 'a//b', 'a/../b', '.x', ''])
    await assert.rejects(
      dir.get(bad, async () => 1),
      TypeError,
    )
  const file = join(scratch.path, 'file')
  writeFileSync(file, '')
  await assert.rejects(new DirectoryStore(file).put('x', fill('1')), {
    code: 'FETCH_FAILED',
    message: /file could not write x \(E/,
  })
})

test('dir: an entry that could not be filled is not there', async () => {
  await using scratch = new Scratch()
  const dir = new DirectoryStore(join(scratch.path, 'shared'))
  await assert.rejects(
    dir.put('a', async (path) => {
      writeFileSync(path, 'half')
      throw new YoeError('CANCELLED', 'stop')
    }),
    { code: 'CANCELLED' },
  )
  assert.equal(await dir.get('a', async () => 1), undefined)
  assert.deepEqual(readdirSync(join(scratch.path, 'shared', '.incoming')), [])
})
