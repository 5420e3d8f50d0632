import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { checkCachePlace } from '#toolkit/cache-place.ts'
import { bareProject, scratch, testProject } from '../support/project.ts'

test('a cache may be made anywhere but where the kernel shows itself', async (t) => {
  const folder = scratch(t)
  for (const path of [folder, join(folder, 'a/b/c')]) checkCachePlace(path)
  for (const path of ['/proc/nowhere/cache', '/proc/1/x']) {
    assert.throws(() => checkCachePlace(path), { code: 'PERMISSION', hint: /YOE_CACHE=/ }, path)
  }
  const project = testProject(t, { 'PROJECT.star': bareProject }, '/proc/nowhere')
  const { code, stderr } = await project.yoe(['list'])
  assert.equal(code, 3)
  assert.match(stderr, /^error\[PERMISSION\]: the cache \/proc\/nowhere can't be made/)
})
