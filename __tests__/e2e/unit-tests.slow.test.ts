/** Tests of units, by the command line, in the real sandbox, with packages of the real feed. */
import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { debianProject, type Texts, testProject } from '../support/project.ts'
import { faultsOf } from '../support/schema.ts'
import { sharedCache } from '../support/shared-cache.ts'

const cache = sharedCache()

const texts = (tests: string): Texts => ({
  'PROJECT.star': debianProject,
  'units/u.star': `unit(name = "helper", version = "1", license = "MIT", build = ["""
mkdir -p $DESTDIR/usr/bin; printf '#!/bin/sh\\necho helped\\n' >$DESTDIR/usr/bin/helper; chmod +x $DESTDIR/usr/bin/helper
"""])
unit(
    name = "uu", version = "1", license = "MIT", runtime_deps = ["helper", "bc"],
    build = ["mkdir -p $DESTDIR/usr/bin; printf '#!/bin/sh\\\\nhelper; echo 6*7 | bc\\\\n' >$DESTDIR/usr/bin/uu; chmod +x $DESTDIR/usr/bin/uu"],
    tests = [${tests}],
)
unit(name = "untested", version = "1")
`,
})

const good = [
  'test("files", run = "test -x $DESTDIR/usr/bin/uu && test ! -e $DESTDIR/usr/bin/helper")',
  'test("runs with what it needs", run = "uu | tr \\\\\\\\n - | grep -x helped-42-")',
  'test("changes nothing", run = "! touch $DESTDIR/x 2>/dev/null && ! touch $SYSROOT/x 2>/dev/null && touch here")',
  'test("has no network", run = "! (exec 3<>/dev/tcp/127.0.0.1/22) 2>/dev/null")',
]

test('tests see the finished unit with what it needs to run, and can change nothing', async (t) => {
  const project = testProject(t, texts(good.join(', ')), cache)
  const ran = await project.yoe(['test', 'uu'])
  assert.equal(ran.code, 0, ran.stdout + ran.stderr)
  assert.match(
    ran.stdout,
    /^ok +uu +files .*\nok +uu +runs with what it needs .*\nok +uu +changes nothing .*\nok +uu +has no network .*\nok 4 of 4 tests\n$/,
  )
  const folder = join(project.root, 'build/debian/uu.x86_64')
  assert.ok(!existsSync(join(folder, 'test')), 'only the log is left')
  assert.match(readFileSync(join(folder, 'test.log'), 'utf8'), /^=== test runs with what it needs$/m)
})

test('one that fails: exit 1, the others still run, and JSON says why', async (t) => {
  const project = testProject(t, texts(`test("fails", run = "echo because; exit 3"), ${good[0]}`), cache)
  const ran = await project.yoe(['test'])
  assert.equal(ran.code, 1, ran.stderr)
  assert.match(
    ran.stdout,
    /^failed +uu +fails .* exit code 3\n {2}│ because\nok +uu +files .*\n.*test\.log\nfailed 1 of 2 tests\n$/,
  )
  const json = await project.yoe(['test', 'uu', '--json'])
  assert.equal(json.code, 1)
  assert.deepEqual(faultsOf('test', JSON.parse(json.stdout)), [])
  const { ok, units } = JSON.parse(json.stdout)
  assert.equal(ok, false)
  assert.deepEqual(
    units.map(
      ({
        unit,
        tests,
      }: {
        unit: string
        tests: readonly { name: string; ok: boolean; why?: string; tail?: string[] }[]
      }) => [unit, ...tests.map((one) => [one.name, one.ok, one.why, one.tail])],
    ),
    [['uu', ['fails', false, 'exit code 3', ['because']], ['files', true, undefined, undefined]]],
  )
  assert.match(readFileSync(units[0].log, 'utf8'), /^because$/m)
})

test('a unit without tests, an image, a name that is none', async (t) => {
  const project = testProject(
    t,
    { ...texts(good[0] ?? ''), 'images/i.star': 'image(name = "im", artifacts = ["uu"])\n' },
    cache,
  )
  for (const [name, says] of [
    ['untested', /untested has no tests/],
    ['im', /yoe run im --boot-test/],
    ['nothing', /nothing is called or provides "nothing"/],
  ] as const) {
    const ran = await project.yoe(['test', name])
    assert.equal(ran.code, 2, ran.stderr)
    assert.match(ran.stderr, says)
  }
})
