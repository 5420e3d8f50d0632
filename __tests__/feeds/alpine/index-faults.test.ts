/** B6, B8, B14, C4, C8: indexes that are signed rightly and still not what they should be; each with what a naive reader takes. */
import assert from 'node:assert/strict'
import { createPublicKey } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, type TestContext, test } from 'node:test'
import { universe } from '#engine/catalog/universe.ts'
import { YoeError, YoeErrors } from '#engine/errors.ts'
import { resolveAlpineClosure } from '#feeds/alpine/closure.ts'
import { openAlpineFeed } from '#feeds/alpine/feed.ts'
import { indexArchive, readIndexArchive } from '#feeds/alpine/index-archive.ts'
import { alpineVersions } from '#feeds/alpine/version.ts'
import { freshRsaKey, publicPem } from '#feeds/keys/rsa.ts'
import { errorsOf } from '../../support/making.ts'
import { feedScene, indexText, paragraph, testSigner } from './feed-making.ts'

/** A reader that takes whatever some key of its one keyring signed. */
async function naiveReader(archive: Buffer, keys: readonly Awaited<ReturnType<typeof testSigner>>[]): Promise<string> {
  return readIndexArchive(archive, 'x', new Map(keys.map(({ name, key }) => [name, createPublicKey(key)]))).text
}

test('C4: a key serves the feed that names it, and no other', async (t) => {
  const scene = await feedScene(t)
  const other = await freshRsaKey('other.rsa.pub', new Date(0))
  writeFileSync(join(scene.module, 'keys/other.rsa.pub'), publicPem(other.key))
  const archive = await indexArchive(indexText([paragraph({ P: 'evil' })]), 'v3.19.1', 1_700_000_000, [other])
  const others = join(scene.root, 'others/v3.19/main/x86_64')
  mkdirSync(others, { recursive: true })
  writeFileSync(join(others, 'APKINDEX.tar.gz'), archive)
  const declared = scene.declaration({
    name: 'other',
    url: `file://${join(scene.root, 'others')}`,
    keys: ['keys/other.rsa.pub'],
  })
  const second = { ...declared, id: 'alpine.other' }
  assert.deepEqual([...(await openAlpineFeed(second, scene.environment())).names()], ['evil'])
  // The same bytes from the first one's mirror.
  scene.put(archive)
  const [error] = await errorsOf(openAlpineFeed(scene.declaration(), scene.environment()))
  assert.equal(error?.code, 'FEED_UNTRUSTED')
  assert.match(error?.message ?? '', /alpine\.main.*signed by other\.rsa\.pub; the keys that count are: test\.rsa\.pub/)
  assert.match(await naiveReader(archive, [await testSigner(), other]), /P:evil/)
})

test('B6, B8: of sections of different times, the old one is refused with the new one', async (t) => {
  const scene = await feedScene(t)
  const both = scene.declaration({ sections: ['main', 'community'] })
  const old = await scene.publish([paragraph({ P: 'one' })], 1_700_000_000, 'community')
  await scene.publish([paragraph({ P: 'two' })], 1_700_000_000)
  await openAlpineFeed(both, scene.environment())
  await scene.publish([paragraph({ P: 'one', V: '2-r0' })], 1_700_000_100, 'community')
  await scene.publish([paragraph({ P: 'two', V: '2-r0' })], 1_700_000_100)
  const newer = await openAlpineFeed(both, scene.environment({ refresh: true }))
  await scene.publish([paragraph({ P: 'two', V: '3-r0' })], 1_700_000_200)
  scene.put(old, 'community')
  const [error] = await errorsOf(openAlpineFeed(both, scene.environment({ refresh: true })))
  assert.equal(error?.code, 'FEED_REPLAYED')
  assert.match(error?.message ?? '', /community\/x86_64\/APKINDEX of 2023-11-14T22:13:20Z/)
  // Nothing of the new generation is used.
  assert.equal((await openAlpineFeed(both, scene.environment())).digest, newer.digest)
  assert.match(await naiveReader(old, [await testSigner()]), /P:one\nV:1\.0-r0|V:1\.0-r0/)
})

test('C8: a clock that is years wrong opens nothing that it should not, and says what to do', async (t) => {
  const scene = await feedScene(t)
  await scene.publish([paragraph({ P: 'app' })])
  const at = (time: string) => scene.environment({ now: () => Date.parse(time), refresh: true })
  const [early] = await errorsOf(openAlpineFeed(scene.declaration(), at('2013-01-01T00:00:00Z')))
  assert.equal(early?.code, 'FEED_INVALID')
  assert.match(early?.hint ?? '', /clock says 2013-01-01T00:00:00Z: set it right/)
  const [late] = await errorsOf(openAlpineFeed(scene.declaration({ max_age_days: 90 }), at('2036-01-01T00:00:00Z')))
  assert.equal(late?.code, 'FEED_EXPIRED')
  assert.match(late?.hint ?? '', /set the clock/)
  // Without a limit, and the clock right again, it is the same index.
  const [one, two] = [at('2036-01-01T00:00:00Z'), at('2026-01-01T00:00:00Z')]
  const digests = [one, two].map(async (environment) => (await openAlpineFeed(scene.declaration(), environment)).digest)
  assert.equal(new Set(await Promise.all(digests)).size, 1)
})

