/** What one machine verified of a feed opens it on another one that can't ask; nothing is taken back, nothing else is read. */
import assert from 'node:assert/strict'
import { copyFileSync, existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { YoeError } from '#engine/errors.ts'
import { silent } from '#engine/events.ts'
import type { FeedEnvironment, FeedKnowledge } from '#engine/formats.ts'
import type { FeedDeclaration } from '#engine/project/model.ts'
import { objectPath } from '#engine/store/object-path.ts'
import { openAptFeed } from '#feeds/debian/feed.ts'
import { knownAptFeed, learnAptFeed } from '#feeds/debian/feed-knowledge.ts'
import { scratch } from '../../support/project.ts'
import { makeArchive, makeKey, sha256, stanza } from './archive.ts'

const now = Date.UTC(2026, 0, 15)
const day = 86_400_000
const key = await makeKey({ date: new Date(now - 900 * day) })

/** An archive, and machines that see it or don't. */
function world(t: TestContext) {
  const folder = scratch(t)
  const moduleRoot = join(folder, 'module')
  mkdirSync(join(moduleRoot, 'keys'), { recursive: true })
  writeFileSync(join(moduleRoot, 'keys/archive.gpg'), key.publicKey)
  const declaration: FeedDeclaration = {
    ...{ id: 'test.main', module: 'module-test', format: 'debian', distro: 'debian' },
    at: { file: '@module-test//MODULE.star', line: 3, column: 1 },
    options: { name: 'main', url: 'http://archive.invalid/debian', suite: 'testy', keyring: 'keys/archive.gpg' },
  }
  let files = new Map<string, Uint8Array>()
  const publish = async (days: number, version: string, fields = {}): Promise<void> => {
    const packages = stanza('app', 'the app', { Version: version })
    files = await makeArchive({ packages, keys: [key], date: new Date(now + days * day), fields })
  }
  const machine = (name: string, more: Partial<FeedEnvironment> = {}): FeedEnvironment => ({
    ...{ arch: 'x86_64', moduleRoot, cacheRoot: join(folder, name), offline: false, refresh: false, now: () => now },
    report: silent,
    fetcher: {
      async fetch({ urls, dest, title }) {
        for (const url of urls) {
          const content = files.get(url.replace('http://archive.invalid/debian/', ''))
          if (content === undefined) continue
          mkdirSync(dirname(dest), { recursive: true })
          writeFileSync(dest, content)
          return { url, sha256: sha256(content), size: content.length }
        }
        throw new YoeError('FETCH_FAILED', `${title} is nowhere`)
      },
    },
    ...more,
  })
  const version = async (environment: FeedEnvironment): Promise<string | undefined> =>
    (await openAptFeed(declaration, environment)).lookup('app')[0]?.version
  const know = async (environment: FeedEnvironment): Promise<FeedKnowledge> => {
    const known = await knownAptFeed(declaration, environment)
    return known ?? assert.fail('nothing is known')
  }
  const carry = ({ files: named }: FeedKnowledge, from: FeedEnvironment, to: FeedEnvironment): void => {
    for (const { sha256: digest } of named) {
      mkdirSync(dirname(objectPath(to.cacheRoot, digest)), { recursive: true })
      copyFileSync(objectPath(from.cacheRoot, digest), objectPath(to.cacheRoot, digest))
    }
  }
  return { declaration, publish, machine, version, know, carry }
}

test('what one machine knows opens the feed on another one, which asks nobody', async (t) => {
  const { publish, machine, version, know, carry } = world(t)
  await publish(-1, '1.0')
  const [here, there] = [machine('here'), machine('there', { offline: true })]
  assert.equal(await version(here), '1.0')
  await assert.rejects(version(there), { code: 'FETCH_FAILED' }, 'the control: without, it does not open')
  const known = await know(here)
  carry(known, here, there)
  assert.equal(await learnAptFeed(known.text, there.cacheRoot), undefined)
  assert.equal(await version(there), '1.0')
  assert.deepEqual(await know(there), known, 'and it can be carried on from there')
})

test('its last day travels with it; a feed of the lock has none, and its objects are enough', async (t) => {
  const { publish, machine, version, know, carry } = world(t)
  await publish(-1, '1.0', { 'Valid-Until': 'Fri, 16 Jan 2026 00:00:00 UTC' })
  const [here, there] = [machine('here'), machine('there', { offline: true })]
  await version(here)
  const known = await know(here)
  assert.equal(known.until, Date.UTC(2026, 0, 16))
  carry(known, here, there)
  await learnAptFeed(known.text, there.cacheRoot)
  const later = { now: () => now + 2 * day }
  await assert.rejects(version({ ...there, ...later }), { code: 'FEED_EXPIRED' })
  const index = { files: known.files, at: { file: 'yoe.lock', line: 2, column: 1 } }
  const locked = await know({ ...here, index })
  assert.deepEqual([locked.text, locked.until, locked.files.length], ['', undefined, 1])
  assert.equal(await version({ ...there, ...later, index }), '1.0')
})

test('an index that is no longer in the cache is fetched again, or named', async (t) => {
  const { publish, machine, version, know } = world(t)
  await publish(-1, '1.0')
  const here = machine('here')
  await version(here)
  const [file] = (await know(here)).files
  const path = objectPath(here.cacheRoot, file?.sha256 ?? '')
  rmSync(path)
  await assert.rejects(
    know({ ...here, offline: true }),
    /Packages.* of feed test.main is not in the cache, and yoe works/,
  )
  await know(here)
  assert.ok(existsSync(path))
})

test('C: what is older than what was seen here is left out', async (t) => {
  const { publish, machine, version, know, carry } = world(t)
  await publish(-2, '1.0')
  const [here, there] = [machine('here'), machine('there')]
  await version(here)
  const old = await know(here)
  await publish(-1, '2.0')
  assert.equal(await version(there), '2.0')
  carry(old, here, there)
  assert.equal(await learnAptFeed(old.text, there.cacheRoot), undefined)
  assert.equal(await version({ ...there, offline: true }), '2.0')
})

/** Texts that name other places, or nothing. */
const good = { id: 'a.b', suite: 's', key: 'a'.repeat(64), date: 1, files: [{ path: 'p', size: 1, sha256: 'ab' }] }
const wrongs: readonly unknown[] = [
  ...['', 'hello', '[]', 'null'],
  ...[{ id: '../x' }, { id: '/etc/x' }, { id: '' }, { id: 1 }, { suite: '' }, { suite: 'a\0b' }, { key: '../..' }],
  ...[{ key: 'a' }, { date: 'x' }, { files: [] }, { files: [{ path: 'p' }] }, { files: 'x' }],
].map((wrong) => (typeof wrong === 'string' ? wrong : JSON.stringify({ ...good, ...Object(wrong) })))
for (const wrong of wrongs) {
  test(`what is no knowledge is refused: ${String(wrong).slice(0, 60)}`, async (t) => {
    const cache = join(scratch(t), 'cache')
    mkdirSync(cache)
    assert.equal(await learnAptFeed(String(wrong), cache), 'it is nothing that a feed is known by')
    assert.deepEqual(readdirSync(cache), [])
  })
}

test('the control: the text that they were made from is taken', async (t) => {
  const cache = scratch(t)
  assert.equal(await learnAptFeed(JSON.stringify(good), cache), undefined)
  assert.ok(existsSync(join(cache, 'feeds/a.b/s.newest.json')))
})
