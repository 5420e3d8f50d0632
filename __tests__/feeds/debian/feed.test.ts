import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, beforeEach, describe, test } from 'node:test'
import type { YoeError } from '../../../src/engine/errors.ts'
import type { Event } from '../../../src/engine/events.ts'
import type { FeedEnvironment } from '../../../src/engine/formats.ts'
import type { FeedDeclaration, Json } from '../../../src/engine/project/model.ts'
import { createFetcher } from '../../../src/engine/source/download.ts'
import { noMirrors, parseMirrors } from '../../../src/engine/source/mirrors.ts'
import { latestAptIndex, openAptFeed } from '../../../src/feeds/debian/feed.ts'
import { fetchDeb } from '../../../src/feeds/debian/fetch-deb.ts'
import { errorsOf } from '../../support/making.ts'
import { clearSign, makeArchive, makeKey, releaseText, sha256, stanza, type TestKey } from './archive.ts'

const now = Date.UTC(2026, 0, 15)
const day = 24 * 3600 * 1000
const dated = (days: number): Date => new Date(now + days * day)

let folder: string
let round = 0
let server: Server
let address: string
let key: TestKey
let stranger: TestKey
/** What the server has, and what it was asked for. */
let files = new Map<string, Uint8Array>()
let asked: string[] = []
let events: Event[] = []
let cacheRoot: string
let moduleRoot: string

const debs = { app: 'the app', lib: 'the lib' }
const packages =
  stanza('app', debs.app, { Depends: 'lib (>= 1)', Essential: 'yes' }) +
  stanza('lib', debs.lib, { Provides: 'virtual', Priority: 'required', Filename: 'pool/main/lib_1%3a1.0_amd64.deb' })

before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'yoe-feed-'))
  key = await makeKey({ date: dated(-900) })
  stranger = await makeKey({ date: dated(-900) })
  server = createServer((request, response) => {
    const path = decodeURIComponent((request.url ?? '').slice('/debian/'.length))
    asked.push(path)
    const content = files.get(path)
    if (content === undefined) response.writeHead(404).end()
    else response.writeHead(200, { 'content-length': content.length }).end(content)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const bound = server.address()
  assert.ok(typeof bound === 'object' && bound !== null)
  address = `http://127.0.0.1:${bound.port}/debian`
})

after(() => {
  server.close()
  server.closeAllConnections()
  rmSync(folder, { recursive: true, force: true })
})

beforeEach(async () => {
  cacheRoot = join(folder, `cache${++round}`)
  moduleRoot = join(folder, `module${round}`)
  mkdirSync(join(moduleRoot, 'keys'), { recursive: true })
  writeFileSync(join(moduleRoot, 'keys/archive.gpg'), key.publicKey)
  files = await archive(-1)
  asked = []
  events = []
})

async function archive(
  days: number,
  fields: Readonly<Record<string, string | undefined>> = {},
  text = packages,
  keys = [key],
) {
  const made = await makeArchive({ packages: text, keys, date: dated(days), fields })
  made.set('pool/main/app.deb', Buffer.from(debs.app))
  made.set('pool/main/lib_1%3a1.0_amd64.deb', Buffer.from(debs.lib))
  return made
}

const declaration = (options: Readonly<Record<string, Json>> = {}): FeedDeclaration => ({
  id: 'test.main',
  module: 'module-test',
  at: { file: '@module-test//MODULE.star', line: 3, column: 1 },
  format: 'debian',
  distro: 'debian',
  options: { name: 'main', url: address, suite: 'testy', keyring: 'keys/archive.gpg', ...options },
})

const environment = (changes: Partial<FeedEnvironment> = {}): FeedEnvironment => ({
  arch: 'x86_64',
  moduleRoot,
  cacheRoot,
  fetcher: createFetcher({ mirrors: noMirrors, offline: changes.offline ?? false, limits: { retries: 0 } }),
  offline: false,
  refresh: false,
  now: () => now,
  report: (event) => events.push(event),
  ...changes,
})

const open = (changes: Partial<FeedEnvironment> = {}, options: Readonly<Record<string, Json>> = {}) =>
  openAptFeed(declaration(options), environment(changes))

const refusal = async (work: Promise<unknown>): Promise<YoeError> =>
  (await errorsOf(work))[0] ?? assert.fail('it was accepted')

const prefixed = (folder: string, from: ReadonlyMap<string, Uint8Array>): readonly [string, Uint8Array][] =>
  [...from].map(([path, content]) => [`${folder}/${path}`, content])

/** Nothing unfinished may stay. */
function noLitter(): void {
  assert.deepEqual(readdirSync(join(cacheRoot, 'tmp')), [])
}

