import assert from 'node:assert/strict'
import { link, mkdir, readdir, readFile, stat, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, type TestContext, test } from 'node:test'
import type { PackedPackage, PackInput } from '#engine/formats.ts'
import type { PackageUnit } from '#engine/project/model.ts'
import { describeDeb } from '../../../src/feeds/debian/describe.ts'
import { readLibraries } from '../../../src/feeds/debian/libraries.ts'
import { packDeb } from '../../../src/feeds/debian/pack.ts'
import { elfFile } from '../../engine/qa/elf-making.ts'
import { errorsOf, type Files, install, packInput, type Ran, run, scratch } from '../../support/making.ts'

interface Made {
  readonly packages: readonly PackedPackage[]
  path(name: string): string
  field(name: string, field: string): Promise<string>
  /** What it installs, folders left out. */
  contents(name: string): Promise<readonly string[]>
}

async function pack(
  folder: string,
  files: Files,
  unit: Partial<PackageUnit> = {},
  fields: Partial<Omit<PackInput, 'unit'>> = {},
  arrange: (destdir: string) => Promise<void> = async () => {},
): Promise<Made> {
  const key = `${unit.name}-${unit.version}-${Object.keys(files).length}`
  const destdir = join(folder, `dest-${key}`)
  await install(destdir, files)
  await arrange(destdir)
  const packages = await packDeb(packInput(destdir, join(folder, `out-${key}`), { ...fields, unit }))
  const path = (name: string): string => packages.find(({ record }) => record.name === name)?.path ?? ''
  return {
    packages,
    path,
    field: async (name, wanted) => (await run('dpkg-deb', ['--field', path(name), wanted])).stdout.trim(),
    contents: async (name) => {
      const { stdout } = await run('dpkg-deb', ['--contents', path(name)])
      return stdout
        .trim()
        .split('\n')
        .map((line) => line.slice(line.indexOf('./') + 1))
        .filter((line) => !line.endsWith('/'))
    },
  }
}

/** A dpkg database of its own, in which this user installs: everything but owners is as on a device. */
async function dpkgRoot(t: TestContext): Promise<{
  readonly root: string
  dpkg(...args: readonly string[]): Promise<Ran>
  names(): Promise<string>
}> {
  const root = await scratch(t)
  await mkdir(join(root, 'var/lib/dpkg/info'), { recursive: true })
  await mkdir(join(root, 'var/lib/dpkg/updates'))
  for (const file of ['status', 'available']) await writeFile(join(root, 'var/lib/dpkg', file), '')
  const dpkg = (...args: readonly string[]): Promise<Ran> =>
    run('dpkg', [
      `--root=${root}`,
      '--force-not-root,bad-path,architecture',
      '--force-script-chrootless',
      `--log=${root}/log`,
      ...args,
    ])
  const names = async (): Promise<string> =>
    [...(await dpkg('--list')).stdout.matchAll(/^([a-z][a-z]) +(\S+)/gm)]
      .map(([, state, name]) => `${state} ${name}`)
      .join(', ')
  return { root, dpkg, names }
}

const library = {
  'usr/include/foo.h': 'int foo(void);\n',
  'usr/lib/libfoo.so.1.2': elfFile({ type: 3, soname: 'libfoo.so.1', needed: ['libc.so.6'] }),
  'usr/lib/pkgconfig/foo.pc': 'Name: foo\n',
  'usr/lib/debug/.build-id/ab/cd.debug': 'debug\n',
  'usr/sbin/food': elfFile({ needed: ['libfoo.so.1', 'libz.so.1'] }),
  'etc/food.conf': 'port = 1\n',
  'usr/lib/systemd/system/food.service': '[Service]\nExecStart=/usr/sbin/food\n[Install]\nWantedBy=multi-user.target\n',
  'usr/bin/foo': elfFile({ needed: ['libc.so.6'] }),
}
const libraries = new Map([
  ['libc.so.6', { name: 'libc6', version: '2.36' }],
  ['libz.so.1', { name: 'zlib1g', version: '1:1.2' }],
])
const foo: Partial<PackageUnit> = {
  name: 'foo',
  version: '2.0',
  description: 'Foos things\n\nMore of it.',
  subpackages: ['dev', 'dbg'],
  extraSubpackages: {
    server: ['/usr/sbin/food', '/etc/food.conf', '/usr/lib/systemd/system/food.service'],
  },
  conffiles: ['/etc/food.conf'],
  services: ['food'],
  provides: [{ name: 'foo-api', version: '2' }],
}
const links = (destdir: string): Promise<void> => symlink('libfoo.so.1.2', join(destdir, 'usr/lib/libfoo.so'))

