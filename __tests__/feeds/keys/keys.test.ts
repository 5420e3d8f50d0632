import assert from 'node:assert/strict'
import { chmod, mkdir, readdir, readFile, stat, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, type TestContext, test } from 'node:test'
import {
  binaryKeyring,
  generateOpenPgpKey,
  readOpenPgpKey,
  signText,
  verifiedText,
} from '../../../src/feeds/keys/openpgp.ts'
import { ensureKey, type KeyOwner, type KeyUse, keyPath, loadKey } from '../../../src/feeds/keys/project-keys.ts'
import { errorsOf, run, scratch } from '../../support/making.ts'

async function ownerIn(
  t: TestContext,
  env: Readonly<Record<string, string>> = {},
): Promise<KeyOwner & { home: string }> {
  const folder = await scratch(t)
  await mkdir(join(folder, 'project'))
  return { project: 'demo', projectRoot: join(folder, 'project'), home: folder, env: { HOME: folder, ...env } }
}

describe('a project key', () => {
  for (const use of ['feed', 'cache'] satisfies KeyUse[]) {
    test(`${use}: made once, kept where only its owner reads it`, async (t) => {
      const owner = await ownerIn(t)
      assert.equal(await loadKey(owner, use), undefined)
      const made = await ensureKey(owner, use)
      assert.equal(made.created, true)
      const path = keyPath(owner, use)
      assert.ok(path.startsWith(join(owner.home, '.config/yoe/keys/demo.')))
      assert.equal((await stat(path)).mode & 0o777, 0o600)
      assert.equal((await stat(join(path, '..'))).mode & 0o777, 0o700)
      assert.deepEqual(await ensureKey(owner, use), { key: made.key, created: false })
      assert.equal((await loadKey(owner, use))?.fingerprint, made.key.fingerprint)
    })

    test(`${use}: two processes that make one end up with the same`, async (t) => {
      const owner = await ownerIn(t)
      const made = await Promise.all(Array.from({ length: 6 }, () => ensureKey(owner, use)))
      assert.equal(new Set(made.map(({ key }) => key.fingerprint)).size, 1)
      assert.equal(made.filter(({ created }) => created).length, 1)
      assert.equal((await readdir(join(owner.home, '.config/yoe/keys'))).length, 1)
    })

    test(`${use}: from the environment, as text or as a path`, async (t) => {
      const made = await ensureKey(await ownerIn(t), use)
      const owner = await ownerIn(t)
      const file = join(owner.home, 'secret')
      await writeFile(file, made.key.privateKey, { mode: 0o600 })
      const variable = use === 'feed' ? 'YOE_SIGNING_KEY' : 'YOE_CACHE_SIGNING_KEY'
      for (const value of [made.key.privateKey, file]) {
        const loaded = await loadKey({ ...owner, env: { ...owner.env, [variable]: value } }, use)
        assert.equal(loaded?.fingerprint, made.key.fingerprint)
      }
    })
  }

  test('XDG_CONFIG_HOME decides where, unless it is relative', async (t) => {
    const owner = await ownerIn(t)
    assert.equal(keyPath({ ...owner, env: { XDG_CONFIG_HOME: '/c', HOME: '/h' } }, 'feed'), '/c/yoe/keys/demo.asc')
    assert.equal(
      keyPath({ ...owner, env: { XDG_CONFIG_HOME: 'c', HOME: '/h' } }, 'feed'),
      '/h/.config/yoe/keys/demo.asc',
    )
  })

  const refused: readonly {
    readonly name: string
    readonly arrange: (owner: KeyOwner & { home: string }, key: string) => Promise<Record<string, string>>
    readonly want: RegExp
  }[] = [
    {
      name: 'readable by others',
      arrange: async (owner) => {
        await chmod(keyPath(owner, 'feed'), 0o640)
        return {}
      },
      want: /other users .* may read the key .*\nchmod 600 /,
    },
    {
      name: 'inside the project',
      arrange: async (owner, key) => {
        const path = join(owner.projectRoot, 'key.asc')
        await writeFile(path, key, { mode: 0o600 })
        return { YOE_SIGNING_KEY: path }
      },
      want: /lies inside the project/,
    },
    {
      name: 'inside the project behind a link',
      arrange: async (owner, key) => {
        await writeFile(join(owner.projectRoot, 'key.asc'), key, { mode: 0o600 })
        await symlink(join(owner.projectRoot, 'key.asc'), join(owner.home, 'link'))
        return { YOE_SIGNING_KEY: join(owner.home, 'link') }
      },
      want: /lies inside the project/,
    },
    {
      name: 'a file that is not there',
      arrange: async (owner) => ({ YOE_SIGNING_KEY: join(owner.home, 'none') }),
      want: /YOE_SIGNING_KEY is neither a key nor a file that exists/,
    },
    { name: 'a device', arrange: async () => ({ YOE_SIGNING_KEY: '/dev/zero' }), want: /\/dev\/zero is no key file/ },
    {
      name: 'text that is no key',
      arrange: async () => ({
        YOE_SIGNING_KEY: '-----BEGIN PGP PRIVATE KEY BLOCK-----\n\nCANARY\n-----END PGP PRIVATE KEY BLOCK-----',
      }),
      want: /the signing key in YOE_SIGNING_KEY is no armored OpenPGP private key/,
    },
  ]
  for (const { name, arrange, want } of refused) {
    test(`${name} is refused`, async (t) => {
      const owner = await ownerIn(t)
      const { key } = await ensureKey(owner, 'feed')
      const env = { ...owner.env, ...(await arrange(owner, key.privateKey)) }
      const [error] = await errorsOf(loadKey({ ...owner, env }, 'feed'))
      assert.equal(error?.code, 'KEY_INVALID')
      assert.match(`${error.message}\n${error.hint}`, want)
      assert.equal(`${error.message}${error.hint}`.includes('CANARY'), false)
    })
  }

  test('a key file would be made inside the project', async (t) => {
    const owner = await ownerIn(t)
    const [error] = await errorsOf(ensureKey({ ...owner, env: { XDG_CONFIG_HOME: owner.projectRoot } }, 'feed'))
    assert.match(error?.message ?? '', /lies inside the project/)
    assert.deepEqual(await readdir(join(owner.projectRoot, 'yoe/keys')), [])
  })

  test('a project name that is no file name', async (t) => {
    const owner = await ownerIn(t)
    const [error] = await errorsOf(loadKey({ ...owner, project: '../x' }, 'feed'))
    assert.equal(error?.code, 'BAD_NAME')
  })
})

