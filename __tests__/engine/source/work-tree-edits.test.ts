import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import {
  appendFileSync,
  chmodSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TreePlace } from '#engine/source/work-tree.ts'
import { editsIn, recordProducts, removeProducts, startProducts } from '#engine/source/work-tree-edits.ts'
import { hello, treeOf } from './trees.ts'

const texts = { ...hello, '.gitignore': '*.o\n', configure: 'old\n', 'doc/a': 'a' }

/** What a build does in a tree: makes files, changes one that is committed, removes another. */
function build({ source }: TreePlace): void {
  writeFileSync(join(source, 'hello'), 'program')
  writeFileSync(join(source, 'hello.o'), 'object')
  mkdirSync(join(source, 'out/deep'), { recursive: true })
  writeFileSync(join(source, 'out/deep/x.o'), 'object')
  writeFileSync(join(source, 'configure'), 'made anew\n')
  rmSync(join(source, 'doc/a'))
}

const edits = async (tree: Awaited<ReturnType<typeof treeOf>>) =>
  (await editsIn(tree.git, tree.place)).map(({ path, kind }) => `${kind} ${path}`)

test('what a build made is none of the user’s edits, and goes; what the user did stays', async (t) => {
  const tree = await treeOf(t, texts)
  const { place, git } = tree
  await startProducts(place)
  build(place)
  await recordProducts(git, place)
  assert.deepEqual(await edits(tree), [])
  appendFileSync(join(place.source, 'hello.c'), '/* mine */\n')
  writeFileSync(join(place.source, 'mine.o'), 'ignored, but mine')
  writeFileSync(join(place.source, 'out/note'), 'mine')
  writeFileSync(join(place.source, 'hello'), 'changed by me')
  rmSync(join(place.source, 'Makefile'))
  const mine = ['deleted Makefile', 'added hello', 'changed hello.c', 'added mine.o', 'added out/note']
  assert.deepEqual(await edits(tree), mine)
  await removeProducts(git, place)
  assert.deepEqual(await edits(tree), mine)
  assert.deepEqual(readdirSync(place.source, { recursive: true }).sort(), [
    ...['.git', '.gitignore', 'configure', 'doc', 'doc/a', 'hello', 'hello.c', 'mine.o', 'out', 'out/note'],
  ])
  assert.equal(readFileSync(join(place.source, 'configure'), 'utf8'), 'old\n')
  assert.equal(readFileSync(join(place.source, 'hello'), 'utf8'), 'changed by me')
})

test('files that are put back have one time: make finds none of them newer than another', async (t) => {
  const { place, git } = await treeOf(t, { 'aclocal.m4': 'a', 'Makefile.in': 'b', 'z.in': 'c' })
  await startProducts(place)
  for (const name of ['aclocal.m4', 'Makefile.in', 'z.in']) writeFileSync(join(place.source, name), 'anew')
  await recordProducts(git, place)
  await removeProducts(git, place)
  const times = ['aclocal.m4', 'Makefile.in', 'z.in'].map((name) => statSync(join(place.source, name)).mtimeMs)
  assert.equal(new Set(times).size, 1)
})

test('a tree that nobody built in has edits alone', async (t) => {
  const tree = await treeOf(t, texts)
  writeFileSync(join(tree.place.source, 'new.o'), '')
  assert.deepEqual(await edits(tree), ['added new.o'])
})

test('after a build that was killed, what is there counts as made by it', async (t) => {
  const tree = await treeOf(t, texts)
  await startProducts(tree.place)
  build(tree.place)
  assert.deepEqual(await edits(tree), [])
})

test('a copy of the project is not edited: only sizes and times of content count', async (t) => {
  const tree = await treeOf(t, texts)
  const { place, git } = tree
  await startProducts(place)
  build(place)
  await recordProducts(git, place)
  const path = join(place.source, 'hello')
  execFileSync('cp', ['--archive', path, `${path}.copy`])
  renameSync(`${path}.copy`, path)
  chmodSync(path, 0o600)
  assert.deepEqual(await edits(tree), [])
})

test('names that look like something else', async (t) => {
  const tree = await treeOf(t, texts)
  const names = [' lead', '-rf', '"q"', 'new\nline', 'ü', ':(top)x', '-> y']
  for (const name of names) writeFileSync(join(tree.place.source, name), '')
  assert.deepEqual(new Set(await edits(tree)), new Set(names.map((name) => `added ${name}`)))
  await startProducts(tree.place)
  await recordProducts(tree.git, tree.place)
  await removeProducts(tree.git, tree.place)
  assert.deepEqual(await edits(tree), [])
})