describe('a unit of several packages', () => {
  test('the main one first, then by name; each with its files and what belongs to them', async (t) => {
    const made = await pack(await scratch(t), library, foo, { libraries, runtimeDeps: [[{ name: 'tzdata' }]] }, links)
    assert.deepEqual(
      made.packages.map(({ filename }) => filename),
      ['foo_2.0-r0_amd64.deb', 'foo-dbg_2.0-r0_amd64.deb', 'foo-dev_2.0-r0_amd64.deb', 'foo-server_2.0-r0_amd64.deb'],
    )
    assert.deepEqual(await made.contents('foo'), ['/usr/bin/foo', '/usr/lib/libfoo.so.1.2'])
    assert.deepEqual(await made.contents('foo-dbg'), ['/usr/lib/debug/.build-id/ab/cd.debug'])
    assert.deepEqual(await made.contents('foo-dev'), [
      '/usr/include/foo.h',
      '/usr/lib/libfoo.so -> libfoo.so.1.2',
      '/usr/lib/pkgconfig/foo.pc',
    ])
    assert.deepEqual(await made.contents('foo-server'), [
      '/etc/food.conf',
      '/usr/lib/systemd/system/food.service',
      '/usr/sbin/food',
    ])
    const rows = [
      ['foo', 'tzdata, libc6 (>= 2.36)', 'foo-api (= 2)', 'Foos things\n More of it.'],
      ['foo-dbg', 'foo (= 2.0-r0)', '', 'Foos things (debug information)'],
      ['foo-dev', 'foo (= 2.0-r0)', '', 'Foos things (development files)'],
      // Of its own unit for the library, of another, and the helper that its scripts call.
      ['foo-server', 'foo (= 2.0-r0), zlib1g (>= 1:1.2), init-system-helpers (>= 1.52)', '', 'Foos things (server)'],
    ] as const
    for (const [name, depends, provides, description] of rows) {
      assert.equal(await made.field(name, 'Depends'), depends, name)
      assert.equal(await made.field(name, 'Provides'), provides, name)
      assert.equal(await made.field(name, 'Description'), description)
      const { record } = made.packages.find((each) => each.record.name === name) ?? {}
      assert.deepEqual(await describeDeb(made.path(name), undefined).then(({ depends }) => depends), record?.depends)
      assert.equal(record?.origin.kind === 'unit' && record.origin.unit, 'foo')
    }
    const control = async (name: string): Promise<string> =>
      (await run('dpkg-deb', ['--ctrl-tarfile', made.path(name)])).code === 0
        ? (
            await run('sh', ['-c', 'dpkg-deb --ctrl-tarfile "$0" | tar -t | tr "\\n" " "', made.path(name)])
          ).stdout.trim()
        : ''
    assert.equal(await control('foo'), './ ./control ./md5sums ./shlibs ./triggers')
    assert.equal(await control('foo-dev'), './ ./control ./md5sums')
    assert.equal(await control('foo-server'), './ ./conffiles ./control ./md5sums ./postinst ./postrm ./prerm')
    assert.deepEqual(
      [...(await readLibraries(made.path('foo')))],
      [
        ['libfoo.so.1', { name: 'foo', version: '2.0-r0' }],
        ['libfoo-1.so', { name: 'foo', version: '2.0-r0' }],
      ],
    )
  })

  test('a library of its own in the package that holds it, and programs in all others', async (t) => {
    const made = await pack(
      await scratch(t),
      { ...library, 'usr/bin/foo': elfFile({ needed: ['libfoo.so.1'] }) },
      { ...foo, extraSubpackages: { ...foo.extraSubpackages, libs: ['/usr/lib/libfoo.so.*'] } },
      { libraries },
    )
    assert.equal(await made.field('foo', 'Depends'), 'foo-libs (= 2.0-r0)')
    assert.equal(await made.field('foo-libs', 'Depends'), 'libc6 (>= 2.36)')
    assert.match(await made.field('foo-server', 'Depends'), /^foo-libs \(= 2\.0-r0\), zlib1g/)
    const shlibs = await readLibraries(made.path('foo-libs'))
    assert.equal(shlibs.get('libfoo.so.1')?.name, 'foo-libs', 'what is built against it depends on that package')
  })

  test('a hard link whose content is in another package carries it', async (t) => {
    const folder = await scratch(t)
    const unit = { name: 'app', extraSubpackages: { more: ['/usr/bin/b', '/usr/bin/c'] } }
    const made = await pack(folder, { 'usr/bin/a': 'same\n' }, unit, {}, async (dest) => {
      for (const name of ['b', 'c']) await link(join(dest, 'usr/bin/a'), join(dest, 'usr/bin', name))
    })
    assert.deepEqual(await made.contents('app-more'), ['/usr/bin/b', '/usr/bin/c link to ./usr/bin/b'])
    const out = join(folder, 'out')
    await run('dpkg-deb', ['--extract', made.path('app-more'), out])
    assert.equal(await readFile(join(out, 'usr/bin/c'), 'utf8'), 'same\n')
    assert.equal((await stat(join(out, 'usr/bin/c'))).nlink, 2)
    const sums = (await run('dpkg-deb', ['--info', made.path('app-more'), 'md5sums'])).stdout
    assert.match(sums, /^(\w{32}) {2}usr\/bin\/b\n\1 {2}usr\/bin\/c\n$/)
  })

  test('the same bytes whatever the order of declaration', async (t) => {
    const digests = async (unit: Partial<PackageUnit>): Promise<readonly string[]> =>
      (await pack(await scratch(t), library, unit, { libraries })).packages.map(({ sha256 }) => sha256)
    const shuffled = { ...foo, subpackages: foo.subpackages?.toReversed() ?? [] }
    assert.deepEqual(await digests(shuffled), await digests(foo))
  })

  const wrong: readonly (readonly [name: string, unit: Partial<PackageUnit>, want: RegExp, code?: string])[] = [
    [
      'what can not be split',
      { extraSubpackages: { x: ['/none'] } },
      /nothing that its tasks installed matches "\/none"/,
    ],
    [
      'a name that Debian has none of',
      { extraSubpackages: { 'X!': ['/etc/a'] } },
      /"foo-X!" can't be the name/,
      'BAD_NAME',
    ],
    [
      'a service of none of them',
      { extraSubpackages: { x: ['/etc/a'] }, services: ['x'] },
      /service "x" has no unit file/,
      'PACKAGE_QA',
    ],
  ]
  for (const [name, unit, want, code = 'PACKAGE_INVALID'] of wrong) {
    test(`${name} leaves nothing behind`, async (t) => {
      const folder = await scratch(t)
      await install(join(folder, 'dest'), { 'etc/a': 'a', 'etc/b': 'b' })
      const out = join(folder, 'out')
      const [error] = await errorsOf(packDeb(packInput(join(folder, 'dest'), out, { unit: { name: 'foo', ...unit } })))
      assert.match(error?.message ?? '', want)
      assert.deepEqual([error?.code, error?.at?.line, error?.unit], [code, 3, 'foo'])
      assert.deepEqual(await readdir(out).catch(() => []), [])
    })
  }
})