describe('B14: graphs that are made to keep a solver busy end', () => {
  const range = (count: number): readonly number[] => Array.from({ length: count }, (_, at) => at)
  const names = (name: string, count: number, version = ''): string =>
    range(count)
      .map((at) => `${name}${at}${version}`)
      .join(' ')
  const rows: Readonly<
    Record<
      string,
      { readonly make: () => readonly string[]; readonly root?: string; readonly wanted: number | 'fails' }
    >
  > = {
    'a chain of 4,000': {
      make: () => range(4000).map((at) => paragraph({ P: `p${at}`, ...(at === 3999 ? {} : { D: `p${at + 1}` }) })),
      wanted: 4000,
    },
    'a ring of 4,000': {
      make: () => range(4000).map((at) => paragraph({ P: `p${at}`, D: `p${(at + 1) % 4000}` })),
      wanted: 4000,
    },
    // Far above what there is: it gives up.
    'a chain of 20,000 that ends nowhere': {
      make: () => range(20_000).map((at) => paragraph({ P: `p${at}`, D: `p${at + 1}` })),
      wanted: 'fails',
    },
    '100,000 providers': {
      make: () => [
        paragraph({ P: 'p0', D: 'so:v.so.1' }),
        ...range(100_000).map((at) => paragraph({ P: `v${at}`, p: 'so:v.so.1=1' })),
      ],
      wanted: 2,
    },
    'one provider of 100,000 names, each of them needed': {
      make: () => [
        paragraph({ P: 'p0', D: names('v', 100_000) }),
        paragraph({ P: 'all', p: names('v', 100_000, '=1') }),
      ],
      wanted: 'fails',
    },
    'two providers of the same 100,000 names': {
      make: () => [
        paragraph({ P: 'p0', D: names('v', 100_000) }),
        ...['one', 'other'].map((P) => paragraph({ P, p: names('v', 100_000) })),
      ],
      wanted: 'fails',
    },
    '30,000 providers, none of which works': {
      make: () => [
        paragraph({ P: 'p0', D: 'so:v.so.1' }),
        ...range(30_000).map((at) => paragraph({ P: `v${at}`, p: 'so:v.so.1=1', D: 'nobody' })),
      ],
      wanted: 'fails',
    },
    '4,000 that join each other': {
      make: () => [paragraph({ P: 'p0' }), ...range(4000).map((at) => paragraph({ P: `p${at + 1}`, i: `p${at}` }))],
      wanted: 4001,
    },
    'everything but itself excludes everything': {
      make: () => [
        paragraph({
          P: 'p0',
          D: names('v', 300),
        }),
        ...range(300).map((at) => paragraph({ P: `v${at}`, D: `!v${(at + 1) % 300}` })),
      ],
      wanted: 'fails',
    },
  }
  for (const [what, { make, wanted }] of Object.entries(rows))
    test(what, { timeout: 60_000 }, async (t) => {
      const found = await closure(t, make())
      assert.equal(found, wanted)
    })

  test('a version of 1 MB is left out with its package', async (t) => {
    const text = [paragraph({ P: 'p0', V: `1${'0'.repeat(1 << 20)}-r0` }), paragraph({ P: 'p0', V: '1-r0' })]
    assert.equal(await closure(t, text), 1)
    const text2 = [paragraph({ P: 'p0', D: `v>=1${'0'.repeat(1 << 19)}` }), paragraph({ P: 'v' })]
    assert.equal(await closure(t, text2), 'fails')
  })

  /** How many packages p0 needs. */
  async function closure(t: TestContext, paragraphs: readonly string[]): Promise<number | 'fails'> {
    const scene = await feedScene(t)
    await scene.publish(paragraphs)
    const feed = await openAlpineFeed(scene.declaration(), scene.environment())
    const roots = [{ dependency: [{ name: 'p0' }], by: 'the test' }]
    try {
      const input = { ...universe([feed], []), versions: alpineVersions, arch: 'x86_64', roots }
      return resolveAlpineClosure(input).packages.length
    } catch (failure) {
      assert.ok(failure instanceof YoeError || failure instanceof YoeErrors, String(failure))
      return 'fails'
    }
  }
})
