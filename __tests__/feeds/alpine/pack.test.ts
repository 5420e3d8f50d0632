import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { chmod, link, mkdir, readFile, rename, symlink, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { gunzipSync } from 'node:zlib'
import type { PackageUnit } from '#engine/project/model.ts'
import { readApkHead } from '../../../src/feeds/alpine/apk-read.ts'
import { chunkSize, gzipMember } from '../../../src/feeds/alpine/gzip.ts'
import { packApk } from '../../../src/feeds/alpine/pack.ts'
import { apkTarHeader, PlainFileHeads } from '../../../src/feeds/alpine/tar.ts'
import { errorsOf, install, packInput, scratch } from '../../support/making.ts'
import { apkOf, packed } from './making.ts'

const script = '#!/sbin/openrc-run\ncommand=/usr/bin/app\n'

/** What .PKGINFO says under a key, in its order. */
async function said(path: string, key: string): Promise<readonly string[]> {
  const text = (await readApkHead(path)).files.find(({ name }) => name === '.PKGINFO')?.content.toString('utf8') ?? ''
  return text.split('\n').flatMap((line) => (line.startsWith(`${key} = `) ? [line.slice(key.length + 3)] : []))
}

describe('an .apk of a unit', () => {
  test('says what the unit says, and what is found in its files', async (t) => {
    const folder = await scratch(t)
    const destdir = join(folder, 'dest')
    await install(destdir, {
      'usr/bin/app': '#!/bin/sh\necho app\n',
      'usr/bin/tool': '#!/usr/bin/env python3\n',
      'usr/share/app/readme': 'read me',
      'usr/lib/pkgconfig/app.pc': ['v=2', 'Name: app', 'Version: 1.$', '{v}', 'Requires: zlib >= 1.2, nobody', '']
        .join('\n')
        .replace('$\n', '$'),
    })
    await chmod(join(destdir, 'usr/bin/app'), 0o755)
    await chmod(join(destdir, 'usr/bin/tool'), 0o755)
    await symlink('app', join(destdir, 'usr/bin/other'))
    const unit: Partial<PackageUnit> = {
      qaSkip: { 'dev-in-main': 'for the test' },
      provides: [{ name: 'virtual' }, { name: 'api', version: '7' }],
      replaces: [{ name: 'old-app', version: { relation: '<<', version: '2' } }],
      conflicts: [{ name: 'rival' }],
      extra: {
        homepage: 'https://example.org/',
        apk_provider_priority: 10,
        apk_install_if: ['docs'],
        apk_triggers: ['/usr/share/app'],
        apk_scripts: { trigger: 'echo "$@"\n', 'post-install': '#!/bin/sh\necho done\n' },
      },
    }
    const runtimeDeps = [[{ name: 'musl' }], [{ name: 'zlib', version: { relation: '>=', version: '1.2' } as const }]]
    const [app] = await packApk(packInput(destdir, join(folder, 'out'), { distro: 'alpine', unit, runtimeDeps }))
    assert.ok(app)
    assert.equal(app.filename, 'app-1.0-r0.apk')
    const rows = {
      pkgname: ['app'],
      pkgver: ['1.0-r0'],
      arch: ['x86_64'],
      url: ['https://example.org/'],
      license: ['MIT'],
      origin: ['app'],
      builddate: ['1700000000'],
      provider_priority: ['10'],
      install_if: ['docs'],
      triggers: ['/usr/share/app'],
      replaces: ['old-app<2'],
      depend: ['musl', 'zlib>=1.2', '/bin/sh', 'cmd:python3', '!rival'],
      provides: ['virtual=1.0-r0', 'api=7', 'cmd:app=1.0-r0', 'cmd:other=1.0-r0', 'cmd:tool=1.0-r0', 'pc:app=1.2'],
    }
    for (const [key, values] of Object.entries(rows)) assert.deepEqual(await said(app.path, key), values, key)
    const head = await readApkHead(app.path)
    assert.deepEqual(
      head.files.map(({ name }) => name),
      ['.PKGINFO', '.post-install', '.trigger'],
    )
    assert.match(head.files[2]?.content.toString() ?? '', /^#!\/bin\/sh\necho/)
    const rest = (await readFile(app.path)).subarray(head.dataStart)
    assert.deepEqual(await said(app.path, 'datahash'), [createHash('sha256').update(rest).digest('hex')])
  })

  test('services are enabled by links, accounts made before files are unpacked', async (t) => {
    const folder = await scratch(t)
    const destdir = join(folder, 'dest')
    await install(destdir, {
      'etc/init.d/app': script,
      'usr/lib/sysusers.d/app.conf': 'g plug 77\nu app 70:plug "An app" /var/lib/app /usr/sbin/nologin\n',
    })
    await chmod(join(destdir, 'etc/init.d/app'), 0o755)
    const [app] = await packApk(
      packInput(destdir, join(folder, 'out'), { distro: 'alpine', unit: { services: ['app'] } }),
    )
    assert.ok(app)
    const head = await readApkHead(app.path)
    const text = (name: string): string => head.files.find((file) => file.name === name)?.content.toString() ?? ''
    assert.match(
      text('.pre-install'),
      /addgroup -S -g 77 plug \|\|[\s\S]*adduser -S -D -H -u 70 .*-s \/sbin\/nologin -G plug -g 'An app' app \|\|/,
    )
    assert.deepEqual(await said(app.path, 'depend'), ['alpine-baselayout-data', '/bin/sh'])
    assert.equal(text('.pre-upgrade'), text('.pre-install'))
    assert.match(text('.post-upgrade'), /rc-service --ifstarted app restart/)
    const data = gunzipSync((await readFile(app.path)).subarray(head.dataStart)).toString('latin1')
    assert.match(data, /etc\/runlevels\/default\/app/)

    const enable = await apkOf(folder, { name: 'sshd-enable', services: ['sshd'] }, {})
    const link = gunzipSync((await readFile(enable.path)).subarray((await readApkHead(enable.path)).dataStart))
    assert.match(link.toString('latin1'), /etc\/runlevels\/default\/sshd\0/)
  })

  test('of several packages each has its own', async (t) => {
    const folder = await scratch(t)
    const files = { 'usr/include/app.h': '', 'usr/bin/app': 'x', 'usr/share/doc/app/a': 'b' }
    const all = await packed(folder, files, { subpackages: ['dev'], extraSubpackages: { doc: ['/usr/share/doc/**'] } })
    assert.deepEqual(
      all.map(({ filename }) => filename),
      ['app-1.0-r0.apk', 'app-dev-1.0-r0.apk', 'app-doc-1.0-r0.apk'],
    )
    assert.deepEqual(await said(all[1]?.path ?? '', 'depend'), ['app=1.0-r0'])
    assert.deepEqual(await said(all[2]?.path ?? '', 'replaces'), ['app<1.0-r0', 'app-dev<1.0-r0'])
  })
})

test('the same tree gives the same bytes, whoever packs it, in whatever order it was made', async (t) => {
  const folder = await scratch(t)
  const names = ['usr/share/b', 'usr/share/a', 'etc/z', `usr/${'long/'.repeat(30)}name`]
  const make = async (place: string, order: readonly string[], umask: number): Promise<Buffer> => {
    const before = process.umask(umask)
    try {
      const destdir = join(place, 'dest')
      await mkdir(destdir, { recursive: true })
      for (const name of order) {
        await install(destdir, { [name]: `content of ${name}` })
        await chmod(join(destdir, name), 0o644)
        await utimes(join(destdir, name), new Date(), new Date(Math.random() * 1e12))
      }
      await link(join(destdir, 'etc/z'), join(destdir, 'etc/zz'))
      const [app] = await packApk(packInput(destdir, join(place, 'out'), { distro: 'alpine' }))
      return await readFile(app?.path ?? '')
    } finally {
      process.umask(before)
    }
  }
  const one = await make(join(folder, 'one'), names, 0o022)
  const two = await make(join(folder, 'two'), names.toReversed(), 0o022)
  assert.ok(one.equals(two))
  // The control: a tar of the same folders, as tar writes it, is never the same.
  const three = await make(join(folder, 'three'), names.slice(1), 0o022)
  assert.ok(!one.equals(three))
})

test('gzip is the same on every machine, however it is cut up', async () => {
  let state = 1
  const bytes = Buffer.alloc(chunkSize + 12_345)
  for (let at = 0; at < bytes.length; at++) {
    state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff
    bytes[at] = 97 + ((((state >> 16) & 15) ** 2) >> 4)
  }
  const packed = await gzipMember(bytes)
  assert.ok(gunzipSync(packed).equals(bytes))
  // Of Node 24 on x86-64 and on Arm (under qemu-aarch64).
  assert.equal(createHash('sha256').update(packed).digest('hex').slice(0, 16), '30ddfa84bd44515c')
})

describe('what no Alpine package can be', () => {
  const rows: readonly (readonly [what: string, unit: Partial<PackageUnit>, code: string, said: RegExp])[] = [
    [
      'a version of another kind',
      { version: '1.2.3-rc1' },
      'BAD_FIELD',
      /"1\.2\.3-rc1" of app is not an Alpine version/,
    ],
    ['a name with a slash', { name: 'a/b' }, 'BAD_NAME', /can't be the name of an Alpine package/],
    ['a relation with blanks', { conflicts: [{ name: 'a b' }] }, 'BAD_FIELD', /conflicts of app: "a b"/],
    ['an unknown script', { extra: { apk_scripts: { later: 'x' } } }, 'BAD_FIELD', /apk_scripts of app/],
    ['a misspelt keyword', { extra: { apk_trigers: ['/usr'] } }, 'BAD_FIELD', /apk_trigers of app/],
    ['a trigger without folders', { extra: { apk_scripts: { trigger: 'x' } } }, 'BAD_FIELD', /apk_triggers of app/],
    ['a priority that is none', { extra: { apk_provider_priority: -1 } }, 'BAD_FIELD', /apk_provider_priority of app/],
    ['a service without a script', { services: ['app'] }, 'PACKAGE_QA', /service "app" has no init script/],
    [
      'an owner whom nobody makes',
      { permissions: { '/etc/app': { owner: { user: 'nobodyatall', group: 'root' } } } },
      'PACKAGE_QA',
      /user "nobodyatall"/,
    ],
  ]
  for (const [what, unit, code, expected] of rows) {
    test(what, async (t) => {
      const folder = await scratch(t)
      const destdir = join(folder, 'dest')
      await install(destdir, { 'etc/app': 'x' })
      const errors = await errorsOf(packApk(packInput(destdir, join(folder, 'out'), { distro: 'alpine', unit })))
      assert.ok(
        errors.some((error) => error.code === code && expected.test(error.message)),
        JSON.stringify(errors),
      )
    })
  }

  test('a service that its files enable, where no boot would start it', async (t) => {
    const folder = await scratch(t)
    const destdir = join(folder, 'dest')
    await install(destdir, { 'etc/init.d/app': '#!/bin/sh\n' })
    await mkdir(join(destdir, 'etc/runlevels/defualt'), { recursive: true })
    await symlink('/etc/init.d/app', join(destdir, 'etc/runlevels/defualt/app'))
    const errors = await errorsOf(packApk(packInput(destdir, join(folder, 'out'), { distro: 'alpine' })))
    const said = errors.map(({ message, hint }) => `${message} | ${hint}`).join('\n')
    assert.match(said, /runlevel "defualt", .* did you mean "default"/)
    assert.match(said, /\/etc\/init.d\/app does not begin with #!\/sbin\/openrc-run/)
  })

  test('a choice of dependencies', async (t) => {
    const folder = await scratch(t)
    await install(join(folder, 'dest'), { 'etc/app': 'x' })
    const runtimeDeps = [[{ name: 'one' }, { name: 'two' }]]
    const input = packInput(join(folder, 'dest'), join(folder, 'out'), { distro: 'alpine', runtimeDeps })
    const [error] = await errorsOf(packApk(input))
    assert.match(error?.message ?? '', /"one \| two" is a choice/)
  })

  test('versions say what would be one', async (t) => {
    const folder = await scratch(t)
    await install(join(folder, 'dest'), { 'etc/app': 'x' })
    const hints = [
      ['v1.2', '1.2'],
      ['1.2.3-rc1', '1.2.3_rc1'],
      ['2.0beta2', '2.0_beta2'],
      ['1.0-5', '1.0_p5'],
    ]
    for (const [version = '', better = ''] of hints) {
      const input = packInput(join(folder, 'dest'), join(folder, 'out'), { distro: 'alpine', unit: { version } })
      const [error] = await errorsOf(packApk(input))
      assert.ok(error?.hint?.includes(`version = "${better}"`), `${version}: ${error?.hint}`)
    }
  })
})

test('nothing is left where something was wrong', async (t) => {
  const folder = await scratch(t)
  const destdir = join(folder, 'dest')
  await install(destdir, { 'etc/app': 'x' })
  await writeFile(join(folder, 'elsewhere'), '')
  await rename(join(folder, 'elsewhere'), join(destdir, 'etc/line\nbreak'))
  const errors = await errorsOf(packApk(packInput(destdir, join(folder, 'out'), { distro: 'alpine' })))
  assert.match(errors[0]?.message ?? '', /control characters in its name/)
  await assert.rejects(readFile(join(folder, 'out/app-1.0-r0.apk')), { code: 'ENOENT' })
})

test('the quick way to a header is the other one', () => {
  const heads = new PlainFileHeads(1_700_000_000)
  const sha1 = 'da39a3ee5e6b4b0d3255bfef95601890afd80709'
  for (const [name, mode, size] of [
    ['usr/bin/app', 0o755, 8 ** 11 - 1],
    ['a', 0o4755, 0],
    ['b'.repeat(100), 0o600, 12_345],
    ['etc/x', 0o644, 7],
  ] as const) {
    const path = Buffer.from(name)
    const plain = apkTarHeader({ kind: 'file', path, mode, size, sha1 }, 1_700_000_000)
    assert.ok(heads.next(path, mode, size, sha1)?.equals(plain), name)
  }
  assert.equal(heads.next(Buffer.alloc(101, 'a'), 0o644, 0, sha1), undefined)
  assert.equal(heads.next(Buffer.from('a'), 0o644, 8 ** 11, sha1), undefined)
})
