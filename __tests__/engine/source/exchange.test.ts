import assert from 'node:assert/strict'
import { existsSync, writeFileSync } from 'node:fs'
import { createServer, type RequestListener } from 'node:http'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { Exchange } from '../../../src/engine/source/exchange.ts'
import { Pace } from '../../../src/engine/source/pace.ts'
import { served } from '../../support/local-server.ts'
import { scratch } from '../../support/project.ts'

const limits = { connect: 1000, header: 1000, stall: 500, retries: 2, backoff: 5 }

async function serve(t: TestContext, listener: RequestListener): Promise<string> {
  const server = createServer(listener)
  return served(t, server)
}

test('exchange: overload is asked again, as soon as the server says; other answers are answers', async (t) => {
  const statuses = [503, 429, 200, 404]
  const at = await serve(t, (_, answer) => {
    const status = statuses.shift() ?? 0
    answer.writeHead(status, status === 429 ? { 'retry-after': '0' } : {}).end(`said ${status}`)
  })
  const exchange = new Exchange({ limits })
  assert.deepEqual((await exchange.ask({ method: 'GET', url: at })).text, 'said 200')
  assert.deepEqual((await exchange.ask({ method: 'GET', url: at })).status, 404)
})

test('B2 exchange: a body that is cut, or whose end nobody announced, is never a file', async (t) => {
  const folder = scratch(t)
  let tries = 0
  const at = await serve(t, (request, answer) => {
    tries++
    answer.sendDate = false
    if (request.url === '/cut') {
      answer.writeHead(200, { 'content-length': 10 }).write('half')
      setTimeout(() => answer.destroy(), 10)
    } else request.socket.end('HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nsomething')
  })
  const exchange = new Exchange({ limits })
  const into = join(folder, 'x')
  await assert.rejects(
    exchange.ask({ method: 'GET', url: `${at}/cut`, into }),
    /broke after 4 of 10 bytes \(tried 3 times\)/,
  )
  assert.equal(tries, 3)
  await assert.rejects(
    exchange.ask({ method: 'GET', url: `${at}/endless`, into }),
    /does not say where its answer ends/,
  )
  assert.ok(!existsSync(into))
})

test('B4 exchange: who asks is shown to the server that is asked, and to none that it leads to', async (t) => {
  const seen: (string | undefined)[] = []
  const other = await serve(t, (request, answer) => {
    seen.push(request.headers.authorization)
    answer.end('there')
  })
  const at = await serve(t, (request, answer) => {
    seen.push(request.headers.authorization)
    answer.writeHead(302, { location: request.url === '/file' ? 'file:///etc/passwd' : other }).end()
  })
  const exchange = new Exchange({ limits })
  const request = { method: 'GET', url: at, headers: { authorization: 'Bearer x' } } as const
  assert.equal((await exchange.ask({ ...request, follow: true })).text, 'there')
  assert.deepEqual(seen, ['Bearer x', undefined])
  assert.equal((await exchange.ask(request)).status, 302)
  await assert.rejects(exchange.ask({ ...request, url: `${at}/file`, follow: true }), /redirects to a file: address/)
})

test('exchange: a part of a file is sent as it is; an answer in the middle of it ends it', async (t) => {
  const folder = scratch(t)
  const path = join(folder, 'large')
  writeFileSync(path, Buffer.alloc(8 * 2 ** 20, 'abcd'))
  const at = await serve(t, (request, answer) => {
    if (request.url === '/refuse') {
      answer.writeHead(413).end('no')
      return
    }
    let got = ''
    request.on('data', (chunk: Buffer) => {
      got += chunk.toString()
    })
    request.on('end', () => answer.end(got))
  })
  const exchange = new Exchange({ limits })
  const done: number[] = []
  const part = { path, start: 2, size: 6 }
  const answer = await exchange.ask({ method: 'PUT', url: at, body: part, progress: (bytes) => done.push(bytes) })
  assert.deepEqual([answer.text, done], ['cdabcd', [6]])
  const refused = exchange.ask({ method: 'PUT', url: `${at}/refuse`, body: { path, start: 0, size: 8 * 2 ** 20 } })
  assert.deepEqual([(await refused).status, (await refused).text], [413, 'no'])
})

test('exchange: what is cancelled ends at once, and leaves nothing', async (t) => {
  const into = join(scratch(t), 'x')
  const at = await serve(t, (_, answer) => void answer.writeHead(200, { 'content-length': 100 }).write('some'))
  const stop = new AbortController()
  const asking = new Exchange({ limits: { ...limits, stall: 60_000 } }).ask({
    ...{ method: 'GET', url: at, into, signal: stop.signal },
    progress: () => stop.abort(),
  })
  await assert.rejects(asking, { code: 'CANCELLED' })
  assert.ok(!existsSync(into))
})

test('pace: what all take together keeps to the rate', async () => {
  const pace = new Pace(1000)
  const start = performance.now()
  await Promise.all([100, 100, 100].map((bytes) => pace.take(bytes)))
  // Never sooner, however busy the machine is.
  assert.ok(performance.now() - start >= 195)
})
