import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { readFile, truncate } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { zstdCompressSync, zstdDecompressSync } from 'node:zlib'
import { scanDestdir } from '#engine/build/destdir.ts'
import { Compression, chunkSize, compression } from '../../../src/feeds/debian/compress.ts'
import { dataTar } from '../../../src/feeds/debian/data-tar.ts'
import { writeDeb } from '../../../src/feeds/debian/deb-file.ts'
import { install, scratch } from '../../support/making.ts'

/** Text that compresses, and is nowhere the same for long. */
function textOf(size: number): Buffer {
  const lines: string[] = []
  for (let length = 0, n = 0; length < size; n++) {
    const line = `${n * 7919} ${(n * n) % 1009} ${'word'.repeat(n % 13)}\n`
    lines.push(line)
    length += line.length
  }
  return Buffer.from(lines.join('')).subarray(0, size)
}

async function compressed(bytes: Buffer, path: string, threads?: number): Promise<Buffer> {
  const work = new Compression(path, threads)
  for (let at = 0; at < bytes.length; at += chunkSize) await work.add(bytes.subarray(at, at + chunkSize))
  await work.end()
  return readFile(path)
}

const digest = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex')

test('how many threads there are changes no byte', async (t) => {
  const folder = await scratch(t)
  const text = textOf(chunkSize + 9_000_001)
  const found: string[] = []
  for (const threads of [1, 2, 3, 4, 4, undefined]) {
    const packed = await compressed(text, join(folder, `${found.length}`), threads)
    assert.ok(zstdDecompressSync(packed).equals(text))
    found.push(digest(packed))
  }
  assert.equal(new Set(found).size, 1)
  // So no machine may do without: where no thread is, no job ends, and other bytes come out.
  assert.notEqual(digest(zstdCompressSync(text, { params: compression })), found[0])
})

for (const size of [0, 1, 1024, chunkSize - 1, chunkSize, chunkSize + 1, 2 * chunkSize]) {
  test(`${size} bytes come out again`, async (t) => {
    const folder = await scratch(t)
    const text = textOf(size)
    assert.ok(zstdDecompressSync(await compressed(text, join(folder, 'x'))).equals(text))
  })
}

test('a chunk may be written over when the next but one is asked for', async (t) => {
  const folder = await scratch(t)
  const text = textOf(5 * chunkSize)
  const work = new Compression(join(folder, 'x'))
  const buffers = [Buffer.alloc(chunkSize), Buffer.alloc(chunkSize)]
  for (let at = 0; at < text.length; at += chunkSize) {
    const buffer = buffers[(at / chunkSize) % 2] ?? Buffer.alloc(0)
    text.copy(buffer, 0, at)
    await work.add(buffer)
  }
  await work.end()
  assert.ok(zstdDecompressSync(await readFile(join(folder, 'x'))).equals(text))
})

describe('a file that can not be written', () => {
  test('is told as what it is', async (t) => {
    const folder = await scratch(t)
    const work = new Compression(join(folder, 'none/x'))
    await assert.rejects(
      async () => {
        for (let chunks = 0; chunks < 10; chunks++) await work.add(Buffer.alloc(chunkSize))
        await work.end()
      },
      { code: 'ENOENT' },
    )
    await work.abandon()
  })
})

describe('dpkg-deb reads a tar whole that ends', () => {
  // Headers of the root and of the file, and what ends a tar.
  const around = 512 + 512 + 1024
  for (const [name, content] of [
    ['with a chunk', chunkSize - around],
    ['one block before', chunkSize - around - 512],
    ['in the middle of its last block', chunkSize - around - 511],
    ['in the first block of the next', chunkSize - around + 1],
    ['with the second', 2 * chunkSize - around],
  ] as const) {
    test(name, async (t) => {
      const folder = await scratch(t)
      await install(join(folder, 'dest'), { x: textOf(100_000) })
      await truncate(join(folder, 'dest/x'), content)
      const tree = await scanDestdir(join(folder, 'dest'))
      t.after(() => tree.close())
      const whole = await joined(dataTar(tree, 5, [tree.entries], new Map()))
      assert.ok(Math.abs(whole.length - content - around) < 512)
      const path = join(folder, 'x.deb')
      await writeDeb(path, {
        data: dataTar(tree, 5, [tree.entries], new Map()),
        control: async () => Buffer.alloc(1024),
        mtime: 5,
      })
      assert.ok(execFileSync('dpkg-deb', ['--fsys-tarfile', path], { maxBuffer: 1 << 30 }).equals(whole))
    })
  }
})

/** Chunks are written over. */
async function joined(chunks: AsyncIterable<Buffer>): Promise<Buffer> {
  const copies: Buffer[] = []
  for await (const chunk of chunks) copies.push(Buffer.from(chunk))
  return Buffer.concat(copies)
}
