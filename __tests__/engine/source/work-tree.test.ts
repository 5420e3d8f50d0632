import assert from 'node:assert/strict'
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { headOf, importUpstream, readDev, readPrepared, writeDev } from '#engine/source/work-tree.ts'
import { TestRepository } from '../../support/git.ts'
import { scratch, writeTexts } from '../../support/project.ts'
import { hello, treeOf, userGit } from './trees.ts'

test('a work tree is one that git knows, whole and clean', async (t) => {
  const { place } = await treeOf(t)
  assert.equal(userGit(place, 'status', '--porcelain', '--ignored'), '')
  assert.equal(userGit(place, 'log', '--format=%an %s %D'), 'yoe hello 1.0 HEAD -> yoe, tag: upstream')
  assert.equal(userGit(place, 'fsck', '--strict'), '')
  assert.equal(headOf(place), userGit(place, 'rev-parse', 'HEAD'))
  assert.equal(readFileSync(join(place.source, '.git'), 'utf8'), 'gitdir: ../src.git\n')
})

test('equal sources give equal commits, whoever asks and whatever git is told by its user', async (t) => {
  const first = await treeOf(t)
  const before = { ...process.env }
  Object.assign(process.env, {
    GIT_AUTHOR_NAME: 'Eve',
    GIT_DIR: '/nowhere',
    GIT_CONFIG_COUNT: '1',
    GIT_CONFIG_KEY_0: 'core.autocrlf',
    GIT_CONFIG_VALUE_0: 'true',
  })
  t.after(() => Object.assign(process.env, before))
  const second = await treeOf(t)
  for (const name of ['GIT_AUTHOR_NAME', 'GIT_DIR', 'GIT_CONFIG_COUNT', 'GIT_CONFIG_KEY_0', 'GIT_CONFIG_VALUE_0'])
    delete process.env[name]
  assert.equal(headOf(first.place), headOf(second.place))
  const other = await treeOf(t, { ...hello, more: '' })
  assert.notEqual(headOf(first.place), headOf(other.place))
})

test('what sources say of themselves changes no byte and runs nothing', async (t) => {
  const folder = scratch(t)
  const place = { source: join(folder, 'src'), git: join(folder, 'src.git') }
  mkdirSync(place.source)
  writeTexts(place.source, {
    '.gitattributes': '* text=auto eol=crlf ident filter=evil diff=evil\n*.utf16 working-tree-encoding=UTF-16\n',
    '.gitignore': 'configure\n*.o\n',
    configure: 'generated\n',
    'dos.txt': 'a\r\nb\r\n',
    'id.txt': '$Id$\n',
    'x.utf16': 'text',
    // Somebody's repository in the tree, whose configuration would name programs to run.
    'sub/.git/config': `[core]\n\tfsmonitor = touch ${folder}/ran\n\thooksPath = .\n`,
    'sub/.git/HEAD': 'ref: refs/heads/x\n',
    'sub/a.c': '',
    'git~1': 'no short name here',
  })
  symlinkSync('/etc/passwd', join(place.source, 'out'))
  chmodSync(join(place.source, 'configure'), 0o755)
  const git = await importUpstream(place, { name: 'x', version: '1', id: 'i' })
  assert.ok(!existsSync(join(place.source, 'sub/.git')))
  const names = (await git.run(['ls-tree', '-r', '-z', '--format=%(objectmode) %(path)', 'HEAD']))
    .split('\0')
    .filter(Boolean)
  assert.deepEqual(names, [
    '100644 .gitattributes',
    '100644 .gitignore',
    '100755 configure',
    '100644 dos.txt',
    '100644 git~1',
    '100644 id.txt',
    '120000 out',
    '100644 sub/a.c',
    '100644 x.utf16',
  ])
  assert.equal(await git.run(['cat-file', 'blob', 'HEAD:dos.txt']), 'a\r\nb'.trimEnd())
  rmSync(join(place.source, 'id.txt'))
  userGit(place, 'checkout', '--', '.')
  assert.equal(readFileSync(join(place.source, 'id.txt'), 'utf8'), '$Id$\n')
  assert.ok(!existsSync(join(folder, 'ran')))
})

