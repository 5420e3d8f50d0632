/**
 * Programs in Go and Rust for other architectures, by compilers of these under QEMU and by this machine's. The containers
 * have less than those of module-debian, whose further tools would take minutes to install under QEMU.
 */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { hostArch } from '#engine/arch.ts'
import { assertFinished, build, nativeProject, unpacked } from '../modules/native.ts'
import { unusable } from '../support/emulation.ts'

const goUnit = (name: string, more: string): string =>
  `go_binary(name = "${name}", version = "1", license = "MIT", source = path("//in-go"), binary = "hello", ${more})\n`

const project = {
  'machines/m.star': 'machine(name = "risc", arch = "riscv64")\n',
  'containers/c.star': `container(name = "small-go", distro = "debian", packages = ["golang-go", "binutils"])
container(name = "small-rust", distro = "debian", packages = ["cargo", "rustc", "gcc", "libc6-dev"])
`,
  'units/u.star': `load("@module-core//classes/go.star", "go_binary")
load("@module-core//classes/rust.star", "rust_binary")
${goUnit('in-go', 'container = "small-go", tests = [test("runs", run = "hello 2>&1 | grep -x \'hello arm64\'")]')}
${goUnit('crossed', 'container_arch = "host"')}
rust_binary(
    name = "in-rust", version = "1", license = "MIT", source = path("//in-rust"), container = "small-rust",
    tests = [test("runs", run = "in-rust | grep -x 'hello aarch64'")],
)
`,
  'in-go/go.mod': 'module hello\n\ngo 1.21\n',
  'in-go/main.go': 'package main\n\nimport "runtime"\n\nfunc main() { println("hello " + runtime.GOARCH) }\n',
  'in-rust/Cargo.toml': '[package]\nname = "in-rust"\nversion = "1.0.0"\nedition = "2021"\n',
  'in-rust/Cargo.lock': 'version = 3\n\n[[package]]\nname = "in-rust"\nversion = "1.0.0"\n',
  'in-rust/src/main.rs': 'fn main() { println!("hello {}", std::env::consts::ARCH) }\n',
}

test('Go and Rust for arm64, by their own compilers under QEMU', { timeout: 1_800_000 }, async (t) => {
  if (hostArch() === 'arm64') return t.skip('this machine is arm64')
  const why = await unusable(t, 'arm64')
  if (why !== undefined) return t.skip(why)
  const made = nativeProject(t, project)
  const debs = await build(made, '--machine', 'qemu-arm64', 'in-go', 'in-rust')
  assertFinished(join(unpacked(t, debs.get('in-go')).root, 'usr/bin/hello'), 'arm64')
  assertFinished(join(unpacked(t, debs.get('in-rust')).root, 'usr/bin/in-rust'), 'arm64')
  const tested = await made.yoe(['test', 'in-go', 'in-rust', '--machine', 'qemu-arm64'])
  assert.equal(tested.code, 0, tested.stdout + tested.stderr)
})

test('Go for riscv64, by this machine', async (t) => {
  const debs = await build(nativeProject(t, project), '--machine', 'risc', 'crossed')
  assertFinished(join(unpacked(t, debs.get('crossed')).root, 'usr/bin/hello'), 'riscv64')
})
