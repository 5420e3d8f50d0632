/** C7: the feed's key is replaced. The judges are gpgv and apt, with a keyring of the old key, of the new one, of both. */
import assert from 'node:assert/strict'
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { silent } from '#engine/events.ts'
import type { PackedPackage, SigningKey } from '#engine/formats.ts'
import { keyringPackage } from '../../../src/feeds/debian/keyring-package.ts'
import { publishRepository } from '../../../src/feeds/debian/repository.ts'
import {
  binaryKeyring,
  generateOpenPgpKey,
  readOpenPgpKey,
  signText,
  verifiedText,
} from '../../../src/feeds/keys/openpgp.ts'
import { openPgpKeys, revokedOpenPgpKey, rotatedOpenPgpKey } from '../../../src/feeds/keys/openpgp-rotation.ts'
import { publishDirectory } from '../../../src/feeds/publish/directory.ts'
import { errorsOf, run, scratch } from '../../support/making.ts'
import { aptFor, debOf, filesIn, now, publishInput, suite } from '../debian/feed-making.ts'

const dayMs = 86_400_000
const ago = (days: number): Date => new Date(Date.now() - days * dayMs)

interface Keys {
  /** As devices know it from before. */
  readonly old: SigningKey
  /** The owner's file after the rotation. */
  readonly both: SigningKey
  /** What a device has that knows the new key alone. */
  readonly fresh: SigningKey
}

/** @param days from now until the old key ends */
async function rotated(days: number): Promise<Keys> {
  const old = await generateOpenPgpKey('demo', ago(10))
  const { armored, fresh } = await rotatedOpenPgpKey(old.privateKey, 'x', 'demo', Date.now() + days * dayMs)
  const both = await readOpenPgpKey(armored, 'x')
  assert.equal(both.fingerprint, fresh)
  const { readKeys } = await import('openpgp')
  const [newest] = await readKeys({ armoredKeys: both.publicKey })
  return { old, both, fresh: { ...both, publicKey: newest?.armor() ?? '' } }
}

/** Whom gpgv believes of a signed text. */
async function judged(folder: string, inline: string, keyring: SigningKey): Promise<string> {
  await writeFile(join(folder, 'keyring.gpg'), await binaryKeyring(keyring))
  await writeFile(join(folder, 'inline'), inline)
  const { code, stdout } = await run('gpgv', [
    '--keyring',
    join(folder, 'keyring.gpg'),
    '--status-fd',
    '1',
    join(folder, 'inline'),
  ])
  const words = [...stdout.matchAll(/\[GNUPG:\] (GOODSIG|NO_PUBKEY|EXPKEYSIG|REVKEYSIG|BADSIG)/g)].map(
    ([, word]) => word,
  )
  return `${words.sort().join(' ')} ${code}`
}

test('C7: signed by both, a reader that knows the old key, the new one or both is satisfied', async (t) => {
  const folder = await scratch(t)
  const { old, both, fresh } = await rotated(5)
  const { inline, detached } = await signText('Date: x\n', both, now)
  assert.deepEqual(await signText('Date: x\n', both, now), { inline, detached })
  // gpgv says in its exit code that a signer is unknown; apt looks for one good one.
  assert.match(await judged(folder, inline, old), /^GOODSIG NO_PUBKEY /)
  assert.match(await judged(folder, inline, fresh), /^GOODSIG NO_PUBKEY /)
  assert.equal(await judged(folder, inline, both), 'GOODSIG GOODSIG 0')
  for (const key of [old, both, fresh]) assert.equal(await verifiedText(inline, key), 'Date: x\n')
  assert.equal(await verifiedText(inline, await generateOpenPgpKey('demo')), undefined)
})

