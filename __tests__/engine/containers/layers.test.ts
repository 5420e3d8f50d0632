/** Layers over each other, against umoci, and what hostile ones try. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { type TestContext, test } from 'node:test'
import { gzipSync, zstdCompressSync } from 'node:zlib'
import { type Layer, type MergeInput, mergeLayers, readLayer } from '#engine/containers/layers.ts'
import { YoeError } from '#engine/errors.ts'
import { type NewEntry, tarEnd, tarHeader, tarPadding } from '#engine/image/tar-write.ts'
import { scratch } from '../../support/project.ts'

type Made = Partial<NewEntry> & { readonly path: string; readonly text?: string }

function tarOf(entries: readonly Made[]): Buffer {
  return Buffer.concat([
    ...entries.flatMap(({ text, ...entry }) => {
      const type = entry.type ?? (text === undefined ? 'directory' : 'file')
      const content = Buffer.from(text ?? '')
      const mode = type === 'file' ? 0o644 : 0o755
      return [tarHeader({ mode, mtime: 5, ...entry, type, size: content.length }), content, tarPadding(content.length)]
    }),
    tarEnd,
  ])
}

const layer = (...entries: readonly Made[]): Layer => ({ content: Readable.from([tarOf(entries)]) })

/** The merged tree as `tar -tv` tells it: type, mode, owner, name and link. */
async function merged(t: TestContext, layers: readonly Layer[], more: Partial<MergeInput> = {}): Promise<string[]> {
  const folder = scratch(t)
  const output = join(folder, 'root.tar.zst')
  await mergeLayers({ layers, title: 'x:1', temp: join(folder, 'temp'), output, sourceDateEpoch: 1000, ...more })
  const listed = execFileSync('tar', ['--zstd', '--numeric-owner', '-tvf', output], { encoding: 'utf8' })
  return listed
    .trim()
    .split('\n')
    .map((line) => line.replace(/^(\S+) (\S+) +\d+ \S+ \S+ \.\//, '$1 $2 '))
}

test('layers lie over each other: files, folders, links, marks, owners, modes', async (t) => {
  const listing = await merged(t, [
    layer(
      { path: 'etc' },
      { path: 'etc/a', text: 'one', uid: 70_000_000, gid: 5 },
      { path: 'etc/b', text: 'two', mode: 0o4755 },
      { path: 'etc/gone', text: '' },
      { path: 'opt' },
      { path: 'opt/sub' },
      { path: 'opt/sub/x', text: '' },
      { path: 'var' },
      { path: 'var/old', text: '' },
      { path: 'dev' },
      { path: 'dev/null', type: 'character' },
      { path: 'run', type: 'symlink', link: '/var/run' },
    ),
    layer(
      { path: 'etc/a', text: 'three' },
      { path: 'etc/link', type: 'hardlink', link: 'etc/a' },
      { path: 'etc/before', type: 'hardlink', link: 'etc/b' },
      { path: 'var/new', text: '' },
      { path: 'var/.wh..wh..opq', text: '' },
      { path: 'etc/.wh.gone', text: '' },
      { path: 'opt/.wh.sub', text: '' },
      { path: 'opt/sub', text: 'a file now' },
      { path: 'run' },
      { path: 'run/lock', text: '' },
      { path: '.dockerenv', text: '' },
      { path: 'etc/hosts', text: '' },
    ),
  ])
  assert.deepEqual(listing, [
    'drwxr-xr-x 0/0 ',
    'drwxr-xr-x 0/0 dev/',
    'drwxr-xr-x 0/0 etc/',
    '-rw-r--r-- 0/0 etc/a',
    '-rwsr-xr-x 0/0 etc/b',
    'hrwsr-xr-x 0/0 etc/before link to ./etc/b',
    'hrw-r--r-- 0/0 etc/link link to ./etc/a',
    'drwxr-xr-x 0/0 opt/',
    '-rw-r--r-- 0/0 opt/sub',
    'drwxr-xr-x 0/0 run/',
    '-rw-r--r-- 0/0 run/lock',
    'drwxr-xr-x 0/0 var/',
    '-rw-r--r-- 0/0 var/new',
  ])
})

test('owners beyond ustar, long names and attributes are kept; times end at the epoch', async (t) => {
  const long = `opt/${'d'.repeat(90)}/${'f'.repeat(120)}`
  const folder = scratch(t)
  const output = join(folder, 'root.tar.zst')
  const entries = [
    { path: long, text: 'x', uid: 2 ** 30, mtime: 9999, xattrs: new Map([['user.k', Buffer.from('v\xff', 'latin1')]]) },
  ]
  await mergeLayers({
    layers: [layer(...entries)],
    title: 'x:1',
    temp: join(folder, 't'),
    output,
    sourceDateEpoch: 1000,
  })
  const told = execFileSync('tar', ['--zstd', '--numeric-owner', '--full-time', '--xattrs', '-tvvf', output], {
    encoding: 'utf8',
    env: { ...process.env, TZ: 'UTC' },
  })
  assert.match(told, /1073741824\/0 +1 1970-01-01 00:16:40 \.\/opt\/d+\/f+\n +x: +2 user\.k/)
})

/** As tools write that give each file a frame of its own (zstd:chunked). */
const inFrames = (bytes: Buffer): Buffer =>
  Buffer.concat(
    Array.from({ length: Math.ceil(bytes.length / 700) }, (_, index) =>
      zstdCompressSync(bytes.subarray(index * 700, (index + 1) * 700)),
    ),
  )

test('what GNU tar writes, in each of its formats, plain, gzip and zstd, gives one root', async (t) => {
  const folder = scratch(t)
  execFileSync(
    'sh',
    [
      '-ec',
      `mkdir -p r/usr/bin r/${'deep/'.repeat(30)}; echo x >r/usr/bin/prog; chmod 755 r/usr/bin/prog; ln -s prog r/usr/bin/alias; ln r/usr/bin/prog r/usr/bin/twin; echo y >r/${'deep/'.repeat(30)}${'n'.repeat(200)}`,
    ],
    { cwd: folder },
  )
  const digests = new Set<string>()
  let count = 0
  for (const format of ['gnu', 'pax', 'posix']) {
    for (const pack of [(bytes: Buffer) => bytes, gzipSync, zstdCompressSync, inFrames]) {
      const tar = execFileSync(
        'tar',
        ['-C', 'r', '--sort=name', `--format=${format}`, '--owner=0', '--group=0', '--mtime=@500', '-cf', '-', '.'],
        { cwd: folder },
      )
      const path = join(folder, 'layer')
      writeFileSync(path, pack(tar))
      const output = join(folder, `out-${count++}`)
      await mergeLayers({
        layers: [{ content: readLayer(path, 'x:1'), sha256: createHash('sha256').update(tar).digest('hex') }],
        title: 'x:1',
        temp: join(folder, 'temp'),
        output,
        sourceDateEpoch: 1000,
      })
      digests.add(createHash('sha256').update(readFileSync(output)).digest('hex'))
    }
  }
  assert.equal(digests.size, 1)
})

const refused: Readonly<Record<string, readonly [layers: readonly Layer[], says: RegExp]>> = {
  'a name that leaves the root': [[layer({ path: '../x', text: '' })], /no plain path below the root/],
  'a name through a link of a lower layer': [
    [layer({ path: 'etc', type: 'symlink', link: '/root' }), layer({ path: 'etc/x', text: '' })],
    /"?etc\/x"?, which lies in "?etc"?, and that is no folder/,
  ],
  'a name through a link of the same layer': [
    [layer({ path: 'etc', type: 'symlink', link: '..' }, { path: 'etc/x', text: '' })],
    /that is no folder/,
  ],
  'a hard link to what is not there': [[layer({ path: 'x', type: 'hardlink', link: 'y' })], /no file before it/],
  'a hard link to a later entry': [
    [layer({ path: 'x', type: 'hardlink', link: 'y' }, { path: 'y', text: '' })],
    /no file before it/,
  ],
  'a hard link to a link': [
    [layer({ path: 'y', type: 'symlink', link: '/etc/passwd' }, { path: 'x', type: 'hardlink', link: 'y' })],
    /no file before it/,
  ],
  'a mark about the folder above': [
    [layer({ path: 'a' }, { path: 'a/.wh...', text: '' })],
    /a mark that is about no name/,
  ],
  'a mark about nothing': [[layer({ path: '.wh.', text: '' })], /a mark that is about no name/],
  'one name twice': [[layer({ path: 'x', text: '1' }, { path: 'x', text: '2' })], /comes twice/],
  'a layer that is cut off': [
    [{ content: Readable.from([tarOf([{ path: 'x', text: 'abc' }]).subarray(0, 600)]) }],
    /cut off/,
  ],
  'a layer with other content': [
    [{ ...layer({ path: 'x', text: '' }), sha256: '0'.repeat(64) }],
    /not what its configuration says/,
  ],
}

for (const [what, [layers, says]] of Object.entries(refused)) {
  test(`refused: ${what}`, async (t) => {
    await assert.rejects(merged(t, layers), (failure: unknown) => {
      assert.ok(failure instanceof YoeError, String(failure))
      assert.match(failure.message, says)
      return true
    })
  })
}

test('a mark through a link erases nothing', async (t) => {
  const lower = layer({ path: 'etc' }, { path: 'etc/x', text: '' }, { path: 'l', type: 'symlink', link: 'etc' })
  assert.ok((await merged(t, [lower, layer({ path: 'l/.wh.x', text: '' })])).some((line) => line.endsWith(' etc/x')))
})

test('too much is stopped on the way: bytes, entries, and what a small layer unpacks to', async (t) => {
  const folder = scratch(t)
  const bomb = join(folder, 'bomb')
  writeFileSync(bomb, gzipSync(tarOf([{ path: 'zeros', text: '\0'.repeat(50 * 2 ** 20) }])))
  assert.ok(readFileSync(bomb).length < 2 ** 17)
  const limits = { bytes: 2 ** 20, entries: 10 }
  await assert.rejects(merged(t, [{ content: readLayer(bomb, 'x:1') }], { limits }), /more than 1048576 bytes/)
  const many = Array.from({ length: 11 }, (_, index) => ({ path: `d${index}` }))
  await assert.rejects(merged(t, [layer(...many)], { limits }), /more than 10 entries/)
})

test('damaged compression is no bug of ours', async (t) => {
  const path = join(scratch(t), 'layer')
  const whole = gzipSync(tarOf([{ path: 'x', text: 'abc'.repeat(10_000) }]))
  whole[whole.length >> 1] = 0xff ^ (whole[whole.length >> 1] ?? 0)
  writeFileSync(path, whole)
  await assert.rejects(
    merged(t, [{ content: readLayer(path, 'x:1') }]),
    (failure: unknown) => failure instanceof YoeError,
  )
})
