import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'node:test'
import { pathToFileURL } from 'node:url'
import { gzipSync } from 'node:zlib'
import { YoeError } from '../../../src/engine/errors.ts'
import { createFetcher } from '../../../src/engine/source/download.ts'
import { noMirrors } from '../../../src/engine/source/mirrors.ts'
import { broken, content, fetchIt, quick, sha256, size } from './downloading.ts'
import { body, HostileServer, head, inTurn, redirect, type Script, status } from './hostile-server.ts'

const drip: Script = (socket) => {
  socket.write(head(200, { 'Content-Length': `${size}` }))
  const timer = setInterval(() => socket.write('x'), 20)
  socket.on('close', () => clearInterval(timer))
}

const endlessBody: Script = (socket) => {
  socket.write(head(200, { 'Transfer-Encoding': 'chunked' }))
  const chunk = `10000\r\n${'x'.repeat(65536)}\r\n`
  const more = (): void => {
    while (!socket.destroyed && socket.write(chunk)) {}
  }
  socket.on('drain', more)
  more()
}

const endlessHeader: Script = (socket) => {
  socket.write('HTTP/1.1 200 OK\r\n')
  const timer = setInterval(() => socket.write(`X-More: ${'x'.repeat(10)}\r\n`), 10)
  socket.on('close', () => clearInterval(timer))
}

interface Row {
  readonly name: string
  readonly script: Script
  /** What the caller knows: by default the digest; `nothing` or `size`. */
  readonly knows?: 'nothing' | 'size'
  /** In the error; undefined when it must succeed. */
  readonly fails?: RegExp
  readonly code?: string
  readonly asked: number
}

