import assert from 'node:assert/strict'
import { mkdir, readdir, readFile, stat, utimes, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { before, describe, test } from 'node:test'
import type { Event } from '#engine/events.ts'
import type { SigningKey } from '#engine/formats.ts'
import { closureRepository, publishRepository } from '../../../src/feeds/debian/repository.ts'
import { binaryKeyring, generateOpenPgpKey } from '../../../src/feeds/keys/openpgp.ts'
import { served } from '../../support/local-server.ts'
import { errorsOf, run, scratch } from '../../support/making.ts'
import { aptFor, debOf, filesIn, now, publishInput, readFeed, suite, versionsOf } from './feed-making.ts'

let key: SigningKey
let otherKey: SigningKey
before(async () => {
  const lastYear = new Date(Date.now() - 365 * 86_400_000)
  key = await generateOpenPgpKey('demo', lastYear)
  otherKey = await generateOpenPgpKey('other', lastYear)
})

describe('what apt and gpgv make of a repository', () => {
  test('apt updates and downloads, over HTTP and from the disk, trusting only the key', async (t) => {
    const folder = await scratch(t)
    const root = join(folder, 'repo with spaces')
    const lib = await debOf(folder, { name: 'libthing', version: '2:1.0+x~y' })
    const app = await debOf(folder, { name: 'app', provides: [{ name: 'thing-user' }] })
    await publishRepository(publishInput(root, key, [lib, app]))
    const asked: string[] = []
    const server = createServer(async (request, response) => {
      const path = decodeURIComponent(request.url ?? '')
      asked.push(path)
      const content = await readFile(join(root, path)).catch(() => undefined)
      response.writeHead(content === undefined ? 404 : 200).end(content)
    })
    for (const uri of [`file:${root.replaceAll(' ', '%20')}`, await served(t, server)]) {
      const apt = await aptFor(folder, uri, key)
      const update = await apt.get('update')
      assert.deepEqual([update.code, update.stderr], [0, ''], uri)
      const install = await apt.get('--yes', '--download-only', 'install', 'libthing', 'thing-user')
      assert.equal(install.code, 0, install.stderr)
      assert.match(install.stdout, /libthing all 2:1\.0\+x~y-r0/)
    }
    assert.ok(
      asked.some((path) => path.includes('/by-hash/SHA256/')),
      'indices are fetched by digest',
    )
  })

  test('gpgv accepts InRelease and Release.gpg, and nothing changed', async (t) => {
    const folder = await scratch(t)
    await publishRepository(publishInput(join(folder, 'repo'), key, [await debOf(folder, {})]))
    const dists = join(folder, 'repo/dists', suite)
    const keyring = join(folder, 'demo.gpg')
    await writeFile(keyring, await binaryKeyring(key))
    const gpgv = async (...files: string[]): Promise<number> =>
      (await run('gpgv', ['--keyring', keyring, ...files])).code
    assert.equal(await gpgv(join(dists, 'InRelease')), 0)
    assert.equal(await gpgv(join(dists, 'Release.gpg'), join(dists, 'Release')), 0)
    const changed = (await readFile(join(dists, 'InRelease'), 'utf8')).replace('Origin: demo', 'Origin: dema')
    await writeFile(join(dists, 'InRelease'), changed)
    assert.notEqual(await gpgv(join(dists, 'InRelease')), 0)
  })

  const refused = [
    { name: 'an index that expired', fields: { date: now - 40 * 86_400 }, want: /Release file .* is expired/ },
    {
      name: 'an index that expired by a shorter validity',
      fields: { date: now - 2 * 86_400, validDays: 1 },
      want: /is expired/,
    },
    {
      name: 'an index signed by another key',
      fields: {},
      signer: 'other',
      want: /NO_PUBKEY|not signed|signatures couldn't be verified/,
    },
  ]
  for (const { name, fields, signer, want } of refused) {
    test(`apt refuses ${name}`, async (t) => {
      const folder = await scratch(t)
      const root = join(folder, 'repo')
      await publishRepository(
        publishInput(root, signer === undefined ? key : otherKey, [await debOf(folder, {})], fields),
      )
      const apt = await aptFor(folder, `file:${root}`, key)
      const { code, stderr } = await apt.get('update')
      assert.notEqual(code, 0)
      assert.match(stderr, want)
    })
  }

  test('dpkg unpacks and configures what apt brings', async (t) => {
    const folder = await scratch(t)
    const root = join(folder, 'repo')
    await publishRepository(publishInput(root, key, [await debOf(folder, {})]))
    const target = join(folder, 'target')
    for (const each of ['var/lib/dpkg/info', 'var/lib/dpkg/updates'])
      await mkdir(join(target, each), { recursive: true })
    await writeFile(join(target, 'var/lib/dpkg/status'), '')
    const apt = await aptFor(folder, `file:${root}`, key)
    await apt.get('update')
    const options = [`--root=${target}`, '--force-not-root', '--force-script-chrootless', `--log=${folder}/dpkg.log`]
    const install = await apt.get(
      ...['--yes', 'install', 'app', '-o', `Dir::State::status=${target}/var/lib/dpkg/status`],
      ...options.map((option) => `-oDPkg::Options::=${option}`),
    )
    assert.equal(install.code, 0, install.stderr)
    assert.equal(await readFile(join(target, 'usr/share/yoe-test/app'), 'utf8'), 'hello\n')
    const status = await run('dpkg-query', [`--admindir=${target}/var/lib/dpkg`, '--status', 'app'])
    assert.match(status.stdout, /^Status: install ok installed$/m)
    const verified = await run('dpkg', [`--root=${target}`, '--verify', 'app'])
    assert.deepEqual([verified.code, verified.stdout], [0, ''])
  })
})

describe('publishing again', () => {
  test('adds to what is there, keeps the newest versions, supersedes an equal one', async (t) => {
    const folder = await scratch(t)
    const root = join(folder, 'repo')
    const other = await debOf(folder, { name: 'other' })
    await publishRepository(publishInput(root, key, [other]))
    for (const release of [9, 10, 2, 11]) {
      await publishRepository(publishInput(root, key, [await debOf(folder, { release })]))
    }
    assert.deepEqual(versionsOf(await readFeed(root, key)), [
      'app 1.0-r9',
      'app 1.0-r10',
      'app 1.0-r11',
      'other 1.0-r0',
    ])
    const rebuilt = await debOf(folder, { release: 11 }, 'rebuilt\n')
    const warnings: (string | undefined)[] = []
    const report = (event: Event): void => {
      warnings.push(event.type === 'warning' ? event.message : undefined)
    }
    await publishRepository(publishInput(root, key, [other], { report }))
    assert.deepEqual(warnings, [])
    await publishRepository(publishInput(root, key, [rebuilt], { keep: 1, report }))
    assert.deepEqual(warnings, [
      'published before with other content: app 1.0-r11; devices that have that version keep it',
    ])
    const feed = await readFeed(root, key)
    assert.deepEqual(versionsOf(feed), ['app 1.0-r11', 'other 1.0-r0'])
    assert.equal(feed[0]?.sha256, rebuilt.sha256)
  })

  test('the same input and date give the same bytes', async (t) => {
    const folder = await scratch(t)
    const debs = [await debOf(folder, {}), await debOf(folder, { name: 'other' })]
    const roots = [join(folder, 'a'), join(folder, 'b')]
    await publishRepository(publishInput(join(folder, 'a'), key, debs))
    const umask = process.umask(0o077)
    t.after(() => process.umask(umask))
    await publishRepository(publishInput(join(folder, 'b'), key, debs.toReversed()))
    process.umask(umask)
    const [first, second] = await Promise.all(
      roots.map(async (root) =>
        Promise.all(
          (await filesIn(root)).map(async (path) => [
            path,
            await readFile(join(root, path), 'latin1'),
            (await stat(join(root, path))).mode,
          ]),
        ),
      ),
    )
    assert.ok((first?.length ?? 0) > 8)
    assert.deepEqual(second, first)
    assert.equal((await stat(join(folder, 'b/dists'))).mode & 0o777, 0o755)
  })

  test('the date never goes back', async (t) => {
    const folder = await scratch(t)
    const root = join(folder, 'repo')
    await publishRepository(publishInput(root, key, [await debOf(folder, {})]))
    const before = await readFile(join(root, 'dists', suite, 'Release'), 'utf8')
    await publishRepository(publishInput(root, key, [await debOf(folder, { release: 1 })], { date: now - 1000 }))
    const after = await readFile(join(root, 'dists', suite, 'Release'), 'utf8')
    assert.equal(/^Date: .*$/m.exec(after)?.[0], /^Date: .*$/m.exec(before)?.[0])
  })

  test('what only superseded indices name stays for a generation and the time of grace, then goes', async (t) => {
    const folder = await scratch(t)
    const root = join(folder, 'repo')
    const publish = async (release: number): Promise<void> => {
      await publishRepository(publishInput(root, key, [await debOf(folder, { release })], { keep: 1 }))
    }
    const debs = async (): Promise<number> => (await filesIn(root)).filter((path) => path.endsWith('.deb')).length
    const age = async (): Promise<void> => {
      const history = join(root, 'dists', suite, '.history')
      for (const name of await readdir(history)) await utimes(join(history, name), 1, 1)
    }
    await publish(0)
    await publish(1)
    await publish(2)
    assert.equal(await debs(), 3, 'all within the time of grace')
    await age()
    await publish(3)
    assert.equal(await debs(), 2, 'this generation and the one before')
    assert.equal((await filesIn(root)).filter((path) => path.includes('by-hash')).length, 6)
    await readFeed(root, key)
  })

  test('two architectures share a repository', async (t) => {
    const folder = await scratch(t)
    const root = join(folder, 'repo')
    const app = await debOf(folder, {})
    await publishRepository(publishInput(root, key, [app]))
    await publishRepository(publishInput(root, key, [app], { arch: 'arm64' }))
    assert.match(await readFile(join(root, 'dists', suite, 'Release'), 'utf8'), /^Architectures: amd64 arm64$/m)
    assert.equal((await readFeed(root, key)).length, 2)
  })

  test('an upstream package keeps its bytes and every field of its stanza', async (t) => {
    const folder = await scratch(t)
    const root = join(folder, 'repo')
    const upstream = await debOf(folder, { name: 'upstream' })
    const stanza =
      'Package: upstream\nSource: up\nVersion: 1.0-r0\nArchitecture: all\nMulti-Arch: foreign\nPre-Depends: x\nDescription: d\n long\nTag: a::b,\n c::d\nFilename: pool/u/up.deb\nSize: 1\nMD5sum: 0\nSHA256: 0\n'
    await publishRepository(publishInput(root, key, [upstream], { stanza: () => stanza }))
    const [entry] = await readFeed(root, key)
    assert.equal(entry?.fields, stanza.slice(0, stanza.indexOf('Filename')))
    assert.deepEqual(await readFile(join(root, entry?.filename ?? '')), await readFile(upstream.path))
    // Its fields come from the index from now on, not from the package.
    await publishRepository(publishInput(root, key, [upstream, await debOf(folder, {})]))
    assert.match(
      await readFile(join(root, 'dists', suite, 'main/binary-amd64/Packages'), 'utf8'),
      /^Multi-Arch: foreign$/m,
    )
  })
})

describe('what is refused', () => {
  test('a package that is not what its record, digest or size says', async (t) => {
    const folder = await scratch(t)
    const app = await debOf(folder, {})
    const other = await debOf(folder, { name: 'other' })
    const rows = [
      { entry: { ...app, path: other.path }, want: /FEED_INVALID .* is other 1\.0-r0 for all, not app/ },
      { entry: { ...app, sha256: '0'.repeat(64) }, want: /DIGEST_MISMATCH .* was changed/ },
      { entry: { ...app, size: 5 }, want: /DIGEST_MISMATCH .* has \d+ bytes instead of 5/ },
    ]
    for (const { entry, want } of rows) {
      const root = join(folder, 'repo')
      const [error] = await errorsOf(publishRepository(publishInput(root, key, [entry])))
      assert.match(`${error?.code} ${error?.message}`, want)
      assert.deepEqual(
        (await filesIn(root)).filter((path) => path.startsWith('dists')),
        [],
      )
    }
  })

  test('merging with an index that somebody else signed or changed', async (t) => {
    const folder = await scratch(t)
    const root = join(folder, 'repo')
    const app = await debOf(folder, {})
    await publishRepository(publishInput(root, otherKey, [app]))
    const [foreign] = await errorsOf(publishRepository(publishInput(root, key, [app])))
    assert.match(
      `${foreign?.code} ${foreign?.message} ${foreign?.hint}`,
      /PUBLISH_FAILED .* not signed by this project's key .*mv /,
    )
    const index = join(root, 'dists', suite, 'main/binary-amd64')
    for (const path of await filesIn(index)) await writeFile(join(index, path), 'Package: evil\n')
    const [changed] = await errorsOf(publishRepository(publishInput(root, otherKey, [app])))
    assert.match(`${changed?.code} ${changed?.message}`, /FEED_INVALID .* is not what its signed Release file says/)
  })

  test('stanzas that forge fields or paths', async (t) => {
    const folder = await scratch(t)
    const app = await debOf(folder, {})
    const good = 'Package: app\nVersion: 1.0-r0\nArchitecture: all\n'
    const rows = [
      `${good}Evil: \u001b[2J\n`,
      `${good}Version: 2\n`,
      `${good}\nPackage: evil\n`,
      'Package: ../app\n',
      `${good}no field\n`,
    ]
    for (const stanza of rows) {
      const [error] = await errorsOf(
        publishRepository(publishInput(join(folder, 'repo'), key, [app], { stanza: () => stanza })),
      )
      assert.equal(error?.code, 'FEED_INVALID', JSON.stringify(stanza))
      assert.equal(error?.message.includes('\u001b'), false)
    }
  })

  test('names that would leave the repository', async (t) => {
    const folder = await scratch(t)
    const input = publishInput(join(folder, 'repo'), key, [])
    for (const fields of [{ suite: '../x' }, { project: 'a\nb' }]) {
      const [error] = await errorsOf(publishRepository({ ...input, ...fields }))
      assert.equal(error?.code, 'BAD_NAME')
    }
  })
})

describe('an installer’s repository', () => {
  test('holds exactly the closure, as hard links, and apt takes it', async (t) => {
    const folder = await scratch(t)
    const root = join(folder, 'closure')
    const app = await debOf(folder, {})
    await closureRepository(publishInput(root, key, [app, await debOf(folder, { name: 'other' })]))
    assert.deepEqual(await filesIn(root), [
      'dists/trixie/InRelease',
      'dists/trixie/Release',
      'dists/trixie/Release.gpg',
      'dists/trixie/main/binary-amd64/Packages',
      'pool/app_1.0-r0_all.deb',
      'pool/other_1.0-r0_all.deb',
    ])
    assert.equal((await stat(join(root, 'pool/app_1.0-r0_all.deb'))).ino, (await stat(app.path)).ino)
    const apt = await aptFor(folder, `file:${root}`, key)
    const update = await apt.get('update')
    assert.deepEqual([update.code, update.stderr], [0, ''])
    assert.equal((await apt.get('--yes', '--download-only', 'install', 'app', 'other')).code, 0)
  })
})
