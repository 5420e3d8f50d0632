import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { gzipSync, zstdCompressSync } from 'node:zlib'
import { scanRoot } from '../../../src/engine/image/boot-files.ts'
import { kernelRelease, requireModules } from '../../../src/engine/image/kernel-release.ts'
import { tarEnd, tarHeader, tarPadding } from '../../../src/engine/image/tar-write.ts'
import { errorsOf } from '../../support/making.ts'

async function scratch(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'yoe-kernel-'))
  t.after(() => rm(folder, { recursive: true }))
  return folder
}

/** A kernel of x86 as far as its boot header goes. */
function bzImage(release: string): Buffer {
  const bytes = Buffer.alloc(4096)
  bytes.write('MZ')
  bytes.write('HdrS', 0x202)
  bytes.writeUInt16LE(0x800 - 0x200, 0x20e)
  bytes.write(`${release} (build@host) #1 SMP\0`, 0x800)
  return bytes
}

const image = (release: string): Buffer =>
  Buffer.concat([Buffer.alloc(999), Buffer.from(`Linux version ${release} (build@host) (gcc)\n`), Buffer.alloc(99)])

function zboot(release: string, kind: string, pack: (bytes: Buffer) => Buffer): Buffer {
  const packed = pack(image(release))
  const head = Buffer.alloc(512)
  head.write('MZ\0\0zimg')
  head.writeUInt32LE(512, 8)
  head.writeUInt32LE(packed.length, 12)
  head.write(kind, 24)
  return Buffer.concat([head, packed, Buffer.alloc(64)])
}

const rows: readonly (readonly [what: string, bytes: Buffer, release: string | undefined])[] = [
  ['of x86', bzImage('6.12.57+deb13-amd64'), '6.12.57+deb13-amd64'],
  ['as it is in memory', image('6.18.2-0-virt'), '6.18.2-0-virt'],
  ['packed', gzipSync(image('6.1.0')), '6.1.0'],
  ['that unpacks itself under UEFI', zboot('6.18.2-0-virt', 'gzip', gzipSync), '6.18.2-0-virt'],
  ['that does so by zstd', zboot('6.18.2', 'zstd', zstdCompressSync), '6.18.2'],
  ['packed in a way that nobody here knows', zboot('6.18.2', 'lzma', gzipSync), undefined],
  ['that is damaged', gzipSync(image('6.1.0')).subarray(0, 60), undefined],
  ['that is none', Buffer.from('KERNEL'), undefined],
  ['that is empty', Buffer.alloc(0), undefined],
  ['whose header leads nowhere', bzImage('').fill(0xff, 0x20e, 0x210), undefined],
]
for (const [what, bytes, release] of rows)
  test(`a kernel ${what}: ${release ?? 'does not say'}`, async (t) => {
    const path = join(await scratch(t), 'vmlinuz')
    await writeFile(path, bytes)
    assert.equal(await kernelRelease(path), release)
  })

/** A root file system of these files. */
async function rootOf(folder: string, files: Readonly<Record<string, Buffer>>): Promise<string> {
  const path = join(folder, 'root.tar.zst')
  const blocks = Object.entries(files).flatMap(([name, bytes]) => [
    tarHeader({ path: name, type: 'file', mode: 0o644, mtime: 1, size: bytes.length }),
    bytes,
    tarPadding(bytes.length),
  ])
  await writeFile(path, zstdCompressSync(Buffer.concat([...blocks, tarEnd])))
  return path
}

const none = Buffer.alloc(0)
const roots: Readonly<Record<string, { readonly files: Readonly<Record<string, Buffer>>; readonly error?: string }>> = {
  'kernel and modules of one release': {
    files: { 'boot/vmlinuz-virt': bzImage('6.18.2-0-virt'), 'lib/modules/6.18.2-0-virt/kernel/a.ko.gz': none },
  },
  'modules of two releases, one of them the kernel’s': {
    files: {
      'boot/vmlinuz-6.2': bzImage('6.2'),
      'lib/modules/6.2/a.ko': none,
      'usr/lib/modules/6.1/a.ko': none,
    },
  },
  'no modules at all, nor of what else lies there': {
    files: { 'boot/vmlinuz': bzImage('6.2'), 'lib/modules/6.1/modules.builtin': none },
  },
  'modules of another release': {
    files: { 'boot/vmlinuz-virt': bzImage('6.18.2-0-virt'), 'lib/modules/6.12.1/kernel/a.ko.gz': none },
    error:
      'image "thing": the kernel /boot/vmlinuz-virt is 6.18.2-0-virt, and the modules are for 6.12.1: it can load none of them',
  },
  'modules below /usr of two others': {
    files: {
      'boot/Image': image('6.3'),
      'usr/lib/modules/6.1/a.ko.xz': none,
      'usr/lib/modules/6.2/a.ko.zst': none,
    },
    error:
      'image "thing": the kernel /boot/Image is 6.3, and the modules are for 6.1 and 6.2: it can load none of them',
  },
  'a kernel that does not say': { files: { 'boot/vmlinuz': none, 'lib/modules/6.1/a.ko': none } },
}
for (const [what, { files, error }] of Object.entries(roots))
  test(`${what}: ${error === undefined ? 'content' : 'refused'}`, async (t) => {
    const folder = await scratch(t)
    const facts = await scanRoot(await rootOf(folder, files), [], join(folder, 'boot'))
    const name = facts.kernel ?? ''
    const file = facts.files.get(name.slice('boot/'.length)) ?? ''
    const at = { file: 'images/thing.star', line: 3, column: 1 }
    const found = await errorsOf(requireModules({ path: name, file }, facts.modules, { name: 'image "thing"', at }))
    assert.deepEqual(
      found.map(({ message }) => message),
      error === undefined ? [] : [error],
    )
    // The naive control: to have some modules is not enough.
    if (error !== undefined) assert.ok(Object.keys(files).some((path) => path.includes('lib/modules/')))
  })
