/** What several packages say together: conflicts, links between them, circles; and what their scripts set. */
import assert from 'node:assert/strict'
import { chmod, mkdir, symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, type TestContext, test } from 'node:test'
import type { PackInput } from '#engine/formats.ts'
import type { PackageUnit, Permission } from '#engine/project/model.ts'
import { packDeb } from '../../../src/feeds/debian/pack.ts'
import { elfFile } from '../../engine/qa/elf-making.ts'
import { errorsOf, type Files, install, packInput, run, scratch } from '../../support/making.ts'

type Fields = Partial<Omit<PackInput, 'unit'>>

/** The package files of a unit, by suffix order; or what is wrong with them. */
async function pack(
  folder: string,
  files: Files,
  unit: Partial<PackageUnit>,
  fields: Fields = {},
  arrange: (dest: string) => Promise<unknown> = async () => {},
): Promise<{ readonly debs: readonly string[]; readonly errors: readonly string[] }> {
  const dest = join(folder, `${unit.name ?? 'app'}-dest`)
  await install(dest, files)
  await arrange(dest)
  let debs: readonly string[] = []
  const errors = await errorsOf(
    packDeb(packInput(dest, join(folder, 'out'), { ...fields, unit })).then((packed) => {
      debs = packed.map(({ path }) => path)
    }),
  )
  return { debs, errors: errors.map(({ code, message, hint }) => `${code} ${message}\n${hint}`) }
}

/** Another package, where a build has it: its file, and unpacked. */
async function beside(folder: string, files: Files, unit: Partial<PackageUnit>): Promise<Fields> {
  const { debs } = await pack(folder, files, unit)
  const sysroot = join(folder, 'sysroot')
  for (const deb of debs) assert.equal((await run('dpkg-deb', ['--extract', deb, sysroot])).code, 0)
  return { around: { sysroot, packages: debs, roots: [], traces: [], now: 0 } }
}

describe('two units with one file', () => {
  const other = { 'usr/bin/tool': '#!/bin/sh\n', 'etc/tool.conf': 'x' }
  const ours = { 'usr/bin/tool': '#!/bin/sh\n# ours\n', 'etc/tool.conf': 'y', 'bin/more': '' }

  test('the error names both, and the line that settles it', async (t) => {
    const folder = await scratch(t)
    const fields = await beside(
      folder,
      { ...other, 'usr/bin/more': '' },
      { name: 'busy', conffiles: ['/etc/tool.conf'] },
    )
    const { errors } = await pack(folder, ours, {}, fields)
    assert.equal(errors.length, 1)
    assert.match(
      errors[0] ?? '',
      /^PACKAGE_QA app: \/usr\/bin\/more|\/bin\/more, .*: each is in busy, too \[conflict\]\nreplaces = \["busy"\]/s,
    )
    for (const path of ['/bin/more', '/etc/tool.conf', '/usr/bin/tool']) assert.ok(errors[0]?.includes(path), path)
  })
  test('the naive control: dpkg-deb makes the second, and dpkg refuses to install it', async (t) => {
    const folder = await scratch(t)
    const first = await pack(folder, other, { name: 'busy', scope: 'noarch' })
    const second = await pack(folder, ours, { scope: 'noarch' })
    assert.deepEqual([first.errors, second.errors], [[], []], 'alone, either is well')
    const root = join(folder, 'root')
    await mkdir(join(root, 'var/lib/dpkg/updates'), { recursive: true })
    await mkdir(join(root, 'var/lib/dpkg/info'))
    await install(root, { 'var/lib/dpkg/status': '', 'var/lib/dpkg/available': '' })
    const options = ['--force-not-root', '--force-script-chrootless', `--root=${root}`, '--unpack']
    const ran = await run('dpkg', [...options, ...first.debs, ...second.debs])
    assert.match(ran.stderr, /trying to overwrite .*, which is also in package busy/)
  })
  for (const [field, unit] of [
    ['replaces', { replaces: [{ name: 'busy' }] }],
    ['conflicts', { conflicts: [{ name: 'busy' }] }],
  ] as const) {
    test(`${field} settles it`, async (t) => {
      const folder = await scratch(t)
      const fields = await beside(folder, other, { name: 'busy' })
      assert.deepEqual((await pack(folder, ours, unit, fields)).errors, [])
    })
  }
})

describe('links between packages', () => {
  const link = async (dest: string): Promise<void> => {
    await mkdir(join(dest, 'usr/bin'), { recursive: true })
    await symlink('/usr/lib/app/run', join(dest, 'usr/bin/app'))
  }
  test('to a file of a dependency', async (t) => {
    const folder = await scratch(t)
    const fields = await beside(folder, { 'usr/lib/app/run': '' }, { name: 'runner' })
    assert.deepEqual((await pack(folder, {}, {}, fields, link)).errors, [])
  })
  test('to a file of the toolchain, which no device has', async (t) => {
    const folder = await scratch(t)
    const root = join(folder, 'root')
    await install(root, {
      'usr/lib/app/run': '',
      'var/lib/dpkg/status':
        'Package: runner\nStatus: install ok installed\n\nPackage: base\nEssential: yes\nDepends: x\n',
      'var/lib/dpkg/info/runner:amd64.list': '/.\n/usr/lib/app/run\n',
    })
    const around = { packages: [], roots: [root], traces: [], now: 0 }
    assert.match((await pack(folder, {}, {}, { around }, link)).errors.join(), /\/usr\/bin\/app leads to/)
    const needs: Fields = { around, runtimeDeps: [[{ name: 'runner' }]] }
    assert.deepEqual((await pack(folder, {}, {}, needs)).errors, [], 'unless the package needs its owner')
  })
  test('to a file of a sibling that it does not need', async (t) => {
    const folder = await scratch(t)
    const files = { 'usr/lib/app/run': '' }
    const unit = { extraSubpackages: { run: ['/usr/lib/app/**'] } }
    assert.match((await pack(folder, files, unit, {}, link)).errors.join(), /\[dangling\]/)
    const needs: Fields = { runtimeDeps: [[{ name: 'app-run' }]] }
    assert.deepEqual((await pack(folder, files, unit, needs)).errors, [])
  })
})

