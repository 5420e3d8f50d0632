/** B13, C4, C5, D6, D7: controls of packages, and indexes, that are made to harm. Nothing of them is unpacked. */
import assert from 'node:assert/strict'
import { createHash, createPublicKey, type KeyObject, sign } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { before, describe, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import type { RepositoryEntry, SigningKey } from '#engine/formats.ts'
import { readApkHead, verifyApk } from '../../../src/feeds/alpine/apk-read.ts'
import { describeApk } from '../../../src/feeds/alpine/describe.ts'
import { indexArchive, readIndexArchive } from '../../../src/feeds/alpine/index-archive.ts'
import { closureRepository, publishRepository } from '../../../src/feeds/alpine/repository.ts'
import { smallFiles, tarEnd } from '../../../src/feeds/alpine/tar.ts'
import { generateRsaKey, type RsaKey, rsaSigners } from '../../../src/feeds/keys/rsa.ts'
import { errorsOf, scratch } from '../../support/making.ts'
import { publishInput } from './making.ts'

type Member = readonly [name: string, content: string]

const info = (data: Buffer, more = ''): string =>
  `pkgname = app\npkgver = 1.0-r0\narch = x86_64\n${more}datahash = ${createHash('sha256').update(data).digest('hex')}\n`
const segment = (files: readonly Member[], end = false): Buffer =>
  gzipSync(
    Buffer.concat([
      ...smallFiles(
        files.map(([name, text]) => [name, Buffer.from(text)]),
        0,
      ),
      ...(end ? [tarEnd] : []),
    ]),
  )
const someData = segment([['file', 'content']], true)

/** A package whose control holds these files, and whose data are these bytes. */
const apk = (control: readonly Member[], data = someData): Buffer => Buffer.concat([segment(control), data])
const sound = (data = someData): Buffer => apk([['.PKGINFO', info(data)]], data)

const signingKey = generateRsaKey('demo')

/** A file as a closure has it, whatever is in it. */
const entryOf = (path: string): RepositoryEntry => ({
  record: {
    ...{ name: 'app', version: '1.0-r0', arch: 'x86_64', depends: [], provides: [], conflicts: [] },
    ...{ essential: false, priority: '' },
    origin: { kind: 'feed', feed: 'alpine.main', path: 'app-1.0-r0.apk', size: 1 },
  },
  path,
  sha256: createHash('sha256').update(readFileSync(path)).digest('hex'),
  size: 1,
})

describe('a package', () => {
  const rows: readonly (readonly [what: string, bytes: Buffer, code: string, said: RegExp])[] = [
    ['no gzip', Buffer.from('hello, this is no package at all'), 'ARCHIVE_UNSAFE', /no gzip/],
    ['cut off in its control', sound().subarray(0, 90), 'ARCHIVE_UNSAFE', /damaged or cut off/],
    ['without data', segment([['.PKGINFO', info(someData)]]), 'ARCHIVE_UNSAFE', /data are missing/],
    ['without .PKGINFO', apk([['.post-install', 'x']]), 'ARCHIVE_UNSAFE', /no \.PKGINFO/],
    [
      '.PKGINFO twice',
      apk([
        ['.PKGINFO', info(someData)],
        ['.PKGINFO', info(someData)],
      ]),
      'ARCHIVE_UNSAFE',
      /twice/,
    ],
    ['a name twice', apk([['.PKGINFO', info(someData, 'pkgname = b\n')]]), 'ARCHIVE_UNSAFE', /pkgname twice/],
    [
      'a name with a path',
      apk([['.PKGINFO', info(someData).replace('= app', '= ../x')]]),
      'ARCHIVE_UNSAFE',
      /pkgname can't be/,
    ],
    [
      'a version with blanks',
      apk([['.PKGINFO', info(someData).replace('1.0-r0', '1.0 $(id)')]]),
      'ARCHIVE_UNSAFE',
      /pkgver/,
    ],
    [
      'ESC in a field',
      apk([['.PKGINFO', info(someData, 'pkgdesc = \u001b[2J\n')]]),
      'ARCHIVE_UNSAFE',
      /control characters/,
    ],
    ['CR in a field', apk([['.PKGINFO', info(someData, 'pkgdesc = a\rb\n')]]), 'ARCHIVE_UNSAFE', /control characters/],
    [
      'files among its control',
      apk([
        ['.PKGINFO', info(someData)],
        ['etc', 'x'],
      ]),
      'ARCHIVE_UNSAFE',
      /no control file/,
    ],
    [
      'a signature in its control',
      apk([
        ['.PKGINFO', info(someData)],
        ['.SIGN.RSA.x.pub', 'x'],
      ]),
      'ARCHIVE_UNSAFE',
      /no control file/,
    ],
    ['other data than it says', apk([['.PKGINFO', info(Buffer.from('other'))]]), 'DIGEST_MISMATCH', /other data/],
    ['something behind its data', Buffer.concat([sound(), Buffer.from('more')]), 'DIGEST_MISMATCH', /other data/],
    ['a fourth member', Buffer.concat([sound(), someData]), 'DIGEST_MISMATCH', /other data/],
    [
      '11 MB of control',
      apk([['.PKGINFO', info(someData, `# ${'x'.repeat(11 << 20)}\n`)]]),
      'ARCHIVE_UNSAFE',
      /more than/,
    ],
  ]
  for (const [what, bytes, code, said] of rows) {
    test(what, async (t) => {
      const path = join(await scratch(t), 'app.apk')
      await writeFile(path, bytes)
      const [error] = await errorsOf(verifyApk(path, undefined))
      assert.equal(error?.code, code)
      assert.match(error?.message ?? '', said)
      // Neither is it passed on, nor put before an installer that would look at its data itself.
      const root = join(path, '../repo')
      const key = await signingKey
      const [published] = await errorsOf(publishRepository(publishInput(root, key, [entryOf(path)])))
      assert.equal(published?.code, code)
      assert.deepEqual(
        (await readdir(root, { recursive: true })).filter((name) => /\.(apk|gz)$/.test(name)),
        [],
      )
      if (code !== 'ARCHIVE_UNSAFE') return
      const closure = closureRepository(publishInput(join(path, '../closure'), key, [entryOf(path)]))
      assert.equal((await errorsOf(closure))[0]?.code, code)
      assert.equal((await errorsOf(describeApk(path, undefined)))[0]?.code, 'PACKAGE_INVALID')
    })
  }

  test('the control: one that is sound, and not the one that is meant', async (t) => {
    const path = join(await scratch(t), 'app.apk')
    await writeFile(path, sound())
    assert.equal((await readApkHead(path)).info.name, 'app')
    await verifyApk(path, undefined)
    const [error] = await errorsOf(verifyApk(path, 'Q1AAAAAAAAAAAAAAAAAAAAAAAAAAA='))
    assert.equal(error?.code, 'DIGEST_MISMATCH')
  })

  test('D6: millions of lines in its control take no longer than their bytes', { timeout: 60_000 }, async (t) => {
    const path = join(await scratch(t), 'app.apk')
    await writeFile(path, apk([['.PKGINFO', info(someData, 'depend = \n'.repeat(900_000))]]))
    assert.equal((await readApkHead(path)).info.depends.length, 0)
    // Who copies what there is for each line makes 4 * 10^11 copies.
  })

  test('renamed by an extension header', async (t) => {
    const path = join(await scratch(t), 'app.apk')
    const files = smallFiles([['.PKGINFO', Buffer.from(info(someData))]], 0)
    const head = Buffer.from(smallFiles([['x', Buffer.from('19 path=../../evil\n')]], 0)[0] ?? '')
    head.write('x', 156)
    head.write('        ', 148)
    head.write(
      `${head
        .reduce((sum, byte) => sum + byte, 0)
        .toString(8)
        .padStart(6, '0')}\0 `,
      148,
    )
    const body = Buffer.alloc(512)
    body.write('19 path=../../evil\n')
    await writeFile(path, Buffer.concat([gzipSync(Buffer.concat([head, body, ...files])), someData]))
    const [error] = await errorsOf(readApkHead(path))
    assert.match(error?.message ?? '', /renames what follows/)
  })
})

describe('C4, C5: an index', () => {
  let key: SigningKey
  let own: RsaKey
  let trusted: ReadonlyMap<string, KeyObject>
  let theirs: RsaKey
  before(async () => {
    key = await generateRsaKey('demo')
    const [first] = await rsaSigners(key)
    const [other] = await rsaSigners(await generateRsaKey('other'))
    if (first === undefined || other === undefined) throw new TypeError('no key')
    own = first
    theirs = other
    trusted = new Map([[own.name, createPublicKey(own.key)]])
  })

  const text = 'C:Q1x\nP:app\nV:1-r0\n\n'
  const signed = (): Buffer => gzipSync(Buffer.concat([...smallFiles([['APKINDEX', Buffer.from(text)]], 0), tarEnd]))
  const by = (files: readonly (readonly [string, Buffer])[]): Buffer =>
    Buffer.concat([gzipSync(Buffer.concat(smallFiles(files, 0))), signed()])
  const right = (hash: string, key: RsaKey): Buffer => sign(hash, signed(), key.key)

  test('that is sound is read, whatever strangers add', async () => {
    const read = readIndexArchive(await indexArchive(text, 'd', 5, [own]), 'x', trusted)
    assert.deepEqual([read.text, read.date, read.key], [text, 5, own.name])
    const both = by([
      ['.SIGN.RSA256.other.rsa.pub', right('sha256', theirs)],
      ['.SIGN.NEW.x.pub', Buffer.from('?')],
      [`.SIGN.RSA.${own.name}`, right('sha1', own)],
    ])
    assert.equal(readIndexArchive(both, 'x', trusted).key, own.name)
  })

  const rows: readonly (readonly [what: string, make: () => Buffer, code: string])[] = [
    ['not signed', signed, 'FEED_UNTRUSTED'],
    ['signed by a stranger', () => by([['.SIGN.RSA256.other.rsa.pub', right('sha256', theirs)]]), 'FEED_UNTRUSTED'],
    [
      'signed by a stranger in our name',
      () => by([[`.SIGN.RSA256.${own.name}`, right('sha256', theirs)]]),
      'FEED_UNTRUSTED',
    ],
    [
      'signed with another digest than it says',
      () => by([[`.SIGN.RSA256.${own.name}`, right('sha1', own)]]),
      'FEED_UNTRUSTED',
    ],
    [
      'signed over other bytes',
      () => by([[`.SIGN.RSA256.${own.name}`, sign('sha256', Buffer.from('other'), own.key)]]),
      'FEED_UNTRUSTED',
    ],
    [
      'signed rightly and wrongly by one key',
      () =>
        by([
          [`.SIGN.RSA256.${own.name}`, right('sha256', own)],
          [`.SIGN.RSA.${own.name}`, Buffer.from('wrong')],
        ]),
      'FEED_UNTRUSTED',
    ],
    ['signed in a way that nobody knows', () => by([[`.SIGN.NONE.${own.name}`, Buffer.from('')]]), 'FEED_UNTRUSTED'],
    ['with a key name that is a path', () => by([['.SIGN.RSA256.../x.pub', right('sha256', own)]]), 'FEED_INVALID'],
    [
      'with something behind it',
      () => Buffer.concat([by([[`.SIGN.RSA256.${own.name}`, right('sha256', own)]]), Buffer.from('x')]),
      'FEED_UNTRUSTED',
    ],
    [
      'with something behind it that is signed',
      () => {
        const all = Buffer.concat([signed(), signed()])
        const member = gzipSync(
          Buffer.concat(smallFiles([[`.SIGN.RSA256.${own.name}`, sign('sha256', all, own.key)]], 0)),
        )
        return Buffer.concat([member, all])
      },
      'FEED_INVALID',
    ],
    ['cut off', () => by([[`.SIGN.RSA256.${own.name}`, right('sha256', own)]]).subarray(0, -20), 'FEED_UNTRUSTED'],
  ]
  for (const [what, make, code] of rows) {
    test(what, async () => {
      const [error] = await errorsOf((async () => readIndexArchive(make(), 'the index', trusted))())
      assert.equal(error?.code, code)
    })
  }
})
