import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { YoeError } from '#engine/errors.ts'
import type { Project } from '#engine/project/model.ts'
import { parseKeyFile, parseNamedKey, standingOf } from '#engine/store/named-keys.ts'
import type { KeyOwner } from '#feeds/keys/project-keys.ts'
import { ensureKey, loadKey } from '#feeds/keys/project-keys.ts'
import { revokeCacheKey, rotateCacheKey } from '#toolkit/keys/cache-rotation.ts'
import { listKeys } from '#toolkit/keys/listing.ts'

interface Place {
  readonly owner: KeyOwner
  readonly list: string
  /** As an evaluation would see it now. */
  readonly project: () => Pick<Project, 'cache' | 'root'>
}

async function place(
  t: TestContext,
  text: (own: string) => string = (own) => `# of the team\n${own}\n`,
): Promise<Place> {
  const home = mkdtempSync(join(tmpdir(), 'yoe-keys-'))
  t.after(() => rmSync(home, { recursive: true }))
  const root = join(home, 'project')
  const list = join(root, 'keys/cache.pub')
  mkdirSync(join(root, 'keys'), { recursive: true })
  const owner = { project: 'demo', projectRoot: root, env: { HOME: home } }
  const { key } = await ensureKey(owner, 'cache')
  writeFileSync(list, text(key.publicKey))
  const project = (): Pick<Project, 'cache' | 'root'> => ({
    root,
    cache: { signing: parseKeyFile(readFileSync(list, 'utf8'), 'keys/cache.pub') },
  })
  return { owner, list, project }
}

const day = (offset: number): string => new Date(Date.now() + offset * 86_400_000).toISOString().slice(0, 10)

test('C7: a rotation names the new key and gives the old one a last day; the new private key is for its owner alone', async (t) => {
  const { owner, list, project } = await place(t)
  const before = await loadKey(owner, 'cache')
  const { fresh, old, path } = await rotateCacheKey(owner, project(), day(30))
  const now = await loadKey(owner, 'cache')
  assert.equal(now?.fingerprint, fresh.id)
  assert.equal(old.id, before?.fingerprint)
  assert.equal(statSync(path).mode & 0o777, 0o600)
  assert.equal(readFileSync(list, 'utf8'), `# of the team\n${before?.publicKey} until=${day(30)}\n${now?.publicKey}\n`)
  assert.ok(!readFileSync(list, 'utf8').includes('private'))
  assert.deepEqual(readdirSync(join(path, '..')), ['demo.cache.key'], 'nothing is left beside it')
  const standing = (at: number): readonly string[] =>
    (project().cache.signing ?? []).map((key) => standingOf(key, Date.parse(`${day(at)}T12:00:00Z`)))
  assert.deepEqual(
    [standing(30), standing(31)],
    [
      ['believed', 'believed'],
      ['retired', 'believed'],
    ],
  )
  assert.deepEqual(
    (await listKeys(owner, project(), 'cache')).keys.map(({ standing: is, until, at }) => [is, until, at]),
    [
      ['believed', day(30), 'keys/cache.pub:2'],
      ['signs', null, 'keys/cache.pub:3'],
    ],
  )
})

test('C7: rotated again before the first overlap is over; a last day that is set stays', async (t) => {
  const { owner, project } = await place(t)
  await rotateCacheKey(owner, project(), day(10))
  await rotateCacheKey(owner, project(), day(40))
  assert.deepEqual(
    project().cache.signing?.map(({ until }) => until),
    [day(10), day(40), undefined],
  )
})

test('C7: a revoked key stays revoked when its place is taken', async (t) => {
  const { owner, list, project } = await place(t)
  const own = (await loadKey(owner, 'cache'))?.fingerprint ?? ''
  assert.deepEqual(await revokeCacheKey(project(), own.slice(0, 8)), { id: own, list: 'keys/cache.pub', left: [] })
  assert.match(readFileSync(list, 'utf8'), / revoked\n$/)
  const { old, fresh } = await rotateCacheKey(owner, project(), day(30))
  assert.deepEqual(old, { id: own, until: undefined })
  assert.deepEqual((await revokeCacheKey(project(), own)).left, [fresh.id])
  assert.deepEqual(
    project().cache.signing?.map(({ revoked, until }) => [revoked, until]),
    [
      [true, undefined],
      [undefined, undefined],
    ],
  )
})

