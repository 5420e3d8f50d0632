import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { feedRecords } from '../../../src/feeds/debian/feed-records.ts'
import { debianIndex, scanPackages } from '../../../src/feeds/debian/packages-scan.ts'
import { type Poisoned, readMutated, render, saidBy } from '../../support/poison.ts'

// faults.md B13: what an index says must never reach a path, a shell or a terminal but by a strict grammar.

const folder = mkdtempSync(join(tmpdir(), 'yoe-poison-'))
after(() => rmSync(folder, { recursive: true, force: true }))

const fields = {
  Package: 'victim',
  Version: '1:2.0~rc1-3+b1',
  Architecture: 'amd64',
  Priority: 'optional',
  Essential: 'no',
  'Pre-Depends': 'dpkg (>= 1.15)',
  Depends: 'libc6 (>= 2.38), default-mta | mail-transport-agent, python3:any',
  Conflicts: 'other (<< 2)',
  Breaks: 'old (<= 1.0-1)',
  Provides: 'virtual, versioned (= 1.2)',
  Filename: 'pool/main/v/victim/victim_2.0~rc1-3+b1_amd64.deb',
  Size: '1234',
  SHA256: 'ab'.repeat(32),
  Description: 'it does things',
}

const format: Poisoned = {
  fields,
  between: ': ',
  poison: [
    ...['\n\t', ',', '+', '0', '(>= ', '(>= $(id))', ' | ', ', ,', '[amd64]', '\ud83d\ude00'],
    ...['\nPackage: victim', '\nVersion: 9', '\nFilename: ../x'],
  ],
  kind: debianIndex,
  scan: scanPackages,
  open: (index, rebuild, report) =>
    feedRecords({ id: 'test.main', distro: 'debian', digest: '', arch: 'amd64', index, rebuild, report }),
  danger({ name, version, arch, path, others }) {
    const plain = /^[A-Za-z0-9][A-Za-z0-9+._-]*$/
    if (!plain.test(name) || name.includes('..') || name.length > 255) return `name ${JSON.stringify(name)}`
    if (!/^[0-9][A-Za-z0-9.+~:-]*$/.test(version) || version.length > 512) return `version ${JSON.stringify(version)}`
    if (!plain.test(arch)) return `architecture ${JSON.stringify(arch)}`
    if (!/^[A-Za-z0-9+._~:%@=,/-]+$/.test(path) || /^\/|(^|\/)[.-]|\/\//.test(path))
      return `path ${JSON.stringify(path)}`
    const other = others.find((text) => !/^[\x21-\x7e]*$/.test(text) || /[/\\$`;&"'*?#\s]/.test(text))
    return other === undefined ? undefined : `relation ${JSON.stringify(other)}`
  },
  naive: (text) =>
    text.split('\n\n').flatMap((stanza) => {
      const value = (name: string): string => new RegExp(`^${name}: ?(.*)$`, 'm').exec(stanza)?.[1] ?? ''
      if (value('Package') === '') return []
      const others = value('Depends').split(/[,|]/)
      return [
        {
          ...{ name: value('Package'), version: value('Version'), arch: value('Architecture') },
          ...{ path: value('Filename'), others: others.map((one) => one.trim().split(' ')[0] ?? '') },
        },
      ]
    }),
}

test('B13: of 4,000 mutated stanzas nothing gets through that could harm, and their neighbours stay', () => {
  const { taken, harmful } = readMutated(folder, format)
  // The test itself is worth something: harmless changes pass, and whoever is less strict takes harmful ones.
  assert.ok(taken > 400, `${taken} were taken`)
  assert.ok(harmful > 800, `${harmful} were harmful`)
})

test('B13: of a package that is there twice the first counts; other versions are other packages', () => {
  const text = [
    render({ ...fields, Filename: 'pool/a.deb' }, ': '),
    render({ ...fields, Filename: 'pool/b.deb', SHA256: 'cd'.repeat(32) }, ': '),
    render({ ...fields, Version: '2', Filename: 'pool/c.deb' }, ': '),
  ].join('\n')
  assert.deepEqual(
    saidBy(folder, format, Buffer.from(text)).map(({ path }) => path),
    ['pool/a.deb', 'pool/c.deb'],
  )
  assert.equal(format.naive(text).length, 3)
})

test('B13: a line of 300 MB costs its own stanza at most', () => {
  const huge = Buffer.alloc(300 * 2 ** 20, 'x')
  const around = (head: string): Buffer =>
    Buffer.concat([
      Buffer.from(`${render({ ...fields, Package: 'before' }, ': ')}\n${head}`),
      huge,
      Buffer.from(`\n\n${render({ ...fields, Package: 'after' }, ': ')}`),
    ])
  const named = scanPackages(around('Package: '))
  assert.deepEqual([named.recordCount, named.refused.count], [2, 1])
  assert.ok((named.refused.first[0] ?? '').length < 200)
})
