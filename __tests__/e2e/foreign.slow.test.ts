/** Packages of other architectures, compiled by their own compilers under QEMU. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { test } from 'node:test'
import { hostArch } from '#engine/arch.ts'
import { unusable } from '../support/emulation.ts'
import { debianProject, testProject } from '../support/project.ts'

const texts = {
  'PROJECT.star': debianProject,
  'machines/m.star':
    'machine(name = "arm", arch = "arm64")\nmachine(name = "risc", arch = "riscv64")\nmachine(name = "pc", arch = "x86_64")\n',
  'containers/c.star': 'container(name = "small", distro = "debian", packages = ["gcc", "libc6-dev"])\n',
  'units/hello/hello.c': '#include <stdio.h>\nint main(void) { puts("hello"); return 0; }\n',
  'units/hello.star': `unit(
    name = "hello", version = "1.0", license = "MIT", container = "small", source = path("hello"),
    tasks = [task("build", steps = [
        "gcc $CFLAGS -s -o hello hello.c && test $(./hello) = hello",
        "install -D hello $DESTDIR/usr/bin/hello",
    ])],
    tests = [test("runs", run = "$DESTDIR/usr/bin/hello | grep -x hello; uname -m")],
)
`,
}

const rows = [
  { machine: 'arm', arch: 'arm64', deb: 'arm64', elf: 'ARM aarch64' },
  { machine: 'risc', arch: 'riscv64', deb: 'riscv64', elf: 'RISC-V' },
] as const

for (const { machine, arch, deb, elf } of rows) {
  test(`a package for ${arch}, by its own compiler under QEMU`, { timeout: 900_000 }, async (t) => {
    if (hostArch() === arch) return t.skip(`this machine is ${arch}`)
    const why = await unusable(t, arch)
    if (why !== undefined) return t.skip(why)
    const project = testProject(t, texts, process.env['YOE_CACHE'])
    const plan = await project.yoe(['plan', 'hello', '--machine', machine])
    assert.equal(plan.code, 0, plan.stderr)
    assert.match(plan.stdout, new RegExp(`debian/tools-debian\\.${hostArch()} `), 'tools of this machine install')
    assert.doesNotMatch(plan.stdout, new RegExp(`tools-debian\\.${arch} `))
    const ran = await project.yoe(['build', 'hello', '--machine', machine])
    assert.equal(ran.code, 0, ran.stderr)
    const path = ran.stdout.trim().split('\n').at(-1) ?? ''
    assert.equal(execFileSync('dpkg-deb', ['-f', path, 'Architecture'], { encoding: 'utf8' }).trim(), deb)
    const binary = execFileSync(
      'sh',
      ['-c', `dpkg-deb --fsys-tarfile "$0" | tar -xO ./usr/bin/hello | head -c 20 | od -An -tx1 -j18 -N1`, path],
      { encoding: 'utf8' },
    )
    assert.equal(binary.trim(), { 'ARM aarch64': 'b7', 'RISC-V': 'f3' }[elf])
    const tested = await project.yoe(['test', 'hello', '--machine', machine])
    assert.equal(tested.code, 0, tested.stderr)
  })
}
