import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import test from 'node:test'
import { gzipSync } from 'node:zlib'
import { Scratch } from '../store/fixture.ts'
import { file, untouched, worldIn } from './hostile-world.ts'
import { ar, tar, tarEntry } from './tar-making.ts'
import { listing, unpack } from './unpacking.ts'
import { zip, zip64 } from './zip-making.ts'

const deb = (...members: Parameters<typeof ar>[0][number][]): Buffer => ar(members)
const data = tar([file('./usr/x')])
const debs: readonly { name: string; archive: Buffer; want: RegExp }[] = [
  {
    name: 'of another format',
    archive: deb(['debian-binary', '3.0\n'], ['control.tar', data], ['data.tar', data]),
    want: /format is not 2/,
  },
  {
    name: 'without control',
    archive: deb(['debian-binary', '2.0\n'], ['data.tar', data]),
    want: /second member is no control/,
  },
  {
    name: 'without data',
    archive: deb(['debian-binary', '2.0\n'], ['control.tar', data]),
    want: /third member is no data/,
  },
  {
    name: 'with two data',
    archive: deb(['debian-binary', '2.0\n'], ['control.tar', data], ['data.tar', data], ['data.tar.gz', data]),
    want: /has a member "data.tar.gz"/,
  },
  {
    name: 'of many members',
    archive: deb(['debian-binary', '2.0\n'], ...Array.from({ length: 9 }, () => ['_x', ''] as const)),
    want: /more than 8 members/,
  },
  {
    name: 'D6 with a size beyond its end',
    archive: deb(['debian-binary', '2.0\n'], ['control.tar', data], ['data.tar', data]).subarray(0, -700),
    want: /"data.tar" is cut short/,
  },
  {
    name: 'with a size that is none',
    archive: Buffer.from(
      deb(['debian-binary', '2.0\n'], ['control.tar', data]).toString('latin1').replace('4         `', '-4        `'),
      'latin1',
    ),
    want: /header of a member is damaged/,
  },
  {
    name: 'with data that is no tar',
    archive: deb(['debian-binary', '2.0\n'], ['control.tar', data], ['data.tar', 'hello']),
    want: /no archive of a known kind/,
  },
  {
    name: 'D1 with a hostile name',
    archive: deb(['debian-binary', '2.0\n'], ['control.tar', data], ['data.tar', tar([file('../evil')])]),
    want: /no plain path/,
  },
]
test('a Debian package whose names end in a slash, as ar leaves them, is one', async () => {
  await using scratch = new Scratch()
  const archive = deb(['debian-binary/', '2.0\n'], ['control.tar/', data], ['data.tar/', data])
  const { error, dest } = await unpack(scratch, archive, { title: 'x.deb' })
  assert.equal(error, undefined)
  assert.deepEqual(
    listing(dest).map((line) => line.split(' ')[0]),
    ['usr/', 'usr/x'],
  )
})

for (const { name, archive, want } of debs) {
  test(`a Debian package ${name} is refused`, async () => {
    await using scratch = new Scratch()
    const { error } = await unpack(scratch, archive, { title: 'x.deb' })
    assert.equal(error?.code, 'ARCHIVE_UNSAFE', error?.message)
    assert.match(error?.message ?? '', want)
  })
}

test('an Alpine package with control files behind its data, or bytes behind that, is refused', async () => {
  await using scratch = new Scratch()
  const control = gzipSync(tarEntry(file('.PKGINFO')))
  const late = gzipSync(tar([file('x'), file('.post-install')]))
  const fine = gzipSync(tar([file('x')]))
  for (const bad of [
    [control, late],
    [control, fine, control],
    [control, fine, Buffer.from('garbage')],
  ]) {
    const { error } = await unpack(scratch, Buffer.concat(bad), { title: 'x.apk' })
    assert.equal(error?.code, 'ARCHIVE_UNSAFE', error?.message)
  }
})