describe('a feed', () => {
  test('is fetched by hash, verified, and read', async () => {
    const feed = await open()
    assert.deepEqual(asked, [
      'dists/testy/InRelease',
      `dists/testy/main/binary-amd64/by-hash/SHA256/${[...files.keys()].find((name) => name.includes('by-hash'))?.slice(-64)}`,
    ])
    assert.equal(feed.digest, sha256(packages))
    const [app] = feed.lookup('app')
    assert.deepEqual(app, {
      name: 'app',
      version: '1.0-1',
      arch: 'amd64',
      depends: [[{ name: 'lib', version: { relation: '>=', version: '1' } }]],
      provides: [],
      conflicts: [],
      essential: true,
      priority: '',
      origin: { kind: 'feed', feed: 'test.main', path: 'pool/main/app.deb', sha256: sha256(debs.app), size: 7 },
    })
    assert.equal(feed.providers('virtual')[0], feed.lookup('lib')[0])
    assert.deepEqual(feed.essentials(), ['app', 'lib'])
    assert.deepEqual([...feed.names()].sort(), ['app', 'lib'])
    assert.deepEqual(feed.lookup('nothing'), [])
    noLitter()
  })

  test('asks nobody as long as it is valid, and works offline then', async () => {
    await open()
    asked = []
    files.clear()
    const feed = await open({ offline: true })
    assert.equal(feed.lookup('app').length, 1)
    assert.deepEqual(asked, [])
  })

  test('asks again when refresh is set, when it expired, when the keyring changed', async () => {
    files = await archive(-1, { 'Valid-Until': 'Fri, 16 Jan 2026 00:00:00 UTC' })
    await open()
    asked = []
    await open({ refresh: true })
    assert.equal(asked.length, 1, 'the same index is not fetched again')
    asked = []
    const expired = await refusal(open({ now: () => now + 2 * day }))
    assert.equal(expired.code, 'FEED_EXPIRED')
    assert.deepEqual(asked, ['dists/testy/InRelease'])
    assert.equal((await refusal(open({ now: () => now + 2 * day, offline: true }))).code, 'FEED_EXPIRED')
    writeFileSync(join(moduleRoot, 'keys/archive.gpg'), stranger.publicKey)
    const untrusted = await refusal(open())
    assert.equal(untrusted.code, 'FEED_UNTRUSTED')
    assert.match(untrusted.message, new RegExp(`feed test\\.main: .*${key.id}`))
  })

  test('is never taken back to an older state', async () => {
    const older = files
    files = await archive(0)
    await open()
    files = older
    const replayed = await refusal(open({ refresh: true }))
    assert.equal(replayed.code, 'FEED_REPLAYED')
    const override = /: (rm .*newest\.json)$/.exec(replayed.hint ?? '')?.[1]
    assert.ok(override !== undefined, replayed.hint)
    // What was accepted stays usable, and the override works as told.
    assert.equal((await open()).lookup('app').length, 1)
    rmSync(override.slice('rm '.length))
    await open({ refresh: true })
  })

  test('is never taken back by who only ever locks, either', async () => {
    const older = files
    const latest = () => latestAptIndex(declaration(), environment())
    files = await archive(0)
    assert.equal((await latest())?.date, now)
    files = older
    assert.equal((await refusal(latest())).code, 'FEED_REPLAYED')
  })

  test('falls back once from by-hash to the plain name; the digest decides', async () => {
    const byHash = [...files.keys()].find((name) => name.includes('by-hash')) ?? ''
    files.delete(byHash)
    await open()
    assert.deepEqual(asked.slice(1), [byHash, 'dists/testy/main/binary-amd64/Packages.gz'])
  })

  test('is read from the first mirror that has it right, all of it; the archive itself comes last', async () => {
    const fresh = files
    const stale = await archive(-30, { 'Valid-Until': 'Fri, 26 Dec 2025 00:00:00 UTC' })
    files = new Map([...prefixed('stale', stale), ...prefixed('good', fresh)])
    const mirrors = parseMirrors(`${address}=${address}/stale,${address}=${address}/good`)
    const fetcher = createFetcher({ mirrors, offline: false, limits: { retries: 0 } })
    const feed = await open({ fetcher })
    assert.equal(feed.lookup('app').length, 1)
    assert.deepEqual(
      asked.map((path) => path.replace(/by-hash.*/, 'by-hash')),
      ['stale/dists/testy/InRelease', 'good/dists/testy/InRelease', 'good/dists/testy/main/binary-amd64/by-hash'],
    )
    // What a stale mirror says first is not what the archive is asked through, either.
    rmSync(cacheRoot, { recursive: true })
    files = new Map([...prefixed('stale', stale), ...fresh])
    asked = []
    const only = parseMirrors(`${address}=${address}/stale`)
    await open({ fetcher: createFetcher({ mirrors: only, offline: false, limits: { retries: 0 } }) })
    assert.deepEqual(asked.slice(0, 2), ['stale/dists/testy/InRelease', 'dists/testy/InRelease'])
    rmSync(cacheRoot, { recursive: true })
    const shut = createFetcher({ mirrors: { ...only, only: true }, offline: false, limits: { retries: 0 } })
    asked = []
    assert.equal((await refusal(open({ fetcher: shut }))).code, 'FEED_EXPIRED')
    assert.deepEqual(asked, ['stale/dists/testy/InRelease'])
  })

  test('offline asks no mirror and tells of none', async () => {
    const mirrors = parseMirrors(`${address}=${address}/mirror`)
    const refused = await refusal(open({ offline: true, fetcher: createFetcher({ mirrors, offline: true }) }))
    assert.equal(refused.code, 'FETCH_FAILED')
    assert.match(refused.message, /works offline/)
    assert.deepEqual(asked, [])
    assert.deepEqual(
      events.filter((event) => event.type === 'notice'),
      [],
    )
  })

  test('wrong content by hash is not taken either', async () => {
    const byHash = [...files.keys()].find((name) => name.includes('by-hash')) ?? ''
    const size = files.get(byHash)?.length ?? 0
    files.set(byHash, Buffer.alloc(size, 1))
    await open()
    files.set('dists/testy/main/binary-amd64/Packages.gz', Buffer.alloc(size, 2))
    rmSync(cacheRoot, { recursive: true })
    const wrong = await refusal(open())
    assert.equal(wrong.code, 'DIGEST_MISMATCH')
    assert.match(wrong.hint ?? '', /mirror/)
    noLitter()
    assert.equal((await refusal(open({ offline: true }))).code, 'FETCH_FAILED')
  })

  test('an old index under a new Release is refused', async () => {
    const old = await archive(-3, {}, stanza('old', 'x'))
    for (const [name, content] of old)
      if (name.includes('Packages') || name.includes('by-hash')) files.set(name, content)
    for (const name of files.keys()) if (name.includes('by-hash') && !old.has(name)) files.delete(name)
    assert.match((await refusal(open())).code, /DIGEST_MISMATCH|FETCH_FAILED/)
    noLitter()
  })

  test('what can not be verified leaves nothing behind', async () => {
    files = await archive(-1, {}, packages, [stranger])
    assert.equal((await refusal(open())).code, 'FEED_UNTRUSTED')
    files.set('dists/testy/InRelease', Buffer.alloc(10_000_001, 32))
    assert.equal((await refusal(open())).code, 'FETCH_FAILED')
    files.delete('dists/testy/InRelease')
    const missing = await refusal(open())
    assert.equal(missing.code, 'FETCH_FAILED')
    assert.match(missing.message, /test\.main: InRelease can't be fetched\n.*InRelease.*404/)
    noLitter()
    assert.deepEqual(readdirSync(cacheRoot), ['tmp'])
  })

  test('an index that unpacks to something else than declared is refused', async () => {
    const gz = files.get('dists/testy/main/binary-amd64/Packages.gz') ?? Buffer.alloc(0)
    for (const size of [packages.length - 1, packages.length + 1, 400 * 2 ** 20]) {
      const line = (content: Uint8Array, path: string, length = content.length): string =>
        ` ${sha256(content)} ${length} ${path}`
      const base = 'main/binary-amd64/Packages'
      const release = releaseText({}, dated(-1), {
        SHA256: `\n${line(Buffer.from(packages), base, size)}\n${line(gz, `${base}.gz`)}`,
      })
      files.set('dists/testy/InRelease', Buffer.from(await clearSign(release, [key], { date: dated(-1) })))
      const failure = await refusal(open())
      assert.equal(failure.code, 'FEED_INVALID')
      assert.match(failure.message, /Packages\.gz/)
    }
  })

  test('a damaged or missing index file is made anew without asking anybody', async () => {
    await open()
    const index = join(cacheRoot, 'feeds', `${sha256(packages)}.index`)
    const whole = readFileSync(index)
    asked = []
    for (const damage of [
      () => rmSync(index),
      () => writeFileSync(index, whole.subarray(0, 100)),
      () => writeFileSync(index, ''),
      () => writeFileSync(index, Buffer.concat([whole.subarray(0, whole.length - 20), Buffer.alloc(20)])),
    ]) {
      damage()
      const feed = await open({ offline: true })
      assert.equal(feed.lookup('app').length + feed.lookup('lib').length, 2)
      assert.deepEqual(readFileSync(index), whole)
    }
    assert.deepEqual(asked, [])
  })

  test('a damaged state is no state', async () => {
    await open()
    const folder = join(cacheRoot, 'feeds/test.main')
    for (const name of readdirSync(folder)) writeFileSync(join(folder, name), '{"date": 1, "files": [{}]')
    assert.equal((await open()).lookup('app').length, 1)
  })

  test('malformed entries are left out with a warning', async () => {
    const bad = stanza('evil', 'x', { Filename: '../../etc/x' }) + stanza('odd', 'x', { Depends: 'a (>= $(id))' })
    files = await archive(-1, {}, packages + bad)
    const feed = await open()
    assert.deepEqual(feed.lookup('evil'), [])
    assert.deepEqual(feed.lookup('odd'), [])
    assert.equal(feed.lookup('app').length, 1)
    const warnings = events.flatMap((event) => (event.type === 'warning' ? [event.message] : []))
    assert.match(warnings[0] ?? '', /1 of its packages are left out .*evil: bad file name/)
    assert.match(warnings[1] ?? '', /odd 1\.0-1 is left out: "a \(>= \$\(id\)\)" is no dependency|is no version/)
  })

  test('an index nobody dates is remarked upon when it is old', async () => {
    files = await archive(-200)
    await open()
    assert.match(JSON.stringify(events), /its index is 200 days old/)
    assert.equal((await refusal(open({}, { max_age_days: 100 }))).code, 'FEED_EXPIRED')
  })

  test('an architecture that a feed does not serve finds nothing there', async () => {
    const feed = await open({ arch: 'arm64' }, { arches: ['amd64'] })
    assert.deepEqual(feed.lookup('app'), [])
    assert.deepEqual(asked, [])
    const failure = await refusal(open({ arch: 'arm64' }))
    assert.equal(failure.code, 'FEED_INVALID')
    assert.match(failure.hint ?? '', /amd64/)
  })

  test('packages for one architecture may come from elsewhere', async () => {
    files = new Map([...files].map(([name, content]) => [name.includes('InRelease') ? name : `ports/${name}`, content]))
    const options = { arch_urls: { amd64: `${address}/ports` } }
    const feed = await open({}, options)
    const [app] = feed.lookup('app')
    assert.ok(app !== undefined)
    assert.equal(readFileSync(await fetchDeb(declaration(options), app, environment()), 'utf8'), debs.app)
  })

  test('a keyring outside of the module, or none, is refused', async () => {
    rmSync(join(moduleRoot, 'keys/archive.gpg'))
    const missing = await refusal(open())
    assert.equal(missing.code, 'KEY_INVALID')
    assert.equal(missing.at?.line, 3)
    writeFileSync(join(folder, 'outside.gpg'), key.publicKey)
    symlinkSync(join(folder, 'outside.gpg'), join(moduleRoot, 'keys/archive.gpg'))
    assert.match((await refusal(open())).message, /outside of the module/)
  })
})

describe('a package of a feed', () => {
  const find = async (name: string) => {
    const [record] = (await open()).lookup(name)
    assert.ok(record !== undefined)
    return record
  }

  test('lands in the store under its digest, once', async () => {
    const lib = await find('lib')
    asked = []
    const path = await fetchDeb(declaration(), lib, environment())
    assert.equal(path, join(cacheRoot, 'objects', sha256(debs.lib).slice(0, 2), sha256(debs.lib).slice(2)))
    assert.equal(readFileSync(path, 'utf8'), debs.lib)
    await Promise.all([fetchDeb(declaration(), lib, environment()), fetchDeb(declaration(), lib, environment())])
    assert.deepEqual(asked, ['pool/main/lib_1%3a1.0_amd64.deb'])
    noLitter()
  })

  test('is fetched again when what lies there is damaged', async () => {
    const app = await find('app')
    const path = join(cacheRoot, 'objects', sha256(debs.app).slice(0, 2), sha256(debs.app).slice(2))
    mkdirSync(join(path, '..'), { recursive: true })
    writeFileSync(path, 'the ape')
    await fetchDeb(declaration(), app, environment())
    assert.equal(readFileSync(path, 'utf8'), debs.app)
  })

  test('is refused when it is another than the index says, and can be had later', async () => {
    const app = await find('app')
    files.set('pool/main/app.deb', Buffer.from('the ape'))
    assert.equal((await refusal(fetchDeb(declaration(), app, environment()))).code, 'DIGEST_MISMATCH')
    files.delete('pool/main/app.deb')
    const gone = await refusal(fetchDeb(declaration(), app, environment()))
    assert.equal(gone.code, 'FETCH_FAILED')
    assert.match(gone.hint ?? '', /yoe plan --refresh/)
    assert.equal((await refusal(fetchDeb(declaration(), app, environment({ offline: true })))).code, 'FETCH_FAILED')
    files.set('pool/main/app.deb', Buffer.from(debs.app))
    await fetchDeb(declaration(), app, environment())
    noLitter()
  })
})
