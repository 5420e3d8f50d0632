/** Programs and libraries in C, one for each build system: configure, CMake, make, Meson. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { before, test } from 'node:test'
import type { TestProject } from '../support/project.ts'
import { assertFinished, build, nativeProject, passes, release, sameOffline, unpacked } from './native.ts'

const units = `load("@module-core//classes/autotools.star", "autotools")
load("@module-core//classes/cmake.star", "cmake")
load("@module-core//classes/make.star", "make")
load("@module-core//classes/meson.star", "meson")

autotools(
    name = "hello", version = "2.10", license = "GPL-3.0-or-later",
    ${release('https://ftp.gnu.org/gnu/hello/hello-2.10.tar.gz', 'h/hello/hello_2.10.orig.tar.gz', '31e066137a962676e89f69d1b65382de95a7ef7d914b8cb956f41ea72e0f516b')},
    keep_locale = True,
    # Its own script, of 2014, has not heard of this one.
    tasks = [task("knows machines of today", run = "sh build-aux/config.sub loongarch64-linux-gnu")],
    tests = [
        test("greets", run = "hello | grep -x 'Hello, world!'"),
        test("has its translations", run = "test -e $DESTDIR/usr/share/locale/de/LC_MESSAGES/hello.mo"),
    ],
)

cmake(
    name = "cjson", version = "1.7.18", license = "MIT", subpackages = ["dev"],
    ${release('https://github.com/DaveGamble/cJSON/archive/refs/tags/v1.7.18.tar.gz', 'c/cjson/cjson_1.7.18.orig.tar.gz', '3aa806844a03442c00769b83e99970be70fbef03735ff898f4811dd03b9f5ee5')},
    cmake_args = ["-DENABLE_CJSON_TEST=OFF", "-DENABLE_CJSON_UTILS=ON"],
)

# Finds its library by pkg-config, in the sysroot.
make(
    name = "pretty", version = "1", license = "MIT", source = path("//pretty"), deps = ["cjson"],
    tests = [test("prints", run = "echo '{\\"a\\":[1]}' | pretty | grep -xF \\"$(printf '\\\\t\\"a\\":\\\\t[1]')\\"")],
)

make(
    name = "lz4", version = "1.10.0", license = "GPL-2.0-or-later AND BSD-2-Clause", subpackages = ["dev"],
    ${release('https://github.com/lz4/lz4/archive/refs/tags/v1.10.0.tar.gz', 'l/lz4/lz4_1.10.0.orig.tar.gz', '537512904744b35e232912055ccf8ec66d768639ff3abe5788d90d792ec5f48b')},
    make_args = ["BUILD_STATIC=no"],
    tests = [test("there and back", run = "seq 9999 >in && lz4 -q <in | lz4 -dq | cmp - in")],
)

meson(
    name = "bubblewrap", version = "0.12.0", license = "LGPL-2.0-or-later", deps = ["libcap-dev"],
    ${release('https://github.com/containers/bubblewrap/releases/download/v0.12.0/bubblewrap-0.12.0.tar.xz', 'b/bubblewrap/bubblewrap_0.12.0.orig.tar.xz', '9760d007363e3abba7c747489910f9f82d9fca53ba3bd3282e396fa3c97a3314')},
    meson_args = ["-Dselinux=disabled", "-Dman=disabled", "-Dtests=false"],
    tests = [test("says its version", run = "bwrap --version | grep -x 'bubblewrap 0.12.0'")],
)
`

let project: TestProject
let debs: ReadonlyMap<string, string>

before(async (t) => {
  assert.ok('after' in t)
  project = nativeProject(t, {
    'units/c.star': units,
    'pretty/Makefile':
      'pretty: pretty.c\n\t$(CC) $(CFLAGS) $(CPPFLAGS) -DPREFIX=\\"$(PREFIX)\\" $$(pkg-config --cflags libcjson) $< -o $@ $(LDFLAGS) $$(pkg-config --libs libcjson)\n' +
      'install: pretty\n\tinstall -D pretty $(DESTDIR)$(PREFIX)/bin/pretty\n',
    'pretty/pretty.c': `#include <cJSON.h>
#include <stdio.h>
int main(void) {
  static char text[4096];
  fread(text, 1, sizeof text - 1, stdin);
  return puts(cJSON_Print(cJSON_Parse(text))) < 0 || PREFIX[1] != 'u';
}
`,
  })
  debs = await build(project, 'hello', 'pretty', 'lz4', 'bubblewrap')
})

test('autotools: GNU hello greets, with its translations and without its manual', async (t) => {
  const { root, paths } = unpacked(t, debs.get('hello'))
  assertFinished(join(root, 'usr/bin/hello'))
  assert.ok(
    paths.length > 30 &&
      paths.every((path) => path === '/usr/bin/hello' || /^\/usr\/share\/(locale|licenses|doc\/hello)\//.test(path)),
    paths.join(' '),
  )
  await passes(project, 'hello', 2)
})

test('cmake and make: a library with its headers apart, and a program that finds it', async (t) => {
  const { root } = unpacked(t, debs.get('pretty'))
  assertFinished(join(root, 'usr/bin/pretty'))
  await passes(project, 'pretty')
  const library = await build(project, 'cjson')
  const main = unpacked(t, library.get('cjson'))
  assertFinished(join(main.root, 'usr/lib/libcjson.so.1.7.18'))
  const dev = unpacked(t, library.get('cjson-dev'))
  for (const path of ['/usr/include/cjson/cJSON.h', '/usr/lib/libcjson.so', '/usr/lib/pkgconfig/libcjson.pc'])
    assert.ok(dev.paths.includes(path), dev.paths.join(' '))
})

test('make: lz4 packs and unpacks', async (t) => {
  const { root, paths } = unpacked(t, debs.get('lz4'))
  for (const file of ['usr/bin/lz4', 'usr/lib/liblz4.so.1.10.0']) assertFinished(join(root, file))
  assert.ok(!paths.some((path) => path.includes('/man/') || path.endsWith('.a')), paths.join(' '))
  await passes(project, 'lz4')
})

test('meson: bubblewrap says its version', async (t) => {
  assertFinished(join(unpacked(t, debs.get('bubblewrap')).root, 'usr/bin/bwrap'))
  await passes(project, 'bubblewrap')
})

test('built anew without network, they are the same', async () => {
  for (const unit of ['cjson', 'bubblewrap']) await sameOffline(project, unit)
})
