/** Programs and libraries that classes of module-core build for musl, installed by the real apk-tools and run. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { before, test } from 'node:test'
import { apk2, apk3, inRoot } from '../support/alpine/apk.ts'
import { alpineMirror } from '../support/alpine/mirror.ts'
import { type AlpineProject, alpineProject } from '../support/alpine/project.ts'
import { type Ran, scratch } from '../support/project.ts'
import { assertFinished, release, told } from './native.ts'

/** What mirrors of tests have of module-alpine's containers: no bash, and busybox for all that is no compiler. */
const containers = `_BASE = ["alpine-baselayout", "busybox", "build-base", "pkgconf"]
container(name = "toolchain-small", distro = "alpine", provides = ["toolchain"], packages = _BASE + ["linux-headers", "perl"])
container(name = "toolchain-go-small", distro = "alpine", provides = ["toolchain-go"], packages = _BASE + ["go"])
`

/** What openssl is built without: all that nobody needs who asks for its version and a digest. */
const without =
  'aria bf blake2 camellia cast cmp cms ct deprecated des docs dsa dtls ec2m engine gost http idea legacy md4 mdc2 ml-dsa ml-kem module ocb ocsp psk quic rc2 rc4 rfc3779 rmd160 scrypt seed siphash siv slh-dsa sm2 sm3 sm4 srp srtp ssl-trace tests ts ui-console whirlpool'.split(
    ' ',
  )

const units = `load("@module-core//classes/autotools.star", "autotools")
load("@module-core//classes/go.star", "go_binary")
load("@module-core//classes/make.star", "make")
load("@module-core//classes/openrc.star", "openrc_service")
load("@module-core//classes/systemd.star", "systemd_service")
load("@module-core//classes/users.star", "system_user")

autotools(
    name = "zlib", version = "1.3.1", license = "Zlib", subpackages = ["dev"],
    ${release('https://zlib.net/zlib-1.3.1.tar.gz', 'z/zlib/zlib_1.3.dfsg+really1.3.1.orig.tar.gz', '60dd315c07f616887caa029408308a018ace66e3d142726a97db164b3b8f69fb')},
)

autotools(
    name = "openssl", version = "3.5.7", license = "Apache-2.0", subpackages = ["dev"], deps = ["zlib"],
    source = [
        "https://github.com/openssl/openssl/releases/download/openssl-3.5.7/openssl-3.5.7.tar.gz",
        "http://ftp.debian.org/debian/pool/main/o/openssl/openssl_3.5.7.orig.tar.gz",
        "http://security.debian.org/debian-security/pool/updates/main/o/openssl/openssl_3.5.7.orig.tar.gz",
    ],
    sha256 = "a8c0d28a529ca480f9f36cf5792e2cd21984552a3c8e4aa11a24aa31aeac98e8",
    environment = {"CFLAGS": "-O1"},
    tasks = [
        task("configure", steps = [
            # It would tell who asks how it was compiled: with folders of the build.
            "sed -i 's/^.cflags = .*/$cflags = \\"compiler: gcc\\";/' util/mkbuildinf.pl",
            "./Configure linux-x86_64 --prefix=$PREFIX --libdir=lib --openssldir=/etc/ssl shared zlib ${without.map((each) => `no-${each}`).join(' ')}",
        ]),
        # Shared libraries alone: half of the work.
        task("compile", run = "make -j$NPROC LIBS="),
        # A script in Perl, which each device would get then; openssl rehash does the same.
        task("install", run = "make LIBS= INSTALL_LIBS= DESTDIR=$DESTDIR install_sw && rm $DESTDIR$PREFIX/bin/c_rehash"),
    ],
)

autotools(
    name = "dropbear", version = "2025.89", license = "MIT", deps = ["zlib"],
    ${release('https://matt.ucc.asn.au/dropbear/releases/dropbear-2025.89.tar.bz2', 'd/dropbear/dropbear_2025.89.orig.tar.bz2', '0d1f7ca711cfc336dc8a85e672cab9cfd8223a02fe2da0a4a7aeb58c9e113634')},
    configure_args = ["--disable-lastlog", "--disable-wtmp"],
    # What config.guess is replaced by knows how musl is called.
    tests = [test("says its version", run = "$DESTDIR/usr/sbin/dropbear -V 2>&1 | grep 2025.89")],
)

# Finds its library by pkg-config, in the sysroot.
make(
    name = "squeeze", version = "1", license = "MIT", source = path("//squeeze"), deps = ["zlib"],
    subpackages = ["dbg"],
    tests = [test("squeezes", run = "squeeze | grep -x 'zlib 1.3.1 squeezes 1000 to 17'")],
)

go_binary(name = "clock", version = "1.1", license = "MIT", source = path("//clock"))
system_user("clock", "clock")
openrc_service("clock", script = "clock.initd")
systemd_service("clock", unit = "clock.service")

go_binary(name = "cclock", version = "1", license = "MIT", source = path("//cclock"), cgo = True, deps = ["zlib"])
`