const two = [file('a', 'one'), file('b', 'two')]
const first = zip(two.slice(0, 1))
/** `reads`: Python's reader takes it without a word; `since`: what newer ones of it say instead. */
const zips: readonly { name: string; archive: Buffer; want: RegExp; reads: boolean; since?: RegExp }[] = [
  {
    name: 'two directories',
    archive: zip([file('a')], { comment: `${zip([file('b')]).toString('latin1')}` }),
    want: /two directories/,
    reads: true,
  },
  {
    name: 'an archive before it',
    archive: zip([{ ...file('b') }], { before: first }),
    want: /before its first member/,
    reads: true,
  },
  {
    name: 'members on top of each other',
    archive: zip([file('a', 'one'), { ...file('a', 'one'), offset: 0 }]),
    want: /overlaps/,
    reads: true,
    since: /Overlapped entries/, // CVE-2024-0450
  },
  {
    name: 'something between the members and the directory',
    archive: zip([file('a')], { between: Buffer.from('hidden') }),
    want: /hidden behind "a"/,
    reads: true,
  },
  {
    name: 'a member that the directory does not have',
    archive: zip([file('a')], { between: first.subarray(0, 40) }),
    want: /hidden behind/,
    reads: true,
  },
  {
    name: 'two names for one',
    archive: zip([{ ...file('a'), localName: 'b' }]),
    want: /the name of "a" disagree/,
    reads: false,
  },
  {
    name: 'zip64 that lies about the size',
    archive: zip([{ ...file('a'), size: 0xffffffff, extra: zip64(5n) }]),
    want: /the size of "a" disagree/,
    reads: true,
  },
  {
    name: 'zip64 without its size',
    archive: zip([{ ...file('a'), size: 0xffffffff }]),
    want: /lacks a size/,
    reads: true,
  },
  {
    name: 'zip64 of an absurd size',
    archive: zip([{ ...file('a'), size: 0xffffffff, extra: zip64(2n ** 63n) }]),
    want: /number that is too large/,
    reads: true,
  },
  { name: 'other counts', archive: zip(two, { count: 1 }), want: /other entries than its end says/, reads: true },
  { name: 'something encrypted', archive: zip([{ ...file('a'), flags: 1 }]), want: /is encrypted/, reads: false },
  {
    name: 'an encrypted directory',
    archive: zip([{ ...file('a'), flags: 0x2000 }]),
    want: /is encrypted/,
    reads: true,
  },
  { name: 'an unknown method', archive: zip([{ ...file('a'), method: 99 }]), want: /not known \(99\)/, reads: false },
  { name: 'a wrong checksum', archive: zip([{ ...file('a'), crc: 1 }]), want: /"a" is damaged/, reads: false },
  {
    name: 'bytes behind it',
    archive: zip([file('a')], { after: Buffer.from('garbage') }),
    want: /no directory at its end/,
    reads: true,
  },
  { name: 'nothing but a beginning', archive: first.subarray(0, -10), want: /no directory at its end/, reads: false },
  { name: 'a name above', archive: zip([file('../evil')]), want: /no plain path/, reads: true },
  {
    name: 'a name of another system',
    archive: zip([file('..\\evil')]),
    want: /some would take for a path/,
    reads: true,
  },
  { name: 'a name twice', archive: zip([file('a'), file('a')]), want: /twice/, reads: true },
  {
    name: 'a device',
    archive: zip([{ ...file('a', ''), mode: 0o020666 }]),
    want: /no file, folder or link/,
    reads: true,
  },
  {
    name: 'a way through a link',
    archive: zip([{ ...file('l', '../outside'), mode: 0o120777 }, file('l/evil')]),
    want: /no folder/,
    reads: true,
  },
]
for (const { name, archive, want, reads, since } of zips) {
  test(`D10 a zip with ${name} is refused${reads ? '; Python takes it' : ''}`, async () => {
    await using scratch = new Scratch()
    const world = worldIn(scratch)
    const { error } = await unpack(scratch, archive, { title: 'x.zip' })
    assert.equal(error?.code, 'ARCHIVE_UNSAFE', error?.message)
    assert.match(error?.message ?? '', want)
    assert.ok(untouched(world))
    const read =
      'import sys,zipfile\nz=zipfile.ZipFile(sys.argv[1])\nfor i in z.infolist():\n  if i.flag_bits&1: raise SystemExit(1)\n  z.read(i) if i.file_size<9**9 else 0'
    const control = spawnSync('python3', ['-W', 'ignore', '-c', read, join(scratch.path, 'archive')])
    const said = control.stderr.toString()
    if (since?.test(said) !== true) assert.equal(control.status === 0, reads, said)
  })
}

test('D10 a zip with a member of 4 GiB and more in its fields is read where both places agree', async () => {
  await using scratch = new Scratch()
  const { error, dest } = await unpack(scratch, zip([{ ...file('a', 'evil'), size: 0xffffffff, extra: zip64(4n) }]), {
    title: 'x.zip',
  })
  assert.equal(error, undefined)
  assert.deepEqual(listing(dest), ['a 644 evil'])
})
