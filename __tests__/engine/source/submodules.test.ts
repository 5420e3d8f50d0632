import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'node:test'
import { submoduleUrl } from '../../../src/engine/source/submodules.ts'
import { TestRepository } from '../../support/git.ts'
import { Scratch } from '../store/fixture.ts'
import { treeOf } from './commit-trees.ts'
import { listing } from './unpacking.ts'

/** A repository in `lib/` of one in `mid/` of one in the root, by relative addresses. */
function nested(scratch: Scratch): {
  readonly top: TestRepository
  readonly lib: TestRepository
  readonly mid: TestRepository
} {
  const lib = new TestRepository(join(scratch.path, 'lib'), { 'lib.c': 'lib' })
  const mid = new TestRepository(join(scratch.path, 'mid'), { 'mid.c': 'mid' })
  link(mid, 'third party/lib', '../lib', lib.head)
  const top = new TestRepository(join(scratch.path, 'top'), { 'top.c': 'top' })
  link(top, 'mid', '../mid', mid.head)
  link(top, 'other', lib.url, lib.head)
  return { top, lib, mid }
}

/** Commits a submodule without asking git what it thinks of it. */
function link(repository: TestRepository, path: string, url: string, commit: string): void {
  const modules = join(repository.folder, '.gitmodules')
  const before = existsSync(modules) ? readFileSync(modules, 'utf8') : ''
  writeFileSync(modules, `${before}[submodule "${path}"]\n\tpath = ${path}\n\turl = ${url}\n`)
  repository.git('add', '.gitmodules')
  repository.git('update-index', '--add', '--cacheinfo', `160000,${commit},${path}`)
  repository.git('commit', '--quiet', '-m', 'submodule')
}

