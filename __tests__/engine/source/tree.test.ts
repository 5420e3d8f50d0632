import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import test from 'node:test'
import { copyTree, treeDigest } from '../../../src/engine/source/tree.ts'
import { Scratch } from '../store/fixture.ts'

/** A small tree: `path` ends in `/` for folders, `*` for programs; ` -> ` makes a link. */
function make(root: string, entries: Readonly<Record<string, string>>): void {
  mkdirSync(root, { recursive: true })
  for (const [name, content] of Object.entries(entries)) {
    const path = join(root, name.replace(/\*$/, ''))
    mkdirSync(join(path, '..'), { recursive: true })
    if (name.endsWith('/')) mkdirSync(path, { recursive: true })
    else if (content.startsWith('-> ')) symlinkSync(content.slice(3), path)
    else {
      writeFileSync(path, content)
      if (name.endsWith('*')) chmodSync(path, 0o755)
    }
  }
}

const base = { 'a.c': 'int a;', 'b/c.h': 'int c;', 'run.sh*': '#!/bin/sh', 'empty/': '', link: '-> b/c.h' }

const mutations: readonly { name: string; change: (root: string) => void; same?: true }[] = [
  { name: 'a byte of a file', change: (root) => writeFileSync(join(root, 'a.c'), 'int b;') },
  { name: 'a file’s name', change: (root) => renameSync(join(root, 'a.c'), join(root, 'b.c')) },
  { name: 'a file’s folder', change: (root) => renameSync(join(root, 'b/c.h'), join(root, 'c.h')) },
  { name: 'the executable bit', change: (root) => chmodSync(join(root, 'run.sh'), 0o644) },
  { name: 'where a link leads', change: (root) => relink(root, 'a.c') },
  { name: 'a link becoming its target’s content', change: (root) => becomeFile(root) },
  { name: 'a file more', change: (root) => writeFileSync(join(root, 'b', 'new'), '') },
  { name: 'a hidden file more', change: (root) => writeFileSync(join(root, '.config'), '') },
  { name: 'an empty folder less', change: (root) => rmSync(join(root, 'empty'), { recursive: true }) },
  { name: 'a folder more', change: (root) => mkdirSync(join(root, 'b', 'd')) },
  { name: 'times', change: (root) => utimesSync(join(root, 'a.c'), 1, 1), same: true },
  { name: 'other permissions', change: (root) => chmodSync(join(root, 'a.c'), 0o600), same: true },
  { name: '.git', change: (root) => make(root, { '.git/HEAD': 'x', 'b/.git': 'gitdir: x' }), same: true },
]
function relink(root: string, target: string): void {
  rmSync(join(root, 'link'))
  symlinkSync(target, join(root, 'link'))
}
function becomeFile(root: string): void {
  rmSync(join(root, 'link'))
  writeFileSync(join(root, 'link'), 'b/c.h')
}
for (const { name, change, same } of mutations) {
  test(`G3 tree: ${name} ${same ? 'does not change' : 'changes'} the identity`, async () => {
    await using scratch = new Scratch()
    const [root, cache] = [join(scratch.path, 'src'), join(scratch.path, 'cache')]
    make(root, base)
    const before = treeDigest(root, cache)
    assert.equal(treeDigest(root, cache), before)
    change(root)
    assert.equal(treeDigest(root, cache) === before, same === true)
    assert.equal(treeDigest(root, cache), treeDigest(root, undefined), 'what is remembered changes no answer')
  })
}

test('tree: the identity is free of the place, and of the order of names on disk', async () => {
  await using scratch = new Scratch()
  make(join(scratch.path, 'one'), base)
  make(join(scratch.path, 'deep/er/two'), Object.fromEntries(Object.entries(base).reverse()))
  assert.equal(
    treeDigest(join(scratch.path, 'one'), undefined),
    treeDigest(join(scratch.path, 'deep/er/two'), undefined),
  )
})

test('G4 tree: names and contents never run into each other', async () => {
  await using scratch = new Scratch()
  const trees = [
    { ab: 'c' },
    { a: 'bc' },
    { 'a/b': 'c' },
    { a: 'b', c: '' },
    { a: 'b\0c' },
    { 'a b': 'c' },
    { a: '-> b' },
    { 'a/': '' },
    { a: '' },
    {},
  ]
  const digests = trees.map((tree, i) => {
    make(join(scratch.path, `${i}`), tree)
    return treeDigest(join(scratch.path, `${i}`), undefined)
  })
  assert.equal(new Set(digests).size, trees.length)
})

test('tree: a single file has an identity, too', async () => {
  await using scratch = new Scratch()
  const file = join(scratch.path, 'x.patch')
  writeFileSync(file, '1')
  const before = treeDigest(file, join(scratch.path, 'cache'))
  writeFileSync(file, '2')
  assert.notEqual(treeDigest(file, join(scratch.path, 'cache')), before)
})