test('other bytes of the list stay: lines of others, comments, ends of lines', async (t) => {
  const other = 'ed25519:11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo='
  const { owner, list, project } = await place(t, (own) => `\r\n${other} until=2020-01-01\r\n# ours\r\n  ${own}`)
  const own = (await loadKey(owner, 'cache'))?.publicKey
  const { fresh } = await rotateCacheKey(owner, project(), day(1))
  assert.equal(
    readFileSync(list, 'utf8'),
    `\r\n${other} until=2020-01-01\r\n# ours\r\n${own} until=${day(1)}\n${fresh.publicKey}\n`,
  )
})

const refusals: readonly {
  readonly name: string
  readonly project?: (place: Place) => Pick<Project, 'cache' | 'root'>
  readonly env?: (key: string) => Record<string, string>
  readonly want: RegExp
}[] = [
  {
    name: 'a project that names none',
    project: ({ project }) => ({ ...project(), cache: {} }),
    want: /names no cache keys\n.*yoe key export cache > keys\/cache\.pub/,
  },
  {
    name: 'a key that only PROJECT.star names',
    project: ({ project, owner }) => {
      writeFileSync(join(owner.projectRoot, 'PROJECT.star'), 'project(\n')
      const [key] = project().cache.signing ?? []
      const at = { file: 'PROJECT.star', line: 1, column: 1 }
      return { ...project(), cache: { signing: key === undefined ? [] : [{ ...key, at }] } }
    },
    want: /named in a \.star file, which is not changed for you\nmove it/,
  },
  {
    name: 'a list without this machine’s key',
    project: ({ project }) => {
      const at = { file: 'keys/cache.pub', line: 2, column: 1 }
      const other = parseNamedKey('ed25519:11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=', at)
      return { ...project(), cache: { signing: [other] } }
    },
    want: /names no cache keys "/,
  },
  {
    name: 'a key that the environment brings',
    env: (key) => ({ YOE_CACHE_SIGNING_KEY: key }),
    want: /comes from YOE_CACHE_SIGNING_KEY, where it can't be replaced/,
  },
  { name: 'no key at all', env: () => ({ HOME: '/nonexistent' }), want: /has no cache key to replace/ },
]
for (const { name, project, env, want } of refusals) {
  test(`no rotation: ${name}; nothing is changed`, async (t) => {
    const here = await place(t)
    const key = (await loadKey(here.owner, 'cache'))?.privateKey ?? ''
    const before = readFileSync(here.list, 'utf8')
    const owner = { ...here.owner, env: { ...here.owner.env, ...env?.(key) } }
    await assert.rejects(rotateCacheKey(owner, project?.(here) ?? here.project(), day(1)), (failure) => {
      assert.ok(failure instanceof YoeError && failure.code === 'KEY_INVALID')
      const said = `${failure.message}\n${failure.hint}`
      assert.match(said, want)
      return !said.includes(key.slice(20))
    })
    assert.equal(readFileSync(here.list, 'utf8'), before)
    assert.equal((await loadKey(here.owner, 'cache'))?.privateKey, key)
  })
}

test('two rotations at once: this machine’s key is one that the list names', async (t) => {
  const { owner, project } = await place(t)
  const seen = project()
  const done = await Promise.allSettled([rotateCacheKey(owner, seen, day(1)), rotateCacheKey(owner, seen, day(1))])
  assert.ok(done.some(({ status }) => status === 'fulfilled'))
  const own = await loadKey(owner, 'cache')
  assert.ok(project().cache.signing?.some(({ id }) => id === own?.fingerprint))
})

test('C7: stopped at any moment of a rotation, there is one whole key, and a list that is read', async (t) => {
  const { owner, project } = await place(t)
  const script = `
    import { readFileSync } from 'node:fs'
    import { parseKeyFile } from '#engine/store/named-keys.ts'
    import { rotateCacheKey } from '#toolkit/keys/cache-rotation.ts'
    const [root, home] = process.argv.slice(1)
    for (;;) {
      const signing = parseKeyFile(readFileSync(root + '/keys/cache.pub', 'utf8'), 'keys/cache.pub')
      await rotateCacheKey({ project: 'demo', projectRoot: root, env: { HOME: home } }, { root, cache: { signing } }, '2099-01-01')
    }`
  for (let round = 0; round < 4; round++) {
    assert.throws(() =>
      execFileSync(
        process.execPath,
        ['--input-type=module', '--eval', script, owner.projectRoot, owner.env['HOME'] ?? ''],
        {
          timeout: 900 + round * 170,
          killSignal: 'SIGKILL',
          cwd: join(import.meta.dirname, '../../..'),
          stdio: 'ignore',
        },
      ),
    )
    const own = await loadKey(owner, 'cache')
    assert.ok(project().cache.signing?.some(({ id }) => id === own?.fingerprint))
  }
  assert.ok((project().cache.signing?.length ?? 0) > 2, 'it did rotate')
})
