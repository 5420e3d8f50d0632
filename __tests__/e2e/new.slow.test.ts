/** What `yoe new` adds builds at once and runs: in the real sandbox, with packages of the real feed. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { languages } from '#toolkit/new/app.ts'
import { mitLicense } from '#toolkit/new/mit.ts'
import { TestRepository } from '../support/git.ts'
import { debianProject, projectIn, scratch, type Texts, testProject, writeTexts } from '../support/project.ts'
import { faultsOf } from '../support/schema.ts'
import { sharedCache } from '../support/shared-cache.ts'

const cache = sharedCache()

test('the program of a new project', async (t) => {
  const folder = scratch(t)
  const fresh = projectIn(join(folder, 'fresh'), join(folder, 'home'), cache)
  const made = await fresh.yoe(['init', 'fresh'], { cwd: folder })
  assert.equal(made.code, 0, made.stderr)
  const tested = await fresh.yoe(['test'])
  assert.equal(tested.code, 0, tested.stdout + tested.stderr)
  assert.match(tested.stdout, /ok 1 of 1 tests/)
})

test('an application in each language', async (t) => {
  const project = testProject(t, { 'PROJECT.star': debianProject }, cache)
  const names = languages.map((language) => `my-${language}`)
  for (const [index, language] of languages.entries()) {
    const made = await project.yoe(['new', 'app', '--lang', language, names[index] ?? '', '--json'])
    assert.equal(made.code, 0, made.stderr)
    assert.deepEqual(faultsOf('new', JSON.parse(made.stdout)), [])
  }
  const tested = await project.yoe(['test', ...names])
  assert.equal(tested.code, 0, tested.stdout + tested.stderr)
  assert.match(tested.stdout, new RegExp(`ok ${names.length} of ${names.length} tests`))
})

const sources: Texts = {
  LICENSE: mitLicense('tool'),
  'tool.c': '#include <stdio.h>\nint main(void) { return puts("made") < 0; }\n',
  'CMakeLists.txt':
    'cmake_minimum_required(VERSION 3.20)\nproject(tool VERSION 9 LANGUAGES C)\nadd_executable(tool tool.c)\ninstall(TARGETS tool)\n',
}

test('a unit for an archive, and for the newest version of a repository', async (t) => {
  const folder = scratch(t)
  writeTexts(join(folder, 'tool-1.4'), sources)
  execFileSync('tar', ['-cJf', 'tool-1.4.tar.xz', 'tool-1.4'], { cwd: folder })
  const repository = new TestRepository(join(folder, 'kit.git'), sources)
  for (const tag of ['v1.9.0', 'v1.10.0', 'v2.0.0-rc1']) repository.tag(tag)
  const project = testProject(t, { 'PROJECT.star': debianProject }, cache)
  const url = pathToFileURL(join(folder, 'tool-1.4.tar.xz')).href
  const made = await project.yoe(['new', 'unit', url, '--json'])
  assert.equal(made.code, 0, made.stderr)
  assert.deepEqual(faultsOf('new', JSON.parse(made.stdout)), [])
  assert.match(
    readFileSync(join(project.root, 'units/tool.star'), 'utf8'),
    /^load\("@module-core\/\/classes\/cmake\.star", "cmake"\)\n\ncmake\(\n {4}name = "tool",\n {4}version = "1\.4",\n {4}license = "MIT",\n {4}source = "file:.*",\n {4}sha256 = "[0-9a-f]{64}",\n\)\n$/,
  )
  const again = await project.yoe(['new', 'unit', url])
  assert.equal(again.code, 2)
  assert.match(again.stderr, /there is a units\/tool\.star already/)
  const cloned = await project.yoe(['new', 'unit', repository.url, '--name', 'kit'])
  assert.match(cloned.stdout, /declares kit 1\.10\.0, built by cmake\(\), under MIT/, cloned.stderr)
  assert.match(readFileSync(join(project.root, 'units/kit.star'), 'utf8'), /^ {4}tag = "v1\.10\.0",$/m)
  const built = await project.yoe(['build', 'tool', 'kit'])
  assert.equal(built.code, 0, built.stderr)
})

test('what can’t be added leaves nothing', async (t) => {
  const project = testProject(t, { 'PROJECT.star': 'project(name = "demo", version = "1.0")\n' }, cache)
  for (const [args, says] of [
    [['app', '--lang', 'go', 'app'], /module-core/],
    [['app', '--lang', 'cobol', 'app'], /there is no template for cobol/],
    [['app', 'app'], /say which language/],
    [['app', '--lang', 'c', 'My App'], /can't be called "My App"/],
    [['unit', 'file:///nowhere/x-1.tar.gz'], /nowhere/],
    [['image', 'x'], /there is no yoe new image/],
  ] as const) {
    const ran = await project.yoe(['new', ...args])
    assert.notEqual(ran.code, 0)
    assert.match(ran.stderr, says)
  }
  assert.ok(!existsSync(join(project.root, 'units/app.star')) && !existsSync(join(project.root, 'app/main.go')))
})
