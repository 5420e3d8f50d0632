import assert from 'node:assert/strict'
import test from 'node:test'
import { broken, content, fetchIt, ranged, sha256 } from './downloading.ts'
import { body, HostileServer, head, inTurn, type Script, status } from './hostile-server.ts'

const resumes: readonly { name: string; script: Script; knows: boolean; ranges: readonly (string | undefined)[] }[] = [
  {
    name: 'goes on where it broke',
    script: inTurn(broken(1000), broken(0), ranged()),
    knows: true,
    ranges: [undefined, 'bytes=1000-', undefined],
  },
  {
    name: 'goes on with a strong tag',
    script: inTurn(broken(1000, { ETag: '"1"' }), ranged('"1"')),
    knows: false,
    ranges: [undefined, 'bytes=1000-'],
  },
  {
    name: 'starts again when the tag is another',
    script: inTurn(broken(1000, { ETag: '"0"' }), ranged('"1"')),
    knows: false,
    ranges: [undefined, 'bytes=1000-'],
  },
  {
    name: 'starts again when nothing tells that the file is the same',
    script: inTurn(broken(1000), ranged()),
    knows: false,
    ranges: [undefined, undefined],
  },
  {
    name: 'starts again when the server sends another part',
    script: inTurn(
      broken(1000),
      (s) => s.write(head(206, { 'Content-Length': '5', 'Content-Range': 'bytes 7-11/12' })),
      body(content),
    ),
    knows: true,
    ranges: [undefined, 'bytes=1000-', undefined],
  },
  {
    name: 'starts again when there is no further part',
    script: inTurn(broken(1000), status(416, 'Range'), body(content)),
    knows: true,
    ranges: [undefined, 'bytes=1000-', undefined],
  },
  {
    name: 'starts again when the parts do not fit',
    script: inTurn(broken(5, {}, 'wrong'), ranged(), body(content)),
    knows: true,
    ranges: [undefined, 'bytes=5-', undefined],
  },
]
for (const { name, script, knows, ranges } of resumes) {
  test(`resume: ${name}`, async () => {
    await using server = await HostileServer.start({ '/x': script })
    const { there, text } = await fetchIt({ urls: [server.url('/x')], ...(knows ? { sha256 } : {}) })
    assert.ok(there === content, text)
    assert.deepEqual(
      server.asked.map((asked) => asked.headers['range']),
      ranges,
    )
  })
}

test('resume: another server goes on where the first broke off for good', async () => {
  await using bad = await HostileServer.start({ '/x': inTurn(broken(1000), status(404, 'Gone')) })
  await using good = await HostileServer.start({ '/x': ranged() })
  const { there, text } = await fetchIt({ urls: [bad.url('/x'), good.url('/x')], sha256 })
  assert.ok(there === content, text)
  assert.equal(good.asked[0]?.headers['range'], 'bytes=1000-')
})
