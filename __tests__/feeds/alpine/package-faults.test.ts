/**
 * B12, C5, D1-D9: packages whose control is right and whose files are made to harm, before every reader of them; and what a
 * naive reader, or GNU tar as it is usually called, makes of each.
 */
import assert from 'node:assert/strict'
import { createHash, createPublicKey } from 'node:crypto'
import { lstatSync } from 'node:fs'
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { bwrapWorker } from '#engine/build/bwrap.ts'
import type { RepositoryEntry } from '#engine/formats.ts'
import { identityOf, readApkHead, verifyApk } from '../../../src/feeds/alpine/apk-read.ts'
import { compareApks, filesIn } from '../../../src/feeds/alpine/contents.ts'
import { describeApk } from '../../../src/feeds/alpine/describe.ts'
import { extractApks } from '../../../src/feeds/alpine/extract.ts'
import { refuseClashes } from '../../../src/feeds/alpine/file-clashes.ts'
import { publishRepository, trustedOf } from '../../../src/feeds/alpine/repository.ts'
import { signerOf } from '../../../src/feeds/alpine/signature.ts'
import { generateRsaKey, rsaSigners } from '../../../src/feeds/keys/rsa.ts'
import { errorsOf, run, scratch } from '../../support/making.ts'
import { apk, hostileTars, link, one, other, plain, tarOf } from './hostile-tars.ts'
import { apkOf, publishInput } from './making.ts'

async function entryOf(path: string, name: string): Promise<RepositoryEntry> {
  const at = { file: `units/${name}.star`, line: 1, column: 1 }
  const record = { ...(await describeApk(path, undefined)), origin: { kind: 'unit', unit: name, at } as const }
  const bytes = await readFile(path)
  return { record, path, sha256: createHash('sha256').update(bytes).digest('hex'), size: bytes.length }
}

/** All that read what is in a package, as the product calls them. */
const readers: Readonly<Record<string, (path: string, folder: string) => Promise<unknown>>> = {
  'into a sysroot': async (path, folder) => {
    const dest = join(folder, 'inside')
    await mkdir(dest)
    return extractApks({ packages: [path], dest, root: '', log: () => {}, worker: bwrapWorker() })
  },
  'its files': async (path) => {
    for await (const _ of filesIn(path));
  },
  'clashes in an image': async (path) => refuseClashes([await entryOf(path, 'app')]),
  'compared with another': async (path, folder) => {
    const sound = join(folder, 'sound.apk')
    await writeFile(sound, apk(gzipSync(one)))
    return compareApks(path, sound)
  },
}

/** A folder beside the one that is unpacked into; nothing may touch it. */
async function withCanary(t: TestContext): Promise<{ readonly folder: string; changed(): Promise<string> }> {
  const folder = await scratch(t)
  await mkdir(join(folder, 'beside'))
  await writeFile(join(folder, 'beside/canary'), 'it sings', { mode: 0o640 })
  const state = async (): Promise<string> => {
    const { mode, nlink } = lstatSync(join(folder, 'beside/canary'))
    const found = (await readdir(join(folder, 'beside'))).join()
    const evil = (await readdir(folder)).filter((name) => name.startsWith('inside-')).join()
    return `${found} ${mode.toString(8)} ${nlink} ${evil} ${await readFile(join(folder, 'beside/canary'), 'utf8')}`
  }
  const before = await state()
  return { folder, changed: async () => ((await state()) === before ? '' : await state()) }
}

for (const [what, { tar, data = gzipSync(tar), onlyWritten, naive }] of Object.entries(hostileTars)) {
  test(`${what}: no reader takes it`, async (t) => {
    for (const [reader, read] of Object.entries(readers)) {
      const { folder, changed } = await withCanary(t)
      const path = join(folder, 'app.apk')
      await writeFile(path, apk(data))
      // Signature and digests alone find nothing wrong.
      await verifyApk(path, undefined)
      const [error] = await errorsOf(read(path, folder))
      if (onlyWritten === undefined || reader === 'into a sysroot') assert.equal(error?.code, 'ARCHIVE_UNSAFE', reader)
      assert.doesNotMatch(error?.message ?? '', /[\u0000-\u001f]/, reader)
      assert.equal(await changed(), '', reader)
    }
    if (naive === undefined) return
    const { folder, changed } = await withCanary(t)
    await mkdir(join(folder, 'inside'))
    await writeFile(join(folder, 'data.tar.gz'), data)
    const ran = await run('tar', ['-C', join(folder, 'inside'), '-xPzf', join(folder, 'data.tar.gz')])
    if (naive === 'fails') assert.notEqual(ran.code, 0)
    else
      assert.equal(ran.code === 0 || (await changed()) !== '' || /hidden|lone zero/.test(ran.stderr), true, ran.stderr)
    if (naive === 'escapes') assert.match(await changed(), /evil/)
  })
}

test('the control: what is sound is read by each', async (t) => {
  const tar = tarOf(
    { ...plain, type: 'directory', mode: 0o755, path: 'usr' },
    { ...plain, path: 'usr/caf\xe9' },
    { ...plain, path: 'usr/A', mode: 0o4755 },
    { ...plain, path: 'usr/a' },
    link('usr/way', '/etc/passwd'),
    other('usr/b', 'usr/a'),
    { ...plain, type: 'directory', mode: 0o755, path: 'usr' },
  )
  for (const [reader, read] of Object.entries(readers)) {
    const { folder, changed } = await withCanary(t)
    const path = join(folder, 'app.apk')
    await writeFile(path, apk(gzipSync(tar)))
    await read(path, folder)
    assert.equal(await changed(), '', reader)
    if (reader !== 'into a sysroot') continue
    const names = await readdir(join(folder, 'inside/0/usr'), { encoding: 'latin1' })
    assert.deepEqual(names.sort(), ['A', 'a', 'b', 'caf\xe9', 'way'])
    // What may only be in a package is never on the host.
    assert.equal(lstatSync(join(folder, 'inside/0/usr/A')).mode & 0o6000, 0)
  }
})

test('B12: two packages that one key signed, swapped', async (t) => {
  const folder = await scratch(t)
  const key = await generateRsaKey('demo')
  const root = join(folder, 'repo')
  const made = [await apkOf(folder, { name: 'one' }), await apkOf(folder, { name: 'two' })]
  await publishRepository(publishInput(root, key, made))
  const [first, second] = ['one', 'two'].map((name) => join(root, `x86_64/${name}-1.0-r0.apk`))
  const wanted = identityOf((await readApkHead(first ?? '')).control)
  await verifyApk(first ?? '', wanted)
  const [error] = await errorsOf(verifyApk(second ?? '', wanted))
  assert.equal(error?.code, 'DIGEST_MISMATCH')
  assert.match(error?.message ?? '', /another package than the index names/)
  // One that looks at a package's own signature, and no further, is content.
  const { signatures, control } = await readApkHead(second ?? '')
  assert.deepEqual(signerOf(signatures, control, await trustedOf(key)), { key: 'demo.rsa.pub' })
  const [signer] = await rsaSigners(key)
  assert.equal(createPublicKey(signer?.key ?? '').asymmetricKeyType, 'rsa')
})
