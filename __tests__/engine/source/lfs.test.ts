import assert from 'node:assert/strict'
import { execFile, execFileSync } from 'node:child_process'
import { mkdirSync, readdirSync, renameSync } from 'node:fs'
import { join } from 'node:path'
import test from 'node:test'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import { TestRepository } from '../../support/git.ts'
import { Scratch } from '../store/fixture.ts'
import { treeOf } from './commit-trees.ts'
import { LfsServer } from './lfs-server.ts'

/** A repository whose files below `big/` are in LFS; git itself knows nothing of it. */
function withPointers(scratch: Scratch, files: Readonly<Record<string, string>>): TestRepository {
  return new TestRepository(join(scratch.path, 'repo.git'), { '.gitattributes': 'big/** filter=lfs -text\n', ...files })
}

test('LFS: files come in the place of pointers, from the server beside the repository', async () => {
  await using scratch = new Scratch()
  await using server = await LfsServer.start()
  const pointer = server.add('the content')
  const files = {
    'big/a': pointer,
    'big/same': pointer,
    'big/plain': 'committed without LFS',
    'small/b': pointer,
    'sub/.gitattributes': '*.bin filter=lfs\n',
    'sub/c.bin': server.add('other content'),
  }
  const origin = withPointers(scratch, files)
  const here = { candidates: [origin.url, server.url] }
  const tree = await treeOf(scratch, origin, here)
  assert.ok(tree.includes('big/a the content') && tree.includes('big/same the content'))
  assert.ok(tree.includes('big/plain committed without LFS'))
  assert.ok(tree.includes(`small/b ${pointer}`), 'what no attribute asks for stays')
  assert.ok(tree.includes('sub/c.bin other content'))
  const asked = server.asked.length
  assert.deepEqual(await treeOf(scratch, origin, { ...here, offline: true }), tree)
  assert.equal(server.asked.length, asked, 'they are kept')
  const pointers = await treeOf(scratch, origin, { ...here, lfs: false })
  assert.ok(pointers.includes(`big/a ${pointer}`))
})

const wrongs: readonly { name: string; faults: LfsServer['faults']; want: RegExp }[] = [
  {
    name: 'other content',
    faults: { content: (bytes) => Buffer.from(bytes.toString().toUpperCase()) },
    want: /not what was declared/,
  },
  {
    name: 'too much content',
    faults: { content: (bytes) => Buffer.concat([bytes, bytes]) },
    want: /offers 22 bytes, 11 were expected/,
  },
  { name: 'a lead to this machine', faults: { href: () => 'file:///etc/passwd' }, want: /it leads to file:/ },
  { name: 'no lead', faults: { answer: () => ({ objects: [] }) }, want: /says nothing of/ },
  { name: 'no objects', faults: { answer: () => 'hello' }, want: /says nothing of/ },
  {
    name: 'an error',
    faults: { answer: () => ({ objects: [{ oid: 'x', error: { message: 'gone' } }] }) },
    want: /gone/,
  },
]
for (const { name, faults, want } of wrongs) {
  test(`LFS: ${name} is refused`, async () => {
    await using scratch = new Scratch()
    await using server = await LfsServer.start()
    const origin = withPointers(scratch, { 'big/a': server.add('the content') })
    server.faults = faults
    await assert.rejects(treeOf(scratch, origin, { candidates: [origin.url, server.url] }), {
      code: 'FETCH_FAILED',
      message: want,
      hint: /lfs = False/,
    })
  })
}

test('LFS: a server that wants to know who asks gets what git knows, and nobody else does', async () => {
  await using scratch = new Scratch()
  await using server = await LfsServer.start()
  const origin = withPointers(scratch, { 'big/a': server.add('the content') })
  server.faults = { password: 'me:secret' }
  const here = { candidates: [origin.url, server.url] }
  await assert.rejects(treeOf(scratch, origin, here), { code: 'FETCH_FAILED', message: /HTTP 401/ })
  const before = { count: process.env['GIT_CONFIG_COUNT'] }
  const helper = `!f() { test "$1" = get && printf 'username=me\\npassword=secret\\n'; }; f`
  Object.assign(process.env, {
    GIT_CONFIG_COUNT: '1',
    GIT_CONFIG_KEY_0: 'credential.helper',
    GIT_CONFIG_VALUE_0: helper,
  })
  try {
    assert.ok((await treeOf(scratch, origin, here)).includes('big/a the content'))
  } finally {
    for (const name of ['COUNT', 'KEY_0', 'VALUE_0']) delete process.env[`GIT_CONFIG_${name}`]
    if (before.count !== undefined) process.env['GIT_CONFIG_COUNT'] = before.count
  }
})

test('LFS: a pointer that can not be read is no file', async () => {
  await using scratch = new Scratch()
  const text = `version https://git-lfs.github.com/spec/v1\next-0-foo sha256:${'a'.repeat(64)}\noid sha256:${'b'.repeat(64)}\nsize 1\n`
  const origin = withPointers(scratch, { 'big/a': text })
  await assert.rejects(treeOf(scratch, origin), {
    code: 'ARCHIVE_UNSAFE',
    message: /"big\/a" is a pointer of Git LFS that/,
  })
})

test('LFS: what the real git-lfs pushed, to a server and to a folder, is what comes', async () => {
  await using scratch = new Scratch()
  await using server = await LfsServer.start()
  const content = 'x'.repeat(100_000)
  const repository = new TestRepository(join(scratch.path, 'work'), {})
  repository.git('lfs', 'install', '--local')
  repository.git('lfs', 'track', '*.bin')
  repository.commit({ 'a.bin': content, 'b.txt': 'text' })
  assert.match(repository.git('show', 'HEAD:a.bin'), /^version https:\/\/git-lfs/)
  const bare = join(scratch.path, 'origin.git')
  execFileSync('git', ['init', '--quiet', '--bare', '-b', 'main', bare])
  const url = pathToFileURL(bare).href
  repository.git('remote', 'add', 'origin', url)
  // The server is in this process: nothing may wait for it here.
  const push = [
    '-c',
    `lfs.url=${server.url}.git/info/lfs`,
    '-c',
    'lfs.locksverify=false',
    'push',
    '--quiet',
    'origin',
    'HEAD:main',
  ]
  await promisify(execFile)('git', ['-C', repository.folder, ...push], { timeout: 20_000 })
  assert.equal(server.objects.size, 1)
  const tree = await treeOf(scratch, { url, head: repository.head }, { candidates: [url, server.url] })
  assert.ok(tree.includes(`a.bin ${content}`) && tree.includes('b.txt text'))
  // git-lfs keeps a file remote's files within it.
  await using other = new Scratch()
  const objects = readdirSync(join(repository.folder, '.git/lfs/objects'))
  assert.equal(objects.length, 1)
  mkdirSync(join(bare, 'lfs'))
  renameSync(join(repository.folder, '.git/lfs/objects'), join(bare, 'lfs/objects'))
  assert.deepEqual(await treeOf(other, { url, head: repository.head }), tree)
})
