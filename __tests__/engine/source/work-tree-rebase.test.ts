import assert from 'node:assert/strict'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { readPrepared } from '#engine/source/work-tree.ts'
import { isRebasing, rebaseTree, settleRebase } from '#engine/source/work-tree-rebase.ts'
import { type Texts, writeTexts } from '../../support/project.ts'
import { hello, treeOf, userGit } from './trees.ts'

const changed = (from: string, to: string): Texts => ({ 'hello.c': (hello['hello.c'] ?? '').replace(from, to) })

/** A tree with a commit of the user's, moved onto another upstream. */
async function moved(t: TestContext, mine: Texts, theirs: Texts) {
  const tree = await treeOf(t)
  const { place, git } = tree
  writeTexts(place.source, mine)
  userGit(place, 'add', '--all')
  userGit(place, 'commit', '--quiet', '--message', 'Mine')
  const prepared = readPrepared(place)
  assert.ok(prepared)
  const upstream = { name: 'hello', version: '2.0', id: 'sha256 b' }
  const conflicts = await rebaseTree(git, place, prepared, 'p2', async (dest) => {
    writeTexts(dest, { ...hello, ...theirs })
    return upstream
  })
  return { ...tree, conflicts }
}

test('commits move onto the new upstream with their authors, and all notes with them', async (t) => {
  const { place, conflicts } = await moved(t, { extra: 'mine' }, changed('hello', 'goodbye'))
  assert.deepEqual(conflicts, [])
  assert.equal(userGit(place, 'log', '--format=%an %s %D'), 'Ann Mine HEAD -> yoe\nyoe hello 2.0 tag: upstream')
  assert.match(readFileSync(join(place.source, 'hello.c'), 'utf8'), /goodbye/)
  assert.equal(userGit(place, 'status', '--porcelain'), '')
  const prepared = readPrepared(place)
  assert.equal(prepared?.version, '2.0')
  assert.equal(prepared?.source, 'sha256 b')
  assert.equal(prepared?.head, userGit(place, 'rev-parse', 'upstream'))
  assert.ok(!existsSync(`${place.source}.new`) && !existsSync(join(place.git, 'rebase.json')))
})

test('a conflict waits in the tree; resolved, it counts', async (t) => {
  const { place, git, conflicts } = await moved(t, changed('hello', 'mine'), changed('hello', 'theirs'))
  assert.deepEqual(conflicts, ['hello.c'])
  assert.ok(isRebasing(place))
  await settleRebase(git, place)
  assert.equal(readPrepared(place)?.version, '1.0', 'not yet')
  writeFileSync(join(place.source, 'hello.c'), 'both\n')
  userGit(place, 'add', 'hello.c')
  userGit(place, 'rebase', '--continue')
  await settleRebase(git, place)
  assert.equal(readPrepared(place)?.version, '2.0')
  assert.equal(userGit(place, 'log', '--format=%s'), 'Mine\nhello 2.0')
  assert.equal(userGit(place, 'describe', '--tags', 'HEAD^'), 'upstream')
})

test('given up, everything is as it was', async (t) => {
  const { place, git } = await moved(t, changed('hello', 'mine'), changed('hello', 'theirs'))
  userGit(place, 'rebase', '--abort')
  await settleRebase(git, place)
  assert.equal(readPrepared(place)?.version, '1.0')
  assert.equal(userGit(place, 'log', '--format=%s'), 'Mine\nhello 1.0')
  assert.equal(userGit(place, 'log', '--format=%s', 'upstream'), 'hello 1.0')
})

test('a commit that upstream took over is no more', async (t) => {
  const { place } = await moved(t, changed('hello', 'fixed'), changed('hello', 'fixed'))
  assert.equal(userGit(place, 'log', '--format=%s'), 'hello 2.0')
})