test('a repository that a task put over the pointer is never read', async (t) => {
  const { place, git, folder } = await treeOf(t)
  // The naive way asks git in the folder, and believes what it finds there.
  rmSync(join(place.source, '.git'))
  writeTexts(place.source, {
    '.git/config': `[core]\n\trepositoryformatversion = 0\n\tfsmonitor = touch ${folder}/ran; false\n`,
    '.git/HEAD': 'ref: refs/heads/x\n',
    '.git/objects/x': '',
    '.git/refs/x': '',
  })
  userGit(place, 'status')
  assert.ok(existsSync(join(folder, 'ran')), 'the naive way runs it')
  rmSync(join(folder, 'ran'))
  await git.run(['status'])
  assert.ok(!existsSync(join(folder, 'ran')))
})

test('of a git source upstream is the true commit, with its tag, without the cache', async (t) => {
  const folder = scratch(t)
  const origin = new TestRepository(join(folder, 'origin'), hello)
  origin.tag('v1.0')
  const bare = join(folder, 'bare.git')
  origin.git('clone', '--quiet', '--bare', '--depth=1', pathToFileURL(origin.folder).href, bare)
  const real = { repository: bare, commit: origin.head, tag: 'v1.0' }
  const { place } = await treeOf(t, hello, { real })
  assert.equal(headOf(place), origin.head)
  assert.equal(userGit(place, 'describe', '--tags', '--match', 'v*'), 'v1.0')
  rmSync(bare, { recursive: true })
  assert.equal(userGit(place, 'fsck'), '')
  // Where the tree holds more than the commit (submodules), a commit with that stands on the true one.
  const more = new TestRepository(join(folder, 'more'), hello)
  const cached = join(folder, 'more.git')
  more.git('clone', '--quiet', '--bare', more.folder, cached)
  const other = await treeOf(
    t,
    { ...hello, 'sub/a': '' },
    { real: { repository: cached, commit: more.head, tag: 'v1' } },
  )
  assert.equal(userGit(other.place, 'rev-parse', 'HEAD^'), more.head)
  assert.equal(userGit(other.place, 'tag'), 'upstream')
})

test('HEAD is read without git, wherever it is kept', async (t) => {
  const { place, git } = await treeOf(t)
  const head = headOf(place)
  userGit(place, 'pack-refs', '--all')
  assert.equal(headOf(place), head)
  userGit(place, 'checkout', '--quiet', '--detach')
  assert.equal(headOf(place), head)
  userGit(place, 'checkout', '--quiet', '-b', 'topic/x')
  writeFileSync(join(place.source, 'new'), '')
  userGit(place, 'add', 'new')
  userGit(place, 'commit', '--quiet', '--message', 'x')
  assert.notEqual(headOf(place), head)
  assert.equal(headOf(place), await git.run(['rev-parse', 'HEAD']))
  for (const text of ['', 'ref: refs/../../config', 'garbage']) {
    writeFileSync(join(place.git, 'HEAD'), text)
    assert.equal(headOf(place), undefined)
  }
})

test('notes about a tree that are damaged count as none', async (t) => {
  const { place } = await treeOf(t)
  assert.equal(readPrepared(place)?.version, '1.0')
  await writeDev(place, { by: 'toggle' })
  assert.deepEqual(readDev(place), { by: 'toggle' })
  for (const text of ['', '{', '[]', 'null', '{"by":"me"}', '{"source":1}']) {
    writeFileSync(join(place.git, 'dev.json'), text)
    writeFileSync(join(place.git, 'yoe.json'), text)
    assert.equal(readDev(place), undefined)
    assert.equal(readPrepared(place), undefined)
  }
  await writeDev(place, undefined)
  assert.ok(!existsSync(join(place.git, 'dev.json')))
})
