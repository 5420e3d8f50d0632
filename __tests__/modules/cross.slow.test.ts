/** A program for another architecture, compiled by this machine's own compilers: nothing is emulated. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { assertFinished, build, nativeProject, release, unpacked } from './native.ts'

const units = `load("@module-core//classes/autotools.star", "autotools")
load("@module-core//classes/make.star", "make")
autotools(
    name = "hello", version = "2.10", license = "GPL-3.0-or-later",
    ${release('https://ftp.gnu.org/gnu/hello/hello-2.10.tar.gz', 'h/hello/hello_2.10.orig.tar.gz', '31e066137a962676e89f69d1b65382de95a7ef7d914b8cb956f41ea72e0f516b')},
    container = "toolchain-cross", container_arch = "host",
    configure_args = ["--host=aarch64-linux-gnu"],
    subpackages = ["dbg"],
)
# A library of the target in its sysroot, from the feed of that architecture.
make(
    name = "packs", version = "1", license = "MIT", source = path("//packs"), deps = ["zlib1g-dev"],
    container = "toolchain-cross", container_arch = "host",
    make_args = ["CC=aarch64-linux-gnu-gcc"],
)
`

test('GNU hello and a program with a library, for arm64', async (t) => {
  const project = nativeProject(t, {
    'units/cross.star': units,
    'packs/Makefile':
      'packs: packs.c\n\t$(CC) $(CFLAGS) $(CPPFLAGS) $< -o $@ $(LDFLAGS) -lz\ninstall: packs\n\tinstall -D packs $(DESTDIR)$(PREFIX)/bin/packs\n',
    'packs/packs.c': '#include <zlib.h>\nint main(void) { return zlibVersion()[0] != ZLIB_VERSION[0]; }\n',
  })
  const debs = await build(project, '--machine', 'qemu-arm64', 'hello', 'packs')
  assert.match(debs.get('hello') ?? '', /_arm64\.deb$/)
  assertFinished(join(unpacked(t, debs.get('hello')).root, 'usr/bin/hello'), 'arm64')
  const { root } = unpacked(t, debs.get('packs'))
  assertFinished(join(root, 'usr/bin/packs'), 'arm64')
  assert.ok(unpacked(t, debs.get('hello-dbg')).paths.some((path) => path.endsWith('.debug')))
})
