import assert from 'node:assert/strict'
import { createHash, createPublicKey, generateKeyPairSync } from 'node:crypto'
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { YoeError } from '#engine/errors.ts'
import { createFetcher } from '#engine/source/download.ts'
import { parseMirrors } from '#engine/source/mirrors.ts'
import { latestAlpineIndex, openAlpineFeed } from '#feeds/alpine/feed.ts'
import { knownAlpineFeed, learnAlpineFeed } from '#feeds/alpine/feed-knowledge.ts'
import { alpineFeedOptions } from '#feeds/alpine/feed-options.ts'
import { fetchApk } from '#feeds/alpine/fetch-apk.ts'
import { indexArchive, readIndexArchive } from '#feeds/alpine/index-archive.ts'
import { keepIndex } from '#feeds/alpine/kept-index.ts'
import { signatureMember } from '#feeds/alpine/signature.ts'
import { smallFiles, tarEnd } from '#feeds/alpine/tar.ts'
import { freshRsaKey, publicPem } from '#feeds/keys/rsa.ts'
import { genuineRepository } from '../../support/alpine/material.ts'
import { genuineKeys } from '../../support/alpine/roots.ts'
import { feedScene, indexText, paragraph, testSigner } from './feed-making.ts'

const code = (wanted: string, text?: RegExp) => (failure: unknown) => {
  assert.ok(failure instanceof YoeError, String(failure))
  assert.equal(failure.code, wanted, failure.message)
  if (text !== undefined) assert.match(failure.message, text)
  assert.ok((failure.hint ?? '').length > 0)
  return true
}

test('a record says what its paragraph says', async (t) => {
  const scene = await feedScene(t)
  await scene.publish([
    paragraph({
      P: 'app',
      V: '1.2-r3',
      S: '77',
      k: '10',
      D: '/bin/sh so:libz.so.1 py3-x~3.11 foo>=1.0 !bad<2 cmd:sed><Q1aaaaaaaaaaaaaaaaaaaaaaaaaaa=',
      p: 'so:libapp.so.1=1.2 cmd:app=1.2-r3 anything',
      i: 'docs other=1 !none',
    }),
  ])
  const feed = await openAlpineFeed(scene.declaration(), scene.environment())
  const [app] = feed.lookup('app')
  assert.ok(app?.origin.kind === 'feed')
  assert.deepEqual(
    { ...app, origin: { ...app.origin, checksum: 'Q1' } },
    {
      name: 'app',
      version: '1.2-r3',
      arch: 'x86_64',
      depends: [
        [{ name: '/bin/sh' }],
        [{ name: 'so:libz.so.1' }],
        [{ name: 'py3-x', version: { relation: '~', version: '3.11' } }],
        [{ name: 'foo', version: { relation: '>=', version: '1.0' } }],
        [{ name: 'cmd:sed', version: { relation: '><', version: 'Q1aaaaaaaaaaaaaaaaaaaaaaaaaaa=' } }],
      ],
      provides: [
        { name: 'so:libapp.so.1', version: '1.2' },
        { name: 'cmd:app', version: '1.2-r3' },
        { name: 'anything' },
      ],
      conflicts: [{ name: 'bad', version: { relation: '<<', version: '2' } }],
      essential: false,
      priority: '',
      providerPriority: 10,
      installIf: [{ name: 'docs' }, { name: 'other', version: { relation: '=', version: '1' } }],
      installUnless: [{ name: 'none' }],
      origin: { kind: 'feed', feed: 'alpine.main', path: 'app-1.2-r3.apk', checksum: 'Q1', size: 77 },
    },
  )
  assert.equal(feed.providers('cmd:app')[0], app)
  assert.deepEqual(
    ['docs', 'other', 'none'].map((name) => feed.joining?.(name)[0] === app),
    [true, true, true],
  )
  assert.deepEqual(feed.lookup('anything'), [])
})