test('C7: after its last day the old key signs nothing, and is refused where it is known to have ended', async (t) => {
  const folder = await scratch(t)
  const { old, both, fresh } = await rotated(-1)
  assert.deepEqual(
    (await openPgpKeys(both.privateKey, 'x')).map(({ standing }) => standing),
    ['signs', 'retired'],
  )
  const { inline } = await signText('Date: x\n', both, now)
  assert.equal(await judged(folder, inline, old), 'NO_PUBKEY 2')
  assert.equal(await judged(folder, inline, fresh), 'GOODSIG 0')
  // Somebody who still has it signs on; the control is the keyring from before, whose key never ends.
  const { inline: late } = await signText('Date: x\n', old, now)
  assert.match(await judged(folder, late, both), /^EXPKEYSIG /)
  assert.equal(await judged(folder, late, old), 'GOODSIG 0')
  assert.equal(await verifiedText(late, both), undefined)
  // What was signed in its time is still ours to go on from.
  const { inline: early } = await signText('Date: x\n', old, Math.floor(ago(3).getTime() / 1000))
  assert.equal(await verifiedText(early, both), 'Date: x\n')
})

test('C7: a revoked key signs nothing, whatever its date; the only one is not revoked', async (t) => {
  const folder = await scratch(t)
  const { old, both } = await rotated(5)
  const { armored, fingerprint } = await revokedOpenPgpKey(
    both.privateKey,
    'x',
    old.fingerprint.slice(-16).toLowerCase(),
  )
  assert.equal(fingerprint, old.fingerprint)
  const left = await readOpenPgpKey(armored, 'x')
  assert.equal(left.fingerprint, both.fingerprint)
  const { inline: early } = await signText('Date: x\n', old, Math.floor(ago(3).getTime() / 1000))
  assert.match(await judged(folder, early, left), /^REVKEYSIG /)
  assert.equal(await judged(folder, early, both), 'GOODSIG 0')
  assert.equal(await verifiedText(early, left), undefined)
  assert.equal(await judged(folder, (await signText('Date: x\n', left, now)).inline, left), 'GOODSIG 0')
  const [only] = await errorsOf(revokedOpenPgpKey(armored, 'x', both.fingerprint))
  assert.match(`${only?.code} ${only?.message} ${only?.hint}`, /KEY_INVALID .* is the only key .* yoe key rotate feed/)
  const [none] = await errorsOf(revokedOpenPgpKey(armored, 'x', 'ABCDEF0123'))
  assert.match(none?.message ?? '', /no feed key of this project ends in "ABCDEF0123"/)
})

test('a second rotation keeps the overlap of the first, and leaves out keys that have ended', async () => {
  const { both } = await rotated(5)
  const again = await rotatedOpenPgpKey(both.privateKey, 'x', 'demo', Date.now() + 20 * dayMs)
  const ends = again.old.map((key) => Math.round(((key.ends ?? 0) - Date.now()) / dayMs))
  assert.deepEqual(ends, [20, 5])
  const { both: ended } = await rotated(-1)
  const afresh = await rotatedOpenPgpKey(ended.privateKey, 'x', 'demo', Date.now() + dayMs)
  assert.equal(afresh.old.length, 1)
})

test('keys that gpg exported, in one block or after each other, are read as they are', async () => {
  const [one, two] = await Promise.all([generateOpenPgpKey('one'), generateOpenPgpKey('two')])
  const after = await readOpenPgpKey(`a comment\n${one.privateKey}\n${two.privateKey}`, 'x')
  assert.equal(after.fingerprint, one.fingerprint)
  assert.equal((await openPgpKeys(after.privateKey, 'x')).length, 2)
  const [bad] = await errorsOf(
    readOpenPgpKey(`${one.privateKey}\n${two.publicKey.replaceAll('PUBLIC', 'PRIVATE')}`, 'x'),
  )
  assert.match(bad?.message ?? '', /no armored OpenPGP private key/)
})

