import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { userErrors, type YoeError } from '#engine/errors.ts'
import type { PackageFormat, SigningKey } from '#engine/formats.ts'
import { hashNodes } from '#engine/plan/hash.ts'
import type { PublicKeyFile } from '#engine/project/settings.ts'
import { alpineFormat } from '#feeds/alpine/format.ts'
import { debianFormat } from '#feeds/debian/format.ts'
import { generateOpenPgpKey } from '#feeds/keys/openpgp.ts'
import { generateRsaKey, readRsaKey } from '#feeds/keys/rsa.ts'
import { rotatedRsaKey } from '#feeds/keys/rsa-rotation.ts'
import { deviceSideDigest, deviceSideOf, keyringEntry, publishedKeys } from '#toolkit/device-feed.ts'
import { plan } from '../engine/plan/fake-world.ts'

const at = { file: 'PROJECT.star', line: 3, column: 1 }
const rsa = await generateRsaKey('demo')
const openpgp = await generateOpenPgpKey('demo')
const keyFile = (file: string, text: string | Buffer): PublicKeyFile => ({
  file,
  content: Buffer.from(text).toString('base64'),
})
const both = [keyFile('keys/demo.asc', openpgp.publicKey), keyFile('keys/demo.rsa.pub', rsa.publicKey)]
const projectOf = (keys: readonly PublicKeyFile[], url = 'https://feed.example.com') => ({
  name: 'demo',
  feed: { url, keys, at },
})
const devices = (format: PackageFormat, keys = both) => ({ project: projectOf(keys), format, suite: 'trixie' })

function workdir(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'yoe-keyring-test-'))
  t.after(() => rmSync(folder, { recursive: true }))
  return folder
}

function errorOf(failure: unknown): YoeError {
  const [error] = userErrors(failure) ?? []
  if (error === undefined) throw failure
  return error
}

test('images of either distro are told where the feed is, in the words of publish, and take the keys of their format', () => {
  const alpine = deviceSideOf(devices(alpineFormat))
  assert.deepEqual(alpine.files, [
    { path: 'etc/apk/repositories', text: 'https://feed.example.com/alpine\n', isDefault: false },
  ])
  assert.deepEqual(
    alpine.keys.map(({ file }) => file),
    ['keys/demo.rsa.pub'],
  )
  const debian = deviceSideOf(devices(debianFormat))
  const [source, ...more] = debian.files
  assert.deepEqual(more, [])
  assert.equal(source?.path, 'etc/apt/sources.list.d/demo.sources')
  assert.equal(
    source?.text,
    'Types: deb\nURIs: https://feed.example.com/debian\nSuites: trixie\nComponents: main\nSigned-By: /etc/apt/keyrings/demo.gpg\n',
  )
  assert.deepEqual(
    debian.keys.map(({ file }) => file),
    ['keys/demo.asc'],
  )
})

