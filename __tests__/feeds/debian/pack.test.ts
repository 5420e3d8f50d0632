import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { chmod, link, mkdir, readdir, readFile, rename, symlink, utimes, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import type { PackInput } from '#engine/formats.ts'
import type { PackageUnit } from '#engine/project/model.ts'
import { packDeb } from '../../../src/feeds/debian/pack.ts'
import { errorsOf, install, packInput, run, scratch } from '../../support/making.ts'
import { field, pack } from './packing.ts'

describe('what dpkg sees of a package', () => {
  test('files, folders, links, owners and modes', async (t) => {
    const packed = await pack(t, { 'usr/bin/app': '#!/bin/sh\n', 'etc/app.conf': 'x\n' }, {}, {}, async (dest) => {
      await chmod(join(dest, 'usr/bin/app'), 0o711)
      await chmod(join(dest, 'etc/app.conf'), 0o600)
      await symlink('app', join(dest, 'usr/bin/alias'))
      await link(join(dest, 'usr/bin/app'), join(dest, 'usr/bin/zweit'))
    })
    const lines = packed.contents
      .trim()
      .split('\n')
      .map((line) => line.replace(/ +0? ?(\d+) \d{4}-\d\d-\d\d \d\d:\d\d /, ' '))
    assert.deepEqual(lines, [
      'drwxr-xr-x root/root ./',
      'drwxr-xr-x root/root ./etc/',
      '-rw------- root/root ./etc/app.conf',
      'drwxr-xr-x root/root ./usr/',
      'drwxr-xr-x root/root ./usr/bin/',
      'lrwxrwxrwx root/root ./usr/bin/alias -> app',
      '-rwx--x--x root/root ./usr/bin/app',
      'hrwx--x--x root/root ./usr/bin/zweit link to ./usr/bin/app',
    ])
  })

  test('names of any length, and bytes that are no UTF-8, arrive as they are', async (t) => {
    const long = `usr/${'d'.repeat(120)}/${'é'.repeat(90)}`
    const odd = Buffer.concat([Buffer.from('usr/'), Buffer.from([0xff, 0xfe]), Buffer.from(' \\x202e')])
    const packed = await pack(t, { [long]: 'content' }, { qaSkip: { dangling: '' } }, {}, async (dest) => {
      await writeFile(Buffer.concat([Buffer.from(`${dest}/`), odd]), 'odd')
      await symlink(`/${'t'.repeat(150)}`, join(dest, 'usr/link'))
    })
    const listed = (options: string): string => {
      const command = `dpkg-deb --fsys-tarfile "$0" | LC_ALL=C tar ${options} --quoting-style=escape`
      return execFileSync('sh', ['-c', command, packed.path]).toString('latin1')
    }
    assert.match(listed('-t'), /^\.\/usr\/d{120}\/(\\303\\251){90}$/m)
    assert.match(listed('-t'), /^\.\/usr\/\\377\\376\\? \\\\x202e$/m)
    const links = listed('-tv')
    assert.match(links, / -> \/t{150}$/m)
  })

  test('control fields', async (t) => {
    const packed = await pack(
      t,
      { 'usr/share/app/x': '0'.repeat(3000) },
      {
        version: '1:2.0~rc1',
        release: 4,
        provides: [{ name: 'web-server' }, { name: 'app-api', version: '2' }],
        conflicts: [{ name: 'old-app', version: { relation: '<<', version: '2' } }],
        replaces: [{ name: 'busybox' }],
        description: 'Serves things\n\nLong text.\n\n.hidden line\n  verbatim\nFoo: no field\n',
        extra: { homepage: 'https://example.org/app' },
      },
      {
        runtimeDeps: [[{ name: 'zlib1g', version: { relation: '>=', version: '1.3' } }], [{ name: 'ca-certificates' }]],
      },
    )
    assert.equal(
      packed.control,
      `Package: app
Version: 1:2.0~rc1-r4
Architecture: amd64
Maintainer: Team <team@example.org>
Installed-Size: 7
Depends: zlib1g (>= 1.3), ca-certificates
Conflicts: old-app (<< 2)
Replaces: busybox
Provides: web-server, app-api (= 2)
Section: misc
Priority: optional
Homepage: https://example.org/app
Description: Serves things
 Long text.
 .
  .hidden line
   verbatim
 Foo: no field
`,
    )
    assert.match(packed.path, /\/app_2\.0~rc1-r4_amd64\.deb$/)
  })

  test('a package for every architecture is "all"', async (t) => {
    const packed = await pack(t, { 'usr/share/x': 'x' }, { scope: 'noarch' })
    assert.equal(field(packed.control, 'Architecture'), 'all')
  })

  test('md5sums as dpkg verifies them, conffiles apart', async (t) => {
    const packed = await pack(t, { 'etc/app.conf': 'a', 'usr/x': 'b' }, { conffiles: ['/etc/app.conf'] })
    assert.equal(await packed.controlFile('conffiles'), '/etc/app.conf\n')
    assert.equal(await packed.controlFile('md5sums'), '92eb5ffee6ae2fec3ad71c777531578f  usr/x\n')
  })

  test('a package of nothing but dependencies', async (t) => {
    const packed = await pack(t, {}, { tasks: [] }, { runtimeDeps: [[{ name: 'hello' }]] })
    assert.equal(packed.contents.trim().split('\n').length, 1)
    assert.equal(field(packed.control, 'Depends'), 'hello')
  })
})

test('the same bytes from another path, order, umask and time', async (t) => {
  const files = Object.fromEntries(
    Array.from({ length: 40 }, (_, n) => [`usr/share/app/${n % 7}/${n}`, Buffer.alloc(n * 3001, n)]),
  )
  const first = await pack(t, files, {}, {}, async (dest) => {
    await chmod(join(dest, 'usr/share/app/1/1'), 0o750)
    await chmod(join(dest, 'usr/share/app/1'), 0o750)
  })
  // As a task under its own umask leaves them: packing happens under the caller's.
  const umask = process.umask()
  t.after(() => process.umask(umask))
  const second = await pack(t, Object.fromEntries(Object.entries(files).reverse()), {}, {}, async (dest) => {
    await chmod(join(dest, 'usr/share/app/1/1'), 0o750)
    await chmod(join(dest, 'usr/share/app/1'), 0o2750)
    await utimes(join(dest, 'usr/share/app/2/2'), 1, 1)
    await rename(join(dest, 'usr/share/app/3'), join(dest, 'moved'))
    await rename(join(dest, 'moved'), join(dest, 'usr/share/app/3'))
    process.umask(0o077)
  })
  process.umask(umask)
  assert.equal(second.sha256, first.sha256)
  assert.deepEqual(await readFile(second.path), await readFile(first.path))
  const other = await pack(t, files, {}, { sourceDateEpoch: 1_700_000_001 })
  assert.notEqual(other.sha256, first.sha256)
})

describe('what a hostile build leaves in its destdir', () => {
  const rows: readonly {
    readonly name: string
    readonly arrange: (dest: string) => Promise<unknown>
    readonly want: RegExp
  }[] = [
    {
      name: 'named pipe',
      arrange: async (dest) => run('mkfifo', [join(dest, 'pipe')]),
      want: /\/pipe is a named pipe/,
    },
    {
      name: 'socket',
      arrange: (dest) =>
        new Promise<void>((done) => {
          const server = createServer().listen(join(dest, 's'), () => {
            // Closing would remove it: another name keeps it.
            link(join(dest, 's'), join(dest, 'socket')).then(() => server.close(() => done()))
          })
        }),
      want: /\/socket is a socket/,
    },
    {
      name: 'newline in a name',
      arrange: (dest) => writeFile(join(dest, 'a\nb'), ''),
      want: /\/a\\u\{a\}b has control/,
    },
    {
      name: 'escape in a name',
      arrange: (dest) => writeFile(join(dest, '\u001b[2J'), ''),
      want: /\/\\u\{1b\}\[2J has control/,
    },
    {
      name: 'newline in a link',
      arrange: (dest) => symlink('a\nb', join(dest, 'l')),
      want: /\/l points to a name with control/,
    },
    {
      name: 'depth',
      arrange: (dest) => mkdir(join(dest, 'd/'.repeat(70)), { recursive: true }),
      want: /is more than 64 folders deep/,
    },
    {
      name: 'destdir replaced by a link',
      arrange: async (dest) => {
        await rename(dest, `${dest}.real`)
        await symlink('/etc', dest)
      },
      want: /destdir was replaced/,
    },
    {
      name: 'destdir replaced by a file',
      arrange: async (dest) => {
        await rename(dest, `${dest}.real`)
        await writeFile(dest, '')
      },
      want: /destdir was replaced/,
    },
  ]
  for (const { name, arrange, want } of rows) {
    test(`${name} is refused`, async (t) => {
      const folder = await scratch(t)
      const dest = join(folder, 'dest')
      await install(dest, { 'usr/x': 'x' })
      await arrange(dest)
      const errors = await errorsOf(packDeb(packInput(dest, join(folder, 'out'))))
      assert.match(errors.map((error) => error.message).join('\n'), new RegExp(want.source, 'm'))
      assert.ok(
        errors.every((error) => error.code === 'PACKAGE_INVALID' && error.at?.line === 3 && error.hint !== undefined),
      )
      assert.deepEqual(await readdir(join(folder, 'out')).catch(() => []), [])
    })
  }

  test('links out of the tree are carried as text, never followed', async (t) => {
    const folder = await scratch(t)
    await install(join(folder, 'secret'), { key: 'CANARY' })
    const packed = await pack(t, { 'usr/x': 'x' }, {}, {}, async (dest) => {
      await symlink(join(folder, 'secret'), join(dest, 'folder'))
      await symlink(join(folder, 'secret/key'), join(dest, 'file'))
      await symlink('/dev/zero', join(dest, 'zero'))
    })
    assert.match(packed.contents, /^l.*\.\/folder -> \//m)
    const tar = execFileSync('dpkg-deb', ['--fsys-tarfile', packed.path])
    assert.equal(tar.includes('CANARY'), false)
  })

  test('modes are what the build set, and let their owner read', async (t) => {
    const files = {
      'etc/app/key': 'k',
      'etc/app/conf': 'c',
      'etc/sudoers.d/app': 's',
      'usr/bin/app': '#!',
      'usr/w': 'w',
    }
    const packed = await pack(t, files, { qaSkip: { 'world-writable': '' } }, {}, async (dest) => {
      await chmod(join(dest, 'etc/app/key'), 0o600)
      await chmod(join(dest, 'etc/app/conf'), 0o640)
      await chmod(join(dest, 'etc/sudoers.d/app'), 0o440)
      await chmod(join(dest, 'usr/bin/app'), 0o711)
      await chmod(join(dest, 'usr/w'), 0o666)
      await chmod(join(dest, 'etc/app'), 0o750)
      await chmod(join(dest, 'etc/sudoers.d'), 0o577)
    })
    for (const line of [
      /^drwxr-x--- root\/root .*\.\/etc\/app\/$/m,
      /^-rw------- root\/root .*\.\/etc\/app\/key$/m,
      /^-rw-r----- root\/root .*\.\/etc\/app\/conf$/m,
      /^drwxrwxrwx root\/root .*\.\/etc\/sudoers\.d\/$/m,
      /^-r--r----- root\/root .*\.\/etc\/sudoers\.d\/app$/m,
      /^-rwx--x--x root\/root .*\.\/usr\/bin\/app$/m,
      /^-rw-rw-rw- root\/root .*\.\/usr\/w$/m,
    ]) {
      assert.match(packed.contents, line)
    }
  })

  test('what the unit allows keeps its bits', async (t) => {
    const packed = await pack(t, { 'usr/bin/su': 'x' }, { permissions: { '/usr/bin/su': { mode: 0o4755 } } })
    assert.match(packed.contents, /^-rwsr-xr-x root\/root .*\.\/usr\/bin\/su$/m)
  })

  test('everything wrong is told at once, up to a screenful', async (t) => {
    const folder = await scratch(t)
    const files = Object.fromEntries(Array.from({ length: 30 }, (_, n) => [`f\t${n}`, '']))
    await install(join(folder, 'dest'), files)
    const errors = await errorsOf(packDeb(packInput(join(folder, 'dest'), join(folder, 'out'))))
    assert.equal(errors.length, 21)
    assert.match(errors.at(-1)?.message ?? '', /10 more problems/)
  })
})

describe('what the unit says that can not be', () => {
  const rows: readonly {
    readonly unit: Partial<PackageUnit>
    readonly want: RegExp
    readonly code?: string
    readonly runtimeDeps?: PackInput['runtimeDeps']
  }[] = [
    { unit: { name: 'My_App' }, want: /"My_App" can't be the name/, code: 'BAD_NAME' },
    { unit: { name: 'a' }, want: /"a" can't be the name/, code: 'BAD_NAME' },
    {
      unit: { version: 'v1.2' },
      want: /version "v1.2" .* not a Debian version\nwrite version = "1.2"/,
      code: 'BAD_FIELD',
    },
    { unit: { version: '1.0_rc1' }, want: /not a Debian version\nwrite version = "1.0~rc1"/, code: 'BAD_FIELD' },
    { unit: { version: 'deadbeef' }, want: /begins with a digit/, code: 'BAD_FIELD' },
    { unit: { version: '1.0\nEssential: yes' }, want: /not a Debian version/, code: 'BAD_FIELD' },
    { unit: { version: '' }, want: /not a Debian version/, code: 'BAD_FIELD' },
    { unit: { provides: [{ name: 'so:libfoo.so.1' }] }, want: /provides of app: "so:libfoo.so.1"/, code: 'BAD_FIELD' },
    { unit: { conflicts: [{ name: 'x (>= 1' }] }, want: /conflicts of app/, code: 'BAD_FIELD' },
    { unit: { replaces: [{ name: 'x, y' }] }, want: /replaces of app/, code: 'BAD_FIELD' },
    { unit: {}, runtimeDeps: [[{ name: 'a\nEssential: yes' }]], want: /runtime_deps of app/, code: 'BAD_FIELD' },
    { unit: { conffiles: ['/etc/none'] }, want: /conffile "\/etc\/none" is not in the package/ },
    { unit: { conffiles: ['etc/app.conf'] }, want: /conffile "etc\/app.conf" is not absolute/ },
    { unit: { conffiles: ['/etc'] }, want: /conffile "\/etc" is a directory/ },
    { unit: { conffiles: ['/etc/link'] }, want: /conffile "\/etc\/link" is a symlink/ },
    { unit: { services: ['web'] }, want: /service "web" has no unit file in the package .*\ninstall web.service to/ },
    { unit: { services: ['lame'] }, want: /service "lame" can't be enabled: lame.service has no \[Install\]/ },
    { unit: { services: ["x'; reboot; '"] }, want: /can't be the name of a systemd unit/ },
  ]
  for (const { unit, want, code = 'PACKAGE_QA', runtimeDeps = [] } of rows) {
    test(JSON.stringify({ ...unit, ...(runtimeDeps.length > 0 ? { runtimeDeps } : {}) }), async (t) => {
      const folder = await scratch(t)
      const dest = join(folder, 'dest')
      await install(dest, {
        'etc/app.conf': 'x',
        'usr/lib/systemd/system/lame.service': '[Service]\nExecStart=/bin/true\n',
      })
      await symlink('app.conf', join(dest, 'etc/link'))
      const [error, ...more] = await errorsOf(packDeb(packInput(dest, join(folder, 'out'), { unit, runtimeDeps })))
      assert.deepEqual(more, [])
      assert.match(`${error?.message}\n${error?.hint}`, want)
      assert.deepEqual([error?.code, error?.at?.file, error?.unit], [code, 'units/app.star', unit.name ?? 'app'])
    })
  }

  test('tasks that install nothing', async (t) => {
    const folder = await scratch(t)
    await mkdir(join(folder, 'dest'))
    const [error] = await errorsOf(packDeb(packInput(join(folder, 'dest'), join(folder, 'out'))))
    assert.match(error?.message ?? '', /installed nothing/)
  })
})