describe('OpenPGP', () => {
  test('a passphrase, a public key and an expired key are told apart', async () => {
    const { encryptKey, generateKey, readPrivateKey } = await import('openpgp')
    const key = await generateOpenPgpKey('demo')
    const locked = await encryptKey({
      privateKey: await readPrivateKey({ armoredKey: key.privateKey }),
      passphrase: 'x',
    })
    const { privateKey: expired } = await generateKey({
      type: 'ecc',
      curve: 'ed25519Legacy',
      userIDs: [{ name: 'x' }],
      date: new Date(1e12),
      keyExpirationTime: 60,
      subkeys: [],
      format: 'armored',
    })
    const rows: readonly (readonly [string, RegExp])[] = [
      [locked.armor(), /is protected by a passphrase/],
      [key.publicKey, /is no armored OpenPGP private key/],
      [expired, /can no longer sign/],
      ['', /is no armored/],
    ]
    for (const [text, want] of rows) {
      const [error] = await errorsOf(readOpenPgpKey(text, 'X'))
      assert.match(error?.message ?? '', want)
    }
  })

  test('gpg and gpgv read the key and the signatures; the same input gives the same bytes', async (t) => {
    const folder = await scratch(t)
    const created = new Date(1_600_000_000_000)
    const key = await generateOpenPgpKey('demo', created)
    const text = 'Origin: demo\n- dash\nSHA256:\n 00 1 x\n'
    // Dated before the key: moved to the key's own time, else no verifier takes it.
    for (const date of [1_500_000_000, 1_700_000_000]) {
      const signed = await signText(text, key, date)
      assert.deepEqual(await signText(text, key, date), signed)
      await writeFile(join(folder, 'keyring.gpg'), await binaryKeyring(key))
      await writeFile(join(folder, 'inline'), signed.inline)
      await writeFile(join(folder, 'detached'), signed.detached)
      await writeFile(join(folder, 'text'), text)
      const gpgv = ['--keyring', join(folder, 'keyring.gpg'), '--status-fd', '1']
      const inline = await run('gpgv', [...gpgv, '--output', join(folder, 'out'), join(folder, 'inline')])
      assert.match(inline.stdout, new RegExp(`VALIDSIG ${key.fingerprint} `))
      assert.equal(await readFile(join(folder, 'out'), 'utf8'), text)
      const detached = await run('gpgv', [...gpgv, join(folder, 'detached'), join(folder, 'text')])
      assert.match(detached.stdout, new RegExp(`VALIDSIG ${key.fingerprint} `))
    }
  })

  test('only the one signed block counts', async () => {
    const key = await generateOpenPgpKey('demo')
    const other = await generateOpenPgpKey('demo')
    const { inline } = await signText('Date: x\n', key, 1_700_000_000)
    assert.equal(await verifiedText(inline, key), 'Date: x\n')
    const rows = [
      `before\n${inline}`,
      `${inline}after\n`,
      inline + inline,
      inline.replace('Date: x', 'Date: y'),
      inline.replace('Date: x', 'Date: x\n-----BEGIN PGP SIGNATURE-----'),
      inline.slice(0, -40),
      'Date: x\n',
      '',
    ]
    for (const text of rows) assert.equal(await verifiedText(text, key), undefined, text)
    assert.equal(await verifiedText(inline, other), undefined)
  })
})