test('paragraphs that would reach paths or terminals are left out, and told', async (t) => {
  const scene = await feedScene(t)
  const bad = [
    paragraph({ P: '../../etc' }),
    paragraph({ P: '-rf' }),
    paragraph({ P: 'a b' }),
    paragraph({ P: 'x\u001b[2J' }),
    paragraph({ P: 'v', V: '1/../../2' }),
    paragraph({ P: 'w', V: '$(id)' }),
    paragraph({ P: 'c', C: 'Q1short' }),
    paragraph({ P: 's', S: '-1' }),
    `${paragraph({ P: 'twice' })}P:other\n`,
  ]
  await scene.publish([...bad, paragraph({ P: 'good' })])
  const feed = await openAlpineFeed(scene.declaration(), scene.environment())
  assert.deepEqual([...feed.names()], ['good'])
  const [warning] = scene.events.filter(({ type }) => type === 'warning')
  assert.ok(warning?.type === 'warning')
  assert.match(warning.message, /9 of its packages are left out/)
  assert.ok(!warning.message.includes('\u001b'))
})

test('a package whose relations are none is left out, and told once', async (t) => {
  const scene = await feedScene(t)
  await scene.publish([paragraph({ P: 'bad', D: 'caf\u00e9', p: 'virtual' }), paragraph({ P: 'good', p: 'virtual' })])
  const feed = await openAlpineFeed(scene.declaration(), scene.environment())
  for (const name of ['bad', 'virtual', 'bad', 'virtual']) feed.lookup(name)
  assert.deepEqual(
    feed.providers('virtual').map(({ name }) => name),
    ['good'],
  )
  const warnings = scene.events.flatMap((event) => (event.type === 'warning' ? [event.message] : []))
  assert.equal(warnings.length, 1, warnings.join('\n'))
  assert.match(warnings[0] ?? '', /^feed alpine\.main: bad 1\.0-r0 is left out: /)
})

test('what was verified serves without being asked for again; --refresh asks', async (t) => {
  const scene = await feedScene(t)
  await scene.publish([paragraph({ P: 'one' })])
  const first = await openAlpineFeed(scene.declaration(), scene.environment())
  await scene.publish([paragraph({ P: 'two' })], 1_700_000_001)
  const again = await openAlpineFeed(scene.declaration(), scene.environment({ offline: true }))
  assert.equal(again.digest, first.digest)
  const newer = await openAlpineFeed(scene.declaration(), scene.environment({ refresh: true }))
  assert.deepEqual([...newer.names()], ['two'])
})

test('several sections are one feed', async (t) => {
  const scene = await feedScene(t)
  await scene.publish([paragraph({ P: 'one' })])
  await scene.publish([paragraph({ P: 'two' })], 1_700_000_000, 'community')
  const feed = await openAlpineFeed(scene.declaration({ sections: ['main', 'community'] }), scene.environment())
  assert.deepEqual([...feed.names()].sort(), ['one', 'two'])
})

