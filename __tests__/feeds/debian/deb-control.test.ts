import assert from 'node:assert/strict'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { before, describe, test } from 'node:test'
import type { SigningKey } from '#engine/formats.ts'
import { arMagic } from '#engine/source/ar.ts'
import { arHeader } from '../../../src/feeds/debian/ar.ts'
import { readControlFile } from '../../../src/feeds/debian/deb-control.ts'
import { parseShlibs, readLibraries } from '../../../src/feeds/debian/libraries.ts'
import { publishRepository } from '../../../src/feeds/debian/repository.ts'
import { generateOpenPgpKey } from '../../../src/feeds/keys/openpgp.ts'
import { errorsOf, run, scratch } from '../../support/making.ts'
import { publishInput, readFeed } from './feed-making.ts'

let key: SigningKey
before(async () => {
  key = await generateOpenPgpKey('demo')
})

const control =
  'Package: up\nVersion: 1:2-3\nArchitecture: all\nMaintainer: X <x@example.org>\nMulti-Arch: foreign\nDescription: short\n long\n .\n more\n'

async function debBy(folder: string, compressor: string): Promise<string> {
  const tree = join(folder, `tree-${compressor}`)
  await mkdir(join(tree, 'DEBIAN'), { recursive: true })
  await writeFile(join(tree, 'DEBIAN/control'), control)
  await writeFile(join(tree, 'DEBIAN/shlibs'), 'libup 1 up (>= 1:2)\nudeb: libup 1 up-udeb\n')
  const path = join(folder, `${compressor}.deb`)
  const built = await run('dpkg-deb', ['--root-owner-group', `-Z${compressor}`, '--build', tree, path])
  assert.equal(built.code, 0, built.stderr)
  return path
}

describe('packages that dpkg-deb made', () => {
  for (const compressor of ['none', 'gzip', 'xz', 'zstd']) {
    test(`${compressor}: control files are read, and publishing keeps every field`, async (t) => {
      const folder = await scratch(t)
      const path = await debBy(folder, compressor)
      assert.equal(await readControlFile(path, 'control'), control)
      assert.equal(await readControlFile(path, 'md5sums'), undefined)
      assert.deepEqual([...(await readLibraries(path))][0], ['libup.so.1', { name: 'up', version: '1:2' }])
      const bytes = await readFile(path)
      const { createHash } = await import('node:crypto')
      const record = {
        name: 'up',
        version: '1:2-3',
        arch: 'all',
        depends: [],
        provides: [],
        conflicts: [],
        essential: false,
        priority: 'optional',
        origin: { kind: 'unit' as const, unit: 'up', at: { file: 'x', line: 1, column: 1 } },
      }
      const sha256 = createHash('sha256').update(bytes).digest('hex')
      const entry = { record, filename: 'up.deb', path, sha256, size: bytes.length }
      await publishRepository(publishInput(join(folder, 'repo'), key, [entry]))
      const [published] = await readFeed(join(folder, 'repo'), key)
      assert.equal(published?.fields, control)
    })
  }

  test('cut, changed or bloated ones are refused, each in a sentence', async (t) => {
    const folder = await scratch(t)
    const whole = await readFile(await debBy(folder, 'gzip'))
    const path = join(folder, 'bad.deb')
    const rows: readonly Buffer[] = [
      Buffer.alloc(0),
      Buffer.from('!<arch>\n'),
      whole.subarray(0, 100),
      whole.subarray(0, 140),
      Buffer.concat([Buffer.from('#!/bin/sh\n'), whole]),
      Buffer.from(whole.toString('latin1').replace('control.tar.gz', 'control.tar.br'), 'latin1'),
      Buffer.from(whole.toString('latin1').replace(/(control\.tar\.gz.{34}).{10}/, '$19999999999'), 'latin1'),
      Buffer.from(whole.map((byte, at) => (at === 160 ? byte ^ 0xff : byte))),
    ]
    for (const bytes of rows) {
      await writeFile(path, bytes)
      const [error] = await errorsOf(readControlFile(path, 'control'))
      assert.equal(error?.code, 'ARCHIVE_UNSAFE', bytes.toString('latin1', 0, 80))
    }
  })

  test('a control archive that unpacks to more than its limit is a bomb', async (t) => {
    const folder = await scratch(t)
    for (const [compressor, name] of [
      ['gzip', 'gz'],
      ['xz', 'xz'],
    ] as const) {
      await writeFile(join(folder, 'debian-binary'), '2.0\n')
      const script = `cd "$0" && head -c 20971520 /dev/zero | ${compressor} >control.tar.${name} && cp control.tar.${name} data.tar.${name}`
      assert.equal((await run('sh', ['-c', script, folder])).code, 0)
      const parts: Buffer[] = [Buffer.from(arMagic)]
      for (const member of ['debian-binary', `control.tar.${name}`]) {
        const content = await readFile(join(folder, member))
        parts.push(arHeader(member, content.length, 0), content, Buffer.from(content.length % 2 === 0 ? '' : '\n'))
      }
      await writeFile(join(folder, 'bomb.deb'), Buffer.concat(parts))
      const [error] = await errorsOf(readControlFile(join(folder, 'bomb.deb'), 'control'))
      assert.equal(error?.code, 'ARCHIVE_UNSAFE', compressor)
    }
  })
})

describe('parseShlibs', () => {
  const rows: readonly { readonly line: string; readonly want: readonly (readonly [string, string, string])[] }[] = [
    {
      line: 'libz 1 zlib1g (>= 1:1.2.0)',
      want: [
        ['libz.so.1', 'zlib1g', '1:1.2.0'],
        ['libz-1.so', 'zlib1g', '1:1.2.0'],
      ],
    },
    {
      line: 'libm 6 libc6',
      want: [
        ['libm.so.6', 'libc6', ''],
        ['libm-6.so', 'libc6', ''],
      ],
    },
    {
      line: 'libgl 1 libgl1 (>= 2) | mesa, other',
      want: [
        ['libgl.so.1', 'libgl1', '2'],
        ['libgl-1.so', 'libgl1', '2'],
      ],
    },
    { line: '# libplain.so own (>= 1-r0)', want: [['libplain.so', 'own', '1-r0']] },
    { line: 'udeb: libz 1 zlib1g-udeb', want: [] },
    { line: 'libevil 1 $(reboot)', want: [] },
    { line: 'garbage', want: [] },
  ]
  for (const { line, want } of rows) {
    test(line, () => {
      const found = [...parseShlibs(`${line}\n`)].map(([soname, { name, version }]) => [soname, name, version])
      assert.deepEqual(found, want)
    })
  }
})
