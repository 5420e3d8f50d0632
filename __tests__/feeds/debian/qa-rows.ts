import { execFileSync } from 'node:child_process'
import { chmod, chown, mkdir, readFile, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import type { PackInput } from '#engine/formats.ts'
import type { PackageUnit } from '#engine/project/model.ts'
import type { PackageCheck } from '#engine/qa/checks.ts'
import { at, type Files, install } from '../../support/making.ts'

/** A package with one thing wrong. */
export interface Row {
  readonly name: string
  readonly check: PackageCheck
  readonly unit?: Partial<PackageUnit>
  readonly fields?: Partial<Omit<PackInput, 'unit'>>
  /** Fills the destdir. */
  readonly arrange: (dest: string, programs: Programs) => Promise<unknown>
  /** What the error says. */
  readonly says: RegExp
  /** What it says to type. */
  readonly hint: RegExp
  /** What mends it, in the same destdir or in the unit. */
  readonly mend?: (dest: string, programs: Programs) => Promise<unknown>
  readonly mended?: Partial<PackageUnit>
}

/** Real programs of this machine's compiler, by what is wrong with them. */
export interface Programs {
  readonly folder: string
  readonly of: (name: string) => string
}

const sources = {
  'start.c': 'int other(void);\nvoid _start(void) { for (;;) {} }\n',
  'user.c': 'int other(void);\nvoid _start(void) { other(); for (;;) {} }\n',
  'other.c': 'int other(void) { return 1; }\n',
  // An address in the code: the dynamic linker has to change the page that it is in.
  'reloc.s':
    '.data\n.globl value\nvalue: .quad 1\n.text\n.globl other\nother: .quad value\n.section .note.GNU-stack,"",@progbits\n',
  'date.c': 'const char built[] = "on " __DATE__;\nvoid _start(void) { for (;;) {} }\n',
}

const recipes: Readonly<Record<string, string>> = {
  'libother.so.1': '-s -shared -fPIC -Wl,-soname,libother.so.1 other.c',
  clean: '-s start.c',
  unstripped: 'start.c',
  debug: '-g start.c -Wl,--strip-all -Wl,--strip-debug',
  rpath: '-s start.c -Wl,-rpath,/build/sysroot/usr/lib:/usr/lib/app',
  relative: '-s start.c -Wl,-rpath,lib -Wl,--disable-new-dtags',
  origin: '-s start.c -Wl,-rpath,$ORIGIN/../lib/app',
  execstack: '-s start.c -Wl,-z,execstack',
  'libtext.so.1': '-s -shared -Wl,-z,notext -Wl,-soname,libtext.so.1 reloc.s',
  needs: '-s user.c ./libother.so.1',
  date: '-s date.c',
}

/** Compiles them into `folder`, without a C library. */
export async function compile(folder: string): Promise<Programs> {
  await install(folder, sources)
  const { SOURCE_DATE_EPOCH: _, ...env } = process.env
  for (const [name, recipe] of Object.entries(recipes)) {
    const args = `-nostdlib -fno-stack-protector -o ${name} ${recipe}`.split(' ')
    // A static program has no dynamic section to hold a run path.
    const dynamic = recipe.includes('-rpath') ? ['-Wl,--no-as-needed', './libother.so.1'] : []
    execFileSync('gcc', [...args, ...dynamic], { cwd: folder, env, stdio: 'pipe' })
  }
  return { folder, of: (name) => join(folder, name) }
}

const put =
  (...files: readonly (readonly [path: string, program: string])[]) =>
  async (dest: string, { of }: Programs): Promise<void> => {
    for (const [path, program] of files) {
      await install(dest, { [path]: await readFile(of(program)) })
      await chmod(join(dest, path), 0o755)
    }
  }

const files =
  (made: Files) =>
  (dest: string): Promise<void> =>
    install(dest, made)

const script = files({ 'usr/bin/app': '#!/bin/sh\n' })
const libother = { 'usr/lib/libother.so.1': 'libother.so.1' }
const toolchains = new Map([['libother.so.1', { name: 'libother1', version: '', undeclared: true }]])
const archive = { kind: 'archive', urls: ['https://example.org/app.tar.gz'], sha256: '0'.repeat(64), at } as const

export const rows: readonly Row[] = [
  {
    name: 'a file of another user',
    check: 'owner',
    arrange: async (dest) => {
      await script(dest)
      // Without other ids there is a group, or none of that can happen.
      const [uid, gid] = process.getuid?.() === 0 ? [1234, 0] : [process.getuid?.() ?? 0, otherGroup()]
      await chown(join(dest, 'usr/bin/app'), uid, gid)
    },
    says: /\/usr\/bin\/app was given to another user or group/,
    hint: /permissions = \{"\/usr\/bin\/app": "0644 USER:GROUP"\}/,
    mended: { permissions: { '/usr/bin/app': { owner: { user: 'root', group: 'adm' } } } },
  },
  {
    name: 'an owner that nobody makes',
    check: 'owner',
    arrange: script,
    unit: { permissions: { '/usr/bin/app': { owner: { user: 'app', group: 'app' } } } },
    says: /\/usr\/bin\/app shall belong to user "app" and group "app", which nobody makes/,
    hint: /sysusers\.d/,
    mend: files({ 'usr/lib/sysusers.d/app.conf': 'u app 450 "App" /\n' }),
  },
  {
    name: 'a setuid program',
    check: 'setuid',
    arrange: async (dest) => {
      await script(dest)
      await chmod(join(dest, 'usr/bin/app'), 0o4755)
    },
    says: /\/usr\/bin\/app is setuid, undeclared/,
    hint: /permissions = \{"\/usr\/bin\/app": "4755"\}/,
    mended: { permissions: { '/usr/bin/app': { mode: 0o4755 } } },
  },
  {
    name: 'a sticky folder',
    check: 'setuid',
    arrange: async (dest) => {
      await install(dest, { 'usr/share/app/spool/x': 'x' })
      await chmod(join(dest, 'usr/share/app/spool'), 0o1755)
    },
    says: /\/usr\/share\/app\/spool is sticky, undeclared/,
    hint: /chmod u-s,g-s,-t/,
    mend: (dest) => chmod(join(dest, 'usr/share/app/spool'), 0o755),
  },
  {
    name: 'a file that everybody may change',
    check: 'world-writable',
    arrange: async (dest) => {
      await script(dest)
      await chmod(join(dest, 'usr/bin/app'), 0o777)
    },
    says: /\/usr\/bin\/app may be written to by everybody/,
    hint: /chmod o-w/,
    mend: (dest) => chmod(join(dest, 'usr/bin/app'), 0o755),
  },
  {
    name: 'a run path into the sysroot',
    check: 'rpath',
    // The path is in its bytes, too: that is the same mistake.
    unit: { qaSkip: { buildpaths: 'seen by another check' } },
    arrange: put(['usr/bin/app', 'rpath'], ...Object.entries(libother)),
    fields: {},
    says: /\/usr\/bin\/app looks for libraries in "\/build\/sysroot\/usr\/lib", which no device has/,
    hint: /CMAKE_SKIP_INSTALL_RPATH/,
  },
  {
    name: 'a run path that depends on where it is called',
    check: 'rpath',
    arrange: put(['usr/bin/app', 'relative'], ...Object.entries(libother)),
    says: /\/usr\/bin\/app looks for libraries in "lib"/,
    hint: /patchelf --remove-rpath/,
    mend: put(['usr/bin/app', 'origin']),
  },
  {
    name: 'a library that nobody brings',
    check: 'needed',
    arrange: put(['usr/bin/app', 'needs']),
    says: /\/usr\/bin\/app needs libother\.so\.1, which nothing that this unit depends on brings/,
    hint: /add the unit or package that brings libother\.so\.1 to deps/,
    mend: put(...Object.entries(libother)),
  },
  {
    name: 'a library that happens to be in the toolchain',
    check: 'needed',
    arrange: put(['usr/bin/app', 'needs']),
    fields: { libraries: toolchains },
    says: /needs libother\.so\.1, which is only there since the toolchain has libother1/,
    hint: /deps = \["libother1"\]/,
  },
  {
    name: 'a library of another architecture',
    check: 'arch',
    arrange: async (dest, { of }) => {
      const program = await readFile(of('clean'))
      program.writeUInt16LE(program.readUInt16LE(18) === 183 ? 62 : 183, 18)
      await install(dest, { 'usr/bin/app': program })
    },
    says: /\/usr\/bin\/app is machine code for another architecture than/,
    hint: /\$CC/,
    mend: put(['usr/bin/app', 'clean']),
  },
  {
    name: 'text relocations',
    check: 'textrel',
    arrange: put(['usr/lib/libtext.so.1', 'libtext.so.1']),
    says: /\/usr\/lib\/libtext\.so\.1 has text relocations/,
    hint: /-fPIC/,
  },
  {
    name: 'an executable stack',
    check: 'execstack',
    arrange: put(['usr/bin/app', 'execstack']),
    says: /\/usr\/bin\/app asks for an executable stack/,
    hint: /-Wl,-z,noexecstack/,
    mend: put(['usr/bin/app', 'clean']),
  },
  {
    name: 'symbols left in',
    check: 'stripped',
    arrange: put(['usr/bin/app', 'unstripped']),
    says: /\/usr\/bin\/app has symbols left in/,
    hint: /subpackages = \["dbg"\]/,
    mend: put(['usr/bin/app', 'clean']),
  },
  {
    name: 'a program that upstream stripped before its debug information was kept',
    check: 'stripped',
    unit: { subpackages: ['dbg'] },
    arrange: async (dest, programs) => {
      await put(['usr/bin/app', 'clean'])(dest, programs)
      await install(dest, { 'usr/lib/debug/usr/bin/other.debug': 'x' })
    },
    says: /\/usr\/bin\/app was stripped before its debug information could go to app-dbg/,
    hint: /not install-strip/,
    mended: { subpackages: [], extraSubpackages: { symbols: ['/usr/lib/debug'] } },
  },
  {
    name: 'the sysroot in a script',
    check: 'buildpaths',
    arrange: files({ 'usr/bin/app-flags': `#!/bin/sh\n${'#'.repeat(3 << 20)}\necho -L/build/sysroot/usr/lib\n` }),
    says: /\/usr\/bin\/app-flags names a folder of the build: \/build\/sysroot\/usr\/lib/,
    hint: /never \$DESTDIR/,
    mend: files({
      'usr/bin/app-flags': '#!/bin/sh\necho -ffile-prefix-map=/build/src=. ./build/src /opt/build/src /build/srcs\n',
    }),
  },
  {
    name: 'the name of the machine that built it',
    check: 'buildpaths',
    fields: { around: { packages: [], roots: [], traces: ['builder-07'], now: 0 } },
    arrange: files({ 'usr/share/app/version': 'built on builder-07\n' }),
    says: /\/usr\/share\/app\/version names the machine that built it: builder-07/,
    hint: /with sed/,
    mend: files({ 'usr/share/app/version': 'built on builder-077, or rebuilder-07x\n' }),
  },
  {
    name: 'a link to nothing',
    check: 'dangling',
    arrange: async (dest) => {
      await mkdir(join(dest, 'usr/bin'), { recursive: true })
      await symlink('../lib/app/run', join(dest, 'usr/bin/app'))
    },
    says: /\/usr\/bin\/app leads to \.\.\/lib\/app\/run, which neither the package nor its dependencies have/,
    hint: /deps and runtime_deps/,
    mend: files({ 'usr/lib/app/run': '' }),
  },
  {
    name: 'a link to itself',
    check: 'dangling',
    arrange: async (dest) => {
      await mkdir(join(dest, 'usr/bin'), { recursive: true })
      await symlink('a', join(dest, 'usr/bin/a'))
    },
    says: /\/usr\/bin\/a leads to a, which/,
    hint: /remove it/,
  },
  {
    name: 'a conffile that is not there',
    check: 'conffiles',
    unit: { conffiles: ['/etc/app.conf'] },
    arrange: script,
    says: /conffile "\/etc\/app\.conf" is not in the package/,
    hint: /regular files/,
    mend: files({ 'etc/app.conf': '' }),
  },
  {
    name: 'a conffile outside /etc',
    check: 'conffiles',
    unit: { conffiles: ['/usr/share/app/app.conf'] },
    arrange: files({ 'usr/share/app/app.conf': '' }),
    says: /conffile "\/usr\/share\/app\/app\.conf" lies outside \/etc/,
    hint: /\/etc\/app\.conf/,
    mended: { conffiles: [] },
  },
  {
    name: 'a service without a unit file',
    check: 'services',
    unit: { services: ['app'] },
    arrange: script,
    says: /service "app" has no unit file in the package/,
    hint: /install app\.service to/,
    mend: files({ 'usr/lib/systemd/system/app.service': '[Service]\n[Install]\nWantedBy=multi-user.target\n' }),
  },
  {
    name: 'no licence',
    check: 'license',
    unit: { license: '' },
    arrange: script,
    says: /says nothing about its licence/,
    hint: /LicenseRef-Proprietary/,
    mended: { license: 'LicenseRef-Proprietary' },
  },
  {
    name: 'a licence that SPDX does not know',
    check: 'license',
    unit: { license: 'GPL-2.0-onyl' },
    arrange: script,
    says: /"GPL-2\.0-onyl" is no SPDX licence expression/,
    hint: /license = "GPL-2\.0-only"/,
    mended: { license: 'GPL-2.0-or-later WITH GCC-exception-2.0 OR (MIT AND BSD-3-Clause)' },
  },
  {
    name: 'a licence without its text',
    check: 'license',
    unit: { source: archive },
    arrange: script,
    says: /no text of its licence is in the package/,
    hint: /install -D -m 644 FILE "\$DESTDIR\/usr\/share\/licenses\/app\/LICENSE"/,
    mend: files({ 'usr/share/licenses/app/COPYING': 'Do what you like.\n' }),
  },
  {
    name: 'nothing',
    check: 'empty',
    arrange: (dest) => mkdir(dest, { recursive: true }),
    says: /its tasks installed nothing/,
    hint: /make install DESTDIR=\$DESTDIR/,
    mend: script,
  },
  {
    name: 'nothing for a package of its own',
    check: 'empty',
    unit: { subpackages: ['dev'] },
    arrange: script,
    says: /there is nothing for app-dev/,
    hint: /take "dev" out of subpackages/,
    mend: files({ 'usr/include/app.h': '' }),
  },
  {
    name: 'tests without a program that runs them',
    check: 'empty',
    unit: { upstreamTests: true },
    arrange: files({ 'usr/bin/app': '#!/bin/sh\n', 'usr/lib/yoe-tests/app/run.sh': '#!/bin/sh\n' }),
    says: /app-tests has no program \/usr\/lib\/yoe-tests\/app\/run\.sh/,
    hint: /mode = 0o755/,
    mend: (dest) => chmod(join(dest, 'usr/lib/yoe-tests/app/run.sh'), 0o755),
  },
  {
    name: 'headers beside a program',
    check: 'dev-in-main',
    arrange: files({ 'usr/bin/app': '#!/bin/sh\n', 'usr/include/app.h': '', 'usr/lib/libapp.a': 'x' }),
    says: /\/usr\/include\/app\.h, \/usr\/lib\/libapp\.a: each is only for building against it/,
    hint: /subpackages = \["dev"\]/,
    mended: { subpackages: ['dev'] },
  },
  {
    name: 'a time in a compressed file',
    check: 'reproducible',
    arrange: (dest) => {
      const packed = gzipSync('x')
      packed.writeUInt32LE(1_690_000_000, 4)
      return install(dest, { 'usr/share/app/data.gz': packed })
    },
    says: /\/usr\/share\/app\/data\.gz was compressed with a time in it/,
    hint: /gzip -n/,
    mend: (dest) => writeFile(join(dest, 'usr/share/app/data.gz'), gzipSync('x')),
  },
  {
    name: 'the date of the build in a program',
    check: 'reproducible',
    fields: { around: { packages: [], roots: [], traces: [], now: Date.now() } },
    arrange: put(['usr/bin/app', 'date']),
    says: /\/usr\/bin\/app holds the date of the build/,
    hint: /SOURCE_DATE_EPOCH/,
    mend: put(['usr/bin/app', 'clean']),
  },
]

function otherGroup(): number {
  return (process.getgroups?.() ?? []).find((gid) => gid !== process.getgid?.()) ?? process.getgid?.() ?? 0
}
