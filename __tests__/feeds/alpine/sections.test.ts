/** Feeds of several sections: asked for at once, and what is said of those that can't be had. */
import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { createServer, type ServerResponse } from 'node:http'
import { type TestContext, test } from 'node:test'
import { createFetcher } from '#engine/source/download.ts'
import { openAlpineFeed } from '#feeds/alpine/feed.ts'
import { indexArchive } from '#feeds/alpine/index-archive.ts'
import { freshRsaKey } from '#feeds/keys/rsa.ts'
import { served } from '../../support/local-server.ts'
import { errorsOf } from '../../support/making.ts'
import { feedScene, indexText, paragraph, testSigner } from './feed-making.ts'

/** Path below the branch to an answer; what is not here is HTTP 404. */
type Answers = Readonly<Record<string, Buffer | number>>

interface Site {
  readonly url: string
  readonly asked: readonly string[]
  /** The most that were waiting for an answer together. */
  readonly peak: () => number
}

/** @param together answers nobody before so many have asked, or a while has passed */
async function site(t: TestContext, answers: Answers, together = 1): Promise<Site> {
  const asked: string[] = []
  let waiting: (() => void)[] = []
  let peak = 0
  const answer = (path: string, response: ServerResponse): void => {
    const found = answers[path]
    if (Buffer.isBuffer(found)) response.writeHead(200, { 'content-length': found.length }).end(found)
    else response.writeHead(found ?? 404).end()
  }
  const server = createServer((request, response) => {
    const path = (request.url ?? '').replace(/^\/v3\.19\//, '')
    asked.push(path)
    const go = (): void => {
      for (const one of waiting) one()
      waiting = []
    }
    waiting.push(() => answer(path, response))
    peak = Math.max(peak, waiting.length)
    if (waiting.length >= together) go()
    else setTimeout(go, 3000).unref()
  })
  return { url: await served(t, server), asked, peak: () => peak }
}

const place = (section: string): string => `${section}/x86_64/APKINDEX.tar.gz`

async function indexOf(name: string, signer = testSigner()): Promise<Buffer> {
  return indexArchive(indexText([paragraph({ P: name })]), 'v3.19.1', 1_700_000_000, [await signer])
}

async function opened(t: TestContext, sites: readonly string[], sections: readonly string[] = ['main', 'community']) {
  const scene = await feedScene(t)
  const [last = '', ...mirrors] = sites.toReversed()
  const rules = mirrors.toReversed().map((to) => ({ from: last, to }))
  const fetcher = createFetcher({ mirrors: { rules, only: false }, offline: false, limits: { retries: 0 } })
  const feed = openAlpineFeed(scene.declaration({ url: last, sections: [...sections] }), scene.environment({ fetcher }))
  return {
    scene,
    feed,
    notices: () => scene.events.flatMap((event) => (event.type === 'notice' ? [event.message] : [])),
  }
}

test('sections are asked for at once', async (t) => {
  const { url, peak } = await site(
    t,
    { [place('main')]: await indexOf('one'), [place('community')]: await indexOf('two') },
    2,
  )
  const { feed } = await opened(t, [url])
  assert.deepEqual([...(await feed).names()].sort(), ['one', 'two'])
  assert.equal(peak(), 2)
})

test('a mirror that lacks a section is no fault while another place has it', async (t) => {
  const mirror = await site(t, { [place('main')]: await indexOf('one') })
  const upstream = await site(t, { [place('main')]: await indexOf('one'), [place('community')]: await indexOf('two') })
  const { feed, notices } = await opened(t, [mirror.url, upstream.url])
  assert.deepEqual([...(await feed).names()].sort(), ['one', 'two'])
  assert.deepEqual(notices(), [])
  assert.deepEqual(upstream.asked, [place('community')])
})

test('a mirror that is broken is told once, however many sections there are', async (t) => {
  const mirror = await site(t, { [place('main')]: 500, [place('community')]: 500 })
  const upstream = await site(t, { [place('main')]: await indexOf('one'), [place('community')]: await indexOf('two') })
  const { feed, notices } = await opened(t, [mirror.url, upstream.url])
  assert.deepEqual([...(await feed).names()].sort(), ['one', 'two'])
  assert.equal(notices().length, 1)
  assert.match(notices()[0] ?? '', /HTTP 500[\s\S]*; trying http/)
})

test('what an architecture has nothing of is not asked for', async (t) => {
  const { url, asked } = await site(t, {})
  const scene = await feedScene(t)
  const feed = await openAlpineFeed(scene.declaration({ url, arches: ['aarch64'] }), scene.environment())
  assert.deepEqual([[...feed.names()], asked, scene.events], [[], [], []])
})

const wrong = freshRsaKey('test.rsa.pub', new Date(0))
const rows: readonly {
  readonly what: string
  readonly answers: () => Promise<Answers>
  readonly code: string
  readonly says: RegExp
  readonly hint: RegExp
}[] = [
  {
    what: 'no section is there',
    answers: async () => ({}),
    code: 'FETCH_FAILED',
    says: /^feed alpine\.main has no indices for x86_64, branch v3\.19\n.*main\/x86_64\/APKINDEX\.tar\.gz: HTTP 404.*\n.*community.*HTTP 404[^\n]*$/,
    hint: /arches = \[\.\.\.\]/,
  },
  {
    what: 'one of two is not there',
    answers: async () => ({ [place('main')]: await indexOf('one') }),
    code: 'FETCH_FAILED',
    says: /^feed alpine\.main has no index for x86_64 in 1 of 2 sections, branch v3\.19\n[^\n]*community[^\n]*HTTP 404[^\n]*$/,
    hint: /sections = \[\.\.\.\]/,
  },
  {
    what: 'none can be fetched',
    answers: async () => ({ [place('main')]: 503, [place('community')]: 503 }),
    code: 'FETCH_FAILED',
    says: /^feed alpine\.main can't fetch the indices for x86_64, branch v3\.19\n[\s\S]*HTTP 503/,
    hint: /name a mirror/,
  },
  {
    what: 'one is wrong, one is not there: to be wrong says more',
    answers: async () => ({ [place('community')]: await indexOf('one', wrong) }),
    code: 'FEED_UNTRUSTED',
    says: /community/,
    hint: /./,
  },
]
for (const { what, answers, code, says, hint } of rows)
  test(`${what}: one error, nothing beside it, and nothing is left behind`, async (t) => {
    const { url } = await site(t, await answers())
    const { scene, feed, notices } = await opened(t, [url])
    const errors = await errorsOf(feed)
    assert.deepEqual(
      errors.map((error) => error.code),
      [code],
    )
    assert.match(errors[0]?.message ?? '', says)
    assert.match(errors[0]?.hint ?? '', hint)
    assert.deepEqual(notices(), [])
    const left = readdirSync(scene.root, { recursive: true, withFileTypes: true })
    assert.deepEqual(
      left.flatMap((each) => (each.isFile() ? [each.name] : [])),
      ['test.rsa.pub'],
    )
  })
