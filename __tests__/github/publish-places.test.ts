import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { before, test } from 'node:test'
import { YoeError } from '#engine/errors.ts'
import { type Event, silent } from '#engine/events.ts'
import type { SigningKey } from '#engine/formats.ts'
import { publishRepository } from '#feeds/debian/repository.ts'
import { generateOpenPgpKey } from '#feeds/keys/openpgp.ts'
import type { PublishRequest } from '#github/engine-port.ts'
import { session } from '#github/session.ts'
import { feedTarget } from '#toolkit/feed-target.ts'
import { debOf, publishInput, readFeed, versionsOf } from '../feeds/debian/feed-making.ts'
import { served } from '../support/local-server.ts'
import { errorsOf } from '../support/making.ts'
import { scratch } from '../support/project.ts'
import { secret, testBucket } from '../support/s3.ts'
import { vendorProject } from '../support/vendor-project.ts'

let key: SigningKey
before(async () => {
  key = await generateOpenPgpKey('product', new Date(Date.now() - 86_400_000))
})

/** What a build job of a run uploads: a feed that is signed by a key that nobody keeps. */
async function built(folder: string, name: string, version = '1.0'): Promise<string> {
  const feed = join(folder, `feed-${name}-${version}`)
  const throwaway = await generateOpenPgpKey('product')
  await publishRepository(publishInput(feed, throwaway, [await debOf(folder, { name, version })]))
  return feed
}

async function project(t: Parameters<typeof vendorProject>[0]) {
  const { root, mirrors, cache } = await vendorProject(t)
  const folder = scratch(t)
  const home = join(folder, 'home')
  mkdirSync(home)
  const env = {
    HOME: home,
    XDG_CONFIG_HOME: join(home, 'config'),
    PATH: process.env['PATH'],
    YOE_MIRRORS: mirrors,
    YOE_CACHE: cache,
  }
  const request = { projectDir: root, report: silent, signingKey: key.privateKey }
  return { folder, env, request }
}

test('a bucket gets what the jobs of each run made, signed with the secret', async (t) => {
  const { folder, env, request } = await project(t)
  const bucket = await testBucket(t)
  const engine = session({ ...env, ...bucket.env })
  const to = `s3://${bucket.bucket}/team/feed?endpoint=${bucket.endpoint}&region=${bucket.region}`
  const events: Event[] = []
  const publish = async (more: Partial<PublishRequest>) =>
    engine.publish({ ...request, to, feeds: [], report: (event) => void events.push(event), ...more })
  const first = await publish({ feeds: [await built(folder, 'one'), await built(folder, 'two++')] })
  assert.deepEqual([first.dir, first.url], [undefined, `${bucket.endpoint}/${bucket.bucket}/team/feed`])
  const [feed, ...others] = first.feeds
  assert.ok(feed !== undefined && others.length === 0)
  assert.deepEqual([feed.distro, feed.keyFingerprint], ['debian', key.fingerprint])
  assert.ok(feed.install.includes(`${first.url}/${feed.keyring}\n`), feed.install)
  for (const version of ['2.0', '3.0', '4.0'])
    await publish({ feeds: [await built(folder, 'one', version)], keep: 2, url: 'https://feed.example.com' })
  const root = join(bucket.folder, 'team/feed')
  const offered = versionsOf(await readFeed(join(root, 'debian'), key)).filter((each) => !each.includes('keyring'))
  assert.deepEqual(offered, ['one 3.0-r0', 'one 4.0-r0', 'two++ 1.0-r0'])
  assert.match(readFileSync(join(root, 'index.html'), 'utf8'), /^URIs: https:\/\/feed\.example\.com\/debian$/m)
  readFileSync(join(root, feed.keyring))
  assert.ok(!JSON.stringify(events).includes(secret))
})

test('a live site comes along; what this run has at hand is not fetched', async (t) => {
  const { folder, env, request } = await project(t)
  const engine = session(env)
  const site = join(folder, 'site')
  const feeds = [await built(folder, 'one'), await built(folder, 'two')]
  await engine.publish({ ...request, to: site, feeds })
  const asked: string[] = []
  const server = createServer(({ url = '' }, response) => {
    asked.push(url)
    const file = join(site, decodeURIComponent(new URL(url, 'http://x').pathname))
    if (existsSync(file)) response.end(readFileSync(file))
    else response.writeHead(404).end()
  })
  const live = await served(t, server)
  const next = join(folder, 'next')
  const again = [feeds[1] ?? '', await built(folder, 'three')]
  const report = await engine.publish({ ...request, to: next, live, url: live, feeds: again })
  const names = versionsOf(await readFeed(join(next, 'debian'), key)).map((each) => each.split(' ')[0])
  assert.deepEqual(
    names.filter((name) => name?.includes('keyring') === false),
    ['one', 'three', 'two'],
  )
  assert.equal(report.url, live)
  assert.ok((report.imported?.packages ?? 0) >= 2)
  const fetched = asked.filter((path) => path.endsWith('.deb')).map((path) => path.split('/').at(-1)?.split('_')[0])
  assert.ok(fetched.includes('one') && !fetched.includes('two'), fetched.join())
})

test('without a key that lasts nothing is published', async (t) => {
  const { folder, env, request } = await project(t)
  const to = join(folder, 'public')
  const publish = session(env).publish({ ...request, signingKey: undefined, to, feeds: [await built(folder, 'one')] })
  const [missing, ...others] = await errorsOf(publish)
  assert.deepEqual([missing?.code, others.length], ['KEY_INVALID', 0])
  assert.match(missing?.hint ?? '', /`signing-key`, from the secret YOE_SIGNING_KEY/)
  assert.ok(!existsSync(to))
})

const places: readonly (readonly [text: string, means: RegExp])[] = [
  ['out', /^\/somewhere\/out$/],
  ['/srv/feed', /^\/srv\/feed$/],
  ['s3://acme-feed', /^s3:\/\/acme-feed$/],
  ['s3://acme-feed/a/b/?region=eu-west-1&endpoint=https://minio.lan:9000', /^s3:\/\/acme-feed\/a\/b$/],
  ['s3://acme-feed?push=never', /"push", which a feed does not take/],
  ['s3://acme-feed?regoin=x', /"s3:\/\/acme-feed\?…" says "regoin"/],
  ['s3://user:hunter2@acme-feed/a', /"s3:\/\/\*\*\*@acme-feed\/a" must not hold a user/],
  ['s3:///a', /no good bucket/],
  ['https://feed.example.com', /it is no folder and no bucket/],
  ['ftp://x/y', /it is no folder and no bucket/],
]
for (const [text, means] of places)
  test(`--to ${text}`, () => {
    let said: string
    try {
      const target = feedTarget(text, '/somewhere')
      said = target.kind === 'directory' ? target.path : target.title
    } catch (failure) {
      assert.ok(failure instanceof YoeError && failure.code === 'USAGE')
      said = failure.message
    }
    assert.match(said, means)
    assert.ok(!said.includes('hunter2'))
  })
