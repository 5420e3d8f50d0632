import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'node:test'
import type { Event } from '#engine/events.ts'
import type { CacheSettings } from '#engine/project/settings.ts'
import type { RemoteCache } from '#engine/store/remotes/declaration.ts'
import { parseRemoteUrl } from '#engine/store/remotes/declaration.ts'
import { openRemotes, remoteCachesOf } from '#toolkit/remotes.ts'
import { scratch } from '../support/project.ts'

const office: RemoteCache = { kind: 'dir', name: 'office', path: '../nas', push: 'auto' }

const addresses: readonly { text: string; want: RemoteCache | RegExp }[] = [
  {
    text: 's3://yoe-cache/team?endpoint=https://minio.example:9000&region=eu-central-1&path_style=false&push=never',
    want: {
      ...{ kind: 's3', name: 'yoe-cache', bucket: 'yoe-cache', prefix: 'team', push: 'never' },
      ...{ endpoint: 'https://minio.example:9000', region: 'eu-central-1', pathStyle: false },
    },
  },
  { text: 's3://b-1', want: { kind: 's3', name: 'b-1', bucket: 'b-1', prefix: '', push: 'auto' } },
  {
    text: 'https://cache.example/yoe/',
    want: { kind: 'http', name: 'cache.example', url: 'https://cache.example/yoe/' },
  },
  {
    text: 'file:///srv/yoe%20cache',
    want: { kind: 'dir', name: '/srv/yoe cache', path: '/srv/yoe cache', push: 'auto' },
  },
  {
    text: 'oci://ghcr.io/acme/cache?push=always',
    want: { kind: 'oci', name: 'ghcr.io/acme/cache', image: 'ghcr.io/acme/cache', push: 'always' },
  },
  {
    text: 'oci://localhost:5000/a',
    want: { kind: 'oci', name: 'localhost:5000/a', image: 'localhost:5000/a', push: 'auto' },
  },
  { text: '/srv/cache', want: /is no address/ },
  { text: 'ftp://x/y', want: /none of s3:/ },
  { text: 'file://host/x', want: /no folder of this machine/ },
  { text: 's3://user:pass@bucket', want: /must not hold a user/ },
  { text: 'https://cache.example/?token=abc', want: /says "token"/ },
  { text: 'https://cache.example/?push=always', want: /never written/ },
  { text: 's3://bucket?endpoint=minio.example', want: /no good endpoint/ },
  { text: 's3://bucket?region=..', want: /no good region/ },
  { text: 's3://bucket/../x%2e%2e/..a', want: /no good prefix/ },
  { text: 's3://bucket?push=maybe', want: /none of auto, always, never/ },
  { text: 's3://bucket?path_style=1', want: /neither true nor false/ },
  { text: 'oci://ghcr.io/acme/cache:tag', want: /no good image/ },
  { text: 'oci://ghcr.io', want: /no good image/ },
]
for (const { text, want } of addresses) {
  test(`addresses: ${text}`, () => {
    const found = parseRemoteUrl(text)
    if (want instanceof RegExp) assert.match(typeof found === 'string' ? found : JSON.stringify(found), want)
    else assert.deepEqual(found, want)
  })
}

const declared: { readonly cache: CacheSettings } = { cache: { remote: [office] } }
const namesOf = (remotes: readonly RemoteCache[]): readonly string[] => remotes.map(({ name }) => name)

test('which: the project, the environment, the options; each takes the place of those before it', () => {
  const which = (env: Record<string, string>, remoteCaches?: readonly string[]) =>
    namesOf(remoteCachesOf({ env, remoteCaches }, declared))
  const listed = { YOE_REMOTE_CACHE: ' file:///a  https://b/ ' }
  assert.deepEqual(which({}), ['office'])
  assert.deepEqual(which(listed), ['/a', 'b'])
  assert.deepEqual(which({ ...listed, YOE_NO_REMOTE_CACHE: '1' }), [])
  assert.deepEqual(which({ YOE_NO_REMOTE_CACHE: 'false' }), ['office'])
  assert.deepEqual(which({ YOE_NO_REMOTE_CACHE: '1' }, ['s3://c-d']), ['c-d'])
  assert.deepEqual(which(listed, []), [])
  assert.throws(
    () => which({ YOE_REMOTE_CACHE: 's3://me:a-Secret@bucket?x=a-Secret' }),
    (failure: Error) => {
      assert.match(failure.message, /^YOE_REMOTE_CACHE: .*must not hold a user/)
      assert.doesNotMatch(failure.message, /a-Secret/)
      return 'code' in failure && failure.code === 'USAGE'
    },
  )
})

