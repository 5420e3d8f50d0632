import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { YoeError } from '#engine/errors.ts'
import type { Event } from '#engine/events.ts'
import type { Clock } from '#github/actions-cache/bucket.ts'
import { ActionsCache } from '#github/cache.ts'
import { runtimeToken } from '../support/results-service.ts'
import { serviceOfFile } from '../support/service-of-file.ts'

const open: ActionsCache[] = []

const { service, dir } = await serviceOfFile()

/** A clock that never waits and writes down what it was asked to. */
function fakeClock(): Clock & { readonly waits: number[] } {
  let now = 0
  const waits: number[] = []
  return {
    waits,
    now: () => now,
    sleep: async (ms) => {
      waits.push(ms)
      now += ms
    },
  }
}

interface Job {
  readonly cache: ActionsCache
  readonly events: Event[]
  readonly waits: number[]
}

function job({
  token = runtimeToken(),
  readOnly,
  env = {},
}: {
  token?: string
  readOnly?: string
  env?: Record<string, string>
} = {}): Job {
  const events: Event[] = []
  const clock = fakeClock()
  const cache = new ActionsCache({
    env: { ...service.env(token), RUNNER_TEMP: dir, ...env },
    repository: { owner: 'octo', repo: 'widgets', token: 't', apiUrl: service.url },
    readOnly,
    report: (event) => events.push(event),
    clock,
  })
  open.push(cache)
  return { cache, events, waits: clock.waits }
}
after(() => Promise.all(open.map((cache) => cache.close())))

const put = (cache: ActionsCache, name: string, bytes: string | Buffer) =>
  cache.put(name, (path) => writeFile(path, bytes))

const get = (cache: ActionsCache, name: string): Promise<string | undefined> =>
  cache.get(name, (path) => readFile(path, 'latin1'))

const fault = (pattern: RegExp) => (failure: unknown) =>
  failure instanceof YoeError && failure.code === 'FETCH_FAILED' && pattern.test(failure.message)

test('what one job saves, the next restores byte for byte, and only under that very name', async () => {
  const bytes = Buffer.from(Array.from({ length: 3_000_000 }, (_, i) => (i * 7919) & 0xff))
  const first = job()
  assert.equal(await put(first.cache, 'units/arm64/ab', bytes), 'saved')
  assert.equal(await put(first.cache, 'units/arm64/abcd', 'longer'), 'saved')
  const second = job()
  assert.equal(await get(second.cache, 'units/arm64/a'), undefined, 'a prefix is no hit')
  assert.equal(await get(second.cache, 'units/arm64/ab'), bytes.toString('latin1'))
  assert.deepEqual(second.cache.numbers, {
    hits: 1,
    misses: 1,
    saved: 0,
    existing: 0,
    refused: 0,
    faults: 0,
    bytesRestored: bytes.length,
    bytesSaved: 0,
  })
  assert.equal(first.cache.numbers.bytesSaved, bytes.length + 6)
})

test('an entry is stored as it is: no tar, no compression, whatever the machine has installed', async () => {
  const { cache } = job()
  await put(cache, 'raw', 'the very bytes')
  const [row] = service.caches
  assert.equal(readFileSync(service.blobPath(row?.blob ?? ''), 'latin1'), 'the very bytes')
  // The version hashes the literal relative path and the method; a job elsewhere computes the same.
  await put(job({ env: { RUNNER_TEMP: tmpdir() } }).cache, 'raw', 'the very bytes')
  assert.equal(service.caches.length, 1)
})

test('many at once', async () => {
  const { cache } = job()
  const names = Array.from({ length: 12 }, (_, i) => `many/${i}`)
  await Promise.all(names.map((name) => put(cache, name, `content of ${name}`)))
  const back = await Promise.all(names.map((name) => get(cache, name)))
  assert.deepEqual(
    back,
    names.map((name) => `content of ${name}`),
  )
})

test('a second save of a name is told apart from a failure', async () => {
  const { cache, events } = job()
  await put(cache, 'twice', 'a')
  assert.equal(await put(cache, 'twice', 'b'), 'exists')
  assert.equal(await get(cache, 'twice'), 'a')
  assert.equal(cache.numbers.existing, 1)
  assert.deepEqual(events, [])
})

