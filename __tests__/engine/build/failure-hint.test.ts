import assert from 'node:assert/strict'
import { test } from 'node:test'
import { failureHint } from '#engine/build/failure-hint.ts'

/** What real programs print, and the thing that the hint names. */
const said: Readonly<Record<string, RegExp>> = {
  '/bin/bash: line 1: frobnicate: command not found': /no "frobnicate".*deps/,
  'sh: 1: protoc: not found': /no "protoc"/,
  'Can\'t exec "autopoint": No such file or directory at FileUtils.pm line 318.': /no "autopoint"/,
  "meson.build:3:9: ERROR: Program 'glib-mkenums' not found": /no "glib-mkenums"/,
  'a.c:1:10: fatal error: zlib.h: No such file or directory': /^zlib\.h comes.*deps.*CPPFLAGS/,
  "a.c:1:10: fatal error: 'expat.h' file not found": /^expat\.h comes/,
  '/usr/bin/ld: cannot find -lfoo: No such file or directory': /^libfoo comes.*LDFLAGS/,
  'meson.build:80:11: ERROR: Dependency "libffi" not found, tried pkgconfig and cmake': /^libffi comes.*-dev package/,
  "No package 'libcjson' found": /^libcjson comes/,
  "Package 'glib-2.0', required by 'virtual:world', not found": /^glib-2\.0 comes/,
  'Package libusb-1.0 was not found in the pkg-config search path.': /^libusb-1\.0 comes/,
  '  Could NOT find OpenSSL, try to set the path to OpenSSL root folder': /^OpenSSL comes/,
  'configure: error: Package requirements (libmnl >= 1.0) were not met:': /^libmnl comes/,
  'install: cannot create directory ‘/usr/man’: Read-only file system': /\/usr\/man can not.*\$DESTDIR/,
  "fatal: unable to access 'https://x.org/': Could not resolve host: x.org": /no network.*fetch/,
}

for (const [line, hint] of Object.entries(said))
  test(line, () => assert.match(failureHint(['+ make', line, 'make: *** [Makefile:1: all] Error 1']) ?? '', hint))

test('what a command before, or nobody, said is not what it ended for', () => {
  assert.equal(failureHint(["No package 'x' found", '+ false']), undefined)
  assert.equal(
    failureHint(['checking for foo... not found', 'checking for zlib.h... no', 'Error: 404 not found']),
    undefined,
  )
  assert.equal(failureHint([]), undefined)
})
