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
import { type NewEntry, tarEnd, tarHeader, tarPadding } from '#engine/image/tar-write.ts'
import { identityOf, readApkHead, verifyApk } from '../../../src/feeds/alpine/apk-read.ts'
import { compareApks, filesIn } from '../../../src/feeds/alpine/contents.ts'
import { describeApk } from '../../../src/feeds/alpine/describe.ts'
import { extractApks } from '../../../src/feeds/alpine/extract.ts'
import { refuseClashes } from '../../../src/feeds/alpine/file-clashes.ts'
import { publishRepository, trustedOf } from '../../../src/feeds/alpine/repository.ts'
import { signerOf } from '../../../src/feeds/alpine/signature.ts'
import { smallFiles } from '../../../src/feeds/alpine/tar.ts'
import { generateRsaKey, rsaSigners } from '../../../src/feeds/keys/rsa.ts'
import { errorsOf, run, scratch } from '../debian/making.ts'
import { apkOf, publishInput } from './making.ts'

const plain = { type: 'file', mode: 0o644, mtime: 1 } as const
type Entry = NewEntry & { readonly body?: string }

/** Entries without the blocks that end a tar. */
const entries = (...all: readonly Entry[]): Buffer =>
  Buffer.concat(
    all.flatMap(({ body = '', ...entry }) => [
      tarHeader({ ...entry, size: entry.size ?? body.length }),
      Buffer.from(body, 'latin1'),
      tarPadding(body.length),
    ]),
  )
const tarOf = (...all: readonly Entry[]): Buffer => Buffer.concat([entries(...all), tarEnd])

/** A header with fields overwritten, and its checksum put right. */
function forged(bytes: Buffer, fields: Readonly<Record<number, string>>): Buffer {
  const copy = Buffer.from(bytes)
  for (const [at, text] of Object.entries(fields)) copy.write(text, Number(at), 'latin1')
  copy.fill(' ', 148, 156)
  const sum = copy.subarray(0, 512).reduce((total, byte) => total + byte, 0)
  copy.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1')
  return copy
}

/** A header of a type that says more about the next entry. */
const extension = (type: string, body: string, size = body.length): Buffer =>
  Buffer.concat([
    forged(tarHeader({ ...plain, path: 'x', size }), { 156: type }),
    Buffer.from(body, 'latin1'),
    tarPadding(body.length),
  ])
function record(text: string): string {
  const length = text.length + 2 + String(text.length + 2 + String(text.length).length).length
  return `${length} ${text}\n`
}
const named = (name: string): Buffer => forged(tarOf({ ...plain, path: 'a', body: 'evil' }), { 0: `${name}\0` })
const one = tarOf({ ...plain, path: 'a', body: 'hello' })
const link = (path: string, target: string): Entry => ({ type: 'symlink', mode: 0o777, mtime: 1, path, link: target })
const other = (path: string, target: string): Entry => ({ type: 'hardlink', mode: 0o644, mtime: 1, path, link: target })

interface Row {
  readonly tar: Buffer
  /** The data member, when it is not that tar in one gzip. */
  readonly data?: Buffer
  /** It says where things shall lie: nothing to those that write nothing. */
  readonly onlyWritten?: true
  /** What GNU tar with -P does: writes below the folder beside its own, makes what it should not, or takes it in silence. */
  readonly naive?: 'escapes' | 'takes it' | 'fails'
}

