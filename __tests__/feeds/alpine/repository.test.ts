/** Our repositories and Alpine's own clients: what they verify, install, audit and refuse. */
import assert from 'node:assert/strict'
import { copyFile, mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { before, describe, test } from 'node:test'
import type { RepositoryEntry, SigningKey } from '#engine/formats.ts'
import { sha256Of } from '#engine/store/remotes/file-digest.ts'
import { readApkHead, verifyApk } from '../../../src/feeds/alpine/apk-read.ts'
import { describeApk } from '../../../src/feeds/alpine/describe.ts'
import { parseIndex, renderIndex } from '../../../src/feeds/alpine/index-entry.ts'
import { keyringPackage } from '../../../src/feeds/alpine/keyring-package.ts'
import { publishRepository, readIndexes } from '../../../src/feeds/alpine/repository.ts'
import { generateRsaKey, readRsaKey } from '../../../src/feeds/keys/rsa.ts'
import { revokedRsaKey, rotatedRsaKey } from '../../../src/feeds/keys/rsa-rotation.ts'
import { apk2, apk3 } from '../../support/alpine/apk.ts'
import { genuineRepository } from '../../support/alpine/material.ts'
import { errorsOf, scratch } from '../../support/making.ts'
import { apkOf, keysFolder, memberOf, publishInput } from './making.ts'

let key: SigningKey
let other: SigningKey
before(async () => {
  key = await generateRsaKey('demo', new Date(Date.now() - 86_400_000))
  other = await generateRsaKey('demo')
})

const clients = { 'apk 2.14': apk2, 'apk 3': apk3 }

/** An empty system that has these keys. */
async function device(folder: string, name: string): Promise<string> {
  const root = join(folder, name)
  await mkdir(root)
  return root
}

async function genuine(name: string): Promise<RepositoryEntry> {
  const path = join(genuineRepository, 'x86_64', name)
  return {
    record: await describeApk(path, undefined),
    path,
    sha256: await sha256Of(path),
    size: (await stat(path)).size,
  }
}

describe('a repository', () => {
  test('is what both clients verify, install from and find unchanged afterwards', async (t) => {
    const folder = await scratch(t)
    const long = `usr/share/${'long-name/'.repeat(12)}file`
    const app = await apkOf(folder, {}, { 'usr/share/app/a': 'a', [long]: 'b', 'etc/app.conf': 'c' })
    const data = await apkOf(folder, { name: 'data', scope: 'noarch' })
    const root = join(folder, 'repo')
    const upstream = await genuine('alpine-release-3.19.1-r0.apk')
    await publishRepository(publishInput(root, key, [app, data, upstream]))
    const keys = await keysFolder(folder, key)
    for (const [name, apk] of Object.entries(clients)) {
      const files = ['x86_64/app-1.0-r0.apk', 'noarch/data-1.0-r0.apk', 'noarch/alpine-release-3.19.1-r0.apk']
      const present = (await Promise.all(files.map((file) => stat(join(root, file)).catch(() => undefined)))).map(
        Boolean,
      )
      const there = files.filter((_, index) => present[index])
      assert.ok(there.length >= 2)
      const verified = await apk(['verify', ...there.map((file) => join(root, file))], { keys, reads: [root] })
      assert.equal(verified.code, 0, `${name}: ${verified.stdout}${verified.stderr}`)
      const system = await device(folder, `system-${name.replaceAll(' ', '-')}`)
      const options = { root: system, keys, repositories: [root] }
      const added = await apk(['add', '--initdb', '--no-scripts', 'app', 'data'], options)
      assert.equal(added.code, 0, `${name}: ${added.stdout}${added.stderr}`)
      assert.equal(await readFile(join(system, long), 'utf8'), 'b')
      const audit = await apk(['audit', '--system'], options)
      assert.deepEqual([audit.code, audit.stdout.trim()], [0, ''], name)
      // The control: what was changed is found.
      await writeFile(join(system, 'usr/share/app/a'), 'changed')
      assert.match((await apk(['audit', '--system'], options)).stdout, /U usr\/share\/app\/a/)
    }
  })

  test('has the text that apk index writes for the same files', async (t) => {
    const folder = await scratch(t)
    const all = (await readdir(join(genuineRepository, 'x86_64'))).filter((name) => name.endsWith('.apk'))
    const app = await apkOf(folder, {
      provides: [{ name: 'virtual' }],
      extra: { apk_provider_priority: 7, apk_install_if: ['x'] },
    })
    const entries = [app, ...(await Promise.all(all.map(genuine)))]
    const root = join(folder, 'repo')
    await publishRepository(publishInput(root, key, entries))
    const files = (await readdir(root, { recursive: true })).filter((name) => name.endsWith('.apk'))
    assert.equal(files.length, entries.length)
    const index = join(folder, 'theirs')
    await mkdir(index)
    const args = [
      'index',
      '--allow-untrusted',
      '--output',
      join(index, 'index.tar.gz'),
      ...files.map((file) => join(root, file)),
    ]
    const ran = await apk2(args, { reads: [root], writes: [index] })
    assert.equal(ran.code, 0, ran.stderr)
    const ours = await memberOf(join(root, 'x86_64/APKINDEX.tar.gz'), 'APKINDEX')
    const theirs = await memberOf(join(index, 'index.tar.gz'), 'APKINDEX')
    const paragraphs = (text: string): readonly string[] => text.split('\n\n').sort()
    assert.deepEqual(paragraphs(ours), paragraphs(theirs))
    assert.equal(renderIndex(parseIndex(ours, 'x')), ours)
  })

  test('passes packages of others on with their control and data as they are', async (t) => {
    const folder = await scratch(t)
    const root = join(folder, 'repo')
    const busybox = await genuine('busybox-1.36.1-r15.apk')
    await publishRepository(publishInput(root, key, [busybox]))
    const [theirs, ours] = [
      await readApkHead(busybox.path),
      await readApkHead(join(root, 'x86_64/busybox-1.36.1-r15.apk')),
    ]
    assert.ok(ours.control.equals(theirs.control))
    const rest = async (path: string, from: number): Promise<Buffer> => (await readFile(path)).subarray(from)
    assert.ok(
      (await rest(busybox.path, theirs.controlStart)).equals(
        await rest(join(root, 'x86_64/busybox-1.36.1-r15.apk'), ours.controlStart),
      ),
    )
    assert.deepEqual(
      ours.signatures.map(({ name }) => name),
      ['.SIGN.RSA256.demo.rsa.pub'],
    )
  })

  test('keeps versions, brings what is for every architecture to each, and says when one changed', async (t) => {
    const folder = await scratch(t)
    const root = join(folder, 'repo')
    const told: string[] = []
    const report = (event: { readonly type: string; readonly message?: string }): void => {
      if (event.type === 'warning') told.push(event.message ?? '')
    }
    for (const version of ['1', '2', '3', '4'])
      await publishRepository(publishInput(root, key, [await apkOf(folder, { version })]))
    const data = await apkOf(folder, { name: 'data', scope: 'noarch' })
    await publishRepository(publishInput(root, key, [data], { arch: 'arm64' }))
    const text = await memberOf(join(root, 'x86_64/APKINDEX.tar.gz'), 'APKINDEX')
    assert.deepEqual(text.match(/^V:.*$/gm), ['V:2-r0', 'V:3-r0', 'V:4-r0', 'V:1.0-r0'])
    assert.match(await memberOf(join(root, 'aarch64/APKINDEX.tar.gz'), 'APKINDEX'), /P:data\nV:1\.0-r0\nA:noarch/)
    // A later one brings it to an architecture that is new, too.
    await publishRepository(publishInput(root, key, [], { arch: 'riscv64' }))
    assert.match(await memberOf(join(root, 'riscv64/APKINDEX.tar.gz'), 'APKINDEX'), /P:data/)
    const changed = await apkOf(folder, { version: '4' }, { 'usr/share/app/file': 'other' })
    await publishRepository(publishInput(root, key, [changed], { report }))
    assert.match(told.join(), /published before with other content: app 4-r0/)
    await verifyApk(join(root, 'x86_64/app-4-r0.apk'), undefined)
    const again = await stat(join(root, 'x86_64/APKINDEX.tar.gz'))
    await publishRepository(publishInput(root, key, [changed]))
    assert.equal((await stat(join(root, 'x86_64/APKINDEX.tar.gz'))).mtimeMs, again.mtimeMs)
  })

  test('is not added to when somebody else signed it', async (t) => {
    const folder = await scratch(t)
    const root = join(folder, 'repo')
    await publishRepository(publishInput(root, key, [await apkOf(folder)]))
    const [error] = await errorsOf(publishRepository(publishInput(root, other, [])))
    assert.equal(error?.code, 'PUBLISH_FAILED')
    assert.match(error?.message ?? '', /not signed by this project's key/)
  })
})

test('C7: both keys sign, devices follow by an ordinary upgrade, and lose the old key when it is revoked', async (t) => {
  const folder = await scratch(t)
  const root = join(folder, 'repo')
  const app = await apkOf(folder)
  const keyring = async (signingKey: SigningKey, name: string): Promise<RepositoryEntry> => {
    const workdir = join(folder, name)
    await mkdir(workdir)
    const common = { project: 'demo', distro: 'alpine', report: () => {} }
    const content = Buffer.from(signingKey.publicKey).toString('base64')
    return keyringPackage({ ...common, keys: [{ file: 'demo.rsa.pub', content }], workdir })
  }
  await publishRepository(publishInput(root, key, [app, await keyring(key, 'k1')]))
  const system = await device(folder, 'system')
  await mkdir(join(system, 'etc/apk/keys'), { recursive: true })
  await copyFile(join(await keysFolder(folder, key), 'demo.rsa.pub'), join(system, 'etc/apk/keys/demo.rsa.pub'))
  const options = { root: system, repositories: [root] }
  const first = await apk2(['add', '--initdb', 'app', 'demo-keys'], options)
  assert.equal(first.code, 0, first.stdout + first.stderr)

  const { text, fresh } = await rotatedRsaKey(key.privateKey, 'x', 'demo', '2099-12-31')
  const both = await readRsaKey(text, 'x', 'demo')
  assert.equal(both.fingerprint, fresh)
  await publishRepository(publishInput(root, both, [await keyring(both, 'k2')]))
  // Nothing was packed again, and everything has two signatures.
  const { signatures, control } = await readApkHead(join(root, 'x86_64/app-1.0-r0.apk'))
  assert.equal(signatures.length, 2)
  assert.ok(control.equals((await readApkHead(app.path)).control))
  const upgraded = await apk2(['upgrade'], options)
  assert.equal(upgraded.code, 0, upgraded.stdout + upgraded.stderr)
  assert.equal((await readdir(join(system, 'etc/apk/keys'))).length, 2)

  const left = await revokedRsaKey(text, 'x', 'demo', key.fingerprint)
  const alone = await readRsaKey(left.text, 'x', 'demo')
  await publishRepository(publishInput(root, alone, [await keyring(alone, 'k3')]))
  const last = await apk2(['upgrade'], options)
  assert.equal(last.code, 0, last.stdout + last.stderr)
  assert.deepEqual(await readdir(join(system, 'etc/apk/keys')), [`demo-${fresh.slice(0, 8)}.rsa.pub`])
  // What the revoked key signs is refused from now on.
  const theirs = join(folder, 'theirs')
  await publishRepository(publishInput(theirs, key, [await apkOf(folder, { version: '9' })]))
  const refused = await apk2(['upgrade'], { ...options, repositories: [theirs] })
  assert.match(refused.stdout + refused.stderr, /UNTRUSTED/)
  await assert.rejects(revokedRsaKey(left.text, 'x', 'demo', alone.fingerprint), /no other key/)
})

describe('faults: nothing of it is installed', () => {
  const tampered: Readonly<Record<string, (root: string, folder: string) => Promise<void>>> = {
    'data of a package': (root) => flip(join(root, 'x86_64/app-1.0-r0.apk'), -200),
    'control of a package': (root) => flip(join(root, 'x86_64/app-1.0-r0.apk'), 600),
    'a package that is cut off': async (root) => {
      const path = join(root, 'x86_64/app-1.0-r0.apk')
      await writeFile(path, (await readFile(path)).subarray(0, -300))
    },
    'the index': (root) => flip(join(root, 'x86_64/APKINDEX.tar.gz'), -30),
    'the signature of the index': (root) => flip(join(root, 'x86_64/APKINDEX.tar.gz'), 100),
    'a truncated index': async (root) => {
      const path = join(root, 'x86_64/APKINDEX.tar.gz')
      await writeFile(path, (await readFile(path)).subarray(0, -40))
    },
    // B12: properly signed, but not the one that the index lists.
    'another package of the same key': async (root, folder) => {
      const another = join(folder, 'another')
      const app = await apkOf(join(folder, 'x'), {}, { 'usr/share/app/file': 'evil' })
      await publishRepository(publishInput(another, key, [app]))
      await rename(join(another, 'x86_64/app-1.0-r0.apk'), join(root, 'x86_64/app-1.0-r0.apk'))
    },
  }
  for (const [what, tamper] of Object.entries(tampered)) {
    test(what, async (t) => {
      const folder = await scratch(t)
      const root = join(folder, 'repo')
      await publishRepository(
        publishInput(root, key, [await apkOf(folder, {}, { 'usr/share/app/file': Buffer.alloc(4000, 'ab') })]),
      )
      const keys = await keysFolder(folder, key)
      const install = async (apk: typeof apk2, name: string): Promise<boolean> => {
        const system = await device(folder, name)
        await apk(['add', '--initdb', 'app'], { root: system, keys, repositories: [root] })
        return stat(join(system, 'usr/share/app/file')).then(
          () => true,
          () => false,
        )
      }
      // The control: without it, both install.
      assert.equal(await install(apk2, 'before'), true)
      await tamper(root, folder)
      assert.equal(await install(apk2, 'two'), false)
      assert.equal(await install(apk3, 'three'), false)
      // And neither is it passed on by this project.
      const source = await readIndexes(root, key).catch((failure: unknown) => failure)
      if (source instanceof Map) {
        const identity = source.get('x86_64').entries[0].identity
        await assert.rejects(verifyApk(join(root, 'x86_64/app-1.0-r0.apk'), identity))
      } else assert.ok(source instanceof Error)
      await rm(root, { recursive: true })
    })
  }

  async function flip(path: string, at: number): Promise<void> {
    const bytes = await readFile(path)
    const index = at < 0 ? bytes.length + at : at
    bytes[index] = (bytes[index] ?? 0) ^ 0x10
    await writeFile(path, bytes)
  }

  test('what is published is checked against what it should be', async (t) => {
    const folder = await scratch(t)
    const app = await apkOf(folder)
    const root = join(folder, 'repo')
    const rows: readonly (readonly [entry: RepositoryEntry, code: string])[] = [
      [{ ...app, sha256: 'f'.repeat(64) }, 'DIGEST_MISMATCH'],
      [{ ...app, record: { ...app.record, version: '2.0-r0' } }, 'FEED_INVALID'],
      [{ ...app, record: { ...app.record, arch: 'aarch64' } }, 'FEED_INVALID'],
    ]
    for (const [entry, code] of rows) {
      const [error] = await errorsOf(publishRepository(publishInput(root, key, [entry])))
      assert.equal(error?.code, code)
    }
    assert.deepEqual(
      (await readdir(root)).filter((name) => !name.startsWith('.')),
      [],
    )
  })
})