const texts = {
  'containers/toolchain.star': containers,
  'units/musl.star': units,
  'units/musl/clock.service': '[Service]\nExecStart=/usr/bin/clock\n[Install]\nWantedBy=multi-user.target\n',
  'units/musl/clock.initd':
    '#!/sbin/openrc-run\ncommand=/usr/bin/clock\ncommand_user=clock\ncommand_background=true\npidfile=/run/clock.pid\n',
  'squeeze/LICENSE': 'MIT License\n',
  'squeeze/Makefile': `squeeze: squeeze.c
	$(CC) $(CFLAGS) $(CPPFLAGS) $$(pkg-config --cflags zlib) $< -o $@ $(LDFLAGS) $$(pkg-config --libs zlib)
install: squeeze
	install -D squeeze $(DESTDIR)$(PREFIX)/bin/squeeze
`,
  'squeeze/squeeze.c': `#include <stdio.h>
#include <zlib.h>
int main(void) {
  static unsigned char in[1000], out[2000];
  unsigned long size = sizeof out;
  if (compress(out, &size, in, sizeof in) != Z_OK) return 1;
  return printf("zlib %s squeezes %zu to %lu\\n", zlibVersion(), sizeof in, size) < 0;
}
`,
  'clock/LICENSE': 'MIT License\n',
  'clock/go.mod': 'module clock\n\ngo 1.21\n',
  'clock/main.go': `package main

import (
	"fmt"
	"net/http"
)

func main() {
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { fmt.Fprintln(w, "the time") })
	panic(http.ListenAndServe("127.0.0.1:8123", nil))
}
`,
  'cclock/LICENSE': 'MIT License\n',
  'cclock/go.mod': 'module cclock\n\ngo 1.21\n',
  'cclock/main.go': `package main

// #cgo pkg-config: zlib
// #include <zlib.h>
import "C"
import "fmt"

func main() { fmt.Println("zlib", C.GoString(C.zlibVersion())) }
`,
}

const names = ['zlib', 'openssl', 'dropbear', 'squeeze', 'clock', 'cclock'] as const
const libc = 'so:libc.musl-x86_64.so.1'

let project: AlpineProject

before(async (t) => {
  assert.ok('after' in t)
  project = await alpineProject(t, texts)
  const built = await project.yoe(['build', ...names], { env: project.env })
  assert.equal(built.code, 0, told(built))
})

const folderOf = (unit: string): string => join(project.root, 'build/alpine', `${unit}.x86_64`)

/** `depend` and `provides` lines of a package, sorted. */
function relations(unit: string, file: string): readonly string[] {
  const info = execFileSync('tar', ['-xOzf', join(folderOf(unit), file), '.PKGINFO'], { encoding: 'utf8' })
  return info
    .split('\n')
    .flatMap((line) => /^(?:depend|provides) = .*$/.exec(line)?.[0].replace(' = ', ' ') ?? [])
    .sort()
}

