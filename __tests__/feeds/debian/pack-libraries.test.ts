import assert from 'node:assert/strict'
import { copyFile, mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import type { PackageUnit } from '#engine/project/model.ts'
import { packDeb } from '../../../src/feeds/debian/pack.ts'
import { elfFile } from '../../engine/qa/elf-making.ts'
import { errorsOf, type Files, install, packInput, run, scratch } from '../../support/making.ts'
import { field, pack } from './packing.ts'

describe('shared libraries', () => {
  const libc = { name: 'libc6', version: '2.36' }
  const libraries = new Map([
    ['libc.so.6', libc],
    ['libm.so.6', { name: 'libc6', version: '2.29' }],
    ['libz.so.1', { name: 'zlib1g', version: '' }],
  ])

  test('owners of what programs need become dependencies, each with its highest floor', async (t) => {
    const app = elfFile({ needed: ['libc.so.6', 'libm.so.6', 'libz.so.1'] })
    const packed = await pack(
      t,
      { 'usr/bin/app': app },
      {},
      { libraries, runtimeDeps: [[{ name: 'zlib1g' }], [{ name: 'tzdata' }]] },
    )
    assert.equal(field(packed.control, 'Depends'), 'zlib1g, tzdata, libc6 (>= 2.36)')
  })

  test('a declared name with a floor of its own is said once', async (t) => {
    const app = elfFile({ needed: ['libc.so.6'] })
    const packed = await pack(t, { 'usr/bin/app': app }, {}, { libraries, runtimeDeps: [[{ name: 'libc6' }]] })
    assert.equal(field(packed.control, 'Depends'), 'libc6 (>= 2.36)')
  })

  test('a library is offered to others: shlibs and the ldconfig trigger', async (t) => {
    const files = {
      'usr/lib/x86_64-linux-gnu/libfoo.so.1.2': elfFile({ type: 3, soname: 'libfoo.so.1', needed: ['libc.so.6'] }),
      'usr/lib/libbar-2.0.so': elfFile({ type: 3, soname: 'libbar-2.0.so' }),
      'usr/lib/libplain.so': elfFile({ type: 3, soname: 'libplain.so' }),
      'usr/lib/app/private.so': elfFile({ type: 3, soname: 'private.so.1' }),
      'usr/bin/app': elfFile({ needed: ['libfoo.so.1', 'private.so.1', 'libc.so.6'] }),
    }
    const packed = await pack(t, files, { name: 'libfoo' }, { libraries })
    assert.equal(field(packed.control, 'Depends'), 'libc6 (>= 2.36)')
    assert.equal(
      await packed.controlFile('shlibs'),
      'libbar 2.0 libfoo (>= 1.0-r0)\nlibfoo 1 libfoo (>= 1.0-r0)\n# libplain.so libfoo (>= 1.0-r0)\n',
    )
    assert.equal(await packed.controlFile('triggers'), 'activate-noawait ldconfig\n')
  })

  test('private libraries alone trigger nothing', async (t) => {
    const packed = await pack(t, { 'usr/lib/app/p.so': elfFile({ type: 3, soname: 'p.so.1' }) })
    assert.notEqual((await run('dpkg-deb', ['--info', packed.path, 'triggers'])).code, 0)
  })

  const rows: readonly { name: string; files: Files; unit?: Partial<PackageUnit>; want: RegExp }[] = [
    {
      name: 'a library that nobody brings',
      files: { 'usr/bin/app': elfFile({ needed: ['libssl.so.3'] }) },
      want: /\/usr\/bin\/app needs libssl\.so\.3, which nothing .* brings .*\nadd the unit or package that brings libssl\.so\.3/,
    },
    {
      name: 'a library name that would move the cursor',
      files: { 'usr/bin/app': elfFile({ needed: ['lib\u001b[2J.so'] }) },
      want: /needs lib\\u\{1b\}\[2J\.so/,
    },
    {
      name: 'machine code for another architecture',
      files: { 'usr/bin/app': elfFile({ machine: 183 }) },
      want: /\/usr\/bin\/app is machine code for another architecture than x86_64/,
    },
    {
      name: 'machine code in a noarch package',
      files: { 'usr/bin/app': elfFile({}) },
      unit: { scope: 'noarch' },
      want: /machine code in a package for every architecture .*\ntake scope = "noarch"/,
    },
  ]
  for (const { name, files, unit = {}, want } of rows) {
    test(`${name} is refused`, async (t) => {
      const folder = await scratch(t)
      await install(join(folder, 'dest'), files)
      const [error] = await errorsOf(packDeb(packInput(join(folder, 'dest'), join(folder, 'out'), { unit, libraries })))
      assert.match(`${error?.message}\n${error?.hint}`, want)
    })
  }

  test('firmware and data for other machines pass', async (t) => {
    const blob = elfFile({ machine: 183, needed: ['libother.so'] })
    await pack(t, { 'usr/lib/firmware/blob.elf': blob, 'usr/share/app/guest': blob })
  })

  test("the host's own programs read as its packages say", async (t) => {
    const { readLibraries } = await import('../../../src/feeds/debian/libraries.ts')
    const host = await readLibraries('/')
    const packed = await pack(
      t,
      {},
      { qaSkip: { stripped: '' } },
      { libraries: host, arch: process.arch === 'arm64' ? 'arm64' : 'x86_64' },
      async (dest) => {
        await mkdir(join(dest, 'usr/bin'), { recursive: true })
        await copyFile(process.execPath, join(dest, 'usr/bin/node'))
      },
    )
    assert.match(field(packed.control, 'Depends') ?? '', /\blibc6 \(>= 2\.\d+\)/)
  })
})