test('submodules: the tree has what they have, also those within, as git itself would check them out', async () => {
  await using scratch = new Scratch()
  const { top } = nested(scratch)
  const origin = { url: top.url, head: top.head }
  const all = [
    '.gitmodules [submodule',
    'mid/',
    'mid/.gitmodules [submodule',
    'mid/mid.c mid',
    'mid/third party/',
    'mid/third party/lib/',
    'mid/third party/lib/lib.c lib',
    'other/',
    'other/lib.c lib',
    'top.c top',
  ]
  const short = (lines: readonly string[]) => lines.map((line) => line.replace(/(\[submodule).*/s, '$1'))
  assert.deepEqual(short(await treeOf(scratch, top)), all)
  const clone = join(scratch.path, 'clone')
  execFileSync('git', ['-c', 'protocol.file.allow=always', 'clone', '--quiet', '--recursive', top.url, clone], {
    stdio: 'ignore',
  })
  execFileSync('find', [clone, '-name', '.git', '-exec', 'rm', '-r', '{}', '+'])
  assert.deepEqual(short(listing(clone).map((line) => line.replace(/ \d+ /, ' ').replace(/ \d+$/, ''))), all)
  for (const name of ['lib', 'mid', 'top']) rmSync(join(scratch.path, name), { recursive: true })
  assert.deepEqual(short(await treeOf(scratch, origin, { offline: true })), all, 'and is kept')
})

test('submodules: none, or only some; the control: a plain archive has empty folders', async () => {
  await using scratch = new Scratch()
  const { top } = nested(scratch)
  const none = await treeOf(scratch, top, { submodules: false })
  assert.deepEqual(none.slice(1), ['mid/', 'other/', 'top.c top'])
  const some = await treeOf(scratch, top, { submodules: ['other'] })
  assert.deepEqual(some.slice(1), ['mid/', 'other/', 'other/lib.c lib', 'top.c top'])
  await assert.rejects(treeOf(scratch, top, { submodules: ['midd'] }), {
    code: 'BAD_FIELD',
    message: /has no submodule "midd"/,
    hint: 'it has: mid, other',
  })
  const control = execFileSync('git', ['-C', top.folder, 'archive', 'HEAD']).toString('latin1')
  assert.ok(control.includes('mid/') && !control.includes('mid/mid.c'))
})

test('B15 submodules: a moved branch is not followed: the tree says the commit', async () => {
  await using scratch = new Scratch()
  const { top, lib } = nested(scratch)
  lib.commit({ 'lib.c': 'other' })
  assert.ok((await treeOf(scratch, top)).includes('other/lib.c lib'))
})

test('submodules: one that is gone, or that nothing says the address of', async () => {
  await using scratch = new Scratch()
  const { top } = nested(scratch)
  rmSync(join(scratch.path, 'lib'), { recursive: true })
  await assert.rejects(treeOf(scratch, top), {
    code: 'FETCH_FAILED',
    message: /can't be fetched\n {2}file:.*lib: fatal/,
  })
  const stray = new TestRepository(join(scratch.path, 'stray'), { a: '1' })
  stray.git('update-index', '--add', '--cacheinfo', `160000,${'1'.repeat(40)},stray`)
  stray.git('commit', '--quiet', '-m', 'stray')
  await assert.rejects(treeOf(scratch, stray), {
    code: 'FETCH_FAILED',
    message: /\.gitmodules of file:.* does not say where its submodule "stray" is/,
    hint: /submodules = False/,
  })
})

test('submodules: in each other without end they are not followed without end', async () => {
  await using scratch = new Scratch()
  let below = new TestRepository(join(scratch.path, 'r0'), { a: '0' })
  for (let n = 1; n <= 18; n++) {
    const next = new TestRepository(join(scratch.path, `r${n}`), {})
    link(next, 's', `../r${n - 1}`, below.head)
    below = next
  }
  await assert.rejects(treeOf(scratch, below), { code: 'FETCH_FAILED', message: /one submodule too many/ })
})

const addresses: readonly (readonly [name: string, parent: string, url: string, want: string | RegExp])[] = [
  ['relative', 'https://a.example/x/y.git', '../z.git', 'https://a.example/x/z.git'],
  ['two up', 'https://a.example/x/y', '../../z', 'https://a.example/z'],
  ['beside', 'https://a.example/x/y', './z', 'https://a.example/x/y/z'],
  ['scp', 'git@a.example:x/y.git', '../z.git', 'git@a.example:x/z.git'],
  ['ssh', 'ssh://git@a.example:22/x/y', '../z', 'ssh://git@a.example:22/x/z'],
  ['elsewhere', 'https://a.example/x', 'https://b.example/y', 'https://b.example/y'],
  ['local of local', 'file:///srv/x', '../y', 'file:///srv/y'],
  ['B15 above the server', 'https://a.example/x/y', '../../../z', /leaves the server/],
  ['B15 above the server, by scp', 'git@a.example:x', '../../z', /leaves the server/],
  ['B15 climbing', 'https://a.example/x', 'https://b.example/../../y', /climbs/],
  ['B15 climbing, relative', 'https://a.example/x/y', '../../../b.example/z', /leaves the server/],
  ['B15 an option', 'https://a.example/x', '--upload-pack=touch pwned', /must not be sent/],
  ['B15 an option as a host', 'https://a.example/x', 'ssh://-oProxyCommand=x/y', /must not be sent/],
  ['B15 a program', 'https://a.example/x', 'ext::sh -c id', /must not be sent/],
  ['B15 a path', 'https://a.example/x', '/etc', /must not be sent/],
  ['B15 local of a server', 'https://a.example/x', 'file:///root/secret', /lie on this machine/],
  ['B15 local of a server, in capitals', 'https://a.example/x', 'FILE:///root/secret', /lie on this machine/],
  ['B15 itself', 'https://a.example/x', '..', /leaves the server|must not/],
]
for (const [name, parent, url, want] of addresses) {
  test(`submodules: an address: ${name}`, () => {
    if (typeof want === 'string') assert.equal(submoduleUrl(parent, url, 'sub'), want)
    else
      assert.throws(() => submoduleUrl(parent, url, 'sub'), {
        code: 'BAD_FIELD',
        message: want,
        hint: /submodules = False/,
      })
  })
}

test('B15 submodules: a hostile address is refused before git hears of it', async () => {
  await using scratch = new Scratch()
  const top = new TestRepository(join(scratch.path, 'top'), { a: '1' })
  link(top, 'sub', `ext::sh -c touch% ${scratch.path}/pwned`, '1'.repeat(40))
  await assert.rejects(treeOf(scratch, top), { code: 'BAD_FIELD', message: /the submodule "sub" of file:/ })
  assert.ok(!existsSync(join(scratch.path, 'pwned')))
})
