/** G7 for web servers and registries (that of buckets is in hostile.test.ts): no answer of a server fails a build. */
import assert from 'node:assert/strict'
import { createServer, type ServerResponse } from 'node:http'
import test from 'node:test'
import { gzipSync } from 'node:zlib'
import type { RemoteStore } from '../../../../src/engine/store/remote.ts'
import { WebStore } from '../../../../src/engine/store/remotes/http.ts'
import { RepositoryStore } from '../../../../src/engine/store/remotes/oci.ts'
import { RepositoryRequests } from '../../../../src/engine/store/remotes/oci-requests.ts'
import { served } from '../../../support/local-server.ts'
import { scratch as folderOf } from '../../../support/project.ts'
import { bytes, Scratch, sha, someHash } from '../fixture.ts'
import { exchange } from './backends.ts'
import { cacheOf, content, manifest } from './machines.ts'

type Answering = (answer: ServerResponse) => unknown

/** What becomes of a request for an entry's bytes; each is one warning, and after `asked` of them none is made any more. */
const rows: readonly {
  readonly what: string
  readonly answer: Answering
  readonly want: RegExp
  readonly asked: number
}[] = [
  { what: '500', answer: (answer) => answer.writeHead(500).end('oops'), want: /HTTP 500/, asked: 2 },
  { what: '503', answer: (answer) => answer.writeHead(503).end(), want: /HTTP 503/, asked: 2 },
  {
    what: '429, and a pause that nobody waits for',
    answer: (answer) => answer.writeHead(429, { 'retry-after': '3600' }).end(),
    want: /HTTP 429/,
    asked: 1,
  },
  { what: '429 for ever', answer: (answer) => answer.writeHead(429).end(), want: /HTTP 429/, asked: 2 },
  { what: 'read denied', answer: (answer) => answer.writeHead(403).end('no'), want: /HTTP 403/, asked: 1 },
  { what: 'no answer', answer: () => {}, want: /no answer within/, asked: 2 },
  {
    what: 'a body that stops',
    answer: (answer) => answer.writeHead(200, { 'content-length': 100_000 }).write('x'.repeat(50_000)),
    want: /no byte for/,
    asked: 2,
  },
  {
    what: 'a body that is cut off',
    answer: (answer) => {
      answer.writeHead(200, { 'content-length': 100_000 }).write('x'.repeat(50_000))
      setTimeout(() => answer.destroy(), 20)
    },
    want: /the connection broke after 50000 of 100000 bytes/,
    asked: 2,
  },
  {
    what: 'a body whose end nobody announced',
    answer: (answer) => answer.socket?.end('HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nyoe-unit/1\n'),
    want: /does not say where its answer ends/,
    asked: 1,
  },
  {
    what: 'more than any disk holds',
    answer: (answer) => answer.writeHead(200, { 'content-length': 2 ** 45 }).write('x'),
    want: /offers \d+ bytes, at most/,
    asked: 1,
  },
  {
    what: 'another way that never ends',
    answer: (answer) => answer.writeHead(302, { location: '?again' }).end(),
    want: /redirects more than 10 times/,
    asked: 11,
  },
  {
    what: 'a file of the machine instead',
    answer: (answer) => answer.writeHead(302, { location: 'file:///etc/passwd' }).end(),
    want: /redirects to a file: address/,
    asked: 1,
  },
]

/** What came, and is no entry: a miss and a warning about that entry, and the server is asked for others. */
const misses: typeof rows = [
  { what: 'a page', answer: (answer) => answer.end('<html>Welcome</html>'), want: /no yoe-unit/, asked: 2 },
  {
    what: 'B5: a packed body, which stays packed',
    answer: (answer) => answer.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipSync(Buffer.alloc(2 ** 24))),
    want: /no yoe-unit/,
    asked: 2,
  },
  {
    what: 'nothing',
    answer: (answer) => answer.writeHead(200, { 'content-length': 0 }).end(),
    want: /no yoe-unit/,
    asked: 2,
  },
]

const digest = `sha256:${sha('some blob')}`
const document = JSON.stringify({ schemaVersion: 2, layers: [{ digest, size: 1 }] })

const kinds: Readonly<Record<string, (host: string, folder: string) => RemoteStore>> = {
  http: (host, folder) =>
    new WebStore({
      ...{ url: `http://${host}/`, exchange: exchange(), env: { HOME: folder } },
      ...{ temp: () => `${folder}/entry`, title: 'far' },
    }),
  oci: (host, folder) => {
    const image = `${host}/acme/cache`
    const requests = new RepositoryRequests({ image, exchange: exchange(), env: { HOME: folder }, push: true })
    return new RepositoryStore({ requests, image, temp: () => `${folder}/entry`, title: 'far' })
  },
}

for (const [kind, open] of Object.entries(kinds))
  for (const { what, answer: misbehave, want, asked } of [...rows, ...misses])
    test(`G7 ${kind}: ${what}: one warning, and the build goes on`, async (t) => {
      await using scratch = new Scratch()
      let count = 0
      const host = await served(
        t,
        createServer((request, answer) => {
          // What says which blob an entry is, is good.
          if (request.url?.includes('/manifests/') === true) answer.end(document)
          else {
            count++
            misbehave(answer)
          }
        }),
      )
      const { store, cache } = await cacheOf(scratch, 'machine', [open(new URL(host).host, folderOf(t))])
      assert.equal(await cache.restore('x86_64', someHash), undefined)
      assert.equal(await cache.restore('x86_64', sha('another')), undefined)
      assert.equal(count, asked)
      assert.equal(scratch.warnings.length, 1, scratch.warnings.join('\n'))
      assert.match(scratch.warnings[0] ?? '', want)
      // It is built; where it goes is the next question.
      for (const file of [content, 'built']) await store.objects.put(bytes(file))
      await store.objects.flush()
      await cache.save(manifest)
      assert.equal((await cache.restore('x86_64', someHash))?.from, 'local')
    })
