/** Commits that travel in bundles, by the real git. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { copyFileSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { packCommit, repositoryPlace, unpackCommit } from '#engine/bundle/commits.ts'
import type { BundleCommit } from '#engine/bundle/document.ts'
import { repositoryOf } from '#engine/source/git.ts'
import { TestRepository } from '../../support/git.ts'
import { Scratch } from '../store/fixture.ts'

const files = { README: 'read me\n', 'src/main.c': 'int main(void) { return 0; }\n', 'src/data': 'x'.repeat(5000) }

function origin(scratch: Scratch, name = 'repo'): TestRepository {
  const made = new TestRepository(join(scratch.path, name), { old: 'what was before\n' })
  made.commit(files)
  return made
}

async function pack(scratch: Scratch, repository: TestRepository, machine: string): Promise<string> {
  const store = await scratch.store(machine)
  const dest = join(scratch.path, `${machine}.pack`)
  const { url, head: commit } = repository
  await packCommit({ url, candidates: [url], commit, store, offline: false, ...repositoryOf(store, url) }, dest)
  return dest
}

const commitOf = (repository: TestRepository, path: string): BundleCommit => ({
  use: 'source',
  title: 'repo',
  repository: createHash('sha256').update(repository.url).digest('hex').slice(0, 40),
  commit: repository.head,
  pack: createHash('sha256').update(readFileSync(path)).digest('hex'),
})

const git = (folder: string, ...args: readonly string[]): string =>
  execFileSync('git', [`--git-dir=${folder}`, ...args], { encoding: 'utf8' }).trim()

test('a commit arrives with its files and its id, without what is before it, and is whole', async () => {
  await using scratch = new Scratch()
  const repository = origin(scratch)
  const path = await pack(scratch, repository, 'maker')
  const wanted = commitOf(repository, path)
  const store = await scratch.store('taker')
  assert.equal(await unpackCommit(store, wanted, path, undefined), undefined)
  const { folder } = repositoryPlace(store.root, wanted)
  assert.equal(git(folder, 'rev-parse', `refs/yoe/${wanted.commit}`), repository.head)
  assert.equal(git(folder, 'show', `${wanted.commit}:src/main.c`), files['src/main.c'].trim())
  assert.equal(git(folder, 'rev-list', '--count', wanted.commit), '1')
  git(folder, 'fsck', '--full')
  assert.deepEqual(readdirSync(join(store.root, 'tmp')), [])
})

test('a first commit arrives too', async () => {
  await using scratch = new Scratch()
  const repository = new TestRepository(join(scratch.path, 'repo'), files)
  const path = await pack(scratch, repository, 'maker')
  const wanted = commitOf(repository, path)
  const store = await scratch.store('taker')
  assert.equal(await unpackCommit(store, wanted, path, undefined), undefined)
  // As where it was fetched.
  const shallow = (root: string): boolean => existsSync(join(repositoryPlace(root, wanted).folder, 'shallow'))
  assert.equal(shallow(store.root), shallow((await scratch.store('maker')).root))
})

test('the pack of a commit is the same, however its objects came: packed or loose, with history or without', async () => {
  await using scratch = new Scratch()
  const repository = origin(scratch)
  const shallow = await pack(scratch, repository, 'first')
  // A machine that has all of its history, packed anew with deltas.
  const store = await scratch.store('second')
  const { folder } = repositoryOf(store, repository.url)
  execFileSync('git', ['clone', '--quiet', '--bare', repository.url, folder])
  git(folder, 'update-ref', `refs/yoe/${repository.head}`, repository.head)
  git(folder, 'repack', '-adfq', '--depth=50', '--window=50')
  const whole = await pack(scratch, repository, 'second')
  assert.ok(readFileSync(shallow).equals(readFileSync(whole)))
  // The control: what git packs by itself depends on what it finds.
  const usual = (from: string): Buffer =>
    execFileSync('git', [`--git-dir=${from}`, 'pack-objects', '--stdout', '--revs', '-q', '--all'], { input: '' })
  const first = repositoryOf(await scratch.store('first'), repository.url).folder
  assert.ok(!usual(first).equals(usual(folder)))
})

/** What a pack could be instead. */
const wrongs: readonly { readonly name: string; readonly spoil: (path: string, scratch: Scratch) => Promise<void> }[] =
  [
    { name: 'no pack', spoil: async (path) => writeFileSync(path, 'hello') },
    { name: 'empty', spoil: async (path) => writeFileSync(path, '') },
    { name: 'cut off', spoil: async (path) => writeFileSync(path, readFileSync(path).subarray(0, -30)) },
    {
      name: 'with a byte changed',
      spoil: async (path) => {
        const content = readFileSync(path)
        content[40] = (content[40] ?? 0) ^ 1
        writeFileSync(path, content)
      },
    },
    {
      name: 'of another commit',
      spoil: async (path, scratch) => {
        const other = new TestRepository(join(scratch.path, 'other'), { evil: 'x' })
        copyFileSync(await pack(scratch, other, 'other'), path)
      },
    },
    {
      name: 'without a file of the commit',
      spoil: async (path, scratch) => {
        const folder = join(scratch.path, 'repo', '.git')
        const objects = git(folder, 'rev-list', '--objects', '--max-count=1', 'HEAD').split('\n')
        const input = objects.filter((line) => !line.endsWith(' src/main.c')).join('\n')
        const partial = execFileSync('git', [`--git-dir=${folder}`, 'pack-objects', '--stdout', '-q'], { input })
        writeFileSync(path, partial)
      },
    },
  ]
for (const { name, spoil } of wrongs) {
  test(`a pack that is ${name} is refused, and the repository stays as it was`, async () => {
    await using scratch = new Scratch()
    const repository = origin(scratch)
    const path = await pack(scratch, repository, 'maker')
    const wanted = commitOf(repository, path)
    await spoil(path, scratch)
    const store = await scratch.store('taker')
    const reason = await unpackCommit(store, wanted, path, undefined).catch((failure: unknown) => {
      assert.equal(Object(failure).code, 'FETCH_FAILED', String(failure))
      return 'not there'
    })
    assert.ok(reason !== undefined)
    const { folder } = repositoryPlace(store.root, wanted)
    assert.ok(!existsSync(join(folder, 'refs', 'yoe', wanted.commit)))
  })
}