test('an index that is not signed as the module says is refused, and leaves nothing behind', async (t) => {
  const signer = await testSigner()
  const stranger = await freshRsaKey('stranger.rsa.pub', new Date(0))
  const impostor = { ...stranger, name: 'test.rsa.pub' }
  const text = indexText([paragraph({ P: 'app' })])
  const good = await indexArchive(text, 'v3.19.1', 1_700_000_000, [signer])
  const flipped = Buffer.from(good)
  flipped[good.length - 40] = (flipped[good.length - 40] ?? 0) ^ 1
  const member = good.subarray(good.indexOf(Buffer.from([0x1f, 0x8b, 8]), 20))
  const rows: readonly (readonly [string, Buffer, string])[] = [
    ['no signature', member, 'FEED_UNTRUSTED'],
    ['another key', await indexArchive(text, '', 1, [stranger]), 'FEED_UNTRUSTED'],
    ['another key of that name', await indexArchive(text, '', 1, [impostor]), 'FEED_UNTRUSTED'],
    ['a bit flipped', flipped, 'FEED_UNTRUSTED'],
    ['cut off', good.subarray(0, good.length - 100), 'FEED_UNTRUSTED'],
    ['cut off in the signature', good.subarray(0, 100), 'FEED_INVALID'],
    ['bytes behind it', Buffer.concat([good, Buffer.from('x')]), 'FEED_UNTRUSTED'],
    ['a third member', Buffer.concat([good, gzipSync('more')]), 'FEED_UNTRUSTED'],
    ['a bomb in place of the signature', gzipSync(Buffer.alloc(64 << 20)), 'FEED_INVALID'],
    ['a page', Buffer.from('<html>hello</html>'), 'FEED_INVALID'],
    ['nothing', Buffer.alloc(0), 'FEED_INVALID'],
  ]
  for (const [name, archive, wanted] of rows) {
    const scene = await feedScene(t)
    scene.put(archive)
    await assert.rejects(openAlpineFeed(scene.declaration(), scene.environment()), code(wanted), name)
    // The next run is as if nothing had been.
    await scene.publish([paragraph({ P: 'app' })])
    const feed = await openAlpineFeed(scene.declaration(), scene.environment())
    assert.deepEqual([...feed.names()], ['app'], name)
  }
})

test('while a key is replaced, either one serves; afterwards only the new one', async (t) => {
  const scene = await feedScene(t)
  const [old, fresh] = [await testSigner(), await freshRsaKey('fresh.rsa.pub', new Date(0))]
  writeFileSync(join(scene.module, 'keys/fresh.rsa.pub'), publicPem(fresh.key))
  const both = { keys: ['keys/test.rsa.pub', 'keys/fresh.rsa.pub'] }
  const text = indexText([paragraph({ P: 'app' })])
  const opens = async (keys: typeof both, ...signers: readonly (typeof old)[]) => {
    scene.put(await indexArchive(text, '', 1_700_000_000, signers))
    return openAlpineFeed(scene.declaration(keys), scene.environment({ refresh: true }))
  }
  await opens(both, old)
  await opens(both, fresh)
  await opens({ keys: ['keys/fresh.rsa.pub'] }, old, fresh)
  await assert.rejects(opens({ keys: ['keys/fresh.rsa.pub'] }, old), code('FEED_UNTRUSTED', /test\.rsa\.pub/))
})