/** A device whose apt knows the feed, and its keyring file. */
async function device(folder: string, name: string, key: SigningKey) {
  const home = join(folder, name)
  await mkdir(home, { recursive: true })
  const apt = await aptFor(home, `file:${join(folder, 'public/debian')}`, key)
  const [own = ''] = await readdir(home)
  const keyring = join(home, own, 'demo.gpg')
  return {
    update: async (): Promise<boolean> => {
      const { code, stderr } = await apt.get('update')
      return code === 0 && !/NO_PUBKEY|not signed|EXPKEYSIG|REVKEYSIG|^[WE]:/m.test(stderr)
    },
    /** As `apt-get upgrade` does with the keyring's package installed. */
    upgradeKeyring: async (): Promise<void> => {
      const { stdout } = await apt.get('--yes', '--print-uris', 'install', 'demo-archive-keyring')
      const deb = decodeURIComponent(/'file:([^']+\.deb)'/.exec(stdout)?.[1] ?? '')
      await run('dpkg-deb', ['--extract', deb, join(home, 'root')])
      await writeFile(keyring, await readFile(join(home, 'root/etc/apt/keyrings/demo.gpg')))
    },
    install: async (what: string): Promise<boolean> =>
      (await apt.get('--yes', '--download-only', 'install', what)).code === 0,
  }
}

/** The same keys, the old one's last day over. */
async function whenOver({ both }: Keys): Promise<SigningKey> {
  const { readPrivateKeys, reformatKey } = await import('openpgp')
  const [fresh, old] = await readPrivateKeys({ armoredKeys: both.privateKey })
  assert.ok(fresh !== undefined && old !== undefined)
  const date = old.getCreationTime()
  const userIDs = [{ name: 'demo package feed' }]
  const { privateKey } = await reformatKey({
    privateKey: old,
    userIDs,
    date,
    keyExpirationTime: 9 * 86_400,
    format: 'object',
  })
  return readOpenPgpKey(fresh.armor() + privateKey.armor(), 'x')
}

test('C7: devices that trust the old key follow a rotation without being visited; nothing is packed again', async (t) => {
  const folder = await scratch(t)
  const keys = await rotated(5)
  const source = join(folder, 'repo')
  const target = join(folder, 'public')
  /** As the toolkit does: what is there already is signed again, and the keyring is brought up to date. */
  const publish = async (signingKey: SigningKey, packages: readonly PackedPackage[]): Promise<void> => {
    const workdir = await scratch(t)
    const common = { project: 'demo', report: silent }
    const keys = [{ file: 'demo.asc', content: Buffer.from(signingKey.publicKey).toString('base64') }]
    const input = { ...common, keys, distro: 'debian', workdir }
    await publishRepository(publishInput(source, signingKey, [...packages, await keyringPackage(input)]))
    await publishDirectory({ ...common, source, target, suite, signingKey, date: now })
  }
  const apps = async (): Promise<readonly string[]> =>
    (await filesIn(target)).filter((path) => /\/app_.*\.deb$/.test(path))

  await publish(keys.old, [await debOf(folder, {})])
  const before = await apps()
  assert.equal(before.length, 1)
  const [prompt, late] = [await device(folder, 'prompt', keys.old), await device(folder, 'late', keys.old)]
  assert.ok(await prompt.update())
  assert.ok(await late.update())

  // The overlap: the same package files, an index that both keys sign.
  await publish(keys.both, [])
  assert.deepEqual(await apps(), before)
  for (const each of [prompt, late, await device(folder, 'new', keys.fresh)]) {
    assert.ok(await each.update())
    assert.ok(await each.install('app'))
  }
  await prompt.upgradeKeyring()
  assert.ok(await prompt.update())

  // It is over.
  await publish(await whenOver(keys), [])
  assert.deepEqual(await apps(), before)
  assert.ok(await prompt.update())
  assert.ok(await (await device(folder, 'fresh', keys.fresh)).update())
  assert.ok(!(await late.update()), 'who never updated in time does not follow')

  // The control: a new key all at once, and no device follows.
  const sudden = await generateOpenPgpKey('demo')
  const [refused] = await errorsOf(publish(sudden, []))
  assert.match(refused?.message ?? '', /is not signed by this project's key/)
})