const html = body('<html>sign in</html>', { 'Content-Type': 'text/html' })
const rows: readonly Row[] = [
  { name: 'a right answer', script: body(content), asked: 1 },
  { name: 'a right answer nobody knows the digest of', script: body(content), knows: 'nothing', asked: 1 },
  { name: 'B1 no header at all', script: () => {}, fails: /no answer within 0\.15 s \(tried 4 times\)/, asked: 4 },
  { name: 'B1 a header that never ends, slowly', script: endlessHeader, fails: /no answer within/, asked: 4 },
  {
    name: 'B1 a header too long',
    script: (s) => s.write(`HTTP/1.1 200 OK\r\nX: ${'x'.repeat(2 ** 17)}\r\n\r\n`),
    fails: /header of the answer is too long/,
    asked: 1,
  },
  {
    name: 'B1 a stall in the body',
    script: (s) => s.write(head(200, { 'Content-Length': '9' })),
    fails: /no byte for 0\.15 s/,
    asked: 4,
  },
  { name: 'B1 a byte now and then', script: drip, fails: /slower than 100 bytes in 0\.3 s/, asked: 4 },
  {
    name: 'B1 a body that never ends',
    script: endlessBody,
    knows: 'nothing',
    fails: /more than 1048576 bytes/,
    asked: 1,
  },
  { name: 'B1 dropped in the middle once', script: inTurn(broken(1000), body(content)), asked: 2 },
  { name: 'B1 dropped in the middle always', script: broken(1000), fails: /broke after 1000 of 2900 bytes/, asked: 4 },
  { name: 'B1 closed without a word', script: (s) => s.end(), fails: /broke before an answer/, asked: 4 },
  { name: 'B1 something else than HTTP', script: (s) => s.end('SSH-2.0-hello\r\n'), fails: /not HTTP/, asked: 4 },
  {
    name: 'B2 longer than its length says',
    script: (s) => s.end(Buffer.concat([head(200, { 'Content-Length': `${size - 1}` }), Buffer.from(content)])),
    fails: /other content|not what was declared/,
    code: 'DIGEST_MISMATCH',
    asked: 1,
  },
  {
    name: 'B2 another length than signed data says',
    script: body(`${content}x`),
    knows: 'size',
    fails: /offers 2901 bytes, 2900 were expected/,
    asked: 1,
  },
  {
    name: 'B2 no length, closed early, size known',
    script: (s) => s.end(Buffer.concat([head(200, {}), Buffer.from(content.slice(9))])),
    knows: 'size',
    fails: /sent 2891 bytes, 2900/,
    asked: 4,
  },
  {
    name: 'B2 no length, closed early, digest known',
    script: (s) => s.end(Buffer.concat([head(200, {}), Buffer.from(content.slice(9))])),
    code: 'DIGEST_MISMATCH',
    fails: /declared/,
    asked: 1,
  },
  {
    name: 'B2 no length and nothing known',
    script: (s) => s.end(Buffer.concat([head(200, {}), Buffer.from(content)])),
    knows: 'nothing',
    fails: /does not say where its answer ends/,
    asked: 1,
  },
  {
    name: 'B2 chunked without an end',
    script: (s) => {
      s.end(Buffer.concat([head(200, { 'Transfer-Encoding': 'chunked' }), Buffer.from('5\r\nhello\r\n')]))
    },
    knows: 'nothing',
    fails: /broke after 5 bytes/,
    asked: 4,
  },
  {
    name: 'B2 an unasked part',
    script: (s) =>
      s.write(
        Buffer.concat([
          head(206, { 'Content-Length': `${size}`, 'Content-Range': `bytes 0-${size - 1}/${size}` }),
          Buffer.from(content),
        ]),
      ),
    fails: /HTTP 206/,
    asked: 1,
  },
  {
    name: 'B2 a web page',
    script: html,
    code: 'DIGEST_MISMATCH',
    fails: /expected sha256 [0-9a-f]{64}\n +got +sha256/,
    asked: 1,
  },
  {
    name: 'B2 both a length and chunks',
    script: (s) =>
      s.end(
        Buffer.concat([
          head(200, { 'Content-Length': '5', 'Transfer-Encoding': 'chunked' }),
          Buffer.from('5\r\nhello\r\n0\r\n\r\n'),
        ]),
      ),
    fails: /not HTTP/,
    asked: 4,
  },
  { name: 'B3 500 twice', script: inTurn(status(500, 'Oops'), status(503, 'Busy'), body(content)), asked: 3 },
  { name: 'B3 500 always', script: status(500, 'Oops'), fails: /HTTP 500 Oops \(tried 4 times\)/, asked: 4 },
  { name: 'B3 408', script: inTurn(status(408, 'Late'), body(content)), asked: 2 },
  { name: 'B3 429 with a pause', script: inTurn(status(429, 'Slow', { 'Retry-After': '0' }), body(content)), asked: 2 },
  {
    name: 'B3 429 with a pause too long',
    script: status(429, 'Slow', { 'Retry-After': '3600' }),
    fails: /HTTP 429 Slow \(retry after 3600\)/,
    asked: 1,
  },
  { name: 'B3 404', script: status(404, 'Not Found'), fails: /HTTP 404 Not Found/, asked: 1 },
  { name: 'B3 403', script: status(403, 'Forbidden'), fails: /HTTP 403 Forbidden/, asked: 1 },
  { name: 'B4 a redirect to itself', script: redirect('/x'), fails: /redirects more than 10 times/, asked: 11 },
  {
    name: 'B4 a redirect to a file',
    script: redirect('file:///etc/passwd'),
    fails: /redirects to a file: address/,
    asked: 1,
  },
  {
    name: 'B4 a redirect with a line end in it',
    script: redirect('/y%0d%0aX:1'),
    fails: /control characters/,
    asked: 1,
  },
]

for (const { name, script, knows, fails, code, asked } of rows) {
  test(`fetch: ${name}`, async () => {
    await using server = await HostileServer.start({ '/x': script })
    const known = knows === 'nothing' ? {} : knows === 'size' ? { size } : { sha256 }
    const { result, text, there } = await fetchIt({ urls: [server.url('/x')], ...known })
    if (fails === undefined) {
      assert.ok(there === content, text)
    } else {
      assert.ok(result instanceof YoeError, text)
      assert.match(text, fails)
      assert.equal(result.code, code ?? 'FETCH_FAILED')
      assert.doesNotMatch(text, /\n\s+at /)
    }
    assert.equal(server.count('/x'), asked)
  })
}

