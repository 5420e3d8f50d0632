import assert from 'node:assert/strict'
import { readdirSync, writeFileSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { Claims } from '#engine/build/claims.ts'
import type { Event } from '#engine/events.ts'
import { ActionsCache } from '#github/cache.ts'
import { CacheIndex } from '#github/cache-index.ts'
import { readPack } from '#github/cache-packs.ts'
import { PackedCache } from '#github/packed-cache.ts'
import { mainScope, runtimeToken, type Scope } from '../support/results-service.ts'
import { serviceOfFile } from '../support/service-of-file.ts'

const main = 'refs/heads/main'
const pull = 'refs/pull/7/merge'
const pullScope: readonly Scope[] = [
  { Scope: pull, Permission: 3 },
  { Scope: main, Permission: 1 },
]

const open: ActionsCache[] = []

after(() => Promise.all(open.map((cache) => cache.close())))
const { service, dir } = await serviceOfFile()

function entries(scopes: readonly Scope[] = mainScope): ActionsCache {
  const cache = new ActionsCache({
    env: { ...service.env(runtimeToken({ scopes })), RUNNER_TEMP: dir },
    report: () => {},
    clock: { now: () => 0, sleep: async () => {} },
  })
  open.push(cache)
  return cache
}

function job({ scopes = mainScope, branches = [main], writes = true } = {}) {
  const events: Event[] = []
  const cache = new PackedCache(entries(scopes), {
    branches,
    writes,
    report: (event) => events.push(event),
    temp: dir,
  })
  return { cache, events }
}

const unit = (index: number): string => `units/x86_64/${String(index).padStart(64, '0')}`
const put = (cache: PackedCache, name: string, text: string | Buffer, quick = true) =>
  cache.put(name, (path) => writeFile(path, text), { quick })
const get = (cache: PackedCache, name: string) => cache.get(name, (path) => readFile(path, 'latin1'))
const asked = (call: string): number => service.requests.filter((request) => request.endsWith(call)).length

test('300 quick units: a few uploads; another run learns of all with one look-up, and fetches each pack once', async () => {
  const names = Array.from({ length: 300 }, (_, index) => unit(index))
  const first = job()
  for (const name of names) assert.equal(await put(first.cache, name, `content of ${name}`), 'saved')
  await first.cache.close()
  const uploads = asked('CreateCacheEntry')
  assert.ok(uploads <= 8, `${uploads} uploads`)

  service.requests.length = 0
  const second = job()
  assert.equal((await second.cache.has([...names, unit(999)])).size, 300)
  assert.equal(asked('GetCacheEntryDownloadURL'), 1)
  for (const name of names) assert.equal(await get(second.cache, name), `content of ${name}`)
  assert.equal(asked('GetCacheEntryDownloadURL'), 1 + 6)
  await second.cache.close()
  assert.equal(asked('CreateCacheEntry'), 0, 'a run that saves nothing writes no index')
})

test('I8: such units, each an entry of its own, take an upload each', async () => {
  const cache = entries()
  for (let index = 0; index < 30; index++) await cache.put(unit(index), (path) => writeFile(path, 'x'))
  assert.equal(asked('CreateCacheEntry'), 30)
})

test('what took long, and what is large, is sent at once and alone', async () => {
  const { cache } = job()
  await put(cache, unit(1), 'kernel', false)
  await put(cache, unit(2), Buffer.alloc(2 ** 20 + 1))
  assert.deepEqual(
    service.caches.map(({ key, ready }) => [key, ready]),
    [
      [`yoe1-${unit(1)}`, true],
      [`yoe1-${unit(2)}`, true],
    ],
  )
  service.requests.length = 0
  assert.equal(await get(job().cache, unit(1)), 'kernel')
  assert.deepEqual([service.requests.length, asked('GetCacheEntryDownloadURL')], [2, 1], 'one look-up, one download')
  await cache.close()
})

test('jobs that end at the same instant all reach the index', async () => {
  const jobs = Array.from({ length: 4 }, () => job())
  await Promise.all(jobs.map(({ cache }, index) => put(cache, unit(index), `job ${index}`)))
  await Promise.all(jobs.map(({ cache }) => cache.close()))
  const names = Array.from({ length: 4 }, (_, index) => unit(index))
  assert.deepEqual([...(await job().cache.has(names))], names)
})

test('a pull request reads the index of its base and its own, and the base never sees what it made', async () => {
  const base = job()
  await put(base.cache, unit(1), 'of main')
  await base.cache.close()
  const request = { scopes: pullScope, branches: [pull, main] }
  const first = job(request)
  await put(first.cache, unit(2), 'of the pull request')
  await first.cache.close()
  const later = job()
  await put(later.cache, unit(3), 'of main, later')
  await later.cache.close()

  const second = job(request)
  assert.deepEqual([...(await second.cache.has([unit(1), unit(2), unit(3)]))], [unit(1), unit(2), unit(3)])
  assert.equal(await get(second.cache, unit(2)), 'of the pull request')
  assert.deepEqual([...(await job().cache.has([unit(1), unit(2), unit(3)]))], [unit(1), unit(3)])
})

test('G8: a pack that was evicted is a miss; so is an index that promises what never was', async () => {
  const first = job()
  await put(first.cache, unit(1), 'x')
  await first.cache.close()
  const pack = service.caches.findIndex(({ key }) => key.startsWith('yoe1-packs/'))
  service.caches.splice(pack, 1)
  const second = job()
  assert.equal((await second.cache.has([unit(1)])).size, 1)
  assert.equal(await get(second.cache, unit(1)), undefined)
})

test('a run that may not write says so once, and has no documents', async () => {
  const base = job()
  await put(base.cache, unit(1), 'of main')
  await base.cache.close()
  const fork = job({ scopes: [{ Scope: main, Permission: 1 }], writes: false })
  assert.equal(await put(fork.cache, unit(2), 'x'), 'read-only')
  assert.equal(await get(fork.cache, unit(1)), 'of main')
  assert.equal(fork.cache.documents, undefined)
  await fork.cache.close()
  assert.ok(!service.caches.some(({ scope }) => scope !== main))
})

test('an upload that fails costs one warning', async () => {
  service.intercept = (what) => (what.startsWith('PUT ') ? { status: 403, body: {} } : undefined)
  const { cache, events } = job()
  await put(cache, unit(1), 'x')
  await cache.close()
  assert.deepEqual(
    events.map(({ type }) => type),
    ['warning'],
  )
})

test('G6: a planted index or pack is read strictly, and for what it is', async () => {
  const planted = entries()
  for (const text of ['', 'no zstd', Buffer.from('28b52ffd00', 'hex')])
    assert.deepEqual(await namesAfter(planted, text), [])
  for (const table of ['[["../../x",1]]', '[["a",-1]]', '[["a",1e300]]', '[["a"]]', '{}', 'nonsense', '[["a",2]]']) {
    const path = join(dir, 'planted')
    writeFileSync(path, `yoe-pack/1 ${String(table.length).padStart(8, '0')}\n${table}x`)
    const files = await readPack(path, join(dir, 'out'))
    // A name is only ever compared; the file that it gets is ours.
    for (const file of files.values()) assert.match(file, /\/out\/\d+$/)
    assert.equal(files.size, table === '[["../../x",1]]' ? 1 : 0, table)
  }
  assert.deepEqual(
    readdirSync(dir).filter((name) => name === 'x'),
    [],
  )
})

async function namesAfter(planted: ActionsCache, text: string | Buffer): Promise<readonly string[]> {
  service.caches.length = 0
  const probe = new CacheIndex(
    {
      newest: async (_series, read) => {
        const path = join(dir, 'planted-index')
        writeFileSync(path, text)
        return { mark: '1', value: await read(path) }
      },
      append: (series, mark, fill) => planted.append(series, mark, fill),
    },
    [main],
  )
  return [...(await probe.names())]
}

test('documents: one of two creates, each change is seen, what is removed can be created anew', async () => {
  const [one, two] = [job().cache.documents, job().cache.documents]
  assert.ok(one !== undefined && two !== undefined)
  const name = 'claims/x86_64/kernel'
  const both = await Promise.all([one.create(name, 'one'), two.create(name, 'two')])
  assert.equal(both.filter((version) => version !== undefined).length, 1)
  const read = await two.read(name)
  assert.ok(read !== undefined)
  const next = await one.replace(name, read.version, 'beat')
  assert.ok(next !== undefined)
  assert.equal(await two.replace(name, read.version, 'late'), undefined)
  assert.deepEqual(await two.read(name), { text: 'beat', version: next })
  await one.remove(name, next)
  assert.equal(await two.read(name), undefined)
  assert.notEqual(await two.create(name, 'again'), undefined)
})

test('two jobs claim through the Actions cache: one builds, the other finds', async () => {
  const jobs = [job(), job()]
  let result: string | undefined
  let built = 0
  const both = jobs.map(async ({ cache }, index) => {
    assert.ok(cache.documents !== undefined)
    const claims = new Claims({
      documents: cache.documents,
      holder: `job ${index}`,
      report: () => {},
      pollMs: [10, 20],
    })
    const got = await claims.acquire({
      name: 'claims/x86_64/app',
      title: 'app',
      look: async () => result,
      wait: (waiting) => waiting(),
      signal: new AbortController().signal,
    })
    assert.ok(got !== undefined)
    if ('found' in got) return got.found
    built++
    result = 'app.deb'
    await got.claim.done()
    return result
  })
  assert.deepEqual(await Promise.all(both), ['app.deb', 'app.deb'])
  assert.equal(built, 1)
})
