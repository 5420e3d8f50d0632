import assert from 'node:assert/strict'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { announce } from '#engine/build/running.ts'
import { Store } from '#engine/store/store.ts'
import { until } from '../support/processes.ts'
import { bareProject, testProject } from '../support/project.ts'

test('A12: what is being built is not removed; what a dead build left is', async (t) => {
  const project = testProject(t, { 'PROJECT.star': bareProject })
  const [aa, bb] = ['aa', 'bb'].map((unit) => join(project.root, `build/debian/${unit}.x86_64`))
  for (const folder of [aa, bb]) mkdirSync(folder ?? '', { recursive: true })
  const gone = announce(join(aa ?? '', 'running'))
  writeFileSync(join(bb ?? '', 'running'), '0:0-1-1')
  for (const args of [['aa'], [], ['--all']]) {
    const { code, stderr } = await project.yoe(['clean', ...args])
    assert.equal(code, 2)
    assert.match(stderr, /error\[USAGE\]: aa is being built: \S+ stays\n {2}hint: wait for its end \(yoe log aa -f\)/)
  }
  gone()
  assert.equal((await project.yoe(['clean', 'aa'])).code, 0)
  assert.ok(!existsSync(aa ?? ''))
})

test('A12: the cache goes when no build of any project uses it any more', async (t) => {
  const project = testProject(t, { 'PROJECT.star': bareProject })
  const cache = join(project.root, '..', 'cache')
  const store = await Store.open(cache)
  await store.hold()
  const cleaning = project.start(['clean', '--all'], { env: { YOE_CACHE: cache } })
  await until('it waits', () => /waiting for builds that use/.test(cleaning.said()))
  assert.ok(existsSync(join(cache, 'objects')))
  await store.release()
  const ran = await cleaning.ended
  assert.equal(ran.code, 0, ran.stderr)
  assert.ok(!existsSync(join(cache, 'objects')))
})
