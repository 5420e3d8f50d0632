import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { chmodSync, linkSync, lstatSync, mkdirSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import test from 'node:test'
import { gzipSync } from 'node:zlib'
import { YoeError } from '../../../src/engine/errors.ts'
import { Scratch } from '../store/fixture.ts'
import { file, untouched, worldIn } from './hostile-world.ts'
import { type Entry, gnu, pax, tar, tarEntry } from './tar-making.ts'
import { listing, unpack } from './unpacking.ts'

/** What anybody would write in an afternoon: believes every name, follows every link. The control of what follows. */
function naive(archive: Buffer, dest: string): void {
  for (let at = 0; at + 512 <= archive.length; ) {
    const field = (start: number, length: number): string =>
      archive.toString('latin1', at + start, at + start + length).replace(/\0.*$/s, '')
    const [name, type, link] = [field(0, 100), field(156, 1), field(157, 100)]
    const size = Number.parseInt(field(124, 12), 8) || 0
    if (name === '') return
    const path = name.startsWith('/') ? name : join(dest, name)
    mkdirSync(dirname(path), { recursive: true })
    if (type === '5') mkdirSync(path, { recursive: true })
    else if (type === '2') symlinkSync(link, path)
    else if (type === '1') linkSync(join(dest, link), path)
    else {
      writeFileSync(path, archive.subarray(at + 512, at + 512 + size))
      chmodSync(path, Number.parseInt(field(100, 8), 8) & 0o7777)
    }
    at += 512 + Math.ceil(size / 512) * 512
  }
}

const soft = (name: string, link: string): Entry => ({ name, type: '2', link })
const hard = (name: string, link: string): Entry => ({ name, type: '1', link })

/** Each changes something outside for the naive one. */
const leaving: readonly { name: string; entries: (outside: string) => readonly Entry[] }[] = [
  { name: 'D1 a name above', entries: () => [file('../evil')] },
  { name: 'D1 a name above, later', entries: () => [file('a/../../outside/evil')] },
  { name: 'D1 an absolute name', entries: (outside) => [file(`${outside}/evil`)] },
  {
    name: 'D1 a name above in ustar’s other field',
    entries: () => [{ name: 'outside/evil', prefix: '..', content: 'x' }],
  },
  { name: 'D2 a sibling with a similar name', entries: () => [file('../dest-evil/x')] },
  { name: 'D3 through an absolute link', entries: (outside) => [soft('l', outside), file('l/evil')] },
  { name: 'D3 through a relative link', entries: () => [soft('l', '../outside'), file('l/evil')] },
  { name: 'D3 through a link to a link', entries: () => [soft('a', '../outside'), soft('b', 'a'), file('b/evil')] },
  { name: 'D3 a folder through a link', entries: () => [soft('l', '../outside'), { name: 'l/evil', type: '5' }] },
  { name: 'D3 over a link', entries: () => [soft('l', '../outside/victim'), file('l')] },
  { name: 'D3 a hard link through a link', entries: () => [soft('l', '../outside'), file('x'), hard('l/evil', 'x')] },
  { name: 'D4 over a hard link to outside', entries: () => [hard('l', '../outside/victim'), file('l')] },
  {
    name: 'D4 a hard link to what a link leads to',
    entries: () => [soft('s', '../outside'), hard('l', 's/victim'), file('l')],
  },
]
for (const { name, entries } of leaving) {
  test(`${name} is refused; a naive reader does it`, async () => {
    await using scratch = new Scratch()
    const world = worldIn(scratch)
    const { error } = await unpack(scratch, tar(entries(world.outside)))
    assert.equal(error?.code, 'ARCHIVE_UNSAFE', error?.message)
    assert.ok(untouched(world))
    await using other = new Scratch()
    const control = worldIn(other)
    mkdirSync(join(other.path, 'dest'))
    // The prefix field is one that a naive reader does not know.
    const plain = entries(control.outside).map(({ prefix, ...rest }) =>
      prefix === undefined ? rest : { ...rest, name: `${prefix}/${rest.name}` },
    )
    naive(tar(plain), join(other.path, 'dest'))
    assert.ok(!untouched(control), 'the control is harmed')
  })
}

test('D3 whoever puts a link in the way meanwhile: nothing is written through it', async () => {
  await using scratch = new Scratch()
  const { outside } = worldIn(scratch)
  const entries = Array.from({ length: 1500 }, (_, n) => file(`d/e/${n}`, ''))
  const dest = join(scratch.path, 'dest')
  const swap = 'while :; do mv "$0/d" "$0/d2" && ln -s ../outside "$0/d" && rm "$0/d" && mv "$0/d2" "$0/d"; done'
  for (let round = 0; round < 2; round++) {
    const racer = spawn('sh', ['-c', swap, dest], { stdio: 'ignore', detached: true })
    try {
      await unpack(scratch, tar(entries)).catch((failure: unknown) => {
        assert.ok(!(failure instanceof YoeError))
      })
    } finally {
      if (racer.pid !== undefined) process.kill(-racer.pid, 'SIGKILL')
    }
    assert.deepEqual(readdirSync(outside), ['victim'])
    rmSync(dest, { recursive: true, force: true })
    mkdirSync(dest)
  }
})

/** Not what a plain name is: refused and not mended. */
const odd: readonly { name: string; archive: Buffer; want?: RegExp }[] = [
  { name: 'D1 a doubled slash', archive: tar([file('a//b')]) },
  { name: 'D1 a dot within', archive: tar([file('a/./b')]) },
  { name: 'D1 two slashes before', archive: tar([file('//x')]) },
  { name: 'D1 the folder itself as a file', archive: tar([file('.')]) },
  { name: 'D1 no name', archive: tar([{ ...file('x'), name: '' }, file('y')]) },
  { name: 'D1 a slash behind a file', archive: tar([file('x/')]) },
  { name: 'D1 a zero byte within', archive: tar([pax({ path: 'a\0b' }), file('x')]), want: /holds a zero byte/ },
  { name: 'D1 a zero byte within, by GNU', archive: tar([gnu('L', 'a\0b'), file('x')]), want: /holds a zero byte/ },
  { name: 'D1 a name above by pax', archive: tar([pax({ path: '../x' }), file('x')]) },
  { name: 'D1 a name above by GNU', archive: tar([gnu('L', '../x'), file('x')]) },
  { name: 'D1 a name of 256 bytes', archive: tar([gnu('L', 'x'.repeat(256)), file('x')]), want: /more than 255/ },
  { name: 'D4 a hard link to a link', archive: tar([soft('s', 'x'), hard('h', 's')]), want: /no file before it/ },
  { name: 'D4 a hard link to what comes later', archive: tar([hard('h', 'x'), file('x')]), want: /no file before it/ },
  { name: 'D4 a hard link to itself', archive: tar([hard('h', 'h')]), want: /no file before it/ },
  { name: 'D4 a hard link to a folder', archive: tar([{ name: 'd', type: '5' }, hard('h', 'd')]) },
  { name: 'D5 a device', archive: tar([{ name: 'null', type: '3' }]), want: /"null" is no file, folder or link/ },
  { name: 'D5 a disk', archive: tar([{ name: 'sda', type: '4' }]) },
  { name: 'D5 a fifo', archive: tar([{ name: 'fifo', type: '6' }]) },
  { name: 'D7 a folder with content', archive: tar([{ name: 'd', type: '5', content: 'z'.repeat(512) }]) },
  { name: 'D7 a link with content', archive: tar([{ ...soft('s', 'x'), content: 'z' }]) },
  { name: 'D7 a link to nowhere', archive: tar([soft('s', '')]) },
  { name: 'D7 a negative size', archive: tar([{ ...file('x'), size: '-0000000001\0' }]) },
  { name: 'D7 a negative binary size', archive: tar([{ ...file('x'), size: '\xff'.repeat(12) }]) },
  { name: 'D7 a size that is no number', archive: tar([{ ...file('x'), size: 'NaN\0' }]) },
  { name: 'D7 a huge binary size', archive: tar([{ ...file('x'), size: `\x80${'\x7f'.repeat(11)}` }]) },
  { name: 'D7 a size by pax that is none', archive: tar([pax({ size: '-1' }), file('x')]) },
  {
    name: 'D7 a pax header of 1 GiB',
    archive: tar([{ name: 'p', type: 'x', size: 2 ** 30 }]),
    want: /of 1073741824 bytes/,
  },
  { name: 'D7 a sparse file', archive: tar([pax({ 'GNU.sparse.realsize': '1099511627776' }), file('x')]) },
  { name: 'D7 a sparse file, the old way', archive: tar([{ ...file('x'), type: 'S' }]) },
  { name: 'D9 a file, then a folder of its name', archive: tar([file('x'), { name: 'x', type: '5' }]), want: /twice/ },
  { name: 'D9 a file in a file', archive: tar([file('x'), file('x/y')]), want: /"x", which is no folder/ },
  { name: 'D9 a folder, then a link of its name', archive: tar([{ name: 'd', type: '5' }, soft('d', '/')]) },
]
for (const { name, archive, want = /./ } of odd) {
  test(`${name} is refused`, async () => {
    await using scratch = new Scratch()
    const before = readdirSync(scratch.path)
    const { error } = await unpack(scratch, archive)
    assert.equal(error?.code, 'ARCHIVE_UNSAFE', error?.message)
    assert.match(error?.message ?? '', want)
    assert.match(error?.message ?? '', /^thing\.tar (holds|can't be unpacked: )/)
    assert.deepEqual(readdirSync(scratch.path).sort(), [...before, 'archive', 'dest'].sort())
  })
}

/** What GNU tar takes without a word, though other readers make something else of it. */
const quietly: readonly { name: string; archive: Buffer; want: RegExp }[] = [
  {
    name: 'D7 two sizes',
    archive: tar([pax({ size: '512' }), { ...file('x', 'y'.repeat(512)), size: 0 }]),
    want: /two sizes/,
  },
  { name: 'D7 GNU and pax together', archive: tar([pax({ path: 'a' }), gnu('L', 'b'), file('x')]), want: /type "L"/ },
  { name: 'D7 two pax headers', archive: tar([pax({ path: 'a' }), pax({ mtime: '1' }), file('x')]), want: /type "x"/ },
  { name: 'D7 one name for all', archive: tar([pax({ path: 'a' }, 'g'), file('x')]), want: /one path for all/ },
  {
    name: 'D8 an entry behind the end',
    archive: Buffer.concat([tar([file('x')]), tarEntry(file('hidden'))]),
    want: /something after its end/,
  },
  { name: 'D8 no end', archive: tar([file('x')], Buffer.alloc(0)), want: /no end/ },
  { name: 'D8 half an end', archive: tar([file('x')], Buffer.alloc(512)), want: /no end/ },
  {
    name: 'D8 garbage behind the end',
    archive: Buffer.concat([tar([file('x')]), Buffer.from('garbage')]),
    want: /after its end/,
  },
  { name: 'D8 two archives', archive: Buffer.concat([tar([file('x')]), tar([file('y')])]), want: /after its end/ },
  {
    name: 'D8 two archives in two members',
    archive: Buffer.concat([gzipSync(tar([file('x')])), gzipSync(tar([file('y')]))]),
    want: /after its end/,
  },
  { name: 'D9 the same name twice', archive: tar([file('x', 'one'), file('x', 'two')]), want: /comes twice/ },
]
for (const { name, archive, want } of quietly) {
  test(`${name} is refused; GNU tar takes it without a word`, async () => {
    await using scratch = new Scratch()
    const { error } = await unpack(scratch, archive)
    assert.equal(error?.code, 'ARCHIVE_UNSAFE', error?.message)
    assert.match(error?.message ?? '', want)
    const control = spawnSync('tar', ['-tf', join(scratch.path, 'archive')], { encoding: 'utf8' })
    assert.equal(control.status, 0, control.stderr)
    assert.notEqual(control.stdout, '')
  })
}

test('D5 set-id bits, owners and attributes do not come along; a naive reader gives them', async () => {
  await using scratch = new Scratch()
  const archive = tar([
    { name: 'su', mode: 0o6777, content: 'x' },
    { name: 'dir/', type: '5', mode: 0o7777 },
    pax({ 'SCHILY.xattr.security.capability': '\x01\x00\x00\x02', uid: '1234' }),
    { name: 'ping', mode: 0o755, content: 'x' },
  ])
  const { error, dest } = await unpack(scratch, archive)
  assert.equal(error, undefined)
  assert.deepEqual(listing(dest), ['dir/ 755', 'ping 755 x', 'su 755 x'])
  assert.equal(lstatSync(join(dest, 'ping')).uid, process.getuid?.())
  const control = join(scratch.path, 'control')
  naive(tar([{ name: 'su', mode: 0o4755, content: 'x' }]), control)
  assert.equal(lstatSync(join(control, 'su')).mode & 0o4000, 0o4000)
})

test('D9 names that look alike are names of their own', async () => {
  await using scratch = new Scratch()
  const names = ['e\u0301', '\u00e9', 'A', 'a', 'x\u202ey', 'caf\xe9'].map((name) =>
    Buffer.from(name).toString('latin1'),
  )
  const { error, dest } = await unpack(scratch, tar(names.map((name) => file(name, name))))
  assert.equal(error, undefined)
  assert.deepEqual(listing(dest), names.map((name) => `${name} 644 ${name}`).sort())
})

const bombs: readonly { name: string; archive: () => Buffer; limits: object; want: RegExp }[] = [
  {
    name: 'entries',
    archive: () => tar(Array.from({ length: 3000 }, (_, n) => file(`d/${n}`, ''))),
    limits: { entries: 1000 },
    want: /more than 1000 entries/,
  },
  {
    name: 'folders in each other',
    archive: () => tar([file(`${'d/'.repeat(45)}x`)]),
    limits: { depth: 40 },
    want: /more than 40 folders in each other/,
  },
  {
    name: 'folders in each other, whatever the limits',
    archive: () => tar([pax({ path: `${'d/'.repeat(1900)}x` }), file('x')]),
    limits: {},
    want: /too deep/,
  },
  {
    name: 'files of zeros',
    archive: () => gzipSync(tar([1, 2, 3, 4].map((n) => file(`${n}`, '\0'.repeat(20_000_000))))),
    limits: { bytes: 50_000_000 },
    want: /more than 50000000 bytes/,
  },
  {
    name: 'a file that is said to be large',
    archive: () => tar([{ ...file('x'), size: 2 ** 33 - 1 }]),
    limits: { bytes: 50_000_000 },
    want: /more than 50000000 bytes/,
  },
  {
    name: 'a single file',
    archive: () => gzipSync(Buffer.alloc(60_000_000)),
    limits: { bytes: 50_000_000, entries: 10 },
    want: /no archive|more than/,
  },
  {
    name: 'headers',
    archive: () => gzipSync(tar([{ name: 'x', type: 'x', content: ' '.repeat(2 ** 21) }, file('x')])),
    limits: {},
    want: /extension header of 2097152/,
  },
]
for (const { name, archive, limits, want } of bombs) {
  test(`D6 too much of ${name} is refused`, async () => {
    await using scratch = new Scratch()
    const { error, dest } = await unpack(scratch, archive(), {
      limits: { entries: 1e6, depth: 64, bytes: 2 ** 34, ...limits },
    })
    assert.equal(error?.code, 'ARCHIVE_UNSAFE', error?.message)
    assert.match(error?.message ?? '', want)
    rmSync(dest, { recursive: true })
  })
}
