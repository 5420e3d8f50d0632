import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
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