/** What each package says of itself, by what its files are. */
const said: Readonly<Record<string, readonly [unit: string, relations: readonly string[]]>> = {
  'zlib-1.3.1-r0.apk': ['zlib', [`depend ${libc}`, 'provides so:libz.so.1=1.3.1-r0']],
  'zlib-dev-1.3.1-r0.apk': ['zlib', ['depend zlib=1.3.1-r0', 'provides pc:zlib=1.3.1']],
  'openssl-3.5.7-r0.apk': [
    'openssl',
    [
      ...[`depend ${libc}`, 'depend so:libz.so.1'],
      ...['cmd:openssl', 'so:libcrypto.so.3', 'so:libssl.so.3'].map((name) => `provides ${name}=3.5.7-r0`),
    ],
  ],
  'openssl-dev-3.5.7-r0.apk': [
    'openssl',
    ['depend openssl=3.5.7-r0', ...['libcrypto', 'libssl', 'openssl'].map((name) => `provides pc:${name}=3.5.7`)],
  ],
  'dropbear-2025.89-r0.apk': [
    'dropbear',
    [
      ...[`depend ${libc}`, 'depend so:libz.so.1'],
      ...['', 'convert', 'key'].map((end) => `provides cmd:dropbear${end}=2025.89-r0`),
      'provides cmd:dbclient=2025.89-r0',
    ].sort(),
  ],
  'squeeze-1-r0.apk': ['squeeze', [`depend ${libc}`, 'depend so:libz.so.1', 'provides cmd:squeeze=1-r0']],
  'clock-1.1-r0.apk': [
    'clock',
    ['depend /bin/sh', 'depend alpine-baselayout-data', 'depend openrc', 'provides cmd:clock=1.1-r0'],
  ],
  'cclock-1-r0.apk': ['cclock', [`depend ${libc}`, 'depend so:libz.so.1', 'provides cmd:cclock=1-r0']],
}

for (const [file, [unit, expected]] of Object.entries(said))
  test(`${file} asks for what it is linked to, and offers what it has`, () =>
    assert.deepEqual(relations(unit, file), expected))

/** The dynamic loader and libraries that an ELF file names. */
function linked(file: string): readonly string[] {
  const text = execFileSync('readelf', ['-ldW', file], { encoding: 'utf8' })
  return [...text.matchAll(/interpreter: (.*)\]|Shared library: \[(.*)\]/g)].map(
    ([, loader, name]) => loader ?? name ?? '',
  )
}

test('programs start by musl, and have nothing of where they were built', (t) => {
  const loader = '/lib/ld-musl-x86_64.so.1'
  const needed: Readonly<Record<string, readonly string[]>> = {
    'zlib/usr/lib/libz.so.1.3.1': ['libc.musl-x86_64.so.1'],
    'openssl/usr/bin/openssl': [loader, 'libssl.so.3', 'libcrypto.so.3', 'libc.musl-x86_64.so.1'],
    'dropbear/usr/sbin/dropbear': [loader, 'libz.so.1', 'libc.musl-x86_64.so.1'],
    'squeeze/usr/bin/squeeze': [loader, 'libz.so.1', 'libc.musl-x86_64.so.1'],
    'cclock/usr/bin/cclock': [loader, 'libz.so.1', 'libc.musl-x86_64.so.1'],
    // Needs nothing of the system.
    'clock/usr/bin/clock': [],
  }
  for (const [place, names] of Object.entries(needed)) {
    const [unit = '', ...rest] = place.split('/')
    const apk = Object.keys(said).find((file) => said[file]?.[0] === unit) ?? ''
    const root = scratch(t)
    execFileSync('tar', ['-C', root, '--warning=no-unknown-keyword', '-xzf', join(folderOf(unit), apk)])
    const file = join(root, ...rest)
    assert.deepEqual(linked(file), names, place)
    assertFinished(file)
  }
})