test('keys that are none, too weak, private or elsewhere are refused when they are read', async (t) => {
  const weak = generateKeyPairSync('rsa', { modulusLength: 1024 })
  const three = generateKeyPairSync('rsa', { modulusLength: 2048, publicExponent: 3 })
  const curve = generateKeyPairSync('ed25519')
  const pem = (key: { publicKey: { export(options: { type: 'spki'; format: 'pem' }): string | Buffer } }) =>
    String(key.publicKey.export({ type: 'spki', format: 'pem' }))
  const rows: readonly (readonly [string, string | undefined, RegExp])[] = [
    ['keys/a.rsa.pub', undefined, /can't be read/],
    ['keys/a.rsa.pub', 'hello', /no public key/],
    ['keys/a.rsa.pub', pem(weak), /1024 bits/],
    ['keys/a.rsa.pub', pem(three), /exponent 3/],
    ['keys/a.rsa.pub', pem(curve), /ed25519/],
    ['keys/a.rsa.pub', String(weak.privateKey.export({ type: 'pkcs8', format: 'pem' })), /private key/],
  ]
  for (const [file, content, text] of rows) {
    const scene = await feedScene(t)
    if (content !== undefined) writeFileSync(join(scene.module, file), content)
    const opening = openAlpineFeed(scene.declaration({ keys: [file] }), scene.environment())
    await assert.rejects(opening, code('KEY_INVALID', text))
  }
})

test('an index of another time, branch or architecture is refused though its signature is right', async (t) => {
  const signer = await testSigner()
  const text = (lines: Readonly<Record<string, string>> = {}) => indexText([paragraph({ P: 'app', ...lines })])
  const future = Date.parse('2026-01-01T00:01:00Z') / 1000
  const rows: readonly (readonly [string, Buffer, Readonly<Record<string, number>>, string])[] = [
    ['older', await indexArchive(text(), 'v3.19.1', 1_699_999_999, [signer]), {}, 'FEED_REPLAYED'],
    ['from the future', await indexArchive(text(), 'v3.19.1', future, [signer]), {}, 'FEED_INVALID'],
    ['too old', await indexArchive(text(), 'v3.19.1', 1_700_000_001, [signer]), { max_age_days: 30 }, 'FEED_EXPIRED'],
    ['another branch', await indexArchive(text(), 'v3.18.9-3-gab', 1_700_000_001, [signer]), {}, 'FEED_INVALID'],
    ['edge', await indexArchive(text(), 'v20240923-317-gab', 1_700_000_001, [signer]), {}, 'FEED_INVALID'],
    ['edge of old', await indexArchive(text(), 'v3.19.0_alpha2023-1-ga', 1_700_000_001, [signer]), {}, 'FEED_INVALID'],
    [
      'another architecture',
      await indexArchive(text({ A: 'aarch64' }), '', 1_700_000_001, [signer]),
      {},
      'FEED_INVALID',
    ],
  ]
  for (const [name, archive, options, wanted] of rows) {
    const scene = await feedScene(t)
    await scene.publish([paragraph({ P: 'app' })])
    const before = await openAlpineFeed(scene.declaration(), scene.environment())
    scene.put(archive)
    const again = openAlpineFeed(scene.declaration(options), scene.environment({ refresh: true }))
    await assert.rejects(again, code(wanted), name)
    const after = await openAlpineFeed(scene.declaration(), scene.environment())
    assert.equal(after.digest, before.digest, name)
  }
  // What says nothing of its own time is as old as what was built last.
  const scene = await feedScene(t)
  scene.put(await indexArchive(text({ t: '1700000009' }), '', 0, [signer]))
  assert.equal((await latestAlpineIndex(scene.declaration(), scene.environment()))?.date, 1_700_000_009_000)
})

test('a locked index is that very one, wherever it comes from; when it is gone, that is said', async (t) => {
  const scene = await feedScene(t)
  await scene.publish([paragraph({ P: 'one' })])
  const latest = await latestAlpineIndex(scene.declaration(), scene.environment())
  assert.ok(latest !== undefined)
  const at = { file: 'yoe.lock', line: 2, column: 1 }
  const index = { files: latest.files, at }
  assert.deepEqual(
    latest.files.map(({ path }) => path),
    ['main/x86_64/APKINDEX'],
  )
  const locked = scene.environment({ index, mustBeLocked: true, offline: true })
  assert.deepEqual([...(await openAlpineFeed(scene.declaration(), locked)).names()], ['one'])
  await scene.publish([paragraph({ P: 'two' })], 1_700_000_005)
  rmSync(join(scene.root, 'cache'), { recursive: true })
  const moved = openAlpineFeed(scene.declaration(), scene.environment({ index }))
  await assert.rejects(moved, code('FEED_MOVED', /no longer has the index/))
  const unlocked = openAlpineFeed(scene.declaration(), scene.environment({ mustBeLocked: true }))
  await assert.rejects(unlocked, code('LOCK_STALE'))
})

test('B6: who only ever locks notices an older index as well; a locked one serves however old it is', async (t) => {
  const scene = await feedScene(t)
  const old = await scene.publish([paragraph({ P: 'one' })])
  const first = await latestAlpineIndex(scene.declaration(), scene.environment())
  await scene.publish([paragraph({ P: 'two' })], 1_700_000_005)
  await latestAlpineIndex(scene.declaration(), scene.environment())
  scene.put(old)
  const replayed = latestAlpineIndex(scene.declaration(), scene.environment())
  await assert.rejects(replayed, code('FEED_REPLAYED', /of 2023-11-14T22:13:20Z, though one of 2023-11-14T22:13:25Z/))
  // Its signature says nothing of that.
  const signer = await testSigner()
  const trusted = new Map([[signer.name, createPublicKey(signer.key)]])
  assert.equal(readIndexArchive(old, 'x', trusted).key, signer.name)
  // Another project's lock, from before, on a machine that lost the text; the first mirror has moved on.
  rmSync(join(scene.root, 'cache/objects'), { recursive: true })
  const index = { files: first?.files ?? [], at: { file: 'yoe.lock', line: 2, column: 1 } }
  const ahead = join(scene.root, 'ahead/v3.19/main/x86_64')
  mkdirSync(ahead, { recursive: true })
  const newer = await indexArchive(indexText([paragraph({ P: 'two' })]), 'v3.19.1', 1_700_000_005, [signer])
  writeFileSync(join(ahead, 'APKINDEX.tar.gz'), newer)
  const mirrors = parseMirrors(`file://${scene.mirror}=file://${join(scene.root, 'ahead')}`)
  const fetcher = createFetcher({ mirrors, offline: false })
  const feed = await openAlpineFeed(scene.declaration({ max_age_days: 1 }), scene.environment({ index, fetcher }))
  assert.deepEqual([...feed.names()], ['one'])
})

test('an index that lies in the module serves without a network, and what another machine knows is taken over', async (t) => {
  const scene = await feedScene(t)
  const folder = join(scene.module, 'feeds/main/x86_64')
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'APKINDEX'), indexText([paragraph({ P: 'kept' })]))
  const offline = scene.environment({ offline: true })
  const feed = await openAlpineFeed(scene.declaration({ index: 'feeds/main' }), offline)
  assert.deepEqual([...feed.names()], ['kept'])
  await scene.publish([paragraph({ P: 'one' })])
  await openAlpineFeed(scene.declaration(), scene.environment())
  const known = await knownAlpineFeed(scene.declaration(), scene.environment())
  assert.ok(known !== undefined)
  const other = join(scene.root, 'other')
  cpSync(join(scene.root, 'cache/objects'), join(other, 'objects'), { recursive: true })
  assert.equal(await learnAlpineFeed(known.text, other), undefined)
  const there = await openAlpineFeed(scene.declaration(), scene.environment({ cacheRoot: other, offline: true }))
  assert.deepEqual([...there.names()], ['one'])
  assert.match((await learnAlpineFeed('{}', other)) ?? '', /nothing that a feed is known by/)
})

