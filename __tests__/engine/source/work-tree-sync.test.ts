import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { treeDigest } from '#engine/source/tree.ts'
import { syncTree } from '#engine/source/work-tree-sync.ts'
import { scratch, writeTexts } from '../../support/project.ts'

function places(t: TestContext) {
  const folder = scratch(t)
  const [source, copy, record] = ['src', 'work', 'work.files'].map((name) => join(folder, name))
  if (source === undefined || copy === undefined || record === undefined) throw new TypeError()
  mkdirSync(source)
  return { source, copy, sync: () => syncTree(source, copy, record) }
}

const old = new Date('2020-01-01')

test('make builds what changed and nothing else, also when an older file comes back', async (t) => {
  const { source, copy, sync } = places(t)
  writeTexts(source, { Makefile: 'all: a.o b.o\n%.o: %.c\n\tcp $< $@; echo $@ >>built\n', 'a.c': 'a1', 'b.c': 'b1' })
  for (const name of ['Makefile', 'a.c', 'b.c']) utimesSync(join(source, name), old, old)
  const made = (): string => {
    rmSync(join(copy, 'built'), { force: true })
    execFileSync('make', { cwd: copy, stdio: 'ignore' })
    return existsSync(join(copy, 'built')) ? readFileSync(join(copy, 'built'), 'utf8').trim() : ''
  }
  assert.deepEqual(await sync(), ['Makefile', 'a.c', 'b.c'])
  assert.equal(statSync(join(copy, 'a.c')).mtimeMs, old.getTime(), 'times stay')
  assert.equal(made(), 'a.o\nb.o')
  assert.deepEqual(await sync(), [])
  assert.equal(made(), '')
  writeFileSync(join(source, 'a.c'), 'a2')
  assert.deepEqual(await sync(), ['a.c'])
  assert.equal(made(), 'a.o')
  // The naive way keeps its time, which is older than the object: make would not see it.
  writeFileSync(join(source, 'a.c'), 'a1')
  utimesSync(join(source, 'a.c'), old, old)
  assert.deepEqual(await sync(), ['a.c'])
  assert.equal(made(), 'a.o')
  assert.equal(readFileSync(join(copy, 'a.o'), 'utf8'), 'a1')
})

test('deletions, kinds and modes follow; products stay; the source is never written to', async (t) => {
  const { source, copy, sync } = places(t)
  writeTexts(source, { 'd/e/f': '1', 'd/g': '1', run: '1', x: '1' })
  symlinkSync('/nowhere', join(source, 'link'))
  await sync()
  writeTexts(copy, { 'd/product.o': '1', 'product.o': '1' })
  rmSync(join(source, 'd'), { recursive: true })
  writeFileSync(join(source, 'd'), 'a file now')
  rmSync(join(source, 'x'))
  mkdirSync(join(source, 'x'))
  writeFileSync(join(source, 'x/y'), '1')
  rmSync(join(source, 'run'))
  writeFileSync(join(source, 'run'), '1', { mode: 0o755 })
  rmSync(join(source, 'link'))
  symlinkSync('run', join(source, 'link'))
  const before = treeDigest(source, undefined, { anyLink: true })
  await sync()
  assert.equal(treeDigest(source, undefined, { anyLink: true }), before)
  rmSync(join(copy, 'product.o'))
  assert.equal(treeDigest(copy, undefined, { anyLink: true }), before, 'equal to a fresh copy')
})
