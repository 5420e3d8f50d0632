import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { whyChanged } from '#engine/plan/why.ts'
import { listingsIn, saveListing } from '#engine/source/listing.ts'
import { BuildMemory } from '#toolkit/build-memory.ts'
import { scratch, writeTexts } from '../support/project.ts'

const digestOf = (text: string): string => createHash('sha256').update(text).digest('hex')

/** A machine that builds, and what the machines share. */
function machine(t: TestContext, shared: { text?: string | undefined; asked: number }) {
  const root = scratch(t)
  const places = { buildRoot: join(root, 'build'), cacheRoot: join(root, 'cache') }
  const memory = new BuildMemory(places, {
    recall: async () => {
      shared.asked++
      return shared.text
    },
    keep: async (text) => {
      shared.text = text
    },
  })
  const built = (id: string, document: unknown): void =>
    writeTexts(root, { [`build/${id}/last.json`]: JSON.stringify(document) })
  return { ...places, memory, built }
}

test('a machine without a past says why something is built, file by file', async (t) => {
  const shared: { text?: string; asked: number } = { asked: 0 }
  const first = machine(t, shared)
  const listing = ['yoe-tree/1', 'file "main.c" 0644 one', 'file "Makefile" 0644 two']
  const digest = digestOf(listing.join('\n'))
  saveListing(first.cacheRoot, digest, listing)
  assert.equal(await first.memory.lastOf('debian/app.x86_64'), undefined)
  first.built('debian/app.x86_64', { source: digest })
  first.built('debian/zlib.x86_64', { version: '1' })
  await first.memory.keep()

  const second = machine(t, shared)
  assert.deepEqual(await second.memory.lastOf('debian/app.x86_64'), { source: digest })
  assert.deepEqual([...(listingsIn(second.cacheRoot)(digest)?.keys() ?? [])], ['main.c', 'Makefile'])
  assert.equal(whyChanged(await second.memory.lastOf('debian/zlib.x86_64'), { version: '2' }).includes('version'), true)
  // What it built is new, what it did not touch is kept from the first.
  second.built('debian/zlib.x86_64', { version: '2' })
  await second.memory.keep()
  const third = machine(t, shared)
  assert.deepEqual(await third.memory.lastOf('debian/zlib.x86_64'), { version: '2' })
  assert.deepEqual(await third.memory.lastOf('debian/app.x86_64'), { source: digest })
})

test('a run that builds nothing neither asks nor keeps', async (t) => {
  const shared: { text?: string; asked: number } = { asked: 0 }
  const { memory, built } = machine(t, shared)
  built('debian/app.x86_64', {})
  await memory.keep()
  assert.deepEqual(shared, { asked: 0 })
  await memory.lastOf('a/b')
  await memory.lastOf('a/c')
  assert.equal(shared.asked, 1)
})

test('whatever it is given, it is forgetful at worst', async (t) => {
  const text = 'yoe-tree/1\nfile "x" 0644 y'
  for (const hostile of [
    ...[undefined, '', 'null', '[]', '{', '{"last":[]}', '{"last":null,"listings":5}', '{"__proto__":{"last":{}}}'],
    JSON.stringify({ last: { '../../etc/x': 1 }, listings: { '../../../x': text, [digestOf('other')]: text } }),
  ]) {
    const { memory, cacheRoot, buildRoot } = machine(t, { text: hostile, asked: 0 })
    assert.equal(await memory.lastOf('debian/app.x86_64'), undefined)
    assert.ok(!existsSync(buildRoot))
    assert.deepEqual(existsSync(cacheRoot) ? readdirSync(cacheRoot) : [], [], String(hostile))
  }
})