test('packages of one unit that need each other are an error, which says why they do', async (t) => {
  const folder = await scratch(t)
  const files = {
    'usr/lib/libapp.so.1': elfFile({ type: 3, soname: 'libapp.so.1', needed: ['libtool.so.1'] }),
    'usr/lib/libtool.so.1': elfFile({ type: 3, soname: 'libtool.so.1', needed: ['libapp.so.1'] }),
  }
  const unit = { extraSubpackages: { tool: ['/usr/lib/libtool*'] } }
  const { errors } = await pack(folder, files, unit)
  assert.deepEqual(errors, [
    'PACKAGE_INVALID app: its packages need each other: app → app-tool → app (/usr/lib/libapp.so.1 needs libtool.so.1, ' +
      'which is in app-tool; /usr/lib/libtool.so.1 needs libapp.so.1, which is in app)\n' +
      'put what they share into one of them: change the patterns of extra_subpackages, or runtime_deps',
  ])
  // Alone, each direction is well.
  const one = { ...files, 'usr/lib/libtool.so.1': elfFile({ type: 3, soname: 'libtool.so.1' }) }
  assert.deepEqual((await pack(await scratch(t), one, unit)).errors, [])
})

describe('permissions', () => {
  const files = {
    'usr/bin/su': '#!',
    'usr/bin/ping': '#!',
    'var/lib/app/x': '',
    'var/mail/x': '',
    "usr/share/it's": '',
    'usr/lib/sysusers.d/app.conf': 'u app 450\ng team 451\n',
  }
  const permissions: Readonly<Record<string, Permission>> = {
    '/usr/bin/su': { mode: 0o4755 },
    '/usr/bin/ping': { capabilities: 'cap_net_raw+ep' },
    '/var/lib/app': { mode: 0o2750, owner: { user: 'app', group: 'team' } },
    '/var/mail': { mode: 0o2775, owner: { user: 'root', group: 'mail' } },
    "/usr/share/it's": { owner: { user: 'app', group: 'adm' } },
  }

  async function packed(t: TestContext): Promise<string> {
    const { debs, errors } = await pack(await scratch(t), files, { permissions }, {}, (dest) =>
      chmod(join(dest, 'usr/bin/su'), 0o700),
    )
    assert.deepEqual(errors, [])
    return debs[0] ?? ''
  }

  test('modes and owners that every system has are in the archive', async (t) => {
    const contents = (await run('dpkg-deb', ['--contents', await packed(t)])).stdout
    assert.match(contents, /^-rwsr-xr-x root\/root .*\.\/usr\/bin\/su$/m)
    assert.match(contents, /^drwxrwsr-x root\/mail .*\.\/var\/mail\/$/m)
    assert.match(contents, /^drwxr-s--- root\/root .*\.\/var\/lib\/app\/$/m)
  })
  test('other owners and capabilities are set when it is installed, unless an administrator has other plans', async (t) => {
    const deb = await packed(t)
    const script = (await run('dpkg-deb', ['--info', deb, 'postinst'])).stdout
    assert.equal(
      script,
      `#!/bin/sh
set -e
case "$1" in
configure | abort-upgrade | abort-deconfigure | abort-remove)
  systemd-sysusers 'app.conf'
  setcap 'cap_net_raw+ep' '/usr/bin/ping'
  dpkg-statoverride --list '/usr/share/it'\\''s' >/dev/null || { chown app:adm '/usr/share/it'\\''s' && chmod 0644 '/usr/share/it'\\''s'; }
  dpkg-statoverride --list '/var/lib/app' >/dev/null || { chown app:team '/var/lib/app' && chmod 2750 '/var/lib/app'; }
  ;;
esac
`,
    )
    assert.equal((await run('sh', ['-n', '-c', script])).code, 0)
    const depends = (await run('dpkg-deb', ['--field', deb, 'Depends'])).stdout
    assert.match(depends, /systemd \| systemd-standalone-sysusers \| systemd-sysusers, libcap2-bin/)
  })
  test('of what is not there', async (t) => {
    const unit = { permissions: { '/usr/bin/none': { mode: 0o755 } } }
    const { errors } = await pack(await scratch(t), files, unit)
    assert.match(
      errors[0] ?? '',
      /^PACKAGE_INVALID app: permissions names \/usr\/bin\/none, which is no file or folder/,
    )
  })
})