const rows: Readonly<Record<string, Row>> = {
  'D1: above the root': { tar: named('../beside/evil'), naive: 'escapes' },
  'D1: above the root, from within': { tar: named('a/../../beside/evil'), naive: 'escapes' },
  'D1: from the host’s root': { tar: named('/etc/yoe-was-here') },
  'D1: from the host’s root, doubled': { tar: named('//etc/yoe-was-here') },
  'D1: doubled slashes': { tar: named('a//b') },
  'D1: a name of nothing': { tar: named('') },
  'D1: the root as a file': { tar: named('.') },
  'D1: a file with a slash at its end': { tar: named('a/'), naive: 'fails' },
  'D1: a zero byte in a long name': {
    tar: Buffer.concat([extension('x', record('path=a\0b')), one]),
  },
  'D2: a sibling whose name begins alike': { tar: named('../inside-evil/x'), naive: 'takes it' },
  'D3: a link, and a file through it': {
    tar: tarOf(link('way', '../beside'), { ...plain, path: 'way/evil', body: 'evil' }),
    onlyWritten: true,
    naive: 'escapes',
  },
  'D3: a link, and a folder in its place': {
    tar: tarOf(link('way', '../beside'), { ...plain, type: 'directory', path: 'way' }),
  },
  'D3: a link, and another name of a file through it': {
    tar: tarOf(link('way', '../beside'), other('mine', 'way/canary')),
    onlyWritten: true,
    naive: 'takes it',
  },
  'D4: another name of a file outside': { tar: tarOf(other('mine', '../beside/canary')), naive: 'takes it' },
  'D4: another name of a link': {
    tar: tarOf(link('way', '../beside/canary'), other('mine', 'way')),
    onlyWritten: true,
  },
  'D4: another name of what comes later': {
    tar: tarOf(other('mine', 'a'), { ...plain, path: 'a' }),
    onlyWritten: true,
    naive: 'fails',
  },
  'D5: a device': {
    tar: forged(tarOf({ ...plain, path: 'a' }), { 156: '3', 329: '0000001\0', 337: '0000003\0' }),
    onlyWritten: true,
  },
  'D5: a pipe': { tar: forged(tarOf({ ...plain, path: 'a' }), { 156: '6' }), onlyWritten: true, naive: 'takes it' },
  'D6: a terabyte that is not there': {
    tar: forged(tarOf({ ...plain, path: 'a' }), { 124: '\x80\0\0\0\0\0\x01\0\0\0\0\0' }),
    naive: 'fails',
  },
  'D6: a sparse file': {
    tar: Buffer.concat([
      extension('x', `${record('GNU.sparse.size=1099511627776')}${record('GNU.sparse.numblocks=0')}`),
      one,
    ]),
  },
  'D6: folders 65 deep': { tar: named('d/'.repeat(65).slice(0, -1)) },
  'D6: a part of a name of 256 bytes': {
    tar: Buffer.concat([extension('x', record(`path=${'n'.repeat(256)}`)), one]),
    naive: 'fails',
  },
  'D7: two sizes': { tar: Buffer.concat([extension('x', record('size=3')), one]) },
  'D7: a size below zero': { tar: Buffer.concat([extension('x', record('size=-5')), one]) },
  'D7: a size that is no number': { tar: Buffer.concat([extension('x', record('size=NaN')), one]) },
  'D7: content in a folder': { tar: forged(tarOf({ ...plain, path: 'a', body: 'hello' }), { 156: '5' }) },
  'D7: content in a link': { tar: forged(tarOf({ ...plain, path: 'a', body: 'hello' }), { 156: '2', 157: 'b' }) },
  'D7: a header of more than 1 MiB': {
    tar: Buffer.concat([extension('x', record(`comment=${'x'.repeat(1 << 20)}`)), one]),
  },
  'D7: one name for everything': { tar: Buffer.concat([extension('g', record('path=../beside/evil')), one]) },
  'D7: two kinds of long name': {
    tar: Buffer.concat([extension('L', 'b\0'), extension('x', record('path=c')), one]),
    naive: 'takes it',
  },
  'D7: a record whose length is wrong': { tar: Buffer.concat([extension('x', '99 path=b\n'), one]) },
  'D8: an entry behind the end': { tar: Buffer.concat([one, tarOf({ ...plain, path: 'hidden' })]), naive: 'takes it' },
  'D8: no end': { tar: entries({ ...plain, path: 'a', body: 'hello' }), naive: 'takes it' },
  'D8: half an end': { tar: Buffer.concat([entries({ ...plain, path: 'a' }), Buffer.alloc(512)]), naive: 'takes it' },
  'D8: garbage behind the end': { tar: Buffer.concat([one, Buffer.from('more')]), naive: 'takes it' },
  'D8: a checksum that is wrong': {
    tar: Buffer.concat([one.subarray(0, 148), Buffer.from('0000000\0'), one.subarray(156)]),
  },
  'C5: a fourth member that the digest counts in': {
    tar: one,
    data: Buffer.concat([gzipSync(one), gzipSync(tarOf({ ...plain, path: 'hidden' }))]),
    naive: 'takes it',
  },
  'C5: bytes behind the last member that the digest counts in': {
    tar: one,
    data: Buffer.concat([gzipSync(one), Buffer.from('more')]),
    naive: 'fails',
  },
  'D9: a name twice': {
    tar: tarOf({ ...plain, path: 'a', body: 'good' }, { ...plain, path: 'a', body: 'evil' }),
    naive: 'takes it',
  },
  'D9: a file and a folder of one name': {
    tar: tarOf({ ...plain, path: 'a' }, { ...plain, type: 'directory', path: 'a' }),
  },
}

const info = (data: Buffer, name = 'app'): string =>
  `pkgname = ${name}\npkgver = 1.0-r0\narch = x86_64\ndatahash = ${createHash('sha256').update(data).digest('hex')}\n`
/** A package with a control that fits. */
const apk = (data: Buffer, name?: string): Buffer =>
  Buffer.concat([gzipSync(Buffer.concat(smallFiles([['.PKGINFO', Buffer.from(info(data, name))]], 0))), data])

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

for (const [what, { tar, data = gzipSync(tar), onlyWritten, naive }] of Object.entries(rows)) {
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
