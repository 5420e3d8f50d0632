import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { bareProject, type TestProject, testProject } from '../support/project.ts'
import { faultsOf } from '../support/schema.ts'

const naming = 'project(name = "demo", version = "1.0", cache = cache(signing = "keys/cache.pub"))\n'

async function ok(project: TestProject, ...args: readonly string[]): Promise<string> {
  const ran = await project.yoe(['key', ...args])
  assert.equal(ran.code, 0, `yoe key ${args.join(' ')}: ${ran.stderr}`)
  return ran.stdout
}

interface Listing {
  readonly use: string
  readonly fingerprint: string | null
  readonly keys: readonly { readonly fingerprint: string; readonly standing: string; readonly until: string | null }[]
}

async function asked<T>(project: TestProject, ...args: readonly string[]): Promise<T> {
  const answer: T = JSON.parse(await ok(project, ...args, '--json'))
  assert.deepEqual(faultsOf('key', answer), [])
  return answer
}

test('C7: the life of a cache key, as a user types it', async (t) => {
  const project = testProject(t, { 'PROJECT.star': bareProject })
  await ok(project, 'generate')
  const list = await ok(project, 'export', 'cache')
  assert.match(list, /^ed25519:\S{44}\n$/)
  project.write({ 'PROJECT.star': naming, 'keys/cache.pub': list })
  const [before] = await asked<readonly Listing[]>(project, 'show', 'cache')
  assert.deepEqual(
    before?.keys.map(({ standing, until }) => [standing, until]),
    [['signs', null]],
  )
  const said = await ok(project, 'rotate', 'cache', '--until', '2099-12-31')
  assert.match(said, /^[0-9a-f]{16} signs results from now on \(\/.*demo\.cache\.key\)\n/)
  assert.match(said, new RegExp(`${before?.fingerprint} is believed until 2099-12-31 \\(keys/cache\\.pub\\)\n`))
  assert.match(
    said,
    /\nNext:\n {2}git commit -m "Another cache key" -- keys\/cache\.pub\n {2}gh secret set YOE_CACHE_SIGNING_KEY <\//,
  )
  assert.match(readFileSync(join(project.root, 'keys/cache.pub'), 'utf8'), / until=2099-12-31\ned25519:\S+\n$/)
  const shown = await ok(project, 'info', 'cache')
  assert.match(
    shown,
    /^cache {2}[0-9a-f]{16} {2}believed until 2099-12-31 {2}keys\/cache\.pub:1\ncache {2}[0-9a-f]{16} {2}signs +keys\/cache\.pub:2\n$/,
  )
  const answer = await asked<{ revoked: string }>(project, 'revoke', 'cache', before?.fingerprint?.slice(0, 8) ?? '')
  assert.equal(answer.revoked, before?.fingerprint)
  const [after] = await asked<readonly Listing[]>(project, 'show', 'cache')
  assert.deepEqual(
    after?.keys.map(({ standing }) => standing),
    ['revoked', 'signs'],
  )
  await asked(project, 'rotate', 'cache')
})

test('C7: the life of a feed key, as a user types it', async (t) => {
  const project = testProject(t, { 'PROJECT.star': bareProject })
  await ok(project, 'generate', 'feed')
  const [before] = await asked<readonly Listing[]>(project, 'show', 'feed')
  const said = await ok(project, 'rotate', 'feed', '--until', '2099-12-31')
  assert.match(
    said,
    /^[0-9A-F]{40} signs the feed from now on \(\/.*demo\.asc\)\n[0-9A-F]{40} signs as well until 2099-12-31\n/,
  )
  const [both] = await asked<readonly Listing[]>(project, 'show', 'feed')
  assert.deepEqual(
    both?.keys.map(({ standing, until }) => [standing, until]),
    [
      ['signs', null],
      ['signs', '2099-12-31'],
    ],
  )
  assert.notEqual(both?.fingerprint, before?.fingerprint)
  await asked(project, 'revoke', 'feed', before?.fingerprint ?? '')
  await asked(project, 'rotate', 'feed')
  assert.match(await ok(project, 'export', 'feed'), /^-----BEGIN PGP PUBLIC KEY BLOCK-----\n/)
})

test('what is typed wrong is told', async (t) => {
  const project = testProject(t, { 'PROJECT.star': bareProject })
  const rows: readonly (readonly [args: readonly string[], said: RegExp])[] = [
    [['make'], /yoe key has no "make"/],
    [['show', 'both'], /there is no key "both"/],
    [['rotate'], /say which key\n {2}hint: yoe key rotate feed, or apk, or cache/],
    [['revoke', 'cache'], /say which key is revoked\n {2}hint: yoe key show cache names them/],
    [['rotate', 'cache', 'abc'], /yoe key rotate takes no "abc"/],
    [['show', '--until', '2099-01-01'], /yoe key show takes no --until/],
    [['rotate', 'cache', '--until', '2099-02-30'], /--until 2099-02-30 is no day from today on/],
    [['rotate', 'cache', '--until', '2020-01-01'], /is no day from today on/],
    [['rotate', 'feed'], /this machine has no feed key\n {2}hint: .*yoe key generate feed/],
    [
      ['revoke', 'cache', 'abcdef'],
      /this project names no cache keys\n {2}hint: mkdir -p keys && yoe key export cache/,
    ],
    [['export', 'cache'], /this project has no cache key/],
  ]
  for (const [args, said] of rows) {
    const ran = await project.yoe(['key', ...args])
    assert.equal(ran.code, 2, args.join(' '))
    assert.match(ran.stderr, said)
  }
})

test('a list that can’t be read is told at its line, by commands that build nothing, too', async (t) => {
  const project = testProject(t, { 'PROJECT.star': naming, 'keys/cache.pub': '# ours\nnonsense\n' })
  const ran = await project.yoe(['plan'])
  assert.equal(ran.code, 2)
  assert.match(ran.stderr, /keys\/cache\.pub:2: "nonsense" is not "ed25519:" and 32 bytes of base64/)
})