test('a module keeps an index byte for byte, whatever its texts are written in', async (t) => {
  const scene = await feedScene(t)
  const text = Buffer.from(indexText([paragraph({ P: 'app', T: 'caf\xe9' })]), 'latin1')
  const member = gzipSync(Buffer.concat([...smallFiles([['APKINDEX', text]], 1_700_000_000), tarEnd]))
  scene.put(Buffer.concat([await signatureMember(member, [await testSigner()]), member]))
  const keep = () => keepIndex(scene.declaration({ index: 'feeds' }), scene.environment(), true)
  assert.deepEqual(
    (await keep())?.map(({ file, moved }) => [file, moved]),
    [['feeds/x86_64/APKINDEX', true]],
  )
  assert.deepEqual(readFileSync(join(scene.module, 'feeds/x86_64/APKINDEX')), text)
  assert.equal((await keep())?.[0]?.moved, false)
})

test('a genuine package comes from its feed; another one, signed or not, does not', async (t) => {
  const scene = await feedScene(t)
  const keyName = 'alpine-devel@lists.alpinelinux.org-6165ee59.rsa.pub'
  cpSync(join(await genuineKeys(), keyName), join(scene.module, 'keys', keyName))
  const folder = join(scene.mirror, 'v3.19/main')
  mkdirSync(folder, { recursive: true })
  cpSync(join(genuineRepository, 'x86_64'), join(folder, 'x86_64'), { recursive: true })
  const declaration = scene.declaration({ keys: [`keys/${keyName}`] })
  const feed = await openAlpineFeed(declaration, scene.environment())
  assert.ok([...feed.names()].length >= 99)
  const record = (name: string) => {
    const [found] = feed.lookup(name)
    assert.ok(found?.origin.kind === 'feed')
    return { ...found, origin: found.origin }
  }
  const zlib = record('yaml')
  const path = await fetchApk(declaration, zlib, scene.environment())
  const genuine = readFileSync(join(folder, 'x86_64', zlib.origin.path))
  assert.deepEqual(readFileSync(path), genuine)
  assert.ok(path.endsWith(createHash('sha256').update(genuine).digest('hex').slice(2)))
  // From another machine's cache, without its hint, and offline with it.
  const fresh = (name: string) => scene.environment({ cacheRoot: join(scene.root, name) })
  const file = join(folder, 'x86_64', zlib.origin.path)
  const tampered = (at: number): Buffer => {
    const bytes = Buffer.from(genuine)
    bytes[at] = (bytes[at] ?? 0) ^ 1
    return bytes
  }
  const other = readFileSync(join(folder, 'x86_64', record('openssl').origin.path))
  const sized = Buffer.concat([other, Buffer.alloc(genuine.length)]).subarray(0, genuine.length)
  const rows: readonly (readonly [string, Buffer])[] = [
    ['data', tampered(genuine.length - 100)],
    ['control', tampered(900)],
    ['another package, properly signed', other],
    ['another package, as long as this one', sized],
    ['cut off', genuine.subarray(0, genuine.length - 1)],
    ['longer', Buffer.concat([genuine, Buffer.from('x')])],
  ]
  for (const [index, [name, bytes]] of rows.entries()) {
    writeFileSync(file, bytes)
    const fetching = fetchApk(declaration, zlib, fresh(`cache${index}`))
    await assert.rejects(fetching, (failure: unknown) => {
      assert.ok(failure instanceof YoeError, name)
      assert.ok(
        ['DIGEST_MISMATCH', 'ARCHIVE_UNSAFE', 'FETCH_FAILED'].includes(failure.code),
        `${name}: ${failure.code}`,
      )
      return true
    })
  }
  writeFileSync(file, genuine)
  await fetchApk(declaration, zlib, fresh('cache1'))
})