test('fetch: ten redirects are followed, and where they led is told', async () => {
  await using server = await HostileServer.start({ '/10': body(content) })
  for (let hop = 0; hop < 10; hop++) server.on(`/${hop}`, redirect(`/${hop + 1}`))
  const { result } = await fetchIt({ urls: [server.url('/0')], sha256 })
  assert.ok('url' in result)
  assert.equal(result.url, server.url('/10'))
})

test('fetch B4: credentials are sent to their server and to no other, and never shown', async () => {
  await using other = await HostileServer.start({ '/y': status(404, 'Not Found') })
  await using server = await HostileServer.start({ '/x': redirect('/same'), '/same': redirect(other.url('/y')) })
  const { text } = await fetchIt({ urls: [server.url('/x?token=hush').replace('//', '//me:secret@')], sha256 })
  assert.equal(server.asked.length, 0 + server.count('/x?token=hush') + server.count('/same'))
  const { text: again } = await fetchIt({ urls: [server.url('/x').replace('//', '//me:secret@')], sha256 })
  assert.deepEqual(
    server.asked.map((asked) => asked.headers['authorization']).slice(-2),
    Array(2).fill(`Basic ${btoa('me:secret')}`),
  )
  assert.equal(other.asked.at(-1)?.headers['authorization'], undefined)
  assert.doesNotMatch(text + again, /secret|hush/)
})

test('fetch B5: what is stored compressed stays compressed', async () => {
  const bomb = gzipSync(Buffer.alloc(2 ** 22))
  await using server = await HostileServer.start({ '/x': body(bomb, { 'Content-Encoding': 'gzip' }) })
  const { there } = await fetchIt({ urls: [server.url('/x')], size: bomb.length })
  assert.deepEqual(Buffer.from(there ?? '', 'latin1'), bomb)
  assert.equal(server.asked[0]?.headers['accept-encoding'], 'identity')
})

test('alternates: each is tried in turn, and each reason is told', async () => {
  await using server = await HostileServer.start({ '/wrong': body('other'), '/gone': status(410, 'Gone') })
  const dead = await HostileServer.start()
  const refused = dead.url('/x')
  await dead[Symbol.asyncDispose]()
  const { text, result } = await fetchIt({
    urls: [refused, server.url('/gone'), 'http://no.such.host.invalid/x', 'gopher://x/'],
    sha256,
  })
  assert.ok(result instanceof YoeError && result.code === 'FETCH_FAILED')
  assert.match(text, /connection refused \(tried 4 times\)\n.*HTTP 410 Gone\n.*DNS.*\n.*gopher: is not supported/)
  const then = await fetchIt({ urls: [server.url('/wrong'), server.url('/right')], sha256 })
  assert.ok(
    then.result instanceof YoeError && then.result.code === 'DIGEST_MISMATCH',
    'content that is wrong says more than a miss',
  )
  server.on('/right', body(content))
  const last = await fetchIt({ urls: [server.url('/wrong'), server.url('/right')], sha256 })
  assert.ok(last.there === content)
  assert.ok(last.events.some((event) => event.type === 'notice' && event.message.includes('trying elsewhere')))
})

test('a server that can not be reached is asked last and once by the downloads after', async () => {
  await using good = await HostileServer.start({ '/x': body(content) })
  const dead = await HostileServer.start()
  const refused = dead.url('/x')
  await dead[Symbol.asyncDispose]()
  const folder = mkdtempSync(join(tmpdir(), 'yoe-fetch-'))
  try {
    const fetcher = createFetcher({ mirrors: noMirrors, offline: false, limits: { ...quick, backoff: 100 } })
    const time = async (urls: string[]): Promise<number> => {
      const start = performance.now()
      await fetcher.fetch({ urls, dest: join(folder, 'f'), sha256, title: 't', report: () => {} }).catch(() => {})
      return performance.now() - start
    }
    assert.ok((await time([refused, good.url('/x')])) >= 700)
    assert.ok((await time([refused, good.url('/x')])) < 300)
    assert.ok((await time([refused])) < 300)
  } finally {
    rmSync(folder, { recursive: true })
  }
})