test('tests of units run by the shell that is there, and find the library that they are built with', async () => {
  const ran = await project.yoe(['test', 'dropbear', 'squeeze'], { env: project.env })
  assert.equal(ran.code, 0, told(ran))
  assert.match(ran.stdout, /^ok 2 of 2 tests$/m)
})

test('built anew without network they are the same', async () => {
  const bytes = (): readonly Buffer[] =>
    ['zlib/zlib-1.3.1-r0', 'zlib/zlib-dev-1.3.1-r0', 'clock/clock-1.1-r0', 'cclock/cclock-1-r0'].map((file) => {
      const [unit = '', name = ''] = file.split('/')
      return readFileSync(join(folderOf(unit), `${name}.apk`))
    })
  const first = bytes()
  const again = await project.yoe(['build', '--force', '--offline', 'zlib', 'clock', 'cclock'], { env: project.env })
  assert.equal(again.code, 0, told(again))
  assert.deepEqual(
    bytes().map((each, index) => first[index]?.equals(each)),
    first.map(() => true),
  )
})

test('what is published is installed by apk-tools 2 and 3 beside packages of Alpine, and runs', async (t) => {
  const site = join(scratch(t), 'site')
  const published = await project.yoe(['publish', ...names, '--to', site], { env: project.env })
  assert.equal(published.code, 0, told(published))
  const { url, keys } = await alpineMirror(t, ['v3.23/main/x86_64'])
  for (const [name, apk] of [
    ['2', apk2],
    ['3', apk3],
  ] as const) {
    const root = scratch(t)
    const trusted = join(root, 'etc/apk/keys')
    mkdirSync(trusted, { recursive: true })
    execFileSync('sh', ['-c', 'cp "$0"/*.pub "$1"/*.pub "$2"', keys, site, trusted])
    const repositories = [join(site, 'alpine'), `${url}/v3.23/main`]
    // Alpine has a newer zlib.
    const wanted = ['add', '--initdb', '--no-cache', 'busybox', 'zlib=1.3.1-r0', ...names.slice(1)]
    passed(await apk(wanted, { root, repositories }), name)
    passed(await apk(['audit', '--system'], { root }), name, /^$/)
    const run = (command: string): Promise<Ran> => inRoot(root, ['sh', '-euc', command])
    passed(
      await run('openssl version && printf x | openssl sha256'),
      name,
      /^OpenSSL 3\.5\.7 .*\n.*2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881\n$/,
    )
    passed(
      await run('dropbear -V 2>&1; dropbearkey -t ed25519 -f /k >/dev/null 2>&1 && ls /k'),
      name,
      /^Dropbear v2025\.89\n\/k\n$/,
    )
    passed(await run('squeeze && cclock'), name, /^zlib 1\.3\.1 squeezes 1000 to 17\nzlib 1\.3\.1\n$/)
    const ask =
      'clock & for i in 1 2 3 4 5 6 7 8 9; do wget -qO- http://127.0.0.1:8123/ && break; sleep 1; done; kill $!'
    passed(await run(ask), name, /^the time\n$/)
    passed(
      await run('id -u clock >/dev/null && readlink /etc/runlevels/default/clock'),
      name,
      /^\/etc\/init.d\/clock\n$/,
    )
    // Headers, documentation, and the other distro's service are elsewhere.
    for (const path of ['usr/include/zlib.h', 'usr/share/man', 'usr/lib/systemd', 'usr/lib/debug'])
      assert.ok(!existsSync(join(root, path)), path)
    passed(await apk(['add', '--no-cache', 'zlib-dev', 'squeeze-dbg'], { root, repositories }), name)
    assert.ok(existsSync(join(root, 'usr/include/zlib.h')))
    assert.ok(existsSync(join(root, 'usr/lib/debug/.build-id')))
  }
})

function passed(ran: Ran, apk: string, printed = /(?:)/): void {
  assert.equal(ran.code, 0, `apk-tools ${apk}: ${told(ran)}`)
  assert.match(ran.stdout, printed, `apk-tools ${apk}`)
}
