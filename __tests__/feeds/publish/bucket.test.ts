import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { readdirSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { before, describe, test } from 'node:test'
import type { Event } from '#engine/events.ts'
import type { SigningKey } from '#engine/formats.ts'
import { publishRepository } from '../../../src/feeds/debian/repository.ts'
import { generateOpenPgpKey } from '../../../src/feeds/keys/openpgp.ts'
import { BucketFiles, type Condition } from '../../../src/feeds/publish/bucket-files.ts'
import { errorsOf, run, scratch } from '../../support/making.ts'
import { secret, testBucket } from '../../support/s3.ts'
import { frontOf, refuse } from '../../support/s3-front.ts'
import { aptFor, debOf, filesIn, publishInput, readFeed, suite, versionsOf } from '../debian/feed-making.ts'
import { filesOf, prefix, publishOne } from './bucket-making.ts'

let key: SigningKey
before(async () => {
  key = await generateOpenPgpKey('demo', new Date(Date.now() - 86_400_000))
})

/** As a device has it that knows no condition. */
class Unconditional extends BucketFiles {
  override put(path: string, content: string | Uint8Array, _condition: Condition): Promise<boolean> {
    return super.put(path, content, 'always')
  }
}

/** Makes all files two days older. */
async function age(folder: string): Promise<void> {
  for (const { parentPath, name } of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    const path = join(parentPath, name)
    const then = statSync(path).mtimeMs / 1000 - 2 * 86_400
    utimesSync(path, then, then)
  }
}

describe('publishing to a bucket', () => {
  test('apt installs from it; packages and hashed indices may be kept for ever, what names them not', async (t) => {
    const [folder, bucket] = [await scratch(t), await testBucket(t)]
    const front = await frontOf(t, bucket.endpoint)
    const put = new Map<string, { cache: string; type: string }>()
    front.misbehave = ({ method, url = '', headers }) => {
      const path = url.slice(`/${bucket.bucket}/${prefix}/`.length)
      const [cache, type] = [String(headers['cache-control']), String(headers['content-type'])]
      if (method === 'PUT') put.set(path, { cache, type })
      return false
    }
    const files = filesOf(folder, { ...bucket, endpoint: front.endpoint })
    assert.deepEqual(await publishOne(folder, files, key, {}), { packages: 1 })
    const root = join(bucket.folder, prefix)
    const apt = await aptFor(folder, `file:${join(root, 'debian')}`, key)
    const update = await apt.get('update')
    assert.deepEqual([update.code, update.stderr], [0, ''])
    assert.equal((await apt.get('--yes', '--download-only', 'install', 'app')).code, 0)
    const inRelease = join(root, 'debian/dists', suite, 'InRelease')
    assert.equal((await run('gpgv', ['--keyring', join(root, 'demo.gpg'), inRelease])).code, 0)
    assert.match(await readFile(join(root, 'index.html'), 'utf8'), /<td>1\.0-r0<td>all/)
    for (const [path, { cache }] of put) {
      const named = /\/pool\/|\/by-hash\//.test(path)
      assert.equal(cache, named ? 'public, max-age=31536000, immutable' : 'public, max-age=60, must-revalidate', path)
    }
    const types = [...put].map(
      ([path, { type }]) =>
        `${path
          .split('/')
          .at(-1)
          ?.replace(/^[0-9a-f]{64}$/, 'HASH')}: ${type}`,
    )
    assert.deepEqual([...new Set(types)].sort(), [
      'HASH: application/octet-stream',
      'InRelease: text/plain; charset=utf-8',
      'Packages.gz: application/gzip',
      'Packages.xz: application/x-xz',
      'Packages: text/plain; charset=utf-8',
      'Release.gpg: application/pgp-signature',
      'Release: text/plain; charset=utf-8',
      'app_1.0-r0_all.deb: application/vnd.debian.binary-package',
      'demo.asc: application/pgp-keys',
      'demo.gpg: application/pgp-keys',
      'index.html: text/html; charset=utf-8',
    ])
    const order = [...put.keys()].filter((path) => path.startsWith('debian/'))
    const kind = (path: string): number => (path.includes('/pool/') ? 0 : path.endsWith('/InRelease') ? 2 : 1)
    assert.deepEqual(order.map(kind), order.map(kind).sort(), 'packages, indices, InRelease')
  })

  test('A11 two at once both end up in the index; without conditions one is lost', async (t) => {
    const [folder, bucket] = [await scratch(t), await testBucket(t)]
    const both = async (kind: typeof BucketFiles, names: readonly string[]): Promise<readonly string[]> => {
      rmSync(join(bucket.folder, 'team'), { recursive: true, force: true })
      await publishOne(folder, filesOf(folder, bucket), key, {})
      // All have read the same InRelease before one of them goes on.
      let readers = 0
      let open = (): void => {}
      const together = new Promise<void>((done) => (open = done))
      const meeting = filesOf(
        folder,
        bucket,
        class extends kind {
          override async get<T>(path: string, read: (local: string) => Promise<T>) {
            const found = await super.get(path, read)
            if (path.endsWith('/InRelease') && ++readers >= names.length) open()
            if (path.endsWith('/InRelease')) await together
            return found
          }
        },
      )
      await Promise.all(names.map((name) => publishOne(folder, meeting, key, { name })))
      return versionsOf(await readFeed(join(bucket.folder, prefix, 'debian'), key))
    }
    assert.deepEqual(await both(BucketFiles, ['one', 'two', 'three']), [
      'app 1.0-r0',
      'one 1.0-r0',
      'three 1.0-r0',
      'two 1.0-r0',
    ])
    assert.ok((await both(Unconditional, ['one', 'two'])).length < 3, 'the control: one of them is lost')
  })

  test('I9 refused or cut off at any request, the last feed is whole, and nothing told is secret', async (t) => {
    const [folder, bucket] = [await scratch(t), await testBucket(t)]
    const root = join(bucket.folder, prefix, 'debian')
    await publishOne(folder, filesOf(folder, bucket), key, {})
    const front = await frontOf(t, bucket.endpoint)
    const files = filesOf(folder, { ...bucket, endpoint: front.endpoint })
    await publishOne(folder, files, key, { release: 1 })
    const count = front.requests.length
    assert.ok(count > 15)
    for (let at = 0; at < count; at++) {
      front.requests.length = 0
      front.misbehave = (request, answer) => {
        if (front.requests.length <= at) return false
        if (at % 3 === 0) request.socket.destroy()
        else refuse(answer, 403, 'AccessDenied')
        return true
      }
      const errors = await errorsOf(publishOne(folder, files, key, { name: `app-${at}` }))
      const [failure] = errors
      if (failure !== undefined) {
        assert.equal(failure.code, 'PUBLISH_FAILED')
        assert.match(`${failure.message} ${failure.hint}`, at % 3 === 0 ? /publish again/ : /HTTP 403.*s3:PutObject/)
        assert.ok(!JSON.stringify(failure).includes(secret))
      }
      const offered = versionsOf(await readFeed(root, key))
      assert.equal(
        offered.includes(`app-${at} 1.0-r0`),
        offered.length > 2 + at || errors.length === 0,
        `request ${at}`,
      )
      front.misbehave = () => false
      await publishOne(folder, files, key, { name: `app-${at}` })
      assert.equal((await readFeed(root, key)).length, 3 + at)
    }
  })

  test('files that are named by their content are written once', async (t) => {
    const [folder, bucket] = [await scratch(t), await testBucket(t)]
    const files = filesOf(folder, bucket)
    await publishOne(folder, files, key, {})
    const known = async () =>
      (await filesIn(bucket.folder))
        .filter((path) => /\/pool\/|\/by-hash\//.test(path))
        .map(
          (path) => `${path} ${statSync(join(bucket.folder, path)).mtimeMs} ${statSync(join(bucket.folder, path)).ino}`,
        )
    const first = await known()
    await publishOne(folder, files, key, {})
    await publishOne(folder, files, key, { name: 'other' })
    const later = new Set(await known())
    assert.ok(first.every((each) => later.has(each)))
    const deb = first.find((each) => each.includes('.deb'))?.split(' ')[0] ?? ''
    writeFileSync(join(bucket.folder, deb), 'something else')
    const [failure] = await errorsOf(publishOne(folder, files, key, {}))
    assert.match(`${failure?.code} ${failure?.message}`, /^PUBLISH_FAILED .* has 14 bytes instead of \d+/)
    assert.equal(await readFile(join(bucket.folder, deb), 'utf8'), 'something else')
  })

  test('old versions go when their time is over; what the live index or the one before it names stays', async (t) => {
    const [folder, bucket] = [await scratch(t), await testBucket(t)]
    const files = filesOf(folder, bucket)
    const root = join(bucket.folder, prefix, 'debian')
    const debs = async () => (await filesIn(root)).flatMap((path) => /_1\.0-r(\d)_all\.deb$/.exec(path)?.[1] ?? [])
    const twoDaysLater = () => age(root)
    for (const release of [0, 1, 2]) await publishOne(folder, files, key, { release }, { keep: 1 })
    assert.deepEqual((await debs()).sort(), ['0', '1', '2'], 'within a day everything stays')
    const hashes = async () => (await filesIn(root)).filter((path) => path.includes('/by-hash/')).length
    assert.equal(await hashes(), 9)
    await twoDaysLater()
    await publishOne(folder, files, key, { release: 3 }, { keep: 1 })
    assert.deepEqual((await debs()).sort(), ['2', '3'])
    assert.equal(await hashes(), 6)
    assert.deepEqual(versionsOf(await readFeed(root, key)), ['app 1.0-r3'])
    const before = await readFile(join(root, 'dists', suite, 'InRelease'), 'utf8')
    await twoDaysLater()
    await publishOne(folder, files, key, { name: 'more' }, { keep: 1 })
    assert.deepEqual((await debs()).sort(), ['0', '3'])
    // A device that still has the InRelease before this one finds everything.
    writeFileSync(join(root, 'dists', suite, 'InRelease'), before)
    assert.deepEqual(versionsOf(await readFeed(root, key)), ['app 1.0-r3'])
  })

  test('credentials that may not delete are a warning, and the feed is published', async (t) => {
    const [folder, bucket] = [await scratch(t), await testBucket(t)]
    const front = await frontOf(t, bucket.endpoint)
    front.misbehave = ({ method }, answer) => method === 'DELETE' && refuse(answer, 403, 'AccessDenied')
    const files = filesOf(folder, { ...bucket, endpoint: front.endpoint })
    const events: Event[] = []
    const report = (event: Event): void => void events.push(event)
    for (const release of [0, 1, 2]) {
      await publishOne(folder, files, key, { release }, { keep: 1, report })
      await age(join(bucket.folder, prefix))
    }
    assert.match(JSON.stringify(events), /old versions were not removed.*s3:DeleteObject/)
    assert.equal((await readFeed(join(bucket.folder, prefix, 'debian'), key)).length, 1)
  })

  test('somebody else’s feed is not touched', async (t) => {
    const [folder, bucket] = [await scratch(t), await testBucket(t)]
    const files = filesOf(folder, bucket)
    const stranger = await generateOpenPgpKey('demo')
    await publishOne(folder, files, stranger, {})
    const [failure] = await errorsOf(publishOne(folder, files, key, { name: 'mine' }))
    assert.match(
      `${failure?.code} ${failure?.message} ${failure?.hint}`,
      /PUBLISH_FAILED the feed at s3:\/\/.* is not signed by.*another prefix/,
    )
    assert.deepEqual(versionsOf(await readFeed(join(bucket.folder, prefix, 'debian'), stranger)), ['app 1.0-r0'])
  })

  test('killed at any moment, the feed is whole, and the next publish mends the rest', async (t) => {
    const [folder, bucket] = [await scratch(t), await testBucket(t)]
    const root = join(bucket.folder, prefix, 'debian')
    await publishOne(folder, filesOf(folder, bucket), key, {})
    const keyFile = join(folder, 'key.asc')
    writeFileSync(keyFile, key.privateKey)
    const front = await frontOf(t, bucket.endpoint)
    const place = JSON.stringify({ ...bucket, endpoint: front.endpoint })
    for (const [round, at] of [1, 4, 7, 10, 13, 16, 19].entries()) {
      const source = join(folder, `killed-${round}`)
      await publishRepository(publishInput(source, key, [await debOf(folder, { name: `app-${round}` })]))
      const script = join(import.meta.dirname, 'bucket-publisher.ts')
      const child = spawn(process.execPath, [script, folder, source, keyFile, place], { stdio: 'ignore' })
      const ended = new Promise<NodeJS.Signals | null>((done) => child.once('close', (_, signal) => done(signal)))
      front.requests.length = 0
      front.misbehave = () => {
        if (front.requests.length === at) child.kill('SIGKILL')
        return false
      }
      assert.equal(await ended, 'SIGKILL')
      await readFeed(root, key)
    }
    await publishOne(folder, filesOf(folder, bucket), key, { name: 'last' })
    const apt = await aptFor(folder, `file:${root}`, key)
    assert.equal((await apt.get('-o', 'Acquire::By-Hash=no', 'update')).code, 0)
    assert.ok(versionsOf(await readFeed(root, key)).includes('last 1.0-r0'))
  })
})
