/** `yoe bundle` by the command line, as far as nothing has to be built. */
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { type CacheSigner, generateCacheKey, parseCacheSigner } from '#engine/store/signing.ts'
import { bundleOf, documentOf, indexOf } from '../engine/bundle/making.ts'
import { Scratch } from '../engine/store/fixture.ts'
import { bareProject, testProject } from '../support/project.ts'
import { faultsOf } from '../support/schema.ts'

const pair = generateCacheKey()
const ours = parseCacheSigner(pair.privateKey)
const stranger = parseCacheSigner(generateCacheKey().privateKey)

/** A project, and a bundle that somebody made for it. */
async function world(t: TestContext, signer: CacheSigner | undefined, project = bareProject, lock = '') {
  const scratch = new Scratch()
  t.after(() => scratch[Symbol.asyncDispose]())
  const made = testProject(t, { 'PROJECT.star': project })
  const index = await indexOf(scratch, signer, { lock })
  const path = await bundleOf(scratch, index, signer)
  return { project: made, path, index }
}

const naming = (key: string): string => `project(name = "demo", version = "1.0", cache = cache(signing = "${key}"))\n`

test('a bundle is looked into anywhere, and taken where the project names its key', async (t) => {
  const { project, path, index } = await world(t, ours, naming(ours.publicKey))
  const inspected = await project.yoe(['bundle', 'inspect', path], { cwd: dirname(path) })
  assert.equal(inspected.code, 0, inspected.stderr)
  assert.match(inspected.stdout, /^result +small +\d+ KiB +x86_64\/[0-9a-f]{12}$/m)
  assert.match(inspected.stdout, /^source +app-1\.0\.tar\.gz +11 B/m)
  assert.match(inspected.stdout, new RegExp(`^signed by +key ${ours.keyId}$`, 'm'))
  assert.match(inspected.stdout, /^results +2 /m)
  const json = JSON.parse((await project.yoe(['bundle', 'inspect', path, '--json'])).stdout)
  assert.deepEqual(faultsOf('bundle', json), [])
  assert.equal(json.parts.length, 4)
  assert.ok(!existsSync(join(project.root, 'cache')), 'nothing is taken')

  const taken = await project.yoe(['bundle', 'import', path, '--json'])
  assert.equal(taken.code, 0, taken.stderr)
  const said = JSON.parse(taken.stdout)
  assert.deepEqual(faultsOf('bundle', said), [])
  assert.deepEqual([said.results, said.objects, said.signer], [2, 4, ours.keyId])
  // It was made by hand: no such project has these targets.
  assert.match(taken.stderr, /the bundle is in the cache, but this project can't be built with it alone: /)
  const again = await project.yoe(['bundle', 'import', path])
  assert.match(again.stdout, /^took 0 results, 0 commits and 0 objects \(0 B\)$/m)
  assert.equal(Object(documentOf(index))['project'], 'demo')
})

/** Signer, what the project says, what is typed, and what comes of it. */
const cases = [
  { name: 'nobody signed it', signer: undefined, project: bareProject, args: [], want: /nobody signed it/ },
  {
    name: 'a stranger, and the project names a key',
    signer: stranger,
    project: naming(ours.publicKey),
    args: [],
    want: /does not name/,
  },
  { name: 'ours, and the project names none', signer: ours, project: bareProject, args: [], want: /does not name/ },
  {
    name: 'a stranger, and another key is asked for',
    signer: stranger,
    project: bareProject,
    args: ['--verify', ours.publicKey],
    want: /does not name/,
  },
  {
    name: 'ours, which the project revoked',
    signer: ours,
    project: naming(`${ours.publicKey} revoked`),
    args: [],
    want: /is revoked/,
  },
  {
    name: 'nobody, and a key is asked for',
    signer: undefined,
    project: bareProject,
    args: ['--verify', ours.publicKey],
    want: /nobody/,
  },
  {
    name: 'ours, which is asked for',
    signer: ours,
    project: bareProject,
    args: ['--verify', ours.publicKey],
    want: undefined,
  },
  {
    name: 'nobody, and that is wanted',
    signer: undefined,
    project: naming(ours.publicKey),
    args: ['--unsigned'],
    want: undefined,
  },
] as const
for (const { name, signer, project: text, args, want } of cases) {
  test(`G1, taken or refused: ${name}`, async (t) => {
    const { project, path } = await world(t, signer, text)
    const { code, stderr } = await project.yoe(['bundle', 'import', path, ...args])
    assert.equal(code, want === undefined ? 0 : 1, stderr)
    if (want === undefined) return
    assert.match(stderr, /^error\[BUNDLE_UNTRUSTED\]: /)
    assert.match(stderr, want)
    assert.match(stderr, /hint: .*--verify KEY/)
    assert.ok(!existsSync(join(project.root, 'cache/objects')), 'nothing is taken')
  })
}

test("the machine's own key is believed where the project names none; a key file may be named", async (t) => {
  const { project, path } = await world(t, ours)
  const own = await project.yoe(['bundle', 'import', path], { env: { YOE_CACHE_SIGNING_KEY: pair.privateKey } })
  assert.equal(own.code, 0, own.stderr)
  writeFileSync(join(project.root, 'bundle.pub'), `# who makes them\n${ours.publicKey}\n`)
  const named = await project.yoe(['bundle', 'import', path, '--verify', 'bundle.pub'])
  assert.equal(named.code, 0, named.stderr)
  writeFileSync(join(project.root, 'bundle.pub'), 'hello\n')
  const wrong = await project.yoe(['bundle', 'import', path, '--verify', 'bundle.pub'])
  assert.match(wrong.stderr, /^error\[KEY_INVALID\]: bundle\.pub:1: /)
  const missing = await project.yoe(['bundle', 'import', path, '--verify', 'none.pub'])
  assert.match(missing.stderr, /^error\[KEY_INVALID\]: the public key none\.pub can't be read/)
})

const lock = `yoe.lock 1\nmodule url=https://example.invalid/hal ref=v1 commit=${'a'.repeat(40)}\n`

test('a project that was never locked gets the lock of the bundle, and keeps what it has; one of another name gets none', async (t) => {
  const { project, path } = await world(t, ours, naming(ours.publicKey), lock)
  const first = await project.yoe(['bundle', 'import', path])
  assert.match(first.stderr, /yoe\.lock keeps what the bundle was made with/)
  const own = readFileSync(join(project.root, 'yoe.lock'), 'utf8')
  assert.ok(own.includes('a'.repeat(40)))
  writeFileSync(join(project.root, 'yoe.lock'), own.replaceAll('a'.repeat(40), 'b'.repeat(40)))
  await project.yoe(['bundle', 'import', path])
  assert.ok(readFileSync(join(project.root, 'yoe.lock'), 'utf8').includes('b'.repeat(40)))

  const other = await world(t, ours, naming(ours.publicKey).replace('demo', 'other'), lock)
  const { code, stderr } = await other.project.yoe(['bundle', 'import', other.path])
  assert.equal(code, 0)
  assert.match(stderr, /was made for the project demo, and this is other/)
  assert.ok(!existsSync(join(other.project.root, 'yoe.lock')))
})

test('a lock that is none makes the bundle invalid before anything is taken', async (t) => {
  const { project, path } = await world(t, ours, naming(ours.publicKey), 'hello')
  const { code, stderr } = await project.yoe(['bundle', 'import', path])
  assert.equal(code, 1)
  assert.match(stderr, /^error\[BUNDLE_INVALID\]: .* its yoe\.lock: /)
  assert.ok(!existsSync(join(project.root, 'cache/objects')))
})

/** What is typed wrong, and what is said. */
const usages: readonly (readonly [args: readonly string[], want: RegExp])[] = [
  [['exprot'], /yoe bundle has no "exprot"[\s\S]*export/],
  [['export'], /say which file to write\n {2}hint: yoe bundle export --out project\.bundle/],
  [['export', 'app'], /hint: yoe bundle export app --out app\.bundle/],
  [['export', 'app', '--all', '--out', 'x'], /--all takes no names/],
  [['export', '--out', '.'], /\. is a folder/],
  [['export', '--out', 'no/such/x.bundle'], /there is no folder no\/such\n {2}hint: mkdir -p no\/such/],
  [['export', '--out', 'x', '--verify', 'k'], /yoe bundle export takes no --verify/],
  [['import'], /yoe bundle import takes one file/],
  [['import', 'a', 'b'], /yoe bundle import takes one file/],
  [['import', 'a', '--all'], /yoe bundle import takes no --all/],
  [['import', 'a', '--unsigned', '--verify', 'k'], /opposite things/],
  [['import', 'a', '--machine', 'm'], /yoe bundle import takes no --machine/],
  [['import', 'a', '--remote-cache', 'file:///x'], /yoe bundle import takes no --remote-cache/],
  [['inspect', 'a', '--out', 'x'], /yoe bundle inspect takes no --out/],
]
test('what is typed wrong is said with what to type', async (t) => {
  const project = testProject(t, { 'PROJECT.star': bareProject })
  for (const [args, want] of usages) {
    const { code, stderr } = await project.yoe(['bundle', ...args])
    assert.equal(code, 2, stderr)
    assert.match(stderr, want)
  }
})

test('C9: a key to sign with that others may read, that lies in the project, or is none, is refused', async (t) => {
  const project = testProject(t, { 'PROJECT.star': bareProject })
  const secrets = join(project.root, '../secrets')
  mkdirSync(secrets)
  writeFileSync(join(secrets, 'open.key'), pair.privateKey, { mode: 0o644 })
  writeFileSync(join(secrets, 'none.key'), 'hello', { mode: 0o600 })
  writeFileSync(join(project.root, 'in.key'), pair.privateKey, { mode: 0o600 })
  const rows = [
    ['../secrets/open.key', /other users of this machine may read/],
    ['../secrets/none.key', /is not "ed25519-private:"/],
    ['in.key', /lies inside the project/],
    ['missing.key', /there is no key missing\.key/],
  ] as const
  for (const [file, want] of rows) {
    const { code, stderr } = await project.yoe(['bundle', 'export', 'app', '--out', 'x', '--sign', file])
    assert.equal(code, 2, stderr)
    assert.match(stderr, want)
    assert.ok(!stderr.includes(pair.privateKey.slice(20)))
  }
})
