import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import * as openpgp from 'openpgp'
import { YoeError } from '../../../src/engine/errors.ts'
import { verifyInRelease } from '../../../src/feeds/debian/inrelease.ts'
import { clearSign, makeKey, releaseText, type TestKey } from './archive.ts'
import { weakKey, weaklySigned } from './weak-signature.ts'

const now = Date.UTC(2026, 0, 15)
const day = 24 * 3600 * 1000
const ago = (days: number): Date => new Date(now - days * day)

const text = releaseText({ 'main/binary-amd64/Packages': Buffer.from('x') }, ago(1))
const folder = mkdtempSync(join(tmpdir(), 'yoe-inrelease-'))
after(() => rmSync(folder, { recursive: true, force: true }))

let key: TestKey
let other: TestKey
let good: string

before(async () => {
  key = await makeKey({ date: ago(100) })
  other = await makeKey({ date: ago(100) })
  good = await clearSign(text, [key], { date: ago(1) })
})

const verify = (content: string | Uint8Array, keyring: string | Uint8Array, at = now) =>
  verifyInRelease({
    bytes: Buffer.from(content),
    keyring: Buffer.from(keyring),
    keyringName: 'keys/archive.gpg',
    feed: 'debian.main',
    now: at,
  })

async function refusal(
  content: string | Uint8Array,
  keyring: string | Uint8Array = key.publicKey,
  at = now,
): Promise<YoeError> {
  try {
    await verify(content, keyring, at)
  } catch (failure) {
    assert.ok(failure instanceof YoeError, String(failure))
    return failure
  }
  return assert.fail('it was accepted')
}

/** Whether gpgv, apt's own verifier, takes it. */
async function gpgv(content: string, keyring: string): Promise<boolean> {
  const keys = await openpgp.readKeys({ armoredKeys: keyring })
  const [ring, file] = [join(folder, 'ring.gpg'), join(folder, 'InRelease')]
  writeFileSync(ring, Buffer.concat(keys.map((one) => one.write())))
  writeFileSync(file, content)
  return spawnSync('gpgv', ['--keyring', ring, file], { env: { ...process.env, GNUPGHOME: folder } }).status === 0
}

test('a genuine file is accepted, and only what was signed comes back', async () => {
  const verified = await verify(good, key.publicKey)
  assert.equal(verified.text, text)
  assert.equal(verified.keyId, key.id)
  assert.equal(await gpgv(good, key.publicKey), true)
})

test('binary and armored keyrings of several keys do alike', async () => {
  const keys = [
    ...(await openpgp.readKeys({ armoredKeys: other.publicKey })),
    ...(await openpgp.readKeys({ armoredKeys: key.publicKey })),
  ]
  const binary = Buffer.concat(keys.map((one) => one.write()))
  assert.equal((await verify(good, binary)).keyId, key.id)
})

test('one trusted signature among several is enough', async () => {
  const both = await clearSign(text, [other, key], { date: ago(1) })
  assert.equal((await verify(both, key.publicKey)).keyId, key.id)
  const three = await clearSign(text, [other, await makeKey({ date: ago(100) })], { date: ago(1) })
  assert.equal((await refusal(three)).code, 'FEED_UNTRUSTED')
})

/** Changes the lines of the genuine file. */
const lines = (change: (all: string[]) => string[]): string => change(good.split('\n')).join('\n')
const at = (all: readonly string[], start: string): number => all.findIndex((line) => line.startsWith(start))
const insert = (start: string, offset: number, ...added: string[]): string =>
  lines((all) => all.toSpliced(at(all, start) + offset, 0, ...added))