test('without a feed Alpine has a template that says nothing, and Debian nothing', () => {
  const none = { project: { name: 'demo' }, suite: 'x' }
  assert.deepEqual(deviceSideOf({ ...none, format: debianFormat }), { files: [], keys: [] })
  assert.equal(deviceSideDigest(deviceSideOf({ ...none, format: debianFormat })), undefined)
  const { files, keys } = deviceSideOf({ ...none, format: alpineFormat })
  assert.deepEqual(keys, [])
  assert.deepEqual(
    files.map(({ path, isDefault }) => [path, isDefault]),
    [['etc/apk/repositories', true]],
  )
  for (const line of files[0]?.text.trimEnd().split('\n') ?? []) assert.match(line, /^#/)
})

const refused = [
  ['a file that is not there', [keyFile('k', '')], /there is no file k$/],
  ['a file without a key', [...both, keyFile('k', 'hello')], /k holds no public key of a package feed/],
  ['none for this format', [both[1] ?? keyFile('', '')], /keys has none for deb packages/],
] as const
for (const [what, keys, says] of refused)
  test(`${what} is refused at the declaration, with what to type`, () => {
    assert.throws(
      () => deviceSideOf(devices(debianFormat, [...keys])),
      (failure) => {
        const { code, message, hint, at: where } = errorOf(failure)
        assert.equal(code, 'KEY_INVALID')
        assert.match(message, says)
        assert.match(hint ?? '', /yoe key export/)
        assert.deepEqual(where, at)
        return true
      },
    )
  })

test('address and keys are in the keys of images, and of nothing else', async () => {
  const { targets, project } = await plan(
    {
      'units/app.star': 'unit(name = "app", version = "1", license = "MIT")\n',
      'images/i.star': 'image(name = "image", artifacts = ["app"])\n',
    },
    ['image'],
  )
  const hashes = (keys = both, url?: string) => {
    const side = deviceSideOf({ ...devices(debianFormat), project: projectOf(keys, url) })
    const found = hashNodes(targets, () => '', { ...project, devices: deviceSideDigest(side) })
    const of = (isImage: boolean) => [...found].filter(([node]) => (node.kind === 'image') === isImage)
    return { image: of(true).map(([, { hash }]) => hash), others: of(false).map(([, { hash }]) => hash) }
  }
  const none = hashNodes(targets, () => '', project)
  const first = hashes()
  assert.ok(first.others.length >= 2)
  for (const other of [
    hashes(both, 'https://elsewhere.example.com'),
    hashes([keyFile('k', (await generateOpenPgpKey('x')).publicKey)]),
  ]) {
    assert.deepEqual(other.others, first.others)
    assert.notDeepEqual(other.image, first.image)
  }
  for (const [node, { hash }] of none) assert.equal([...first.others].includes(hash), node.kind !== 'image', node.id)
  // Where a key of another format lies, or how its file is called, is no matter.
  assert.deepEqual(hashes([keyFile('elsewhere', openpgp.publicKey)]), first)
})

for (const [format, key, ending] of [
  [alpineFormat, rsa, 'rsa.pub'],
  [debianFormat, openpgp, 'asc'],
] as const)
  test(`${format.name}: the keyring is the same from the project's files and from the private key`, async (t) => {
    const report = () => {}
    const packed = async (keys: readonly PublicKeyFile[]) => {
      const entry = await keyringEntry(
        { ...devices(format), distro: format.distros[0] ?? '' },
        keys,
        workdir(t),
        report,
      )
      return { ...entry.record, bytes: readFileSync(entry.path), origin: undefined }
    }
    const named = await publishedKeys(devices(format), key, report)
    const undeclared = await publishedKeys({ ...devices(format), project: { name: 'demo' } }, key, report)
    assert.deepEqual(
      undeclared.map(({ file }) => file),
      [`demo.${ending}`],
    )
    const first = await packed(named)
    assert.deepEqual(await packed(undeclared), first)
    assert.match(first.version, /^20\d{15}-r0$/)
    // What users export otherwise gives the same files on devices.
    const again = Buffer.from(key.publicKey.replaceAll('\n', '\r\n'))
    assert.deepEqual((await packed([keyFile(`x.${ending}`, again)])).bytes, first.bytes)
    await assert.rejects(
      packed([keyFile(`x.${ending}`, key.publicKey.replace(/^[A-Za-z0-9+/=]{20,}$/m, 'AAAA'))]),
      /KEY_INVALID|is no/,
    )
  })

test('who publishes with a key that devices would not believe is told before anything is published', async () => {
  const signs = async (key: SigningKey, keys = both) => {
    const said: string[] = []
    const report = (event: { readonly type: string; readonly message?: string }) => said.push(event.message ?? '')
    await publishedKeys(
      devices(alpineFormat, keys),
      key,
      (event) => void report('message' in event ? event : { type: '' }),
    )
    return said
  }
  assert.deepEqual(await signs(rsa), [])
  const { text } = await rotatedRsaKey(rsa.privateKey, 'x', 'demo', '2099-12-31')
  const [warning = ''] = await signs(await readRsaKey(text, 'x', 'demo'))
  assert.match(warning, /^feed\(\) does not name demo-[0-9a-f]{8}\.rsa\.pub \([0-9a-f]{64}\), which signs, too$/)
  const other = await generateRsaKey('demo')
  await assert.rejects(signs(other), (failure) => {
    const { code, hint } = errorOf(failure)
    assert.equal(code, 'KEY_INVALID')
    assert.equal(hint, 'yoe key export apk >keys/demo.rsa.pub, and commit it')
    return true
  })
  // The same key, but devices would look for it under another name.
  const bare = rsa.publicKey.replace(/^# key.*\n/, '')
  await assert.rejects(signs(rsa, [keyFile('keys/other.rsa.pub', bare)]), /does not name demo\.rsa\.pub/)
  assert.deepEqual(await signs(rsa, [keyFile('elsewhere/demo.rsa.pub', bare)]), [])
})