test('a read-only token: said once, nothing fails, the base branch is still read', async () => {
  await put(job().cache, 'base', 'from main')
  const fork = job({ token: runtimeToken({ scopes: [{ Scope: 'refs/heads/main', Permission: 1 }] }) })
  assert.equal(await put(fork.cache, 'one', '1'), 'read-only')
  assert.equal(await put(fork.cache, 'two', '2'), 'read-only')
  assert.equal(await get(fork.cache, 'base'), 'from main')
  assert.equal(fork.events.length, 1)
  assert.match(JSON.stringify(fork.events), /read-only token/)
  assert.equal(
    service.requests.filter((request) => request.endsWith('CreateCacheEntry')).length,
    2,
    'asked once, then no more',
  )
  assert.equal(fork.cache.numbers.refused, 2)
})

test('a job that must not write does not even try', async () => {
  const { cache, events } = job({ readOnly: 'a pull request from a fork' })
  assert.equal(await put(cache, 'x', '1'), 'read-only')
  assert.deepEqual(service.requests, [])
  assert.match(JSON.stringify(events), /a pull request from a fork/)
})

test('a cache switched off by cache-mode is neither a miss nor a save', async () => {
  const { cache } = job({ env: { ACTIONS_CACHE_MODE: 'none' } })
  await assert.rejects(get(cache, 'x'), fault(/cache-mode 'none'/))
  assert.equal(await put(cache, 'x', '1'), 'read-only')
})

const limited = {
  status: 429,
  headers: { 'retry-after': '30' },
  body: { code: 'resource_exhausted', msg: 'rate limit' },
}

test('429 on save: waits as long as the service says, then saves', async () => {
  let refusals = 2
  service.intercept = (what) => (what.endsWith('CreateCacheEntry') && refusals-- > 0 ? limited : undefined)
  const { cache, waits } = job()
  assert.equal(await put(cache, 'patient', '1'), 'saved')
  assert.deepEqual(waits, [30_000, 30_000])
})

test('429 on restore: waits; when it never ends that is a fault, not a miss', async () => {
  await put(job().cache, 'kernel', 'vmlinux')
  let refusals = 1
  service.intercept = (what) => (what.endsWith('GetCacheEntryDownloadURL') && refusals-- > 0 ? limited : undefined)
  const patient = job()
  assert.equal(await get(patient.cache, 'kernel'), 'vmlinux')
  assert.deepEqual(patient.waits, [30_000])
  service.intercept = (what) => (what.endsWith('GetCacheEntryDownloadURL') ? limited : undefined)
  const hopeless = job()
  await assert.rejects(get(hopeless.cache, 'kernel'), fault(/rate limited/))
  assert.equal(hopeless.cache.numbers.misses, 0)
})

for (const [name, reply] of [
  ['a bad token', { status: 401, body: { code: 'unauthenticated', msg: 'token expired' } }],
  ['read denied', { status: 403, body: { code: 'permission_denied', msg: 'cache read denied: no scope' } }],
] as const) {
  test(`${name} is a fault, not a miss`, async () => {
    await put(job().cache, 'kernel', 'vmlinux')
    service.intercept = (what) => (what.endsWith('GetCacheEntryDownloadURL') ? reply : undefined)
    const { cache } = job()
    await assert.rejects(get(cache, 'kernel'), fault(/restore kernel/))
    assert.equal(cache.numbers.misses, 0)
    assert.equal(cache.numbers.faults, 1)
  })
}

test('a failed upload is a fault that names itself, and carries no signature', async () => {
  service.intercept = (what) => (what.startsWith('PUT ') ? { status: 403, body: {} } : undefined)
  const { cache } = job()
  await assert.rejects(put(cache, 'x', '1'), (failure) => {
    assert.ok(fault(/save x/)(failure))
    assert.doesNotMatch(String(failure), /sig=/)
    return true
  })
})

test('an entry that is evicted between the look-up and the download is a miss', async () => {
  const first = job()
  await put(first.cache, 'gone', '1')
  for (const row of service.caches) rmSync(service.blobPath(row.blob))
  assert.equal(await get(job().cache, 'gone'), undefined)
})

