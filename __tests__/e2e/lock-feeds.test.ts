/** What yoe.lock keeps of feeds and of units' sources. */
import assert from 'node:assert/strict'
import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { TestRepository } from '../support/git.ts'
import { scratch } from '../support/project.ts'
import { faultsOf } from '../support/schema.ts'
import { type VendorProject, vendorProject } from '../support/vendor-project.ts'

const lockOf = ({ root }: VendorProject): string => readFileSync(join(root, 'yoe.lock'), 'utf8')

/** Changes what the Debian archive has. */
async function bump(project: VendorProject, from: string, to: string, keepOld: boolean): Promise<void> {
  const path = join(project.root, 'feeds/debian.packages')
  writeFileSync(path, readFileSync(path, 'utf8').replace(from, to))
  await project.publish('debian', keepOld)
}

/** The keys of everything that the default image needs. */
async function keys(project: VendorProject, ...more: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await project.yoe(['plan', '--json', ...more])
  assert.equal(code, 0, stderr)
  return stdout
}

/** A machine that has seen nothing yet. */
function forget({ root, cache }: VendorProject): void {
  for (const folder of [cache, join(root, 'build')]) rmSync(folder, { recursive: true, force: true })
}

test('a feed is used as it was locked, by digest, until it is updated, which says what images gain', async (t) => {
  const project = await vendorProject(t)
  assert.match((await project.yoe(['update'])).stdout, /^feed {2}product-common.debian {2}amd64 {2}new \d{4}-.*Z$/m)
  const before = await keys(project)
  const lock = lockOf(project)
  await bump(project, 'nginx-light 1.26.3-3', 'nginx-light 1.26.3-4', true)
  assert.equal(await keys(project), before, 'warm')
  forget(project)
  assert.equal(await keys(project, '--locked'), before, 'on another machine, from what the archive keeps by digest')
  assert.notEqual(await keys(project, '--refresh'), before)
  assert.equal(await keys(project), before, 'a look at newer lists moves nothing')
  assert.equal(lockOf(project), lock)
  const both = await project.yoe(['plan', '--refresh', '--locked'])
  assert.deepEqual(
    [both.code, both.stderr.split('\n')[0]],
    [2, 'error[USAGE]: --refresh asks for newer package lists, and --locked takes those of yoe.lock'],
  )

  const update = await project.yoe(['update', 'feeds', '--json'])
  const { changes, images } = JSON.parse(update.stdout)
  assert.deepEqual(faultsOf('update', JSON.parse(update.stdout)), [])
  assert.deepEqual(
    changes.map(({ name, arch }: { name: string; arch: string }) => `${name} ${arch}`),
    ['product-common.debian amd64'],
  )
  const gateway = images.find(({ cell }: { cell: string }) => cell === 'bench/gateway-image')
  assert.deepEqual(gateway, {
    cell: 'bench/gateway-image',
    added: [],
    removed: [],
    changed: [{ name: 'nginx-light', before: '1.26.3-3', after: '1.26.3-4' }],
  })
  const after = await keys(project)
  assert.notEqual(after, before)
  forget(project)
  assert.equal(await keys(project), after)
})

test('an index that the archive no longer has, or that nothing locked, says what to type', async (t) => {
  const project = await vendorProject(t)
  await project.yoe(['update'])
  const before = await keys(project)
  const lock = lockOf(project)
  await bump(project, 'gdb 16.3-1', 'gdb 16.3-2', false)
  assert.equal(await keys(project), before, 'what is here serves on')
  forget(project)
  const moved = await project.yoe(['plan'])
  assert.equal(moved.code, 1)
  assert.match(
    moved.stderr,
    /^error\[FEED_MOVED\]: yoe.lock:3: feed product-common.debian: its archive no longer has the index that is locked\n[\s\S]*\n {2}hint: yoe update feeds/m,
  )
  const offline = await project.yoe(['plan', '--offline'], { env: { YOE_MIRRORS: '' } })
  assert.match(
    offline.stderr,
    /^error\[FETCH_FAILED\]: .*product-common.debian is not in the cache, and yoe works offline/,
  )

  // A lock that keeps some feed, but not this one.
  const path = join(project.root, 'yoe.lock')
  writeFileSync(path, lock.replace(/^feed id=product-common.debian.*\n/m, ''))
  const missing = await project.yoe(['plan'], { env: { CI: 'true' } })
  assert.equal(missing.code, 2)
  assert.match(
    missing.stderr,
    /^error\[LOCK_STALE\]: @product-common\/\/MODULE.star:\d+: feed product-common.debian for amd64 is not in yoe.lock\n {2}hint: yoe update feeds/,
  )
  assert.equal((await project.yoe(['plan'])).code, 0)
  assert.equal((await project.yoe(['plan', 'panel-image', '--locked'])).code, 0, 'a feed that is locked')
  writeFileSync(path, 'yoe.lock 1\n')
  assert.equal((await project.yoe(['plan'], { env: { CI: 'true' } })).code, 0, 'nobody locks feeds')

  writeFileSync(path, lock.replace('suite=trixie', 'suite=bookworm'))
  assert.match(
    (await project.yoe(['plan', '--locked'])).stderr,
    /^error\[LOCK_STALE\]: yoe.lock:3: yoe.lock has suite bookworm of feed product-common.debian, and @product-common/,
  )
  const suite = await project.yoe(['plan'])
  assert.deepEqual([suite.code, /^warning: yoe.lock:3: yoe.lock has suite bookworm/.test(suite.stderr)], [0, true])
})

