import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { linkSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { readTar } from '../../../src/engine/image/tar-read.ts'
import { type NewEntry, tarEnd, tarHeader, tarPadding } from '../../../src/engine/image/tar-write.ts'

const plain = { type: 'file', mode: 0o644, mtime: 1 } as const

/** A tar of these entries; `body` is its content, whatever the header says. */
function tarOf(...entries: readonly (NewEntry & { readonly body?: string })[]): Buffer {
  const blocks = entries.flatMap(({ body = '', ...entry }) => [
    tarHeader({ ...entry, size: entry.size ?? body.length }),
    Buffer.from(body),
    tarPadding(body.length),
  ])
  return Buffer.concat([...blocks, tarEnd])
}

async function* inPieces(bytes: Buffer, size: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}

async function listed(bytes: Buffer, piece = 700): Promise<string> {
  const lines: string[] = []
  for await (const { entry, body } of readTar(inPieces(bytes, piece), 'the tar')) {
    const chunks: Buffer[] = []
    for await (const chunk of body()) chunks.push(chunk)
    const { path, type, mode, uid, gid, link } = entry
    lines.push([type, mode.toString(8), `${uid}:${gid}`, path, link, Buffer.concat(chunks).toString()].join(' ').trim())
  }
  return lines.join('\n')
}

/** A header with one field overwritten and its checksum put right. */
function forged(bytes: Buffer, at: number, text: string): Buffer {
  const copy = Buffer.from(bytes)
  copy.write(text, at, 'latin1')
  copy.fill(' ', 148, 156)
  const sum = copy.subarray(0, 512).reduce((total, byte) => total + byte, 0)
  copy.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1')
  return copy
}

/** One pax record in front of an entry. */
function extended(record: string, entry: NewEntry & { readonly body?: string }): Buffer {
  const head = forged(tarHeader({ ...plain, path: 'x', size: record.length }), 156, 'x')
  return Buffer.concat([head, Buffer.from(record), tarPadding(record.length), tarOf(entry)])
}

const one = tarOf({ ...plain, path: 'a', body: 'hello' })

const refused: readonly { readonly name: string; readonly bytes: Buffer; readonly says: RegExp }[] = [
  { name: 'climbs', bytes: tarOf({ ...plain, path: '../x' }), says: /"\.\/\.\.\/x", which is no plain path/ },
  { name: 'climbs from within', bytes: tarOf({ ...plain, path: 'a/../../x' }), says: /no plain path/ },
  { name: 'absolute', bytes: forged(one, 0, '/a\0'), says: /no plain path/ },
  { name: 'doubled slash', bytes: tarOf({ ...plain, path: 'a//b' }), says: /no plain path/ },
  { name: 'slash after a file', bytes: forged(one, 0, './a/\0'), says: /no plain path/ },
  {
    name: 'the same name twice',
    bytes: tarOf({ ...plain, path: 'a' }, { ...plain, path: 'a' }),
    says: /"a" comes twice/,
  },
  { name: 'a folder with content', bytes: forged(one, 156, '5'), says: /is no file but has content/ },
  { name: 'a wrong checksum', bytes: Buffer.concat([Buffer.from('b'), one.subarray(1)]), says: /checksum is wrong/ },
  { name: 'a GNU long name', bytes: forged(one, 156, 'L'), says: /an entry of type "L"/ },
  { name: 'a global extension', bytes: forged(one, 156, 'g'), says: /an entry of type "g"/ },
  { name: 'a sparse file', bytes: extended('20 GNU.sparse.major=1\n', { ...plain, path: 'a' }), says: /extension/ },
  { name: 'two sizes', bytes: extended('9 size=9\n', { ...plain, path: 'a', body: 'hello' }), says: /has two sizes/ },
  { name: 'a negative size', bytes: extended('11 size=-1\n', { ...plain, path: 'a' }), says: /the size "-1"/ },
  {
    name: 'a record that lies about its length',
    bytes: extended('99 size=5\n', { ...plain, path: 'a' }),
    says: /damaged extension/,
  },
  { name: 'a base-256 size', bytes: forged(one, 124, '\x80\0\0\0\0\0\0\0\0\0\0\x05'), says: /the number/ },
  { name: 'no end', bytes: one.subarray(0, 1024), says: /no end/ },
  { name: 'cut in content', bytes: one.subarray(0, 514), says: /no end/ },
  { name: 'half an end', bytes: Buffer.concat([one.subarray(0, 1536), one]), says: /a lone zero block/ },
  { name: 'a second archive behind', bytes: Buffer.concat([one, one]), says: /something after its end/ },
  { name: 'too deep', bytes: tarOf({ ...plain, path: Array(65).fill('d').join('/') }), says: /too deep/ },
]

for (const { name, bytes, says } of refused) {
  test(`readTar refuses: ${name}`, async () => {
    await assert.rejects(listed(bytes), (failure: Error & { code?: string }) => {
      assert.equal(failure.code, 'ARCHIVE_UNSAFE')
      assert.match(failure.message, says)
      return true
    })
  })
}

test('readTar and tarHeader agree with GNU tar on types, owners, modes, long and odd names', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'yoe-tar-'))
  try {
    const long = `${'long-'.repeat(30)}name`
    mkdirSync(join(dir, 'in/sub'), { recursive: true })
    writeFileSync(join(dir, 'in/sub/plain'), 'text')
    writeFileSync(join(dir, 'in', long), 'far')
    writeFileSync(join(dir, 'in/ümlaut'), '')
    symlinkSync('/else/where', join(dir, 'in/soft'))
    linkSync(join(dir, 'in/sub/plain'), join(dir, 'in/sub/zweit'))
    const args = [
      '--format=pax',
      '--sort=name',
      '--owner=0',
      '--group=42',
      '--mtime=@7',
      '--pax-option=delete=atime,delete=ctime',
    ]
    execFileSync('tar', ['-C', join(dir, 'in'), ...args, '-cf', join(dir, 'a.tar'), '.'])
    const bytes = readFileSync(join(dir, 'a.tar'))
    const latin = (text: string): string => Buffer.from(text).toString('latin1')
    const before = await listed(bytes, 10_000)
    assert.ok(
      before.includes(`0:42 ${long}`) &&
        before.includes(latin('ümlaut')) &&
        before.includes('symlink 777 0:42 soft /else/where'),
    )
    assert.match(before, /hardlink .* sub\/zweit sub\/plain/)

    const again: Buffer[] = []
    for await (const { entry, body } of readTar(inPieces(bytes, 513), 'a.tar')) {
      again.push(tarHeader(entry))
      for await (const chunk of body()) again.push(chunk)
      again.push(tarPadding(entry.size))
    }
    const ours = Buffer.concat([...again, tarEnd])
    assert.equal(await listed(ours), before)
    writeFileSync(join(dir, 'b.tar'), ours)
    const shownBy = (name: string): string =>
      execFileSync('tar', ['--numeric-owner', '-tvf', join(dir, name)], { encoding: 'utf8' })
    assert.equal(shownBy('b.tar'), shownBy('a.tar'))
  } finally {
    rmSync(dir, { recursive: true })
  }
})