test('a planted archive with absolute names is bytes like any other: nothing is unpacked', async () => {
  const { cache } = job()
  await put(cache, 'poison', 'x')
  const canary = join(dir, 'canary')
  const planted = tarWith(canary)
  const [row] = service.caches
  writeFileSync(service.blobPath(row?.blob ?? ''), planted)
  assert.equal(await get(job().cache, 'poison'), planted.toString('latin1'))
  assert.equal(existsSync(canary), false)
})

/** One ustar entry with an absolute name. */
function tarWith(name: string): Buffer {
  const header = Buffer.alloc(512)
  header.write(name, 0)
  header.write('0000644\0', 100)
  header.write('00000000005\0', 124)
  header.write('        0', 148)
  header.write('ustar\x0000', 257)
  const sum =
    header.subarray(0, 148).reduce((a, b) => a + b, 0) + 8 * 32 + header.subarray(156).reduce((a, b) => a + b, 0)
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148)
  return Buffer.concat([header, Buffer.concat([Buffer.from('evil\n'), Buffer.alloc(512 - 5)]), Buffer.alloc(1024)])
}

test('listing pages through the REST API and strips our prefix', async () => {
  const { cache } = job()
  const now = Date.now()
  for (let i = 0; i < 230; i++)
    service.caches.push({
      id: 1000 + i,
      key: `yoe1-units/${i}`,
      version: 'v',
      scope: 'refs/heads/main',
      blob: 'none',
      ready: true,
      size: 1,
      created: now,
      used: now,
    })
  service.caches.push({
    id: 2000,
    key: 'other',
    version: 'v',
    scope: 'refs/heads/main',
    blob: 'none',
    ready: true,
    size: 1,
    created: now,
    used: now,
  })
  const names: string[] = []
  for await (const name of cache.list('units/')) names.push(name)
  assert.equal(names.length, 230)
  assert.ok(names.includes('units/229'))
  assert.equal(
    service.requests.filter((request) => request.startsWith('GET /repos/octo/widgets/actions/caches')).length,
    3,
  )
})

test('listing that the token may not do says which permission is missing', async () => {
  service.intercept = (what) =>
    what.startsWith('GET /repos') ? { status: 403, body: { message: 'Resource not accessible' } } : undefined
  const { cache } = job()
  await assert.rejects(
    async () => {
      for await (const _ of cache.list('units/'));
    },
    (failure) => failure instanceof YoeError && /actions: read/.test(failure.hint ?? ''),
  )
})

test('delete and prune: the least recently used go first', async () => {
  const { cache } = job()
  await put(cache, 'old', 'x'.repeat(400))
  await put(cache, 'new', 'x'.repeat(400))
  const old = service.caches.find(({ key }) => key.endsWith('old'))
  if (old !== undefined) old.used -= 60_000
  assert.equal(await cache.prune(500), 400)
  assert.deepEqual(
    service.caches.map(({ key }) => key),
    ['yoe1-new'],
  )
  await cache.delete('new')
  assert.deepEqual(service.caches, [])
})

test('a client that dies is a fault for who waits, and is started again', async () => {
  const { cache } = job()
  await put(cache, 'a', '1')
  service.intercept = (what) => {
    if (what.endsWith('GetCacheEntryDownloadURL')) killChildren()
    return undefined
  }
  await assert.rejects(get(cache, 'a'), fault(/ended unexpectedly/))
  service.intercept = undefined
  assert.equal(await get(cache, 'a'), '1')
})

/** Kills this process's cache clients: node processes whose parent we are. */
function killChildren(): void {
  for (const pid of readFileSync(`/proc/self/task/${process.pid}/children`, 'utf8').trim().split(' ')) {
    if (pid !== '' && readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('client.ts'))
      process.kill(Number(pid), 'SIGKILL')
  }
}

test('nothing is left behind', async () => {
  const { cache } = job()
  await put(cache, 'left', '1')
  await get(cache, 'left')
  await cache.close()
  for (const other of open) await other.close()
  assert.deepEqual(
    readdirSync(dir).filter((name) => name.startsWith('yoe-cache-')),
    [],
  )
})