const variants: readonly (readonly [string, () => string | Uint8Array, RegExp])[] = [
  ['not signed at all', () => `${text}\n`, /does not begin with a clear-signed block/],
  ['empty', () => '', /is cut off|does not begin/],
  [
    'a letter changed',
    () => good.replace('Codename: testy', 'Codename: testz'),
    /signature by key [0-9A-F]{16} is bad/,
  ],
  ['a line added', () => insert('Suite:', 0, 'Extra: yes'), /is bad/],
  ['a line added right before the signature', () => insert('-----BEGIN PGP SIGNATURE', 0, 'Extra: yes'), /is bad/],
  [
    'a bit of the signature flipped',
    () =>
      lines((all) =>
        all.with(at(all, '-----BEGIN PGP SIGNATURE') + 2, swap(all[at(all, '-----BEGIN PGP SIGNATURE') + 2] ?? '')),
      ),
    /bad|can't be read|not in/,
  ],
  ['cut within the text', () => good.slice(0, 200), /cut off/],
  ['cut within the signature', () => good.slice(0, -60), /cut off/],
  ['cut before the last line', () => good.slice(0, -5), /cut off/],
  ['text before the block', () => `Suite: evil\n\n${good}`, /does not begin/],
  ['an empty line before the block', () => `\n${good}`, /does not begin/],
  ['text behind the block', () => `${good}Suite: evil\n`, /text behind/],
  ['an empty line behind the block', () => `${good}\n`, /text behind/],
  ['two blocks', () => good + good, /text behind/],
  ['header Hash: MD5', () => insert('Hash:', 1, 'Hash: MD5'), /weak hash MD5/],
  ['header Hash: SHA1', () => good.replace(/Hash: \w+/, 'Hash: SHA1'), /weak hash SHA1/],
  [
    'header NotDashEscaped',
    () => insert('Hash:', 1, 'NotDashEscaped: You need GnuPG to verify this message'),
    /other than Hash/,
  ],
  ['header Comment above the text', () => insert('Hash:', 1, 'Comment: x'), /other than Hash/],
  ['Hash that the signature does not use', () => good.replace(/Hash: \w+/, 'Hash: SHA384'), /can't be read/],
  ['no empty line below the headers', () => lines((all) => all.toSpliced(2, 1)), /other than Hash/],
  ['a dash-escaped line', () => insert('Suite:', 0, '- Suite: evil'), /begins with a dash/],
  ['a dash-escaped second block', () => insert('Suite:', 0, '- -----BEGIN PGP SIGNATURE-----'), /begins with a dash/],
  ['a hidden block in the text', () => insert('Suite:', 0, '-----BEGIN PGP SIGNED MESSAGE-----'), /begins with a dash/],
  ['form feed in a line', () => good.replace('Suite: stable', 'Suite: stable\f'), /control characters/],
  ['vertical tab in a line', () => good.replace('Suite: stable', 'Suite: stable\v'), /control characters/],
  ['NUL in a line', () => good.replace('Suite: stable', 'Suite: stable\u0000'), /control characters/],
  ['bare carriage returns', () => good.replaceAll('\nSuite', '\rSuite'), /control characters/],
  ['carriage returns at line ends', () => good.replaceAll('\n', '\r\n'), /control characters/],
  [
    'not UTF-8',
    () => Buffer.concat([Buffer.from(good.slice(0, 60)), Buffer.from([0xff]), Buffer.from(good.slice(60))]),
    /not UTF-8/,
  ],
  [
    'unknown header in the signature armor',
    () => insert('-----BEGIN PGP SIGNATURE', 1, 'Suite: evil'),
    /unknown header/,
  ],
  ['an armored message instead', () => good.replace('SIGNED MESSAGE', 'MESSAGE'), /does not begin/],
]

const swap = (line: string): string =>
  line[9] === 'A' ? `${line.slice(0, 9)}B${line.slice(10)}` : `${line.slice(0, 9)}A${line.slice(10)}`

for (const [title, make, reason] of variants) {
  test(`refused: ${title}`, async () => {
    const failure = await refusal(make())
    assert.equal(failure.code, 'FEED_UNTRUSTED')
    assert.match(failure.message, reason)
    assert.match(failure.message, /^feed debian\.main: /)
    assert.match(failure.hint ?? '', /keys\/archive\.gpg/)
  })
}

test('a naive verifier takes what surrounds the block, so the strictness is needed', async () => {
  const message = await openpgp.readCleartextMessage({ cleartextMessage: `Suite: evil\n\n${good}Suite: evil\n` })
  const { signatures } = await openpgp.verify({
    message,
    verificationKeys: await openpgp.readKeys({ armoredKeys: key.publicKey }),
    date: new Date(now),
  })
  assert.equal(await signatures[0]?.verified, true)
})

test('trailing blanks are not part of what is signed, and do not come back', async () => {
  const verified = await verify(good.replace('Suite: stable', 'Suite: stable  \t'), key.publicKey)
  assert.equal(verified.text, text)
})

test('a wrong key is named with its feed', async () => {
  const failure = await refusal(good, other.publicKey)
  assert.equal(failure.code, 'FEED_UNTRUSTED')
  assert.match(failure.message, new RegExp(`^feed debian\\.main: .*key ${key.id} is not in keys/archive\\.gpg`))
})

test('a key counts only while it is valid', async () => {
  const short = await makeKey({ date: ago(100), seconds: (50 * day) / 1000 })
  const expired = await clearSign(text, [short], { date: ago(80) })
  assert.equal((await verify(expired, short.publicKey, now - 70 * day)).keyId, short.id)
  const late = await refusal(expired, short.publicKey)
  assert.match(late.message, new RegExp(`key ${short.id} expired on 2025-11-26`))

  const future = await makeKey({ date: new Date(now + 5 * day) })
  const early = await refusal(await clearSign(text, [future], { date: new Date(now + 6 * day) }), future.publicKey)
  assert.match(early.message, new RegExp(`key ${future.id} is not valid before 2026-01-20`))

  const { publicKey: revoked } = await openpgp.revokeKey({
    key: key.privateKey.toPublic(),
    revocationCertificate: await certificate(key),
    format: 'armored',
  })
  assert.match((await refusal(good, revoked)).message, new RegExp(`key ${key.id} may not sign \\(.*revoked`, 'i'))
})

async function certificate(of: TestKey): Promise<string> {
  const { publicKey } = await openpgp.revokeKey({ key: of.privateKey, format: 'object', date: ago(0) })
  const revocation = await publicKey.getRevocationCertificate()
  assert.ok(typeof revocation === 'string')
  return revocation
}

test('weak signatures are refused', async () => {
  assert.match((await refusal(weaklySigned, weakKey)).message, /weak hash SHA1/)
  assert.match(
    (await refusal(weaklySigned.replace('Hash: SHA1\n', ''), weakKey)).message,
    /by key [0-9A-F]{16} is bad \(.*sha1/i,
  )
  const relabelled = weaklySigned.replace('Hash: SHA1', 'Hash: SHA256')
  assert.equal((await refusal(relabelled, weakKey)).code, 'FEED_UNTRUSTED')
  const strong = await makeKey({ rsa: 2048, date: ago(100) })
  assert.equal((await verify(await clearSign(text, [strong], { date: ago(1) }), strong.publicKey)).keyId, strong.id)
  const small = await makeKey({ rsa: 1024, date: ago(100) })
  const rsa = await clearSign(text, [small], { date: ago(1) })
  assert.equal((await refusal(rsa, small.publicKey)).code, 'FEED_UNTRUSTED')
})

test('a keyring that is none is the module’s fault', async () => {
  for (const keyring of ['', 'hello', '-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nxx\n', good]) {
    const failure = await refusal(good, keyring)
    assert.equal(failure.code, 'KEY_INVALID', keyring.slice(0, 20))
    assert.match(failure.message, /keys\/archive\.gpg/)
  }
})