test('mirrors are asked before the original', async () => {
  await using server = await HostileServer.start({ '/m/x': body(content) })
  const mirrors = { rules: [{ from: 'http://origin.invalid/', to: server.url('/m/') }], only: false }
  const { result } = await fetchIt({ urls: ['http://origin.invalid/x'], sha256 }, { mirrors })
  assert.ok('url' in result && result.url === server.url('/m/x'))
})

test('offline: nothing is asked, files still are', async () => {
  await using server = await HostileServer.start({ '/x': body(content) })
  const { text } = await fetchIt({ urls: [server.url('/x')] }, { offline: true })
  assert.match(text, /works offline/)
  assert.equal(server.asked.length, 0)
  const folder = mkdtempSync(join(tmpdir(), 'yoe-fetch-'))
  try {
    writeFileSync(join(folder, 'a b'), content)
    const url = pathToFileURL(join(folder, 'a b')).href
    assert.equal((await fetchIt({ urls: [url], sha256 }, { offline: true })).there, content)
    assert.match((await fetchIt({ urls: [`${url}c`] })).text, /no such file/)
    assert.match((await fetchIt({ urls: [pathToFileURL(folder).href] })).text, /no such file/)
  } finally {
    rmSync(folder, { recursive: true })
  }
})

test('cancelling ends a download at once', async () => {
  await using server = await HostileServer.start({ '/x': drip, '/y': () => {}, '/z': status(500, 'x') })
  for (const path of ['/x', '/y', '/z']) {
    const start = performance.now()
    const limits = { connect: 5000, header: 5000, stall: 5000, slowWindow: 5000, backoff: 5000 }
    const { result } = await fetchIt({ urls: [server.url(path)], signal: AbortSignal.timeout(60) }, { limits })
    assert.ok(result instanceof YoeError && result.code === 'CANCELLED', path)
    assert.ok(performance.now() - start < 1000)
  }
})

test('progress tells bytes, and not at every one', async () => {
  const big = Buffer.alloc(1000, 'x')
  await using server = await HostileServer.start({
    '/x': (socket) => {
      socket.write(head(200, { 'Content-Length': '30000' }))
      for (let i = 0; i < 30; i++) setTimeout(() => socket.write(big), i * 10)
    },
  })
  const { events } = await fetchIt({ urls: [server.url('/x')], size: 30000 })
  const told = events.filter((event) => event.type === 'step-progress')
  assert.ok(told.length >= 2 && told.length <= 5, `${told.length} times`)
  assert.ok(told.every((event) => event.total === 30000 && event.measure === 'bytes'))
})

test('no more downloads run at a time than allowed', async () => {
  let now = 0
  let most = 0
  const slow: Script = (socket, asked) => {
    most = Math.max(most, ++now)
    setTimeout(() => {
      now--
      body(content)(socket, asked)
    }, 30)
  }
  await using server = await HostileServer.start({ '/x': slow })
  const folder = mkdtempSync(join(tmpdir(), 'yoe-fetch-'))
  try {
    const fetcher = createFetcher({ mirrors: noMirrors, offline: false, limits: { ...quick, parallel: 3 } })
    const one = (i: number) =>
      fetcher.fetch({ urls: [server.url('/x')], dest: join(folder, `${i}`), sha256, title: 't', report: () => {} })
    await Promise.all(Array.from({ length: 10 }, (_, i) => one(i)))
    assert.equal(most, 3)
  } finally {
    rmSync(folder, { recursive: true })
  }
})

test('I8: a fetcher that believes the server accepts what this one refuses', async () => {
  // Node's own fetch: an early-closed body without a length and an unasked part are successes.
  await using server = await HostileServer.start({
    '/early': (s) => s.end(Buffer.concat([head(200, {}), Buffer.from(content.slice(9))])),
    '/part': (s) => s.write(Buffer.concat([head(206, { 'Content-Length': '5' }), Buffer.from('hello')])),
  })
  for (const path of ['/early', '/part']) {
    const naive = await fetch(server.url(path))
    assert.ok(naive.ok)
    await naive.arrayBuffer()
    assert.ok((await fetchIt({ urls: [server.url(path)], size })).result instanceof YoeError)
  }
})
