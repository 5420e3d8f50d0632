import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { debianIndex, scanPackages } from '../../../src/feeds/debian/packages-scan.ts'
import { encodeIndex, IndexDamaged, readIndex, writeIndex } from '../../../src/feeds/shared/binary-index.ts'

const folder = mkdtempSync(join(tmpdir(), 'yoe-index-'))
after(() => rmSync(folder, { recursive: true, force: true }))

const digest = 'ab'.repeat(32)

function stanza(fields: Readonly<Record<string, string>>): string {
  const all = {
    Package: 'a',
    Version: '1.0-1',
    Architecture: 'amd64',
    Filename: 'pool/main/a/a/a_1.0-1_amd64.deb',
    Size: '1000',
    SHA256: digest,
    ...fields,
  }
  return `${Object.entries(all)
    .map(([name, value]) => `${name}: ${value}\n`)
    .join('')}\n`
}

let written = 0
function write(text: string): string {
  const path = join(folder, `${++written}.index`)
  const buffer = Buffer.from(text)
  writeIndex(path, `${path}.temp`, encodeIndex(buffer, scanPackages(buffer), debianIndex))
  return path
}

function open(text: string) {
  const index = readIndex(write(text), debianIndex)
  assert.ok(index !== undefined)
  return index
}

test('records come back by name and by what they provide', () => {
  const index = open(
    stanza({ Package: 'mua', Recommends: 'exim', Depends: 'mta,\n libc6 (>= 2)' }) +
      stanza({ Package: 'postfix', Provides: 'mta', Essential: 'yes', Priority: 'required' }) +
      stanza({ Package: 'exim', Provides: 'mta, smtpd (= 1)', Priority: 'required' }) +
      stanza({ Package: 'exim', Version: '2', Conflicts: 'mta', Breaks: 'mua (<< 1)', 'Pre-Depends': 'dpkg' }),
  )
  const names = (ids: Uint32Array): string[] => Array.from(ids, (id) => index.nameOf(id))
  assert.equal(index.records, 4)
  assert.deepEqual([...index.own('exim')], [2, 3])
  assert.deepEqual(index.fieldsOf(3), [
    '2',
    'amd64',
    '',
    '',
    'pool/main/a/a/a_1.0-1_amd64.deb',
    '1000',
    digest,
    'dpkg',
    '',
    'mta',
    'mua (<< 1)',
    '',
  ])
  assert.equal(index.fieldsOf(0)[8], 'mta,  libc6 (>= 2)')
  // The one met later comes first, and exim was met in Recommends before postfix had its stanza.
  assert.deepEqual(names(index.providers('mta')), ['postfix', 'exim'])
  assert.deepEqual(names(index.providers('smtpd')), ['exim'])
  assert.deepEqual(names(index.essential), ['postfix'])
  assert.deepEqual(names(index.required), ['postfix', 'exim'])
  assert.deepEqual([...index.names()].sort(), ['exim', 'mua', 'postfix'])
  for (const name of ['', 'mta', 'libc6', 'dpkg', '__proto__', 'toString', 'é', 'a'.repeat(10_000)]) {
    assert.equal(index.own(name).length, 0, name)
  }
})

test('an empty feed is a feed', () => {
  const index = open('')
  assert.equal(index.records, 0)
  assert.equal(index.own('a').length, 0)
})

