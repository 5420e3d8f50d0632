import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import test from 'node:test'
import { UnitCache } from '../../../../src/engine/store/cache.ts'
import { scratch as folderOf } from '../../../support/project.ts'
import { bytes, Scratch, sha, someHash } from '../fixture.ts'
import { bucketAt } from './backends.ts'
import { type HostileBucket, hostileBucket, type Misbehaviour, problem } from './hostile-bucket.ts'
import { cacheOf, content, manifest, name } from './machines.ts'

const secret = 'a-Secret-that-nobody-may-see'
const token = 'a-session-token-that-nobody-may-see'
const env = { AWS_ACCESS_KEY_ID: 'AKIATEST', AWS_SECRET_ACCESS_KEY: secret, AWS_SESSION_TOKEN: token }
const fill = (data: string | Buffer) => async (path: string) => writeFileSync(path, data)

const openAt = (bucket: HostileBucket, folder: string) =>
  bucketAt({ bucket: 'bucket', endpoint: bucket.endpoint, region: 'us-east-1' }, env, folder)

const hour = 3600 * 1000

/** Each is one warning, whose text and hint are these; nothing else happens to the build. */
const down: readonly { what: string; misbehave: Misbehaviour; warning: RegExp; hint?: RegExp; asked?: number }[] = [
  {
    what: '403',
    misbehave: (_, answer) => problem(answer, 403, 'AccessDenied'),
    warning: /HTTP 403 \(AccessDenied\)/,
    hint: /s3:GetObject/,
    asked: 1,
  },
  { what: '500', misbehave: (_, answer) => problem(answer, 500, 'InternalError'), warning: /HTTP 500/, asked: 2 },
  {
    what: '503 that asks to come back later than anybody waits',
    misbehave: (_, answer) => {
      answer.writeHead(503, { 'retry-after': '3600' }).end()
      return true
    },
    warning: /HTTP 503/,
    asked: 1,
  },
  { what: 'no answer', misbehave: () => true, warning: /no answer within/, asked: 2 },
  {
    what: 'a body that stops',
    misbehave: (_, answer) => {
      answer.writeHead(200, { 'content-length': 100_000 }).write('x'.repeat(50_000))
      return true
    },
    warning: /no byte for/,
    asked: 2,
  },
  {
    what: 'a connection that is cut',
    misbehave: (request) => {
      request.socket.destroy()
      return true
    },
    warning: /the connection broke/,
    asked: 2,
  },
  {
    what: 'credentials that have expired',
    misbehave: (_, answer) => problem(answer, 400, 'ExpiredToken'),
    warning: /HTTP 400 \(ExpiredToken\)/,
    hint: /renew it/,
    asked: 1,
  },
  {
    what: 'another region',
    misbehave: (_, answer) => problem(answer, 400, 'AuthorizationHeaderMalformed', '<Region>eu-west-1</Region>'),
    warning: /HTTP 400/,
    hint: /region = "eu-west-1"/,
    asked: 1,
  },
  {
    what: 'a bucket that moved',
    misbehave: (_, answer) => {
      answer.writeHead(301, { 'x-amz-bucket-region': 'eu-west-1', location: 'http://127.0.0.1:9/' }).end()
      return true
    },
    warning: /HTTP 301/,
    hint: /region = "eu-west-1"/,
    asked: 1,
  },
  {
    what: 'no such bucket',
    misbehave: (_, answer) => problem(answer, 404, 'NoSuchBucket'),
    warning: /NoSuchBucket/,
    asked: 1,
  },
]

for (const { what, misbehave, warning, hint, asked } of down) {
  test(`G7 s3: ${what}: one warning, the build goes on, no secret is told`, async (t) => {
    await using scratch = new Scratch()
    const bucket = await hostileBucket(t, misbehave)
    const { store, cache } = await cacheOf(scratch, 'machine', [openAt(bucket, folderOf(t))])
    for (const file of [content, 'built']) await store.objects.put(bytes(file))
    assert.equal(await cache.restore('x86_64', someHash), undefined)
    await cache.save(manifest)
    assert.equal(await cache.restore('x86_64', sha('another')), undefined)
    assert.equal((await cache.restore('x86_64', someHash))?.from, 'local')
    assert.equal(scratch.warnings.length, 1, scratch.warnings.join('\n'))
    assert.match(scratch.warnings[0] ?? '', warning)
    const told = JSON.stringify(scratch.events)
    if (hint !== undefined) assert.match(told.replaceAll('\\"', '"'), hint)
    assert.ok(!told.includes(secret) && !told.includes(token) && !told.includes('AKIATEST'))
    assert.deepEqual([...bucket.objects], [])
    if (asked !== undefined) assert.equal(bucket.asked.length, asked, 'and is left alone afterwards')
  })
}

