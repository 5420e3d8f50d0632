/** C6, C7: RSA keys of apk. The judge of formats is openssl. */
import assert from 'node:assert/strict'
import { createPrivateKey, generateKeyPairSync } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { before, describe, test } from 'node:test'
import {
  generateRsaKey,
  readRsaKey,
  rsaChangedAt,
  rsaKeysOf,
  rsaPublicKeysOf,
  rsaSigners,
} from '../../../src/feeds/keys/rsa.ts'
import { revokedRsaKey, rotatedRsaKey, rsaKeyFacts } from '../../../src/feeds/keys/rsa-rotation.ts'
import { errorsOf, run, scratch } from '../../support/making.ts'

const passphrase = 'correct horse'
const pkcs8 = { type: 'pkcs8', format: 'pem' } as const
let plain = ''
let fingerprint = ''
before(async () => {
  const key = await generateRsaKey('demo')
  plain = key.privateKey.replace(/^# .*\n/, '')
  fingerprint = key.fingerprint
})

describe('what openssl writes is read', () => {
  /** Options of `openssl rsa` and `openssl pkcs8`, and whether Node reads what they make. */
  const forms: readonly (readonly [form: string, args: readonly string[], isKnownToNode: boolean])[] = [
    ['PKCS#1', ['rsa', '-traditional'], true],
    ['PKCS#1, AES', ['rsa', '-traditional', '-aes128', '-passout', `pass:${passphrase}`], true],
    ['PKCS#1, 3DES', ['rsa', '-traditional', '-des3', '-passout', `pass:${passphrase}`], true],
    ['PKCS#1, DES', ['rsa', '-traditional', '-des', '-passout', `pass:${passphrase}`], false],
    ['PKCS#8', ['pkcs8', '-topk8', '-nocrypt'], true],
    ['PKCS#8, AES', ['pkcs8', '-topk8', '-v2', 'aes256', '-passout', `pass:${passphrase}`], true],
    ['PKCS#8, DES of PKCS#5', ['pkcs8', '-topk8', '-v2', 'des', '-passout', `pass:${passphrase}`], false],
    ['PKCS#8, RC2 of PKCS#12', ['pkcs8', '-topk8', '-v1', 'PBE-SHA1-RC2-40', '-passout', `pass:${passphrase}`], false],
  ]
  for (const [form, args, isKnownToNode] of forms) {
    test(form, async (t) => {
      const folder = await scratch(t)
      const [from, to] = [join(folder, 'in.pem'), join(folder, 'out.pem')]
      await writeFile(from, plain)
      const ran = await run('openssl', [
        ...args,
        '-provider',
        'legacy',
        '-provider',
        'default',
        '-in',
        from,
        '-out',
        to,
      ])
      assert.equal(ran.code, 0, ran.stderr)
      const pem = await readFile(to, 'utf8')
      const read = await readRsaKey(pem, 'x', 'demo', passphrase)
      assert.equal(read.fingerprint, fingerprint)
      const alone = (): unknown => createPrivateKey({ key: pem, passphrase })
      // The control: where Node is enough, node-forge is not asked.
      if (isKnownToNode) alone()
      else assert.throws(alone)
      if (!pem.includes('ENCRYPTED')) return
      for (const wrong of ['wrong', undefined]) {
        const [error] = await errorsOf(readRsaKey(pem, 'YOE_APK_SIGNING_KEY', 'demo', wrong))
        assert.equal(error?.code, 'KEY_INVALID')
        assert.match(error?.hint ?? '', /YOE_APK_SIGNING_PASSPHRASE/)
        assert.doesNotMatch(`${error?.message}${error?.hint}`, /BEGIN|correct horse/)
      }
    })
  }
})

describe('C6: what must not sign is refused when it is loaded', () => {
  const weak = generateKeyPairSync('rsa', { modulusLength: 1024 })
  const small = generateKeyPairSync('rsa', { modulusLength: 2048, publicExponent: 3 })
  const ed25519 = generateKeyPairSync('ed25519')
  const pss = generateKeyPairSync('rsa-pss', { modulusLength: 2048 })
  const rows: readonly (readonly [what: string, text: string, said: RegExp])[] = [
    ['1024 bits', String(weak.privateKey.export(pkcs8)), /has 1024 bits/],
    ['e = 3', String(small.privateKey.export(pkcs8)), /has the public exponent 3/],
    ['Ed25519', String(ed25519.privateKey.export(pkcs8)), /is a key of type ed25519/],
    ['RSA-PSS', String(pss.privateKey.export(pkcs8)), /is a key of type rsa-pss/],
    ['a public key', String(weak.publicKey.export({ type: 'spki', format: 'pem' })), /is no RSA private key/],
    ['no key', 'hello', /is no RSA private key/],
    ['half of one', '-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----\n', /is no RSA private key/],
    [
      'a name with a path',
      `# key ../x.pub made 2030-01-01T00:00:00Z\n${String(weak.privateKey.export(pkcs8))}`,
      /names a key/,
    ],
  ]
  for (const [what, text, said] of rows) {
    test(what, async () => {
      const [error] = await errorsOf(readRsaKey(text, 'x', 'demo'))
      assert.equal(error?.code, 'KEY_INVALID')
      assert.match(error?.message ?? '', said)
    })
  }
})

test('C7: both sign until the last day of the old one, then it is left out', async () => {
  const soon = await rotatedRsaKey(plain, 'x', 'demo', '2099-12-31')
  const both = await readRsaKey(soon.text, 'x', 'demo')
  assert.deepEqual(
    (await rsaSigners(both)).map(({ name }) => name),
    [`demo-${soon.fresh.slice(0, 8)}.rsa.pub`, 'demo.rsa.pub'],
  )
  assert.deepEqual(
    (await rsaKeyFacts(soon.text, 'x', 'demo')).map(({ standing, ends }) => [standing, ends]),
    [
      ['signs', undefined],
      ['signs', Date.UTC(2100, 0, 1)],
    ],
  )
  const over = soon.text.replace('until 2099-12-31', 'until 2020-01-31')
  assert.equal((await rsaSigners(await readRsaKey(over, 'x', 'demo'))).length, 1)
  // What devices get says when a key was taken out, and only what a key's owner knows.
  const given = await rsaPublicKeysOf(both.publicKey, 'x', 'x.pub')
  assert.equal(given.keys.length, 2)
  const later = await rsaPublicKeysOf((await readRsaKey(over, 'x', 'demo')).publicKey, 'x', 'x.pub')
  assert.equal(later.keys.length, 1)
  assert.equal(later.revoked, Date.UTC(2020, 1, 1))
  assert.equal(rsaChangedAt({ ...later, revoked: Date.UTC(2099, 0, 1) }).getTime(), Date.UTC(2099, 0, 1))
  assert.equal(rsaChangedAt(given).getTime(), given.keys[0]?.made)
  await assert.rejects(rsaPublicKeysOf(both.privateKey, 'x', 'x.pub'), /x is a private key/)
  const again = await rotatedRsaKey(over, 'x', 'demo', '2099-12-31')
  assert.equal(again.old.length, 1)
  const gone = await revokedRsaKey(soon.text, 'x', 'demo', fingerprint.slice(-12))
  assert.deepEqual(
    (await rsaKeysOf(gone.text, 'x', 'demo.rsa.pub')).keys.map((key) => key.fingerprint),
    [soon.fresh],
  )
})

test('what a passphrase protects stays protected when the key is replaced', async () => {
  const key = createPrivateKey(plain)
  const text = String(key.export({ ...pkcs8, cipher: 'aes-256-cbc', passphrase }))
  const rotated = await rotatedRsaKey(text, 'x', 'demo', '2099-12-31', passphrase)
  assert.equal(rotated.text.match(/ENCRYPTED/g)?.length, 4)
  assert.equal((await rsaKeysOf(rotated.text, 'x', 'demo.rsa.pub', passphrase)).keys.length, 2)
})