describe('what dpkg makes of relations', () => {
  const unit = (name: string, fields: Partial<PackageUnit> = {}): Partial<PackageUnit> => ({
    name,
    scope: 'noarch',
    ...fields,
  })
  const one = async (
    folder: string,
    fields: Partial<PackageUnit>,
    more: Partial<Omit<PackInput, 'unit'>> = {},
  ): Promise<string> => {
    const made = await pack(folder, { [`usr/share/${fields.name}/x`]: `${fields.version}\n` }, fields, more)
    return made.path(fields.name ?? '')
  }

  test('a part needs the main package in exactly its version', async (t) => {
    const folder = await scratch(t)
    const { dpkg, names } = await dpkgRoot(t)
    const files = { 'usr/bin/app': 'x\n', 'usr/include/app.h': 'x\n' }
    const at = (version: string): Promise<Made> => pack(folder, files, unit('app', { version, subpackages: ['dev'] }))
    const [one, two] = [await at('1'), await at('2')]
    const alone = await dpkg('--install', one.path('app-dev'))
    assert.match(alone.stderr, /app-dev depends on app \(= 1-r0\); however:\s+Package app is not installed/)
    assert.equal((await dpkg('--install', one.path('app'), one.path('app-dev'))).code, 0)
    const torn = await dpkg('--install', two.path('app-dev'))
    assert.match(torn.stderr, /app-dev depends on app \(= 2-r0\); however:\s+Version of app on system is 1-r0/)
    assert.equal((await dpkg('--install', two.path('app'), two.path('app-dev'))).code, 0)
    assert.equal(await names(), 'ii app, ii app-dev')
    assert.equal((await dpkg('--audit')).stdout, '')
  })

  test('a file may move between the packages of a unit, in both directions', async (t) => {
    const folder = await scratch(t)
    const { dpkg, names, root } = await dpkgRoot(t)
    const files = { 'usr/bin/app': 'x\n', 'usr/bin/appd': 'x\n', 'usr/bin/tool': 'x\n' }
    const at = (version: string, server: readonly string[]): Promise<Made> =>
      pack(folder, files, unit('app', { version, extraSubpackages: { server } }))
    const one = await at('1', ['/usr/bin/tool'])
    const two = await at('2', ['/usr/bin/tool', '/usr/bin/appd'])
    const three = await at('3', ['/usr/bin/appd'])
    for (const made of [one, two, three]) {
      for (const name of ['app-server', 'app']) {
        const ran = await dpkg('--install', made.path(name))
        assert.equal(ran.code, 0, ran.stderr)
      }
    }
    assert.equal(await names(), 'ii app, ii app-server')
    assert.deepEqual((await readdir(join(root, 'usr/bin'))).sort(), ['app', 'appd', 'tool'])
    assert.match((await dpkg('--search', '/usr/bin/tool')).stdout, /^app: /)
  })

  test('conffiles are those of the package that has them: kept when removed, gone when purged', async (t) => {
    const { dpkg, root } = await dpkgRoot(t)
    const made = await pack(
      await scratch(t),
      { 'usr/bin/app': 'x\n', 'etc/app.conf': 'mine = no\n' },
      unit('app', { extraSubpackages: { server: ['/etc/app.conf'] }, conffiles: ['/etc/app.conf'] }),
    )
    assert.equal((await dpkg('--install', made.path('app'), made.path('app-server'))).code, 0)
    assert.equal((await dpkg('--remove', 'app', 'app-server')).code, 0)
    assert.equal(await readFile(join(root, 'etc/app.conf'), 'utf8'), 'mine = no\n')
    assert.equal((await dpkg('--purge', 'app-server')).code, 0)
    await assert.rejects(stat(join(root, 'etc/app.conf')))
  })

  const rows: readonly {
    readonly name: string
    /** Other packages that are there. */
    readonly others: readonly Partial<PackageUnit>[]
    readonly runtimeDeps?: PackInput['runtimeDeps']
    readonly unit?: Partial<PackageUnit>
    /** What dpkg says; undefined: it installs it. */
    readonly refuses?: RegExp
  }[] = [
    {
      name: 'the second alternative serves',
      others: [unit('bb', { version: '2.0' })],
      runtimeDeps: [[{ name: 'aa' }, { name: 'bb', version: { relation: '>=', version: '2' } }]],
    },
    {
      name: 'no alternative serves',
      others: [unit('bb', { version: '1.0' })],
      runtimeDeps: [[{ name: 'aa' }, { name: 'bb', version: { relation: '>=', version: '2' } }]],
      refuses: /app depends on aa \| bb \(>= 2\); however/,
    },
    {
      name: 'a versioned name that another provides serves',
      others: [unit('bb', { provides: [{ name: 'api', version: '3' }] })],
      runtimeDeps: [[{ name: 'api', version: { relation: '>>', version: '2' } }]],
    },
    {
      name: 'the version that another provides is too old',
      others: [unit('bb', { provides: [{ name: 'api', version: '2' }] })],
      runtimeDeps: [[{ name: 'api', version: { relation: '>>', version: '2' } }]],
      refuses: /app depends on api \(>> 2\); however/,
    },
    {
      name: 'a name that is provided without a version serves no versioned one',
      others: [unit('bb', { provides: [{ name: 'api' }] })],
      runtimeDeps: [[{ name: 'api', version: { relation: '>=', version: '1' } }]],
      refuses: /app depends on api \(>= 1\); however/,
    },
    {
      name: 'a conflict in these versions only: met',
      others: [unit('bb', { version: '1.0' })],
      unit: { conflicts: [{ name: 'bb', version: { relation: '<<', version: '2' } }] },
      refuses: /app conflicts with bb \(<< 2\)/,
    },
    {
      name: 'a conflict in these versions only: not met',
      others: [unit('bb', { version: '2.0' })],
      unit: { conflicts: [{ name: 'bb', version: { relation: '<<', version: '2' } }] },
    },
    {
      name: 'a conflict with a name that others provide, and that it provides itself',
      others: [unit('bb', { provides: [{ name: 'mta' }] })],
      unit: { provides: [{ name: 'mta' }], conflicts: [{ name: 'mta' }] },
      refuses: /app conflicts with mta/,
    },
  ]
  for (const { name, others, runtimeDeps = [], unit: fields = {}, refuses } of rows) {
    test(name, async (t) => {
      const folder = await scratch(t)
      const { dpkg } = await dpkgRoot(t)
      for (const other of others) assert.equal((await dpkg('--install', await one(folder, other))).code, 0)
      const ran = await dpkg('--install', await one(folder, unit('app', fields), { runtimeDeps }))
      if (refuses === undefined) assert.equal(ran.code, 0, ran.stderr)
      else assert.match(ran.stderr, refuses)
    })
  }

  test('"~" is refused with the nearest that there is', async (t) => {
    const folder = await scratch(t)
    const declared = unit('app', { conflicts: [{ name: 'bb', version: { relation: '~', version: '1.2' } }] })
    const [error] = await errorsOf(one(folder, declared))
    assert.match(
      `${error?.message}: ${error?.hint}`,
      /conflicts of app: "bb ~ 1\.2" is no relation .* has is bb >= 1\.2$/,
    )
  })
})

test('a companion unit: nothing but services and what they need', async (t) => {
  const folder = await scratch(t)
  await mkdir(join(folder, 'dest'))
  const unit = { name: 'enable-ntp', scope: 'noarch' as const, tasks: [], services: ['systemd-timesyncd'] }
  const [packed, ...more] = await packDeb(
    packInput(join(folder, 'dest'), join(folder, 'out'), { unit, runtimeDeps: [[{ name: 'systemd-timesyncd' }]] }),
  )
  assert.deepEqual(more, [])
  const path = packed?.path ?? ''
  assert.equal(
    (await run('dpkg-deb', ['--field', path, 'Depends'])).stdout.trim(),
    'systemd-timesyncd, init-system-helpers (>= 1.52)',
  )
  assert.match((await run('dpkg-deb', ['--info', path, 'postinst'])).stdout, /units='systemd-timesyncd\.service'/)
})
