import assert from 'node:assert/strict'
import test from 'node:test'
import { userErrors } from '../../../src/engine/errors.ts'
import { distrust, seal } from '../../../src/engine/store/manifest.ts'
import {
  distinctKeys,
  type NamedKey,
  parseKeyFile,
  parseNamedKey,
  type Standing,
  standingOf,
  trustIn,
} from '../../../src/engine/store/named-keys.ts'
import { generateCacheKey, parseCacheSigner } from '../../../src/engine/store/signing.ts'
import { manifestOf } from './fixture.ts'

const pair = generateCacheKey()
const other = generateCacheKey()
const { publicKey } = pair
const at = { file: 'keys/cache.pub', line: 3, column: 1 }

test('a key is one line, and what is said of it', () => {
  const key = { publicKey, id: parseCacheSigner(pair.privateKey).keyId, at }
  const rows: readonly (readonly [string, NamedKey])[] = [
    [publicKey, key],
    [`  ${publicKey}\t`, key],
    [`${publicKey} until=2026-02-28`, { ...key, until: '2026-02-28' }],
    [`${publicKey}   revoked`, { ...key, revoked: true }],
  ]
  for (const [line, want] of rows) assert.deepEqual(parseNamedKey(line, at), want, line)
})

const wrong: readonly (readonly [string, RegExp])[] = [
  [`${publicKey} until=2026-02-30`, /"until=2026-02-30" says nothing about a key/],
  [`${publicKey} until=tomorrow`, /says nothing/],
  [`${publicKey} until=`, /says nothing/],
  [`${publicKey} Revoked`, /says nothing/],
  [`${publicKey} until=2026-01-01 revoked`, /says nothing/],
  [`${publicKey} # ours`, /says nothing/],
  [publicKey.slice(0, -2), /is not "ed25519:" and 32 bytes/],
  [`ed25519:${Buffer.alloc(32).toString('base64')}`, /no safe Ed25519 key/],
  ['ssh-ed25519 AAAA', /is not "ed25519:"/],
]
for (const [line, want] of wrong) {
  test(`${line.replace(publicKey, 'KEY')} is refused`, () => {
    assert.throws(() => parseNamedKey(line, at), { code: 'KEY_INVALID', message: want, at })
  })
}

test('C9: a private key in the list is told, and not repeated', () => {
  try {
    parseNamedKey(pair.privateKey, at)
    assert.fail('taken')
  } catch (failure) {
    const [error] = userErrors(failure) ?? []
    assert.match(error?.message ?? '', /private key, which a project must not have/)
    assert.ok(!JSON.stringify([error?.message, error?.hint]).includes(pair.privateKey.slice(20)))
  }
})

test('a file has a key on each line, and comments; every line that is wrong is told', () => {
  const text = `# of the team\r\n\n${publicKey} until=2026-01-31\r\n  # of the laptops\n${other.publicKey}\n`
  assert.deepEqual(
    parseKeyFile(text, 'k').map(({ publicKey: key, until, at: { file, line } }) => [key, until, file, line]),
    [
      [publicKey, '2026-01-31', 'k', 3],
      [other.publicKey, undefined, 'k', 5],
    ],
  )
  const told = (content: string): readonly string[] => {
    try {
      parseKeyFile(content, 'k')
      return []
    } catch (failure) {
      return (userErrors(failure) ?? []).map(({ at: where, message }) => `${where?.file}:${where?.line} ${message}`)
    }
  }
  assert.deepEqual(told(`x\n${publicKey}\ny\n`), [
    'k:1 "x" is not "ed25519:" and 32 bytes of base64',
    'k:3 "y" is not "ed25519:" and 32 bytes of base64',
  ])
  assert.deepEqual(told('# nobody\n'), ['k:1 k is no list of keys: it names no key'])
  assert.deepEqual(told(`${publicKey}\n`.repeat(1001)), ['k:1 k is no list of keys: it names more than 1000 keys'])
})

