/** `yoe test --target`: a device is a shell here, behind an ssh of ours that notes how it is called. */
import assert from 'node:assert/strict'
import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { debianProject, scratch, type Texts, testProject } from '../support/project.ts'
import { faultsOf } from '../support/schema.ts'
import { sharedCache } from '../support/shared-cache.ts'

const texts = (folder: string): Texts => ({
  'PROJECT.star': debianProject,
  'units/u.star': `unit(name = "app", version = "1", license = "MIT", tests = [
    test("is there", run = "test -z \\"$DESTDIR\\" && [[ -e $DESTDIR${folder}/ssh ]]"),
    test("quotes", run = "echo 'it is' >/dev/null; false | true"),
    test("last", run = "true"),
])
unit(name = "suite", version = "1", license = "MIT", upstream_tests = task("tests", run = "true"))
unit(name = "bare", version = "1", license = "MIT")
`,
  'images/i.star': 'image(name = "small", artifacts = [], tests = [test("up", run = "echo is up; test -d /proc")])\n',
})

function device(t: TestContext) {
  const folder = scratch(t)
  const project = testProject(t, texts(folder), sharedCache())
  const program = (name: string, text: string): void => {
    writeFileSync(join(folder, name), `#!/bin/sh\n${text}\n`)
    chmodSync(join(folder, name), 0o755)
  }
  program('ssh', `echo "$@" | head -n 1 >>${folder}/asked; for last; do :; done; exec sh -c "$last"`)
  program('apt-get', `echo "$@" >>${folder}/installed; echo no such package >&2; exit 100`)
  const env = { PATH: `${folder}:${process.env['PATH']}` }
  return { project, program, folder, yoe: (...args: readonly string[]) => project.yoe(['test', ...args], { env }) }
}

test('tests of units and images run on a device; exit 1 when one fails, and it says why', async (t) => {
  const { project, folder, yoe } = device(t)
  const good = await yoe('small', '--target', 'pi@dev.local:2222')
  assert.equal(good.code, 0, good.stderr)
  assert.match(good.stdout, /^ok +small +up .*\nok 1 of 1 tests\n$/)
  assert.match(readFileSync(join(folder, 'asked'), 'utf8'), /^-p 2222 -l pi -- dev\.local 'env' 'DESTDIR=' 'SYSROOT='/)
  const ran = await yoe('app', '--target', 'dev.local', '--json')
  assert.equal(ran.code, 1, ran.stderr)
  const said: { units: { id: string; tests: { name: string; ok: boolean; why?: string }[] }[] } = JSON.parse(ran.stdout)
  assert.deepEqual(faultsOf('test', said), [])
  assert.equal(said.units[0]?.id, 'app on dev.local')
  assert.deepEqual(
    said.units[0]?.tests.map(({ name, ok, why = '' }) => `${name} ${ok} ${why}`),
    ['is there true ', 'quotes false exit code 1', 'last true '],
    'as in the sandbox: with pipefail',
  )
  assert.ok(!existsSync(join(project.root, 'build/debian')), 'nothing was built')
  assert.match(readFileSync(join(project.root, 'build/device/app.log'), 'utf8'), /^=== test quotes$/m)
})

test("an upstream's suite is installed from the device's feeds, and its failure is told", async (t) => {
  const { folder, yoe } = device(t)
  const ran = await yoe('suite', '--target', 'dev.local')
  assert.equal(ran.code, 1, ran.stderr)
  assert.match(ran.stdout, /^failed +suite +upstream .* exit code 100\n {2}│ no such package\n/)
  assert.equal(readFileSync(join(folder, 'installed'), 'utf8'), 'install --yes --quiet suite-tests\n')
})

const refused: readonly (readonly [args: string, code: number, says: RegExp])[] = [
  ['--target dev.local', 2, /say what to test on the device\n {2}hint: yoe test IMAGE --target dev\.local/],
  ['bare --target dev.local', 2, /bare has no tests/],
  ['app --target -oProxyCommand=x', 2, /--target needs a value/],
  ['app --target a;b', 2, /"a;b" is no device/],
  ['app --target dev.local -j 2', 2, /--jobs says nothing beside it/],
]
test('what makes no sense is refused; a device that is not there is no failed test', async (t) => {
  const { yoe, program } = device(t)
  for (const [args, code, says] of refused) {
    const ran = await yoe(...args.split(' '))
    assert.equal(ran.code, code, `${args}: ${ran.stdout}${ran.stderr}`)
    assert.match(ran.stderr, says)
  }
  program('ssh', 'echo "ssh: connect to host dev.local port 22: No route to host" >&2; exit 255')
  const gone = await yoe('app', '--target', 'dev.local')
  assert.equal(gone.code, 1, gone.stderr)
  assert.match(
    gone.stderr,
    /error\[CHECK_FAILED\]: dev\.local can't be reached: ssh: connect to host dev\.local port 22: No route to host\n {2}hint: this has to work: ssh root@dev\.local\n/,
  )
})
