import assert from 'node:assert/strict'
import { symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { generateOpenPgpKey } from '#feeds/keys/openpgp.ts'
import { generateRsaKey } from '#feeds/keys/rsa.ts'
import { evaluate, shown } from './evaluating.ts'

const rsa = await generateRsaKey('demo')
const openpgp = await generateOpenPgpKey('demo')
const { readPrivateKey } = await import('openpgp')
const binary = (await readPrivateKey({ armoredKey: openpgp.privateKey })).write()

const project = (call: string): string => `project(\n  name = "demo",\n  feed = feed(${call}),\n)\n`
const address = 'url = "https://feed.example.com"'

test('feed() of a project: its address, and the content of its public keys', async () => {
  const { evaluated, errors } = await evaluate({
    'PROJECT.star': project(
      'url = "http://feed.example.com:8080/gw//", keys = ["keys/a.asc", "//keys/a.rsa.pub", "later"]',
    ),
    'keys/a.asc': openpgp.publicKey,
    'keys/a.rsa.pub': rsa.publicKey,
  })
  assert.deepEqual(errors.map(shown), [])
  const content = (text: string): string => Buffer.from(text).toString('base64')
  assert.deepEqual(evaluated?.project.feed, {
    url: 'http://feed.example.com:8080/gw',
    keys: [
      { file: 'keys/a.asc', content: content(openpgp.publicKey) },
      { file: 'keys/a.rsa.pub', content: content(rsa.publicKey) },
      { file: 'later', content: '' },
    ],
    at: { file: 'PROJECT.star', line: 3, column: 14 },
  })
  const facts = Object.keys(evaluated?.facts ?? {}).join('\n')
  for (const file of ['keys/a.asc', 'later']) assert.match(facts, new RegExp(`/${file}$`, 'm'), 'looked at again')
  const without = await evaluate({})
  assert.equal(without.evaluated?.project.feed, undefined)
})

const refused: Readonly<Record<string, readonly [call: string, says: RegExp]>> = {
  'no address': ['keys = ["k"]', /BAD_FIELD feed\(\): url is missing|feed\(\) needs url/],
  'no keys': [address, /keys/],
  'an empty list': [`${address}, keys = []`, /BAD_FIELD feed\(\): keys must name 1 to 16 files/],
  'another protocol': ['url = "ftp://x", keys = ["k"]', /BAD_FIELD feed\(\): url must be an http or https address/],
  'a password': ['url = "https://me:secret@x", keys = ["k"]', /BAD_FIELD feed\(\): url must be an http/],
  'a second line': ['url = "https://x/\\nhttps://y", keys = ["k"]', /BAD_FIELD feed\(\): url must be an http/],
  'a query': ['url = "https://x/?a=b", keys = ["k"]', /BAD_FIELD feed\(\): url must be an http/],
  'one key twice': [`${address}, keys = ["k", "k"]`, /BAD_FIELD feed\(\): keys names "k" twice/],
  'a file elsewhere': [`${address}, keys = ["../k"]`, /BAD_FIELD .* leads out of the project/],
  'a link elsewhere': [`${address}, keys = ["link"]`, /BAD_FIELD .* leads out of the project/],
  'a folder': [`${address}, keys = ["keys"]`, /BAD_FIELD feed\(\): keys is a folder/],
  'a private key of apk': [
    `${address}, keys = ["keys/rsa"]`,
    /KEY_INVALID feed\(\): keys\/rsa is a private key \| remove it/,
  ],
  'a private key of apt': [`${address}, keys = ["keys/asc"]`, /KEY_INVALID feed\(\): keys\/asc is a private key/],
  'the same, binary': [`${address}, keys = ["keys/gpg"]`, /KEY_INVALID feed\(\): keys\/gpg is a private key/],
  'too large': [`${address}, keys = ["large"]`, /KEY_INVALID feed\(\): large is larger than 65536 bytes/],
}
for (const [what, [call, says]] of Object.entries(refused)) {
  test(`feed(): ${what} is refused, and no key is in the message`, async () => {
    const { errors } = await evaluate(
      {
        'PROJECT.star': project(call),
        'keys/rsa': rsa.privateKey,
        'keys/asc': openpgp.privateKey,
        large: 'x'.repeat(65_537),
      },
      {
        prepare: (root) => {
          writeFileSync(join(root, 'keys/gpg'), binary)
          symlinkSync('/etc/passwd', join(root, 'link'))
        },
      },
    )
    const [error = '', ...more] = errors.map(shown)
    assert.deepEqual(more, [])
    assert.match(error, says)
    assert.match(error, /^PROJECT\.star:3: /)
    assert.ok(!error.includes('secret') && !error.includes('BEGIN'), error)
  })
}