test('under CI, a project without a lock is built, and gets none', async (t) => {
  const project = await vendorProject(t)
  const { code, stderr } = await project.yoe(['plan'], { env: { CI: 'true' } })
  assert.deepEqual([code, stderr.includes('yoe.lock')], [0, false])
  assert.throws(() => lockOf(project))
  assert.equal((await project.yoe(['plan'])).stderr, '')
})

test('a source’s tag is pinned when it is first planned, stays there when it moves, and is moved by update', async (t) => {
  const project = await vendorProject(t)
  const origin = new TestRepository(join(scratch(t), 'tool.git'), { Makefile: 'all:\n' })
  origin.tag('v1', true)
  const declared = (ref: string): string => `unit(name = "tool", version = "1.0", source = "${origin.url}", ${ref})\n`
  const unneeded = `unit(name = "unneeded", version = "1.0", source = "https://example.invalid/x.git", tag = "v1")\n`
  project.write({ 'units/tool.star': declared('tag = "v1"') + unneeded })
  const nothing = await project.yoe(['plan'])
  assert.deepEqual([nothing.code, nothing.stderr], [0, ''], 'what is not needed is not asked for')
  const ci = await project.yoe(['plan', 'tool'], { env: { YOE_LOCKED: '0', CI: '1' } })
  assert.equal(ci.code, 0, ci.stderr)
  const first = await project.yoe(['plan', 'tool', '--json'])
  assert.match(first.stderr, /yoe.lock keeps 1 source where it is now: commit it/)
  const line = `source url=${origin.url.replace('.git', '')} tag=v1 commit=`
  const old = origin.head
  assert.ok(lockOf(project).includes(line + old))
  origin.commit({ Makefile: 'all: ;\n' })
  origin.tag('v1')
  rmSync(join(project.root, 'build'), { recursive: true })
  assert.equal(await keys(project, 'tool'), first.stdout)
  // Warm, nobody is asked.
  renameSync(origin.folder, `${origin.folder}-away`)
  assert.equal(await keys(project, 'tool', '--locked'), first.stdout)
  const gone = await project.yoe(['update', 'tool'])
  assert.match(
    gone.stderr,
    /^error\[FETCH_FAILED\]: units\/tool.star:1: the source of unit "tool": a repository can't be asked for its refs/,
  )
  renameSync(`${origin.folder}-away`, origin.folder)
  assert.match(
    (await project.yoe(['update', 'tool'])).stdout,
    /^source {2}tool {2}v1 {2}\w{12} → \w{12} {2}the tag was moved$/m,
  )
  assert.ok(lockOf(project).includes(line + origin.head))
  assert.notEqual(await keys(project, 'tool'), first.stdout)

  // Another ref than the lock's.
  project.write({ 'units/tool.star': declared('branch = "main"') })
  const stale = await project.yoe(['plan', 'tool', '--locked'])
  assert.match(
    stale.stderr,
    /^error\[LOCK_STALE\]: yoe.lock:\d+: yoe.lock has v1 of file:.*tool, and not the branch main of unit "tool" \(units\/tool.star:1\)/,
  )
  const branch = await project.yoe(['plan', 'tool'])
  assert.match(
    branch.stderr,
    /^warning: units\/tool.star:1: unit "tool" follows the branch main, which nothing locked$/m,
  )
  assert.doesNotMatch((await project.yoe(['plan', 'tool'])).stderr, /warning/)
  await project.yoe(['update'])
  assert.doesNotMatch(lockOf(project), /tag=v1/, 'what is used at another ref is no longer locked at the old one')
  project.write({ 'units/tool.star': declared('tag = "v0.9"') })
  const unknown = await project.yoe(['plan', 'tool'])
  assert.match(
    unknown.stderr,
    /units\/tool.star:1: the source of unit "tool": file:.*tool.git has no tag "v0.9"\n {2}hint: it has: v1/,
  )
  assert.match(
    (await project.yoe(['update', 'toool'])).stderr,
    /USAGE.*nothing that yoe.lock keeps is called "toool"\n.*did you mean "tool"\?/,
  )
})