test('G7 s3: nobody there', async (t) => {
  await using scratch = new Scratch()
  const nowhere = { endpoint: 'http://127.0.0.1:9', objects: new Map(), asked: [], uploads: new Map() }
  const { cache } = await cacheOf(scratch, 'machine', [openAt(nowhere, folderOf(t))])
  for (const unit of ['a', 'b', 'c']) assert.equal(await cache.restore('x86_64', sha(unit)), undefined)
  assert.equal(scratch.warnings.length, 1)
})

test('G7 s3: many that ask at once are told once', async (t) => {
  await using scratch = new Scratch()
  const bucket = await hostileBucket(t, (_, answer) => problem(answer, 403, 'AccessDenied'))
  const { cache } = await cacheOf(scratch, 'machine', [openAt(bucket, folderOf(t))])
  await Promise.all(Array.from({ length: 100 }, (_, index) => cache.restore('x86_64', sha(`${index}`))))
  assert.equal(scratch.warnings.length, 1)
  assert.ok(bucket.asked.length <= 24, 'those that waited for their turn ask no more')
})

test('G7 s3: an upload that is cut off is not there, and is tried again', async (t) => {
  let cut = 0
  const bucket = await hostileBucket(t, (request) => {
    if (request.method !== 'PUT' || cut > 0) return false
    cut++
    request.once('data', () => request.socket.destroy())
    return true
  })
  const store = openAt(bucket, folderOf(t))
  const data = randomBytes(4 * 2 ** 20)
  assert.equal(await store.put('units/x/a', fill(data)), 'saved')
  assert.equal(cut, 1)
  assert.ok(bucket.objects.get('team/units/x/a')?.equals(data))
})

test('G7 s3: a list that lies about what is there is a miss, about what is not only costs an upload', async (t) => {
  await using scratch = new Scratch()
  const names = Array.from({ length: 40 }, (_, index) => `units/x86_64/${sha(`${index}`)}`)
  const bucket = await hostileBucket(t, (request, answer) => {
    if (request.url?.includes('list-type=2') !== true) return false
    const keys = names.map((each) => `<Contents><Key>team/${each}</Key></Contents>`).join('')
    answer.end(
      `<ListBucketResult><IsTruncated>false</IsTruncated>${keys}<Key>%ff</Key><Key>../x</Key></ListBucketResult>`,
    )
    return true
  })
  const remote = openAt(bucket, folderOf(t))
  assert.equal((await remote.has(names)).size, 40)
  const { cache } = await cacheOf(scratch, 'machine', [remote])
  assert.equal(await cache.restore('x86_64', sha('1')), undefined)
  assert.deepEqual([...(await remote.has([...names, name]))].includes(name), false)
  assert.deepEqual(scratch.warnings, [])
})

test('G7 s3: a list without an end is read as long as it pays', async (t) => {
  let pages = 0
  const bucket = await hostileBucket(t, (request, answer) => {
    if (request.url?.includes('list-type=2') !== true) return false
    pages++
    const next = `<IsTruncated>true</IsTruncated><NextContinuationToken>${pages}</NextContinuationToken>`
    answer.end(`<ListBucketResult>${next}<Contents><Key>team/units/x86_64/0</Key></Contents></ListBucketResult>`)
    return true
  })
  const names = Array.from({ length: 64 }, (_, index) => `units/x86_64/${sha(`${index}`)}`)
  assert.equal((await openAt(bucket, folderOf(t)).has(names)).size, 0)
  assert.equal(pages, 4)
  assert.equal(bucket.asked.filter((line) => line.startsWith('HEAD')).length, 64)
})

