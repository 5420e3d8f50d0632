import assert from 'node:assert/strict'
import { chmodSync, mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'node:test'
import { DirectoryStore } from '../../../../src/engine/store/remotes/dir.ts'
import { Scratch } from '../fixture.ts'
import { documentsBehave } from './documents.ts'

test('dir: documents, from two machines', async () => {
  await using scratch = new Scratch()
  const [one, two] = [1, 2].map(() => new DirectoryStore(join(scratch.path, 'shared')))
  assert.ok(one !== undefined && two !== undefined)
  await documentsBehave(one.documents, two.documents)
  assert.deepEqual(readdirSync(join(scratch.path, 'shared', '.incoming')), [])
  assert.deepEqual(readdirSync(join(scratch.path, 'shared', '.locks')), [])
})

test('dir: what is made in it is as open to others as it is', async () => {
  await using scratch = new Scratch()
  const root = join(scratch.path, 'shared')
  mkdirSync(root)
  chmodSync(root, 0o2775)
  await new DirectoryStore(root).put('units/x86_64/a', async (path) => writeFileSync(path, 'x'))
  for (const folder of ['.incoming', 'units', 'units/x86_64'])
    assert.equal(statSync(join(root, folder)).mode & 0o7777, 0o2775, folder)
})