test('a key that is named twice is one; that it is revoked in one place only is an error', () => {
  const key = parseNamedKey(publicKey, at)
  assert.deepEqual(distinctKeys([key, { ...key, at: { ...at, line: 9 } }]), [key])
  for (const twice of [[key, { ...key, revoked: true as const }] as const, [{ ...key, until: '2026-01-01' }, key]])
    assert.throws(() => distinctKeys(twice), { code: 'DUPLICATE', message: /named twice, and differently/ })
})

test('C7: a key is believed to the end of its last day, wherever that is', () => {
  const day = Date.UTC(2026, 0, 31)
  const rows: readonly (readonly [Partial<NamedKey>, number, Standing])[] = [
    [{}, day, 'believed'],
    [{ until: '2026-01-31' }, day - 1, 'believed'],
    [{ until: '2026-01-31' }, day + 86_400_000 - 1, 'believed'],
    [{ until: '2026-01-31' }, day + 86_400_000, 'retired'],
    [{ revoked: true }, 0, 'revoked'],
  ]
  for (const [more, now, want] of rows) assert.equal(standingOf({ publicKey, id: 'x', at, ...more }, now), want)
})

test('C7: old key, new key, both: who is believed when, in every mix of signers', () => {
  const [old, fresh] = [parseCacheSigner(pair.privateKey), parseCacheSigner(other.privateKey)]
  const file = `${fresh.publicKey}\n${old.publicKey} until=2026-01-31\n`
  const revoked = `${fresh.publicKey}\n${old.publicKey} revoked\n`
  const [during, after] = [Date.UTC(2026, 0, 30), Date.UTC(2026, 1, 1)]
  const retired = `key ${old.keyId} signed it, which was retired on 2026-01-31`
  // However early the signer says that it was: that is the word of whoever has the key.
  const manifest = manifestOf({ 'app.deb': 'x' }, { facts: { builtAt: 0, ms: 0, builder: 'x' } })
  const rows: readonly (readonly [string, number, typeof old, string | undefined])[] = [
    [old.publicKey, during, old, undefined],
    [old.publicKey, during, fresh, `key ${fresh.keyId} signed it, which the project does not name`],
    [file, during, old, undefined],
    [file, during, fresh, undefined],
    [file, after, old, retired],
    [file, after, fresh, undefined],
    [revoked, during, old, `key ${old.keyId} signed it, which is revoked`],
    [revoked, during, fresh, undefined],
  ]
  for (const [text, now, signer, want] of rows) {
    const trust = trustIn(parseKeyFile(text, 'k'), now)
    assert.equal(distrust(seal(manifest, 'trusted', signer), trust), want)
    // The control: a list of keys that says nothing of them takes what they sign for ever.
    const naive = trustIn(parseKeyFile(text.replace(/ .*/g, ''), 'k'), now)
    if (/retired|revoked/.test(want ?? '')) assert.equal(distrust(seal(manifest, 'trusted', signer), naive), undefined)
  }
})

test('G5: a run of a fork takes what its like marked as untrusted, and nothing unsigned that says more of itself', () => {
  const signer = parseCacheSigner(pair.privateKey)
  const trust = { ...trustIn([parseNamedKey(publicKey, at)], 0), unsigned: true }
  const manifest = manifestOf({})
  const stranger = parseCacheSigner(other.privateKey)
  assert.equal(distrust(seal(manifest, 'trusted', signer), trust), undefined)
  assert.equal(distrust(seal(manifest, 'untrusted', undefined), trust), undefined)
  assert.equal(distrust(seal(manifest, 'trusted', undefined), trust), 'nobody signed it')
  assert.match(distrust(seal(manifest, 'trusted', stranger), trust) ?? '', /does not name/)
  // Where a project names no keys, GitHub's scopes decide.
  assert.equal(distrust(seal(manifest, 'trusted', undefined), { keys: [], unsigned: true }), undefined)
})