const rows: readonly {
  what: string
  push: 'auto' | 'always' | 'never'
  trusted: boolean
  signs: boolean
  sends: boolean
  warns?: boolean
}[] = [
  { what: 'who can sign', push: 'auto', trusted: true, signs: true, sends: true },
  { what: 'who can not', push: 'auto', trusted: true, signs: false, sends: false },
  { what: 'G5 a fork', push: 'auto', trusted: false, signs: false, sends: false },
  { what: 'G5 a fork that has the key', push: 'auto', trusted: false, signs: true, sends: false },
  { what: 'G5 a fork, always', push: 'always', trusted: false, signs: true, sends: false },
  { what: 'always', push: 'always', trusted: true, signs: true, sends: true },
  { what: 'always, without the key', push: 'always', trusted: true, signs: false, sends: false, warns: true },
  { what: 'never', push: 'never', trusted: true, signs: true, sends: false },
]
for (const { what, push, trusted, signs, sends, warns = false } of rows) {
  test(`writing: ${what}`, async (t) => {
    const events: Event[] = []
    const [remote] = await openRemotes([{ ...office, push }], workspaceIn(scratch(t)), {
      ...{ trusted, signs },
      report: (event) => void events.push(event),
    })
    const outcome = await remote?.put('units/a/b', async (path) => writeFileSync(path, 'x'))
    assert.equal(outcome, sends ? 'saved' : 'read-only')
    assert.equal(remote?.documents !== undefined, sends, 'and claims only where it sends')
    assert.equal(events.length, warns ? 1 : 0)
  })
}

test('offline, folders are all that is asked', async (t) => {
  const remotes: readonly RemoteCache[] = [
    { kind: 'http', name: 'web', url: 'http://127.0.0.1:9/' },
    office,
    { kind: 'oci', name: 'registry', image: '127.0.0.1:9/a/b', push: 'auto' },
    { kind: 's3', name: 'team', bucket: 'team-cache', endpoint: 'http://127.0.0.1:9', prefix: '', push: 'auto' },
  ]
  const folder = scratch(t)
  const writing = { trusted: true, signs: true, report: () => {} }
  const offline = await openRemotes(remotes, { ...workspaceIn(folder), offline: true }, writing)
  assert.deepEqual(offline.map(String), [join(folder, 'nas')])
  const online = await openRemotes(remotes, workspaceIn(folder), writing)
  assert.deepEqual(online.map(String), [
    'web (http://127.0.0.1:9/)',
    join(folder, 'nas'),
    'registry (127.0.0.1:9/a/b)',
    'team (s3://team-cache)',
  ])
})

test('a bandwidth that is none is told', async (t) => {
  const workspace = { ...workspaceIn(scratch(t)), env: { YOE_CACHE_BANDWIDTH: 'fast' } }
  const writing = { trusted: true, signs: true, report: () => {} }
  const web: RemoteCache = { kind: 'http', name: 'web', url: 'http://127.0.0.1:9/' }
  await assert.rejects(openRemotes([web], workspace, writing), {
    code: 'USAGE',
    hint: 'such as: YOE_CACHE_BANDWIDTH=5M',
  })
})

function workspaceIn(folder: string) {
  const root = join(folder, 'project')
  const local = { settings: {}, at: new Map() }
  return { root, cacheRoot: join(folder, 'cache'), env: {}, local, offline: false, remoteCaches: undefined }
}
