/** The places that feeds of apk are published to, read by Alpine's own client. */
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { before, describe, type TestContext, test } from 'node:test'
import { silent } from '#engine/events.ts'
import type { SigningKey } from '#engine/formats.ts'
import { Exchange } from '#engine/source/exchange.ts'
import { importSite } from '../../../src/feeds/alpine/import-site.ts'
import { publishBucket } from '../../../src/feeds/alpine/publish-bucket.ts'
import { publishDirectory } from '../../../src/feeds/alpine/publish-directory.ts'
import { publishRepository } from '../../../src/feeds/alpine/repository.ts'
import { generateRsaKey } from '../../../src/feeds/keys/rsa.ts'
import { apk2 } from '../../support/alpine/apk.ts'
import { served } from '../../support/local-server.ts'
import { errorsOf, scratch } from '../../support/making.ts'
import { testBucket } from '../../support/s3.ts'
import { filesOf, prefix } from '../publish/bucket-making.ts'
import { apkOf, date, keysFolder, memberOf, publishInput } from './making.ts'

let key: SigningKey
before(async () => {
  key = await generateRsaKey('demo')
})

/** A repository of one package, to be published. */
async function source(folder: string, unit: Parameters<typeof apkOf>[1]): Promise<string> {
  const root = await mkdtemp(join(folder, 'repo-'))
  await publishRepository(publishInput(root, key, [await apkOf(folder, unit)]))
  return root
}

const inputOf = (from: string) => ({
  ...{ source: from, project: 'demo', suite: 'v3.19', signingKey: key, date, report: silent },
})

async function installs(folder: string, repository: string, names: readonly string[]): Promise<void> {
  const root = await mkdtemp(join(folder, 'system-'))
  const keys = await keysFolder(folder, key)
  const ran = await apk2(['add', '--initdb', ...names], { root, keys, repositories: [repository] })
  assert.equal(ran.code, 0, ran.stdout + ran.stderr)
}

/** Serves a folder on this machine. */
function site(t: TestContext, folder: string): Promise<string> {
  const server = createServer(async (request, response) => {
    const path = join(folder, decodeURIComponent((request.url ?? '').replace(/\?.*$/, '')))
    const content = await readFile(path).catch(() => undefined)
    response.writeHead(content === undefined ? 404 : 200).end(content)
  })
  return served(t, server)
}

test('a folder: what earlier publishes brought stays, the key lies beside it, the page says how to use it', async (t) => {
  const folder = await scratch(t)
  const target = join(folder, 'public')
  await publishDirectory({ ...inputOf(await source(folder, { name: 'one' })), target, url: 'https://x.example/feed' })
  const { packages } = await publishDirectory({
    ...inputOf(await source(folder, { name: 'two', scope: 'noarch' })),
    target,
  })
  assert.equal(packages, 2)
  await installs(folder, join(target, 'alpine'), ['one', 'two'])
  assert.match(await readFile(join(target, 'demo.rsa.pub'), 'utf8'), /BEGIN PUBLIC KEY/)
  const page = await readFile(join(target, 'index.html'), 'utf8')
  assert.match(page, /<meta name="yoe-alpine" content="x86_64">/)
  assert.match(page, /wget -O \/etc\/apk\/keys\/demo\.rsa\.pub https:\/\/ADDRESS/)
  assert.ok(page.includes('href="alpine/noarch/two-1.0-r0.apk"'))
  const [error] = await errorsOf(publishDirectory({ ...inputOf(join(folder, 'none')), target }))
  assert.equal(error?.code, 'PUBLISH_FAILED')
})

describe('a bucket', () => {
  test('two publishers at once both end up in the index', async (t) => {
    const [folder, bucket] = [await scratch(t), await testBucket(t)]
    const names = ['one', 'two', 'three', 'four']
    const sources = []
    for (const name of names)
      sources.push(await source(folder, { name, ...(name === 'four' ? { scope: 'noarch' as const } : {}) }))
    await Promise.all(sources.map((from) => publishBucket({ ...inputOf(from), files: filesOf(folder, bucket) })))
    await installs(folder, join(bucket.folder, prefix, 'alpine'), names)
    // Published again, nothing changes.
    const index = join(bucket.folder, prefix, 'alpine/x86_64/APKINDEX.tar.gz')
    const text = await memberOf(index, 'APKINDEX')
    await publishBucket({ ...inputOf(sources[0] ?? ''), files: filesOf(folder, bucket) })
    assert.equal(await memberOf(index, 'APKINDEX'), text)
  })
})

describe('a site that is replaced as a whole', () => {
  test('is brought here first, and verified', async (t) => {
    const folder = await scratch(t)
    const target = join(folder, 'public')
    await publishDirectory({ ...inputOf(await source(folder, { name: 'one' })), target })
    const url = await site(t, target)
    const live = { url, exchange: new Exchange(), fresh: '1', signingKey: key, known: new Map() }
    const copy = join(folder, 'copy')
    await mkdir(copy)
    assert.equal((await importSite({ ...live, target: copy }))?.packages, 1)
    await publishDirectory({ ...inputOf(await source(folder, { name: 'two' })), target: copy })
    await installs(folder, join(copy, 'alpine'), ['one', 'two'])

    const stranger = { ...live, signingKey: await generateRsaKey('demo'), target: join(folder, 'stranger') }
    const [foreign] = await errorsOf(importSite(stranger))
    assert.match(foreign?.message ?? '', /not signed by this project's key/)
    const apk = join(target, 'alpine/x86_64/one-1.0-r0.apk')
    const bytes = await readFile(apk)
    bytes[bytes.length - 30] = (bytes[bytes.length - 30] ?? 0) ^ 1
    await writeFile(apk, bytes)
    const [changed] = await errorsOf(importSite({ ...live, target: join(folder, 'changed') }))
    assert.match(changed?.message ?? '', /incomplete or changes at this moment/)
    await rm(join(target, 'index.html'))
    assert.equal(await importSite({ ...live, target: join(folder, 'nothing') }), undefined)
  })
})

test('killed before the index, a publish leaves the old feed whole', async (t) => {
  const folder = await scratch(t)
  const root = await source(folder, { version: '1' })
  const index = join(root, 'x86_64/APKINDEX.tar.gz')
  const old = await readFile(index)
  await publishRepository(publishInput(root, key, [await apkOf(folder, { version: '2' })]))
  // As it was in between: packages are there, the index is the old one.
  await writeFile(index, old)
  await installs(folder, root, ['app=1-r0'])
  await publishRepository(publishInput(root, key, [await apkOf(folder, { version: '2' })]))
  await installs(folder, root, ['app=2-r0'])
  assert.ok(!existsSync(join(root, '.tmp')))
  assert.deepEqual((await readdir(join(root, 'x86_64'))).sort(), ['APKINDEX.tar.gz', 'app-1-r0.apk', 'app-2-r0.apk'])
})
