import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'node:test'
import { Exchange } from '../../../src/engine/source/exchange.ts'
import { scratch } from '../../support/project.ts'
import { broken, content, ranged, size } from './downloading.ts'
import { body, HostileServer, head, inTurn, type Script, status } from './hostile-server.ts'

const limits = { connect: 1000, header: 1000, stall: 500, retries: 3, backoff: 1 }
const tag = { ETag: '"1"' }

/** Goes on at 1000, and breaks at 1500. */
const brokenAgain: Script = (socket) => {
  const range = { 'Content-Length': `${size - 1000}`, 'Content-Range': `bytes 1000-${size - 1}/${size}`, ...tag }
  socket.end(Buffer.concat([head(206, range), Buffer.from(content.slice(1000, 1500))]))
}

/** What `ranges` were asked for until the file was there; `fault`: it never was. */
const cases: readonly { name: string; script: Script; ranges: readonly (string | undefined)[]; fault?: RegExp }[] = [
  {
    name: 'goes on where it broke, each time',
    script: inTurn(broken(1000, tag), brokenAgain, ranged('"1"')),
    ranges: [undefined, 'bytes=1000-', 'bytes=1500-'],
  },
  {
    name: 'starts again when the tag is another',
    script: inTurn(broken(1000, { ETag: '"0"' }), ranged('"1"')),
    ranges: [undefined, 'bytes=1000-'],
  },
  {
    name: 'starts again where no tag, or a weak one, says that it is the same file',
    script: inTurn(broken(1000), broken(1000, { ETag: 'W/"1"' }), ranged()),
    ranges: [undefined, undefined, undefined],
  },
  {
    name: 'starts again when the server sends another part',
    script: inTurn(
      broken(1000, tag),
      (s) => s.write(head(206, { 'Content-Length': '5', 'Content-Range': 'bytes 7-11/12' })),
      body(content),
    ),
    ranges: [undefined, 'bytes=1000-', undefined],
  },
  {
    name: 'starts again when there is no further part',
    script: inTurn(broken(1000, tag), status(416, 'Range'), body(content)),
    ranges: [undefined, 'bytes=1000-', undefined],
  },
  {
    name: 'waits for a server that is overloaded, with what it has',
    script: inTurn(broken(1000, tag), status(503, 'Busy', { 'Retry-After': '0' }), ranged('"1"')),
    ranges: [undefined, 'bytes=1000-', 'bytes=1000-'],
  },
  {
    name: 'takes no part that it did not ask for',
    script: (s) => s.write(head(206, { 'Content-Length': '5', 'Content-Range': 'bytes 0-4/5' })),
    ranges: [undefined],
    fault: /sent a part \(HTTP 206\) although the whole was asked for/,
  },
  {
    name: 'takes no file that no disk holds',
    script: (s) => s.write(head(200, { 'Content-Length': `${2 ** 40}` })),
    ranges: [undefined],
    fault: /offers 1099511627776 bytes, at most/,
  },
  {
    name: 'gives up in the end, and nothing is left',
    script: broken(1000, tag),
    ranges: [undefined, 'bytes=1000-', 'bytes=1000-', 'bytes=1000-'],
    fault: /the connection broke after \d+ of \d+ bytes \(tried 4 times\)/,
  },
]

for (const { name, script, ranges, fault } of cases) {
  test(`B1 exchange: a broken download ${name}`, async (t) => {
    await using server = await HostileServer.start({ '/x': script })
    const into = join(scratch(t), 'x')
    const asking = new Exchange({ limits }).ask({ method: 'GET', url: server.url('/x'), into })
    if (fault === undefined) {
      assert.equal((await asking).status, 200)
      assert.ok(readFileSync(into, 'utf8') === content)
    } else {
      await assert.rejects(asking, { code: 'FETCH_FAILED', message: fault })
      assert.ok(!existsSync(into))
    }
    assert.deepEqual(
      server.asked.map((asked) => asked.headers['range']),
      ranges,
    )
  })
}

test('B1 exchange: what is gone when it would go on is an answer, and nothing is left', async (t) => {
  await using server = await HostileServer.start({ '/x': inTurn(broken(1000, tag), status(404, 'Gone')) })
  const into = join(scratch(t), 'x')
  const { status: said } = await new Exchange({ limits }).ask({ method: 'GET', url: server.url('/x'), into })
  assert.equal(said, 404)
  assert.ok(!existsSync(into))
})

test('exchange: headers that are made for each try are, such as signatures that do not last', async (t) => {
  await using server = await HostileServer.start({ '/x': inTurn(broken(1000, tag), ranged('"1"')) })
  let tries = 0
  const headers = async () => ({ authorization: `try ${++tries}` })
  await new Exchange({ limits }).ask({ method: 'GET', url: server.url('/x'), into: join(scratch(t), 'x'), headers })
  assert.deepEqual(
    server.asked.map((asked) => asked.headers['authorization']),
    ['try 1', 'try 2'],
  )
})
