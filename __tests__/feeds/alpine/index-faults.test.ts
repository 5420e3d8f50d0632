/** B6, B8, B13, B14, C4, C8: indexes that are signed rightly and still not what they should be; each with what a naive reader takes. */
import assert from 'node:assert/strict'
import { createPublicKey } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, type TestContext, test } from 'node:test'
import { gunzipSync, gzipSync } from 'node:zlib'
import { universe } from '#engine/catalog/universe.ts'
import { YoeError, YoeErrors } from '#engine/errors.ts'
import type { Event } from '#engine/events.ts'
import { resolveAlpineClosure } from '#feeds/alpine/closure.ts'
import { openAlpineFeed } from '#feeds/alpine/feed.ts'
import { feedRecords } from '#feeds/alpine/feed-records.ts'
import { indexArchive, readIndexArchive } from '#feeds/alpine/index-archive.ts'
import { alpineIndex, scanIndex } from '#feeds/alpine/index-scan.ts'
import { signatureMember } from '#feeds/alpine/signature.ts'
import { smallFiles, tarEnd } from '#feeds/alpine/tar.ts'
import { alpineVersions } from '#feeds/alpine/version.ts'
import { freshRsaKey, publicPem } from '#feeds/keys/rsa.ts'
import { encodeIndex, readIndex, writeIndex } from '../../../src/feeds/shared/binary-index.ts'
import { errorsOf, scratch } from '../../support/making.ts'
import { render as fieldLines, mutated, numbers } from '../../support/poison.ts'
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