test('G7 s3: what is large goes in parts; when one fails, nothing of it stays, nor of uploads that nobody finished', async (t) => {
  let broken = true
  const bucket = await hostileBucket(t, (request, answer) =>
    broken && request.url?.includes('partNumber=2') === true ? problem(answer, 403, 'AccessDenied') : false,
  )
  bucket.uploads.set('old-1', 'team/units/x/dead')
  bucket.uploads.set('fresh-1', 'team/units/x/alive')
  const data = randomBytes(70 * 2 ** 20)
  const store = openAt(bucket, folderOf(t))
  const sent: number[] = []
  await assert.rejects(store.put('units/x/a', fill(data)), { code: 'FETCH_FAILED' })
  assert.deepEqual([...bucket.uploads.keys()], ['fresh-1'], 'another machine may be at it')
  assert.deepEqual([...bucket.objects], [])
  broken = false
  assert.equal(await store.put('units/x/a', fill(data), { progress: (done) => sent.push(done) }), 'saved')
  assert.equal(sent.at(-1), data.length)
  assert.ok(await store.get('units/x/a', async (path) => readFileSync(path).equals(data)))
})

for (const [which, ahead] of [
  ['behind', hour],
  ['ahead of', -hour],
] as const) {
  test(`G7 s3: a clock an hour ${which} the service's is made up for`, async (t) => {
    let refused = 0
    const bucket = await hostileBucket(t, (request, answer) => {
      const theirs = Date.now() + ahead
      answer.setHeader('date', new Date(theirs).toUTCString())
      const [, y, mo, d, h, mi, s] =
        /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(String(request.headers['x-amz-date'])) ?? []
      const said = Date.parse(`${y}-${mo}-${d}T${h}:${mi}:${s}Z`)
      if (Math.abs(said - theirs) < 15 * 60_000) return false
      refused++
      return problem(answer, 403, 'RequestTimeTooSkewed')
    })
    const store = openAt(bucket, folderOf(t))
    assert.equal(await store.put('units/x/a', fill('one')), 'saved')
    assert.equal(await store.get('units/x/a', async (path) => readFileSync(path, 'utf8')), 'one')
    assert.equal(refused, 1, 'the first request shows it')
  })
}

test('transfers: some at a time; each is a step with its bytes once they move; a miss is none', async (t) => {
  await using scratch = new Scratch()
  let [open, most] = [0, 0]
  const bucket = await hostileBucket(t, (request, answer) => {
    if (request.url?.includes('/units/') !== true) return false
    most = Math.max(most, ++open)
    setTimeout(() => {
      open--
      answer.writeHead(404).end()
    }, 20)
    return true
  })
  const remote = openAt(bucket, folderOf(t))
  const { cache } = await cacheOf(scratch, 'machine', [remote])
  await Promise.all(Array.from({ length: 80 }, (_, index) => cache.restore('x86_64', sha(`${index}`))))
  assert.equal(most, 24)
  assert.deepEqual(scratch.events, [])
})

test('transfers: what is sent and restored is told by its name, where to and from, and how far it is', async (t) => {
  await using scratch = new Scratch()
  const bucket = await hostileBucket(t, () => false)
  const remote = openAt(bucket, folderOf(t))
  const { store, cache } = await cacheOf(scratch, 'machine', [remote])
  for (const file of [content, 'built']) await store.objects.put(bytes(file))
  await cache.save(manifest)
  const reader = await scratch.store('reader')
  const { trust, report } = { trust: { keys: [], unsigned: false }, report: scratch.report }
  await new UnitCache({ store: reader, remotes: [remote], trust, report }).restore('x86_64', someHash, { title: 'app' })
  const steps = scratch.events.flatMap((event) => (event.type === 'step-started' ? [event.title] : []))
  assert.deepEqual(steps, ['Send app to team', 'Restore app from team'])
  const progress = scratch.events.flatMap((event) => (event.type === 'step-progress' ? [event] : []))
  assert.ok(progress.some(({ done, total, measure }) => measure === 'bytes' && done === total && done > content.length))
  assert.equal(scratch.events.filter(({ type }) => type === 'step-ended').length, 2)
})
