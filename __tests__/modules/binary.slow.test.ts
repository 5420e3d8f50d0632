/** Programs that come compiled: a real one that npm carries, an archive, a file of its own; and what does not fit. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { chmodSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { debianProject, scratch, type TestProject, testProject, writeTexts } from '../support/project.ts'
import { sharedCache } from '../support/shared-cache.ts'
import { builtTwice, contents, failing, packageOf } from './built.ts'

const cache = sharedCache()
const integrity = 'sha512-iSwByxzRe48YVkmpbgoxVzn76BXjlYFXC7NvLYq+b+kDjyyk30J0JY47DIn8z1MO3K0oSl9fZoRmZPQI4Hklzg=='

const script = '#!/bin/sh\necho from the archive\n'

/** A project, and what its units name: an archive of a release, and a program by itself. */
function projectWith(t: TestContext, units: (archive: string, program: string) => string): TestProject {
  const folder = scratch(t)
  writeTexts(folder, {
    'tool-1.0/bin/tool': script,
    'tool-1.0/share/a/data': 'data\n',
    'tool-1.0/LICENSE': 'MIT License\n',
    program: script,
  })
  chmodSync(join(folder, 'tool-1.0/bin/tool'), 0o644)
  execFileSync('tar', ['-C', folder, '-czf', join(folder, 'tool.tar.gz'), 'tool-1.0'])
  const from = (name: string): string =>
    `("file://${join(folder, name)}", "${createHash('sha256')
      .update(readFileSync(join(folder, name)))
      .digest('hex')}")`
  return testProject(
    t,
    {
      'PROJECT.star': debianProject,
      'units/u.star': `load("@module-core//classes/binary.star", "binary")\n${units(from('tool.tar.gz'), from('program'))}\n`,
    },
    cache,
  )
}

test('a program of npm, one of an archive, and one by itself', async (t) => {
  const project = projectWith(
    t,
    (archive, program) => `
binary(
    name = "esbuild",
    version = "0.25.9",
    license = "MIT",
    npm = {"x86_64": ("@esbuild/linux-x64", "${integrity}")},
    files = {"bin/esbuild": "/usr/bin/esbuild"},
    tests = [test("bundles", run = "echo 'let a: number = 1; console.log(a)' | esbuild --loader=ts --minify | grep -x 'let a=1;console.log(a);'")],
)
binary(
    name = "tool",
    version = "1.0",
    license = "MIT",
    sources = {"x86_64": ${archive}},
    files = {"bin/tool": "/usr/bin/tool", "share": "/usr/share/tool"},
    tests = [test("runs", run = "tool | grep -x 'from the archive'")],
)
binary(
    name = "alone",
    version = "1.0",
    license = "MIT",
    sources = {"x86_64": ${program}},
    tasks = [task("licence", run = "install -d $DESTDIR/usr/share/licenses/alone && echo MIT >$DESTDIR/usr/share/licenses/alone/LICENSE")],
    tests = [test("runs", run = "alone | grep -x 'from the archive'")],
)`,
  )
  await builtTwice(project, ['esbuild', 'tool', 'alone'])
  assert.deepEqual(
    contents(packageOf(project, 'tool')).filter((path) => !path.startsWith('/usr/share/licenses/')),
    ['/usr/bin/tool', '/usr/share/tool/a/data'],
  )
  assert.ok(contents(packageOf(project, 'alone')).includes('/usr/bin/alone'))
})

const faults: Readonly<Record<string, readonly [call: string, says: RegExp]>> = {
  'other bytes than the digest means': [
    `npm = {"x86_64": ("@esbuild/linux-x64", "sha512-${'A'.repeat(86)}==")}`,
    /units\/u\.star:2: [\s\S]*@esbuild\/linux-x64@0\.25\.9 has the digest sha512-.*, and not sha512-AAA/,
  ],
  'an architecture that it does not come for': [
    `npm = {"arm64": ("@esbuild/linux-arm64", "${integrity}")}`,
    /units\/u\.star:2: [\s\S]*app 0\.25\.9 comes compiled for arm64, not for x86_64/,
  ],
}

for (const [what, [call, says]] of Object.entries(faults)) {
  test(`binary refuses ${what}`, async (t) => {
    const project = projectWith(t, () => `binary(name = "app", version = "0.25.9", license = "MIT", ${call})`)
    assert.match(await failing(project, 'app'), says)
  })
}

test('binary says what the source has, where it does not have what is asked for', async (t) => {
  const project = projectWith(
    t,
    (archive) => `binary(name = "app", version = "1", license = "MIT", sources = {"x86_64": ${archive}})`,
  )
  assert.match(await failing(project, 'app'), /there is no app among these, so say files = [\s\S]* {2}bin\/tool\n/)
})