describe('B13: what an index says', () => {
  const fields = {
    C: `Q1${'a'.repeat(27)}=`,
    P: 'victim',
    V: '2.0_rc1-r3',
    A: 'x86_64',
    S: '1234',
    I: '5000',
    T: 'it does things',
    t: '1700000000',
    k: '10',
    D: 'so:libc.musl-x86_64.so.1 foo>=1.0 !bad /bin/sh cmd:tool~2',
    p: 'so:libv.so.1=1.2 cmd:victim=2.0-r3 virtual',
    i: 'docs app=1.0-r0',
  }
  const render = (values: Readonly<Record<string, string>>): string => fieldLines(values, ':')

  const poison = [
    ...['\0', '\x1b[2J', '\r', '\r\n', '\x7f', '\x80', '\u202e', '\n', '\n ', '\t', ':', '|', '(', ')', ' '],
    ...[
      '/',
      '//host/',
      '..',
      '../../',
      '/../',
      '.',
      '\\',
      '$(id)',
      '`id`',
      ';id;',
      '&',
      '"',
      "'",
      '*',
      '?',
      '#',
      '%2e%2e',
    ],
    ...[
      '-',
      '--rf',
      '=',
      '~',
      '><',
      '<',
      '!',
      '@edge',
      '9'.repeat(40),
      'A'.repeat(3000),
      '__proto__',
      'constructor',
      'é',
    ],
    ...['\nP:victim', '\nV:9', '\nC:Q1x', '\n\nP:../x\nV:1\n'],
  ]

  /** What of a record could end up in a path, a command line or a message. */
  interface Said {
    readonly name: string
    readonly version: string
    readonly path: string
    readonly others: readonly string[]
  }

  function danger({ name, version, path, others }: Said): string | undefined {
    if (!/^[A-Za-z0-9_][A-Za-z0-9+._-]*$/.test(name) || name.includes('..')) return `name ${JSON.stringify(name)}`
    if (!/^[0-9][A-Za-z0-9+._~-]*$/.test(version) || version.length > 255) return `version ${JSON.stringify(version)}`
    if (!/^[A-Za-z0-9+._~-]+\.apk$/.test(path) || path.startsWith('-')) return `path ${JSON.stringify(path)}`
    const other = others.find((text) => !/^[\x21-\x7e]*$/.test(text) || text.length > 512)
    return other === undefined ? undefined : `relation ${JSON.stringify(other)}`
  }

  let files = 0
  /** Everything that our feed says about a text. */
  function ours(folder: string, text: Buffer): readonly Said[] {
    const path = join(folder, `${++files}.index`)
    writeIndex(path, `${path}.temp`, encodeIndex(text, scanIndex(text), alpineIndex))
    const index = readIndex(path, alpineIndex)
    assert.ok(index !== undefined)
    const events: Event[] = []
    const feed = feedRecords({
      ...{ id: 'alpine.main', digest: '', index },
      rebuild: () => assert.fail('the index is damaged'),
      report: (event) => events.push(event),
    })
    const records = [...feed.names()].flatMap((name) => feed.lookup(name))
    for (const event of events)
      assert.doesNotMatch(JSON.stringify(event), /\\u00[01]|\\u007f/, 'a warning is plain text')
    return records.map(({ name, version, origin, depends, provides, conflicts, installIf = [] }) => ({
      name,
      version,
      path: origin.kind === 'feed' ? origin.path : '',
      others: [...depends.flat(), ...conflicts, ...installIf]
        .flatMap((one) => [one.name, one.version?.version ?? ''])
        .concat(provides.flatMap((one) => [one.name, one.version ?? ''])),
    }))
  }

  /** How one would do it at first: split into paragraphs and lines, take what is there. */
  function naive(text: string): readonly Said[] {
    return text.split('\n\n').flatMap((stanza) => {
      const value = (letter: string): string => new RegExp(`^${letter}:(.*)$`, 'm').exec(stanza)?.[1] ?? ''
      if (value('P') === '') return []
      const [name, version] = [value('P'), value('V')]
      return [{ name, version, path: `${name}-${version}.apk`, others: value('D').split(' ') }]
    })
  }

  test('of 4,000 mutated paragraphs nothing gets through that could harm, and their neighbours stay', async (t) => {
    const folder = await scratch(t)
    const next = numbers(13)
    let [taken, harmful] = [0, 0]
    for (let round = 0; round < 40; round++) {
      const stanzas = Array.from(
        { length: 100 },
        (_, index) => `${mutated({ ...fields, P: `victim${index}` }, { poison, between: ':' }, next)}\n`,
      )
      const text = `${render({ ...fields, P: 'before' })}\n${stanzas.join('')}\n${render({ ...fields, P: 'after' })}\n`
      const said = ours(folder, Buffer.from(text))
      for (const one of said) assert.equal(danger(one), undefined)
      const names = said.map(({ name }) => name)
      assert.ok(names.includes('before') && names.includes('after'))
      taken += said.length
      harmful += naive(text).filter((one) => danger(one) !== undefined).length
    }
    // The test itself is worth something: harmless changes pass, and whoever is less strict takes harmful ones.
    assert.ok(taken > 400, `${taken} were taken`)
    assert.ok(harmful > 500, `${harmful} were harmful`)
  })

  test('a line of 300 MB costs its own paragraph at most', () => {
    const huge = Buffer.alloc(300 * 2 ** 20, 'x')
    const before = Buffer.from(`${render({ ...fields, P: 'before' })}\n${render(fields)}D:`)
    const scan = scanIndex(Buffer.concat([before, huge, Buffer.from(`\n\n${render({ ...fields, P: 'after' })}`)]))
    assert.deepEqual([scan.recordCount, scan.refused.count], [2, 1])
    assert.ok((scan.refused.first[0] ?? '').length < 200)
  })

  test('more than 300 MiB, signed rightly, are not unpacked', async (t) => {
    const scene = await feedScene(t)
    const zeros = Buffer.alloc(301 << 20)
    const member = gzipSync(Buffer.concat([...smallFiles([['APKINDEX', zeros]], 1_700_000_000), tarEnd]), { level: 1 })
    const archive = Buffer.concat([await signatureMember(member, [await testSigner()]), member])
    scene.put(archive)
    const [error] = await errorsOf(openAlpineFeed(scene.declaration(), scene.environment()))
    assert.equal(error?.code, 'FEED_INVALID')
    assert.match(error?.message ?? '', /more than 314572800 bytes/)
    // What a plain gunzip makes of a megabyte.
    assert.ok(gunzipSync(archive).length > 301 << 20)
  })
})

describe('B14: graphs that are made to keep a solver busy end', () => {
  const range = (count: number): readonly number[] => Array.from({ length: count }, (_, at) => at)
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
          D: range(300)
            .map((at) => `v${at}`)
            .join(' '),
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
