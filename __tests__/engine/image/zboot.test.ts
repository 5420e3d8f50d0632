import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { gzipSync, zstdCompressSync } from 'node:zlib'
import { bareKernel } from '../../../src/engine/image/zboot.ts'
import { errorsOf } from '../../support/making.ts'
import { scratch } from '../../support/project.ts'

const kernel = Buffer.from('the kernel itself '.repeat(100))

/** A kernel that unpacks itself under UEFI. */
function zboot(kind: string, packed: Buffer, { start = 512, size = packed.length } = {}): Buffer {
  const head = Buffer.alloc(512)
  head.write('MZ\0\0zimg')
  head.writeUInt32LE(start, 8)
  head.writeUInt32LE(size, 12)
  head.write(kind, 24)
  return Buffer.concat([head, packed, Buffer.alloc(64)])
}

const packed = gzipSync(kernel)
const same = 'same'
const rows: readonly (readonly [what: string, file: Buffer, found: Buffer | typeof same | RegExp])[] = [
  ['of gzip', zboot('gzip', packed), kernel],
  ['of zstd', zboot('zstd22', zstdCompressSync(kernel)), kernel],
  ['of what is not known here', zboot('xzkern', packed), same],
  ['of nothing at all', zboot('', packed), same],
  ['that is another program of EFI', Buffer.concat([Buffer.from('MZ\0\0'), Buffer.alloc(508)]), same],
  ['as it is in memory', kernel, same],
  ['that is empty', Buffer.alloc(0), same],
  ['that is but a beginning', zboot('gzip', packed).subarray(0, 40), same],
  ['cut off', zboot('gzip', packed).subarray(0, 520), /bytes 512 to \d+, and the file has 520$/],
  ['that ends beyond all numbers', zboot('gzip', packed, { size: 0xffffffff }), /bytes 512 to 4294967807, and/],
  ['that begins in its own header', zboot('gzip', packed, { start: 4 }), /bytes 4 to/],
  ['that begins beyond its end', zboot('gzip', packed, { start: 0xffffff00 }), /bytes 4294967040 to/],
  ['whose content is another', zboot('gzip', zstdCompressSync(kernel)), /incorrect header check$/],
  ['that does not end', zboot('gzip', packed, { size: 20 }), /unexpected end of file$/],
  ['that is a bomb', zboot('zstd22', zstdBomb()), /larger than|Cannot create a Buffer/],
]

/** 600 MB of nothing. */
function zstdBomb(): Buffer {
  const once = zstdCompressSync(Buffer.alloc(100 << 20))
  return Buffer.concat([once, once, once, once, once, once])
}

for (const [what, file, wanted] of rows)
  test(`a kernel ${what}`, async (t) => {
    const folder = scratch(t)
    const [path, to] = [join(folder, 'vmlinuz'), join(folder, 'kernel')]
    await writeFile(path, file)
    const image = { name: 'image "thing"', at: { file: 'images/thing.star', line: 3, column: 1 } }
    if (wanted instanceof RegExp) {
      const [error] = await errorsOf(bareKernel(path, to, image))
      assert.equal(error?.code, 'INSTALL_FAILED')
      assert.match(error?.message ?? '', /^the kernel of image "thing" can't be unpacked: /)
      assert.match(error?.message ?? '', wanted)
      return
    }
    const found = await bareKernel(path, to, image)
    assert.equal(found, wanted === same ? path : to)
    assert.deepEqual(await readFile(found), wanted === same ? file : wanted)
  })
