import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { chmodSync, existsSync, globSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { pathToFileURL } from 'node:url'
import type { Removed, SourceRow, Verified } from '#toolkit/sources.ts'
import { TestRepository } from '../support/git.ts'
import { projectIn, scratch, type TestProject } from '../support/project.ts'
import { faultsOf } from '../support/schema.ts'

interface World {
  readonly project: TestProject
  readonly other: TestProject
  readonly cache: string
  readonly origin: TestRepository
  readonly lib: TestRepository
}

const machine = 'machine(name = "mm", arch = "x86_64")\n'
const sha = (text: string): string => createHash('sha256').update(text).digest('hex')

/** Two projects with one cache: an archive that both use, and a repository with a submodule. */
function world(t: TestContext): World {
  const folder = scratch(t)
  const cache = join(folder, 'cache')
  writeFileSync(join(folder, 'tool'), 'tool')
  writeFileSync(join(folder, 'shared'), 'shared')
  const lib = new TestRepository(join(folder, 'lib'), { 'lib.c': 'lib' })
  const origin = new TestRepository(join(folder, 'origin'), { 'main.c': 'main' })
  origin.git('submodule', '--quiet', 'add', '../lib', 'lib')
  origin.git('commit', '--quiet', '-m', 'submodule')
  origin.tag('v1')
  const file = (name: string): string => pathToFileURL(join(folder, name)).href
  const shared = `unit(name = "shared", version = "1", source = "${file('shared')}", sha256 = "${sha('shared')}")\n`
  const project = projectIn(join(folder, 'project'), join(folder, 'home'), cache)
  project.write({
    'PROJECT.star': 'project(name = "pp", defaults = defaults(machine = "mm", distro = "debian"))\n',
    'machines/mm.star': machine,
    'app/a.c': 'a',
    'units/shared.star': shared,
    'units/units.star': [
      `unit(name = "tool", version = "1", source = "${file('tool')}", sha256 = "${sha('tool')}")`,
      `unit(name = "repo", version = "1", source = "${origin.url}", tag = "v1")`,
      'unit(name = "own", version = "1", source = path("//app"))',
      'unit(name = "none", version = "1")\n',
    ].join('\n'),
  })
  const other = projectIn(join(folder, 'other'), join(folder, 'home'), cache)
  other.write({
    'PROJECT.star': 'project(name = "oo", defaults = defaults(machine = "mm", distro = "debian"))\n',
    'machines/mm.star': machine,
    'units/shared.star': shared,
  })
  return { project, other, cache, origin, lib }
}

async function asked<T>(project: TestProject, args: readonly string[], code = 0): Promise<T> {
  const ran = await project.yoe(['source', ...args, '--json'])
  assert.equal(ran.code, code, ran.stdout + ran.stderr)
  const answer = JSON.parse(ran.stdout)
  assert.deepEqual(faultsOf(code === 2 ? 'errors' : 'source', answer), [])
  return answer
}

const states = (rows: readonly SourceRow[]): Record<string, string> =>
  Object.fromEntries(rows.map(({ unit, state }) => [unit, state]))

test('sources are listed, fetched, and had offline then', async (t) => {
  const { project, origin } = world(t)
  const before = await asked<readonly SourceRow[]>(project, ['list'])
  assert.deepEqual(states(before), { own: 'folder', repo: 'missing', shared: 'missing', tool: 'missing' })
  const fetched = await asked<readonly SourceRow[]>(project, ['fetch', '--all'])
  assert.deepEqual(states(fetched), { own: 'folder', repo: 'here', shared: 'here', tool: 'here' })
  const repo = fetched.find(({ unit }) => unit === 'repo')
  assert.equal(repo?.commit, origin.head)
  assert.ok(readFileSync(join(project.root, 'yoe.lock'), 'utf8').includes(origin.head))
  rmSync(origin.folder, { recursive: true })
  assert.deepEqual(states(await asked(project, ['fetch', '--all', '--offline'])), states(fetched))
  const text = await project.yoe(['source', 'list', 'tool', 'repo'])
  assert.match(
    text.stdout,
    /^here {2}repo {2}git {6}[\d.]+ KiB {2}file:.*origin v1 [0-9a-f]{12}\nhere {2}tool {2}archive {2}4 B {6}file:.*\n$/,
  )
})

test('all that can not be fetched is told, each at its declaration', async (t) => {
  const { project, cache } = world(t)
  project.write({
    'units/more.star': [
      `unit(name = "gone", version = "1", source = "file:///gone.tar", sha256 = "${'0'.repeat(64)}")`,
      `unit(name = "changed", version = "1", source = "${pathToFileURL(join(cache, '../tool')).href}", sha256 = "${'1'.repeat(64)}")\n`,
    ].join('\n'),
  })
  const { stdout, code } = await project.yoe(['source', 'fetch', '--all', '--json'])
  assert.equal(code, 1)
  const errors: readonly { code: string; hint: string; at: { line: number } }[] = JSON.parse(stdout).errors
  assert.deepEqual(errors.map((error) => [error.code, error.at.line]).sort(), [
    ['DIGEST_MISMATCH', 2],
    ['FETCH_FAILED', 1],
  ])
  assert.ok(errors.some(({ hint }) => hint === `if the new content is meant: sha256 = "${sha('tool')}"`))
  assert.deepEqual(
    states(await asked(project, ['list', 'tool', 'repo'])),
    { repo: 'here', tool: 'here' },
    'the rest came',
  )
})

test('what is damaged is found, set aside and fetched again', async (t) => {
  const { project, cache } = world(t)
  await asked(project, ['fetch', '--all'])
  const good = await asked<readonly Verified[]>(project, ['verify'])
  assert.equal(good.length, 5, 'two archives, a tree and two repositories')
  assert.ok(good.every(({ state }) => state === 'good'))
  const object = join(cache, 'objects', sha('tool').slice(0, 2), sha('tool').slice(2))
  chmodSync(object, 0o644)
  writeFileSync(object, 'fool')
  const repositories = readdirSync(join(cache, 'git')).filter((name) => name.endsWith('.git'))
  for (const name of repositories) {
    const [file = ''] = globSync('objects/{pack/*.pack,??/*}', { cwd: join(cache, 'git', name) })
    const path = join(cache, 'git', name, file)
    const bytes = readFileSync(path)
    bytes.fill('damage', bytes.length >> 1, (bytes.length >> 1) + 6)
    chmodSync(path, 0o644)
    writeFileSync(path, bytes)
  }
  const bad = await asked<readonly Verified[]>(project, ['verify'], 1)
  assert.equal(bad.filter(({ state }) => state === 'damaged').length, 1 + repositories.length)
  assert.deepEqual(
    bad.find(({ what }) => what === 'tool'),
    { what: 'tool', units: ['tool'], state: 'damaged' },
  )
  assert.ok(!existsSync(object))
  await asked(project, ['fetch', '--all'])
  assert.equal(readFileSync(object, 'utf8'), 'tool')
  assert.ok((await asked<readonly Verified[]>(project, ['verify'])).every(({ state }) => state === 'good'))
})

test('clean removes what nobody uses any more, and nothing of other projects', async (t) => {
  const { project, other, cache } = world(t)
  await asked(project, ['fetch', '--all'])
  await asked(other, ['fetch', '--all'])
  const nothing = { removed: [], freed: 0, dryRun: false }
  assert.deepEqual(await asked(project, ['clean']), nothing)
  project.write({ 'units/units.star': '', 'units/shared.star': '' })
  type Answer = { readonly removed: readonly Removed[]; readonly freed: number }
  const would = await asked<Answer>(project, ['clean', '--dry-run'])
  const titles = would.removed.map(({ title }) => title.replace(/[0-9a-f]{12,}/, 'ID')).sort()
  assert.deepEqual(titles, ['origin at ID', 'repository ID.git', 'repository ID.git', 'tool'])
  assert.ok(would.freed > 1000)
  const { removed } = await asked<Answer>(project, ['clean'])
  assert.deepEqual(removed, would.removed)
  assert.deepEqual(
    readdirSync(join(cache, 'git')).filter((name) => name.endsWith('.git')),
    [],
  )
  assert.deepEqual(states(await asked(other, ['fetch', '--all', '--offline'])), { shared: 'here' })
  rmSync(other.root, { recursive: true })
  project.write({ 'units/shared.star': '' })
  assert.deepEqual(await asked(project, ['clean']), {
    removed: [{ title: 'shared', size: 6 }],
    freed: 6,
    dryRun: false,
  })
  assert.deepEqual(readdirSync(join(cache, 'sources')), [])
})

test('what is no verb, no unit, or has no source', async (t) => {
  const { project } = world(t)
  const cases: readonly (readonly [args: readonly string[], says: RegExp])[] = [
    [['fetsh'], /yoe source has no "fetsh"\n.*fetch/],
    [['list', 'tol'], /there is no unit "tol"\n.*"tool"/],
    [['list', 'none'], /unit "none" has no source/],
    [['clean', 'tool'], /takes no name/],
    [['fetch', '--all', 'tool'], /exclude each other/],
  ]
  for (const [args, says] of cases) {
    const { code, stderr } = await project.yoe(['source', ...args])
    assert.equal(code, 2)
    assert.match(stderr, says)
  }
})