const hostile: readonly (readonly [string, Readonly<Record<string, string>>, string])[] = [
  ['name with a slash', { Package: 'a/b' }, 'bad name'],
  ['name that climbs', { Package: '..' }, 'bad name'],
  ['name with two dots', { Package: 'a..b' }, 'bad name'],
  ['name that is an option', { Package: '-rf' }, 'bad name'],
  ['name for a shell', { Package: 'a$(id)' }, 'bad name'],
  ['name with NUL', { Package: 'a\u0000b' }, 'bad name'],
  ['name with a carriage return', { Package: 'a\rb' }, 'bad name'],
  ['name in two words', { Package: 'a b' }, 'bad name'],
  ['name without end', { Package: 'a'.repeat(300) }, 'bad name'],
  ['version with a slash', { Version: '1/../2' }, 'bad version'],
  ['version with a space', { Version: '1 2' }, 'bad version'],
  ['version with escapes', { Version: '1\u001b[2J' }, 'bad version'],
  ['version of a megabyte', { Version: '1'.repeat(1_000_000) }, 'bad version'],
  ['path that climbs', { Filename: 'pool/../../x.deb' }, 'bad file name'],
  ['absolute path', { Filename: '/etc/passwd' }, 'bad file name'],
  ['path to another host', { Filename: '//host/x.deb' }, 'bad file name'],
  ['path with an empty part', { Filename: 'pool//x.deb' }, 'bad file name'],
  ['hidden path', { Filename: 'pool/.ssh/x.deb' }, 'bad file name'],
  ['path with a query', { Filename: 'pool/x.deb?y' }, 'bad file name'],
  ['path with backslashes', { Filename: 'pool\\x.deb' }, 'bad file name'],
  ['size that is none', { Size: '-1' }, 'bad size'],
  ['size in hexadecimal', { Size: '0x10' }, 'bad size'],
  ['digest too short', { SHA256: 'ab' }, 'bad sha256'],
  ['digest in capitals', { SHA256: digest.toUpperCase() }, 'bad sha256'],
  ['field twice', { package: 'b' }, 'package is given twice'],
]

test('a malformed entry is left out and told, the others stay', () => {
  for (const [title, fields, reason] of hostile) {
    const buffer = Buffer.from(stanza({ Package: 'before' }) + stanza(fields) + stanza({ Package: 'after' }))
    const scan = scanPackages(buffer)
    assert.equal(scan.recordCount, 2, title)
    assert.equal(scan.refused.count, 1, title)
    assert.match(scan.refused.first[0] ?? '', new RegExp(`: ${reason}$`), title)
    assert.doesNotMatch(scan.refused.first[0] ?? '', /[\u0000-\u001f]/, title)
  }
  const scan = scanPackages(Buffer.from('Package: a\nVersion: 1\n\n'))
  assert.deepEqual([scan.recordCount, scan.refused.first], [0, ['a: no architecture']])
})

test('a line of 30 million characters is no trouble', () => {
  const start = performance.now()
  const scan = scanPackages(
    Buffer.from(stanza({ Description: 'x'.repeat(30_000_000) }) + stanza({ Depends: 'b, '.repeat(1_000_000) })),
  )
  assert.equal(scan.recordCount, 2)
  assert.ok(performance.now() - start < 5000)
})

test('a damaged index file is never believed', () => {
  const text = Array.from({ length: 20 }, (_, i) =>
    stanza({ Package: `p${i}`, Depends: 'libc6 (>= 2.36)', Provides: 'v' }),
  ).join('')
  const path = write(text)
  const whole = readFileSync(path)
  const damaged = join(folder, 'damaged.index')
  const everything = (): string => {
    const index = readIndex(damaged, debianIndex)
    if (index === undefined) return 'refused'
    try {
      for (let i = 0; i < 20; i++) for (const id of index.own(`p${i}`)) index.fieldsOf(id)
      return `${index.records} ${index.providers('v').length}`
    } catch (failure) {
      assert.ok(failure instanceof IndexDamaged)
      return 'refused'
    }
  }
  writeFileSync(damaged, whole)
  assert.equal(everything(), '20 20')
  for (let length = 0; length < whole.length; length += 97) {
    writeFileSync(damaged, whole.subarray(0, length))
    assert.equal(everything(), 'refused', `cut to ${length}`)
  }
  writeFileSync(damaged, Buffer.concat([whole, Buffer.from('x')]))
  assert.equal(everything(), 'refused')
  for (let at = 0; at < whole.length; at += 13) {
    const copy = Buffer.from(whole)
    copy[at] = (copy[at] ?? 0) ^ 4
    writeFileSync(damaged, copy)
    assert.equal(everything(), 'refused', `bit at ${at}`)
  }
})
