/** yoe.lock, by the command line. */
import assert from 'node:assert/strict'
import { existsSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { moduleTexts } from '../support/git.ts'
import { listing, units, world } from './module-world.ts'

test('a tag that was moved stays where the lock has it until it is updated, which says so', async (t) => {
  const { project, hal } = world(t)
  await project.yoe(['module', 'sync'])
  hal.commit(moduleTexts('hal', [], '2.0'))
  const moved = hal.commit({ more: '1' })
  hal.tag('v1')
  for (let round = 0; round < 2; round++) {
    rmSync(join(project.root, 'cache'), { recursive: true, force: true })
    rmSync(join(project.root, 'build'), { recursive: true, force: true })
    assert.deepEqual(await units(project), ['bsp-unit 1.0', 'hal-unit 1.0'])
  }
  const check = JSON.parse((await project.yoe(['module', 'check-updates', '--json'])).stdout)
  assert.deepEqual(
    check.map(({ name, moved: to, tag }: { name: string; moved?: string; tag: boolean }) => [name, to, tag]),
    [
      ['hal', moved, true],
      ['bsp', undefined, true],
    ],
  )
  const nothing = await project.yoe(['update', 'bsp'])
  assert.match(nothing.stdout, /nothing moved/)
  const update = await project.yoe(['update', 'hal'])
  assert.match(update.stdout, /^module {2}hal {2}v1 {2}\w{12} → \w{12} {2}2 commits, the tag was moved$/m)
  assert.deepEqual(await units(project), ['bsp-unit 1.0', 'hal-unit 2.0'])
})

test('a branch without a lock is a warning; the lock keeps it, and update moves it', async (t) => {
  const { project, bsp } = world(t)
  project.write({ 'PROJECT.star': listing(`module("${bsp.url}", ref = "main")`) })
  const first = await project.yoe(['list'])
  assert.match(
    first.stderr,
    /^warning: PROJECT.star:1: module "bsp" follows the branch main, which nothing locked: it is at \w{12} now$/m,
  )
  bsp.commit(moduleTexts('bsp', [], '2.0'))
  rmSync(join(project.root, 'build'), { recursive: true, force: true })
  const second = await project.yoe(['list'])
  assert.doesNotMatch(second.stderr, /branch/)
  assert.deepEqual(await units(project), ['bsp-unit 1.0', 'hal-unit 1.0'])
  assert.match(
    (await project.yoe(['module', 'update', 'bsp'])).stdout,
    /^module {2}bsp {2}main {2}\w{12} → \w{12} {2}1 commit$/m,
  )
  assert.deepEqual(await units(project), ['bsp-unit 2.0'])
})

test('--locked takes what yoe.lock has, and names the line of what it lacks; CI says it where there is a lock', async (t) => {
  const { project, bsp, lock } = world(t)
  const none = await project.yoe(['list', '--locked'])
  assert.deepEqual(
    [none.code, none.stderr.split('\n')[0]],
    [2, 'error[LOCK_STALE]: there is no yoe.lock, and --locked takes nothing that is not in it'],
  )
  const ci = await project.yoe(['list'], { env: { CI: 'true' } })
  assert.equal(ci.code, 0, ci.stderr)
  assert.ok(!existsSync(join(project.root, 'yoe.lock')), 'a job does not go on with what it wrote itself')
  assert.equal((await project.yoe(['update'], { env: { CI: 'true' } })).code, 0)
  const good = lock()
  for (const env of [{ CI: 'true' }, { YOE_LOCKED: '1' }]) assert.equal((await project.yoe(['list'], { env })).code, 0)

  // Another ref than the lock's, and one that it knows nothing of.
  bsp.tag('v2')
  const [, , line3 = ''] = good.split('\n')
  project.write({ 'PROJECT.star': listing(`module("${bsp.url}", ref = "v2")`) })
  const stale = await project.yoe(['list'], { env: { CI: 'true' } })
  assert.equal(stale.code, 2)
  assert.match(line3, /bsp/)
  assert.match(
    stale.stderr,
    /^error\[LOCK_STALE\]: yoe.lock:3: yoe.lock has v1 of module "bsp", and PROJECT.star:1 asks for v2\n {2}hint: yoe update bsp, and commit yoe.lock\n/,
  )
  writeFileSync(join(project.root, 'yoe.lock'), 'yoe.lock 1\n')
  const missing = await project.yoe(['list', '--locked'])
  assert.match(
    missing.stderr,
    /^error\[LOCK_STALE\]: PROJECT.star:1: module "bsp" is not in yoe.lock: file:.*bsp at v2\n/,
  )
  assert.match((await project.yoe(['list', '--locked', '--no-locked'])).stderr, /opposite/)
  for (const args of [{ env: { CI: 'true', YOE_LOCKED: '0' } }, { env: { CI: 'true' }, more: ['--no-locked'] }]) {
    assert.equal((await project.yoe(['list', ...(args.more ?? [])], { env: args.env })).code, 0)
  }
  assert.equal(lock(), 'yoe.lock 1\n')
  // What is kept of an evaluation does not stand in for a lock.
  assert.equal((await project.yoe(['list', '--locked'])).code, 2)
  // On the way, a ref that was changed takes the old one's place only when it is updated.
  writeFileSync(join(project.root, 'yoe.lock'), good)
  assert.equal((await project.yoe(['list'])).code, 0)
  assert.equal(lock().split('\n').length, good.split('\n').length + 1)
  assert.equal((await project.yoe(['update'])).code, 0)
  assert.equal(lock(), good.replace('ref=v1', 'ref=v2'))
})

test('an edited lock: a commit that is none, one that nobody has, and an unfinished merge', async (t) => {
  const { project, lock } = world(t)
  await project.yoe(['module', 'sync'])
  const good = lock()
  const said = async (text: string): Promise<string> => {
    writeFileSync(join(project.root, 'yoe.lock'), text)
    return (await project.yoe(['list'])).stderr
  }
  assert.match(
    await said(good.replace(/commit=\w{4}/, 'commit=oops')),
    /^error\[LOCK_INVALID\]: yoe.lock:3: commit can't be "oops\w+": a commit has 40/,
  )
  assert.match(
    await said(good.replace(/commit=\w{4}/, 'commit=0000')),
    /^error\[FETCH_FAILED\]: yoe.lock:3: module "bsp": commit 0000\w+ can't be fetched\n {4}file:.*: there is no such commit\n {2}hint: if v1 has moved and that commit is gone: yoe update bsp/,
  )
  assert.match(
    await said(good.replace('module', '<<<<<<< HEAD\nmodule')),
    /^error\[LOCK_INVALID\]: yoe.lock:3: two versions of yoe.lock were merged/,
  )
  const update = await project.yoe(['update'])
  assert.equal(update.code, 0, update.stderr)
  assert.equal(lock(), good)
})
