/** A program in Go with modules of others, built from its release. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { before, test } from 'node:test'
import type { TestProject } from '../support/project.ts'
import { assertFinished, build, fails, nativeProject, passes, release, sameOffline, unpacked } from './native.ts'

const gron = release(
  'https://github.com/tomnomnom/gron/archive/refs/tags/v0.7.1.tar.gz',
  'g/gron/gron_0.7.1.orig.tar.xz',
  'fcd12b1b7a2b4d9e8340a451285fd679f2d66933349351c527ac3a5d6cb46fa9',
)
const unit = (name: string, more = ''): string =>
  `go_binary(name = "${name}", version = "0.7.1", license = "MIT", ${more})\n`

const units = `load("@module-core//classes/go.star", "go_binary")
${unit(
  'gron',
  `${gron}, ldflags = ["-X main.gronVersion=0.7.1"], tests = [
    test("flattens", run = """echo '{"a":[1]}' | gron | grep -x 'json.a\\\\[0\\\\] = 1;'"""),
    test("knows its version", run = "gron --version | grep -x 'gron version 0.7.1'"),
]`,
)}
${unit('vendored', 'source = path("//vendored"), tests = [test("runs", run = "vendored | grep -x 42")]')}
${unit('unlocked', 'source = path("//unlocked")')}
${unit('stale', 'source = path("//stale")')}
`

/** A program that wants a module of the registry. */
const wanting = {
  'go.mod': 'module example.com/x\n\ngo 1.21\n\nrequire github.com/pkg/errors v0.8.0\n',
  'main.go': 'package main\n\nimport "github.com/pkg/errors"\n\nfunc main() { panic(errors.New("x")) }\n',
}

let project: TestProject

before(async (t) => {
  assert.ok('after' in t)
  project = nativeProject(t, {
    'units/go.star': units,
    'vendored/go.mod': 'module example.com/v\n\ngo 1.21\n\nrequire example.com/answer v1.0.0\n',
    'vendored/cmd/vendored/main.go':
      'package main\n\nimport "example.com/answer"\n\nfunc main() { println2(answer.Answer) }\n',
    'vendored/cmd/vendored/print.go': 'package main\n\nimport "fmt"\n\nfunc println2(x int) { fmt.Println(x) }\n',
    'vendored/vendor/modules.txt': '# example.com/answer v1.0.0\n## explicit\nexample.com/answer\n',
    'vendored/vendor/example.com/answer/answer.go': 'package answer\n\nconst Answer = 42\n',
    'unlocked/go.mod': wanting['go.mod'],
    'unlocked/main.go': wanting['main.go'],
    'stale/go.mod': wanting['go.mod'],
    'stale/main.go': wanting['main.go'],
    'stale/go.sum':
      'github.com/pkg/errors v0.7.0 h1:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa=\ngithub.com/pkg/errors v0.7.0/go.mod h1:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa=\n',
  })
})

test('gron is fetched by its go.sum, and needs no other file', async (t) => {
  const debs = await build(project, 'gron')
  const { root } = unpacked(t, debs.get('gron'))
  assertFinished(join(root, 'usr/bin/gron'))
  await passes(project, 'gron', 2)
})

test('built anew without network, it is the same', () => sameOffline(project, 'gron'))

test('for another architecture it is compiled by this machine', async (t) => {
  project.write({ 'units/go.star': units.replace('ldflags', 'container_arch = "host", ldflags') })
  const debs = await build(project, '--machine', 'qemu-arm64', 'gron')
  assertFinished(join(unpacked(t, debs.get('gron')).root, 'usr/bin/gron'), 'arm64')
})

test('modules in vendor/ are taken, without network', async () => {
  await build(project, '--offline', 'vendored')
  await passes(project, 'vendored')
})

test('a go.sum that is missing or lacks a module is told with the mend', async () => {
  assert.match(await fails(project, 'unlocked'), /go\.sum is missing.*go mod tidy/)
  assert.match(await fails(project, 'stale'), /go\.sum/)
})
