/** Whatever GitHub's cache service answers, a build goes on with at most one warning. */
import assert from 'node:assert/strict'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { ActionsCache } from '#github/cache.ts'
import { bytes, Scratch, someHash } from '../engine/store/fixture.ts'
import { cacheOf, content, manifest } from '../engine/store/remotes/machines.ts'
import { type Reply, type ResultsService, runtimeToken, startResultsService } from '../support/results-service.ts'

const lookUp = 'GetCacheEntryDownloadURL'
const reply =
  (call: string, status: number, msg: string) =>
  (what: string): Reply | undefined =>
    what.includes(call) ? { status, body: { code: 'unknown', msg } } : undefined

const eachBlob = (service: ResultsService, change: (path: string) => void): void => {
  for (const { blob } of service.caches) change(service.blobPath(blob))
}

/** `want`: the one warning; undefined: a plain miss. */
const reading: readonly {
  readonly what: string
  readonly intercept?: (what: string) => Reply | undefined
  readonly harm?: (service: ResultsService) => void
  readonly want?: RegExp
}[] = [
  { what: '429 for ever', intercept: reply(lookUp, 429, 'rate limit'), want: /rate limited/ },
  { what: '500 on look-up', intercept: reply(lookUp, 500, 'internal'), want: /500|internal/i },
  { what: 'read denied', intercept: reply(lookUp, 403, 'cache read denied'), want: /denied/ },
  // GitHub's client takes what the storage says of it for the entry; who believed it would have that.
  { what: 'denied by the storage', intercept: reply('GET /devstoreaccount1', 403, 'denied'), want: /no yoe-unit/ },
  { what: 'cleared away since it was looked up', harm: (service) => eachBlob(service, (path) => rmSync(path)) },
  {
    what: 'cleared away from the list, over the 10 GB of the repository',
    harm: (service) => {
      service.caches.length = 0
    },
  },
  {
    what: 'cut off',
    harm: (service) => eachBlob(service, (path) => writeFileSync(path, readFileSync(path).subarray(0, 9000))),
    want: /can't be unpacked|not/,
  },
]

const writing: typeof reading = [
  { what: '429 for ever', intercept: reply('CreateCacheEntry', 429, 'rate limit'), want: /rate limited/ },
  { what: '500', intercept: reply('CreateCacheEntry', 500, 'internal'), want: /could not save/ },
  {
    what: 'over the 10 GB',
    intercept: reply('CreateCacheEntry', 403, 'cache storage limit exceeded'),
    want: /could not save/,
  },
  { what: 'the storage is full', intercept: reply('PUT /devstoreaccount1', 507, 'full'), want: /507|full|save/ },
  { what: 'not finished', intercept: reply('FinalizeCacheEntryUpload', 500, 'internal'), want: /500|internal|save/i },
]

// The client tries again by a clock of its own what may be better soon: the longest of them is what all take together.
describe('G7 G8 the Actions cache', { concurrency: true }, () => {
  for (const [how, rows] of Object.entries({ reading, writing }))
    for (const { what, intercept, harm, want } of rows)
      test(`${how}: ${what}: the build goes on`, async (t) => {
        await using scratch = new Scratch()
        const service = await startResultsService({ dir: join(scratch.path, 'service') })
        const opened: ActionsCache[] = []
        t.after(async () => {
          await Promise.all(opened.map((cache) => cache.close()))
          await service.close()
        })
        let now = 0
        const open = (): ActionsCache => {
          const cache = new ActionsCache({
            env: { ...service.env(runtimeToken()), RUNNER_TEMP: scratch.path },
            report: scratch.report,
            clock: {
              now: () => now,
              sleep: async (ms) => {
                now += ms
              },
            },
          })
          opened.push(cache)
          return cache
        }
        const builder = await cacheOf(scratch, 'builder', [open()])
        for (const file of [content, 'built']) await builder.store.objects.put(bytes(file))
        if (how === 'writing') service.intercept = intercept
        await builder.cache.save(manifest)
        service.intercept = how === 'reading' ? intercept : undefined
        harm?.(service)
        const { cache } = await cacheOf(scratch, 'reader', [open()])
        assert.equal(await cache.restore('x86_64', someHash), undefined)
        assert.equal(scratch.warnings.length, want === undefined ? 0 : 1, scratch.warnings.join('\n'))
        if (want !== undefined) assert.match(scratch.warnings[0] ?? '', want)
        // The next run is none the worse for it.
        service.intercept = undefined
        service.caches.length = 0
        const later = await cacheOf(scratch, 'later', [open()])
        for (const file of [content, 'built']) await later.store.objects.put(bytes(file))
        await later.cache.save(manifest)
        const again = await cacheOf(scratch, 'again', [open()])
        assert.ok(await again.cache.restore('x86_64', someHash))
      })
})