test('what alpine_feed() is given is checked, and all of it is told', () => {
  const at = { file: 'MODULE.star', line: 1, column: 1 }
  const good = { name: 'main', branch: 'v3.19', keys: ['keys/a.rsa.pub'] }
  const rows: readonly (readonly [Parameters<typeof alpineFeedOptions>[0], RegExp])[] = [
    [{ ...good, nmae: 'x' }, /no field "nmae"/],
    [{ branch: 'v3.19', keys: ['a'] }, /name is missing/],
    [{ ...good, keys: [] }, /keys must be a list/],
    [{ ...good, keys: ['../a.pub'] }, /keys must be a list/],
    [{ ...good, keys: ['a/k.pub', 'b/k.pub'] }, /two files of one name/],
    [{ ...good, branch: '../edge' }, /branch must be/],
    [{ ...good, section: 'main', sections: ['main'] }, /give one/],
    [{ ...good, url: 'ftp://x' }, /url must be/],
    [{ ...good, url: 'https://user@x/' }, /url must be/],
    [{ ...good, index: '/etc' }, /index must be/],
    [{ ...good, max_age_days: 0 }, /max_age_days/],
  ]
  for (const [given, text] of rows) {
    const checked = alpineFeedOptions(given, at)
    assert.ok(!checked.ok)
    assert.match(checked.errors.map(({ message }) => message).join('\n'), text)
  }
  const checked = alpineFeedOptions(good, at)
  assert.ok(checked.ok)
  assert.equal(checked.options.url, 'https://dl-cdn.alpinelinux.org/alpine')
  assert.deepEqual(checked.options.sections, ['main'])
})
