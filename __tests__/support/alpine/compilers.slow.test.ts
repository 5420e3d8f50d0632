import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { silent } from '#engine/events.ts'
import { createFetcher } from '#engine/source/download.ts'
import { unusable } from '../emulation.ts'
import { hostsOwn } from '../host-mirrors.ts'
import { type Ran, scratch } from '../project.ts'
import { apk2, apk3, inRoot } from './apk.ts'
import { alpineMirror } from './mirror.ts'

const hello = `#include <crypt.h>
#include <linux/fs.h>
#include <math.h>
#include <stdio.h>
#include <unwind.h>
static _Unwind_Reason_Code count(struct _Unwind_Context *frame, void *all) { ++*(int *)all; return 0; }
int main(int argc, char **argv) {
  int frames = 0;
  _Unwind_Backtrace(count, &frames);
  printf("%s %.2f %s\\n", frames > 0 ? "unwound" : "lost", sqrt(argc + 1), crypt("x", "ab") ? "crypt" : "none");
  return 0;
}
`

/** What a program is started by and what it needs, as its own file says. */
const needs =
  'readelf -ldW "$1" | sed -n \'s/.*interpreter: \\(.*\\)].*/\\1/p; s/.*Shared library: \\[\\(.*\\)]/\\1/p\''

for (const arch of ['x86_64', 'aarch64'] as const) {
  test(`C is compiled for the root's own musl on ${arch}`, async (t) => {
    const missing = arch === 'aarch64' ? await unusable(t, 'arm64') : undefined
    if (missing !== undefined) return t.skip(missing)
    const root = scratch(t)
    const { url, keys } = await alpineMirror(t, [`v3.20/main/${arch}`, `v3.20/community/${arch}`])
    passed(
      await apk2(['add', '--initdb', '--no-cache', 'busybox', 'build-base', 'linux-headers'], {
        arch,
        root,
        keys,
        repositories: [`${url}/v3.20/main`, `${url}/v3.20/community`],
      }),
    )
    writeFileSync(join(root, 'hello.c'), hello)
    const run = `gcc -O2 -fexceptions -o /hello /hello.c && /hello && gcc -dumpmachine && ${needs}`
    const said = await shell(root, run, '/hello')
    const loader = `/lib/ld-musl-${arch}.so.1`
    assert.equal(said, `unwound 1.41 crypt\n${arch}-alpine-linux-musl\n${loader}\nlibc.musl-${arch}.so.1\n`)
  })
}

test('zlib and a Go program are built in a root of genuine packages, and run there', async (t) => {
  const root = scratch(t)
  const { url, keys } = await alpineMirror(t, ['v3.19/community/x86_64'])
  passed(
    await apk3(['add', '--initdb', '--no-cache', 'alpine-baselayout', 'busybox', 'build-base', 'perl', 'go'], {
      root,
      keys,
      repositories: [`${url}/v3.19/main`, `${url}/v3.19/community`],
    }),
  )
  await createFetcher({ mirrors: hostsOwn, offline: false }).fetch({
    urls: ['http://ftp.debian.org/debian/pool/main/z/zlib/zlib_1.3.dfsg+really1.3.1.orig.tar.gz'],
    sha256: '60dd315c07f616887caa029408308a018ace66e3d142726a97db164b3b8f69fb',
    dest: join(root, 'zlib.tar.gz'),
    title: 'zlib',
    report: silent,
  })
  const build = `mkdir /zlib && cd /zlib && tar -xzf /zlib.tar.gz --strip-components=1
(./configure && make -j2 && make test) 2>&1 | tail -n 1
perl -MData::Dumper -MPOSIX -e 'print POSIX::floor(1.5), "\\n"'
${needs}`
  const zlib = await shell(root, build, '/zlib/libz.so.1')
  assert.equal(zlib, '\t\t*** zlib 64-bit test OK ***\n1\nlibc.musl-x86_64.so.1\n')

  writeFileSync(join(root, 'main.go'), 'package main\nfunc main() { println("go") }\n')
  assert.equal(await shell(root, 'GOCACHE=/tmp/go CGO_ENABLED=0 go build -o /app /main.go && /app 2>&1', ''), 'go\n')
})

async function shell(root: string, script: string, argument: string): Promise<string> {
  return passed(await inRoot(root, ['sh', '-euc', script, 'sh', argument])).stdout
}

function passed(ran: Ran): Ran {
  assert.equal(ran.code, 0, ran.stdout + ran.stderr)
  return ran
}