const refused: readonly { name: string; change: (root: string) => void; code: string }[] = [
  {
    name: 'a link out of the folder',
    change: (root) => symlinkSync('../secret', join(root, 'x')),
    code: 'LOAD_OUTSIDE',
  },
  {
    name: 'a link to a sibling with a similar name',
    change: (root) => symlinkSync('../../src-evil/x', join(root, 'b', 'x')),
    code: 'LOAD_OUTSIDE',
  },
  { name: 'an absolute link', change: (root) => symlinkSync('/etc/passwd', join(root, 'x')), code: 'LOAD_OUTSIDE' },
  { name: 'a fifo', change: (root) => spawnSync('mkfifo', [join(root, 'x')]), code: 'PROJECT_INVALID' },
  {
    name: 'a name that is not UTF-8',
    change: (root) => writeFileSync(Buffer.from(`${root}/\xff`, 'latin1'), ''),
    code: 'BAD_NAME',
  },
]
for (const { name, change, code } of refused) {
  test(`tree: ${name} is refused, by who hashes and by who copies`, async () => {
    await using scratch = new Scratch()
    const root = join(scratch.path, 'src')
    make(root, base)
    change(root)
    assert.throws(() => treeDigest(root, undefined), { code })
    mkdirSync(join(scratch.path, 'dest'))
    await assert.rejects(copyTree(root, join(scratch.path, 'dest'), 0), { code })
  })
}

test('tree: a copy has the same identity, one time for all, plain modes, and is no link', async () => {
  await using scratch = new Scratch()
  const [root, dest] = [join(scratch.path, 'src'), join(scratch.path, 'dest')]
  make(root, { ...base, '.git/HEAD': 'x' })
  mkdirSync(dest)
  await copyTree(root, dest, 1_700_000_000)
  assert.equal(treeDigest(dest, undefined), treeDigest(root, undefined))
  assert.deepEqual(readdirSync(dest).sort(), ['a.c', 'b', 'empty', 'link', 'run.sh'])
  assert.equal(readlinkSync(join(dest, 'link')), 'b/c.h')
  for (const [name, mode] of [
    ['a.c', 0o644],
    ['run.sh', 0o755],
    ['b', 0o755],
    ['empty', 0o755],
  ] as const) {
    const info = lstatSync(join(dest, name))
    assert.equal(info.mode & 0o777, mode, name)
    assert.equal(info.mtimeMs, 1_700_000_000_000, name)
  }
  writeFileSync(join(dest, 'a.c'), 'changed')
  assert.equal(readFileSync(join(root, 'a.c'), 'utf8'), 'int a;')
})

test('tree: 10,000 unchanged files are not read again, and that is fast', async (t) => {
  await using scratch = new Scratch()
  const [root, cache] = [join(scratch.path, 'src'), join(scratch.path, 'cache')]
  for (let folder = 0; folder < 100; folder++) {
    mkdirSync(join(root, `${folder}`), { recursive: true })
    for (let file = 0; file < 100; file++) writeFileSync(join(root, `${folder}`, `${file}`), `${folder} ${file}`)
  }
  // As if written a while ago: what is too fresh is not relied upon.
  const realNow = Date.now
  Date.now = () => realNow() + 10_000
  try {
    const cold = performance.now()
    const first = treeDigest(root, cache)
    const warm = performance.now()
    assert.equal(treeDigest(root, cache), first)
    const end = performance.now()
    t.diagnostic(`cold ${(warm - cold).toFixed()} ms, warm ${(end - warm).toFixed()} ms`)
    assert.ok(end - warm < 1000)
    // A file replaced by another with the same size and times is another file (inode, ctime).
    const victim = join(root, '5', '5')
    const { atime, mtime } = lstatSync(victim)
    writeFileSync(`${victim}x`, '5 6')
    utimesSync(`${victim}x`, atime, mtime)
    renameSync(`${victim}x`, victim)
    assert.notEqual(treeDigest(root, cache), first)
  } finally {
    Date.now = realNow
  }
})

test('tree: what is remembered may be damaged or unwritable', async () => {
  await using scratch = new Scratch()
  const [root, cache] = [join(scratch.path, 'src'), join(scratch.path, 'cache')]
  make(root, base)
  const truth = treeDigest(root, undefined)
  const realNow = Date.now
  Date.now = () => realNow() + 10_000
  treeDigest(root, cache)
  Date.now = realNow
  const name = readdirSync(join(cache, 'trees')).find((entry) => !entry.endsWith('.list')) ?? ''
  const good = readFileSync(join(cache, 'trees', name), 'latin1')
  assert.ok(good.length > 300)
  for (let at = 0; at < good.length; at += 3) {
    const damaged = Buffer.from(good, 'latin1')
    damaged[at] = (damaged[at] ?? 0) ^ 1
    writeFileSync(join(cache, 'trees', name), damaged)
    assert.equal(treeDigest(root, cache), truth)
  }
  for (const junk of ['', 'yoe-stamps/1\0junk', 'yoe-stamps/0\0x', '\xff\xfe']) {
    for (const name of readdirSync(join(cache, 'trees'))) writeFileSync(join(cache, 'trees', name), junk)
    assert.equal(treeDigest(root, cache), truth)
  }
  writeFileSync(join(scratch.path, 'file'), '')
  assert.equal(treeDigest(root, join(scratch.path, 'file')), truth)
  linkSync(join(root, 'a.c'), join(root, 'hard'))
  assert.notEqual(treeDigest(root, cache), truth)
})
