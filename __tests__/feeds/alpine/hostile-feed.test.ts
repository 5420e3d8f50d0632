/** B12, D1-D9: packages that a feed signed and lists, and whose files are made to harm: refused by name when they arrive. */
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { openAlpineFeed } from '#feeds/alpine/feed.ts'
import { fetchApk } from '#feeds/alpine/fetch-apk.ts'
import { identityOf, readApkHead, verifyApk } from '../../../src/feeds/alpine/apk-read.ts'
import { errorsOf } from '../../support/making.ts'
import { type FeedScene, feedScene, paragraph } from './feed-making.ts'
import { apk, hostileTars, link, one, other, plain, tarOf } from './hostile-tars.ts'

/** A mirror that has one package, `app`, as its index says. */
async function offering(t: TestContext, data: Buffer, size?: number): Promise<FeedScene & { readonly path: string }> {
  const scene = await feedScene(t)
  const folder = join(scene.mirror, 'v3.19/main/x86_64')
  mkdirSync(folder, { recursive: true })
  const path = join(folder, 'app-1.0-r0.apk')
  const bytes = apk(data, 'app', size)
  writeFileSync(path, bytes)
  const { control } = await readApkHead(path)
  await scene.publish([paragraph({ P: 'app', C: identityOf(control), S: String(bytes.length) })])
  return { ...scene, path }
}

async function fetched(scene: FeedScene): Promise<string> {
  const feed = await openAlpineFeed(scene.declaration(), scene.environment())
  const [record] = feed.lookup('app')
  assert.ok(record !== undefined)
  return fetchApk(scene.declaration(), record, scene.environment())
}

async function refused(scene: FeedScene & { readonly path: string }, what: RegExp): Promise<void> {
  // Whoever goes by signatures and digests alone is content.
  await verifyApk(scene.path, undefined)
  const [error] = await errorsOf(fetched(scene))
  assert.equal(error?.code, 'ARCHIVE_UNSAFE')
  assert.match(error?.message ?? '', what)
  assert.doesNotMatch(error?.message ?? '', /[\u0000-\u001f]|\/tmp\//)
  // Neither is there anything that a later run could take for checked.
  const cache = join(scene.root, 'cache')
  assert.deepEqual(readdirSync(join(cache, 'tmp')), [])
  assert.ok(!existsSync(join(cache, 'feeds/apk')))
}

for (const [what, { tar, data = gzipSync(tar) }] of Object.entries(hostileTars))
  test(what, async (t) => refused(await offering(t, data), /^app 1\.0-r0 of feed alpine\.main is not used: its file /))

test('D6: more than it says that it has', async (t) => {
  const tar = tarOf({ ...plain, path: 'zeros', body: '\0'.repeat(4 << 20) })
  await refused(await offering(t, gzipSync(tar), 1000), /more than the 1000 bytes that it says/)
})

test('the control: links that lead anywhere, set-id bits, other names and a folder twice are no harm', async (t) => {
  const tar = tarOf(
    { ...plain, type: 'directory', mode: 0o755, path: 'usr' },
    { ...plain, path: 'usr/a', mode: 0o4755, body: 'hello' },
    link('usr/way', '../../etc/passwd'),
    link('lib', '/usr'),
    other('usr/b', 'usr/a'),
    { ...plain, type: 'directory', mode: 0o755, path: 'usr' },
  )
  for (const data of [gzipSync(tar), gzipSync(one)]) await fetched(await offering(t, data, 5))
})
