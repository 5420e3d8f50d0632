import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { before, describe, test } from 'node:test'
import { silent } from '#engine/events.ts'
import type { SigningKey } from '#engine/formats.ts'
import { publishRepository } from '../../../src/feeds/debian/repository.ts'
import { generateOpenPgpKey } from '../../../src/feeds/keys/openpgp.ts'
import { type DirectoryPublish, publishDirectory } from '../../../src/feeds/publish/directory.ts'
import { errorsOf, run, scratch } from '../../support/making.ts'
import { aptFor, debOf, filesIn, now, publishInput, readFeed, suite, versionsOf } from '../debian/feed-making.ts'

let key: SigningKey
before(async () => {
  key = await generateOpenPgpKey('demo', new Date(Date.now() - 86_400_000))
})

const inputOf = (folder: string, fields: Partial<DirectoryPublish> = {}): DirectoryPublish => ({
  source: join(folder, 'repo'),
  target: join(folder, 'public'),
  project: 'demo',
  suite,
  signingKey: key,
  date: now,
  report: silent,
  ...fields,
})

describe('publishing to a directory', () => {
  test('apt installs from it with the keyring that lies beside it', async (t) => {
    const folder = await scratch(t)
    await publishRepository(
      publishInput(join(folder, 'repo'), key, [await debOf(folder, {}), await debOf(folder, { name: 'lib-a' })]),
    )
    assert.deepEqual(await publishDirectory(inputOf(folder)), { packages: 2 })
    const apt = await aptFor(folder, `file:${join(folder, 'public/debian')}`, key)
    const update = await apt.get('update')
    assert.deepEqual([update.code, update.stderr], [0, ''])
    assert.equal((await apt.get('--yes', '--download-only', 'install', 'app', 'lib-a')).code, 0)
    const inRelease = join(folder, 'public/debian/dists', suite, 'InRelease')
    assert.equal((await run('gpgv', ['--keyring', join(folder, 'public/demo.gpg'), inRelease])).code, 0)
    assert.match(await readFile(join(folder, 'public/demo.asc'), 'utf8'), /^-----BEGIN PGP PUBLIC KEY BLOCK-----\n/)
    for (const path of await filesIn(join(folder, 'public'))) {
      assert.equal((await readFile(join(folder, 'public', path), 'latin1')).includes('PRIVATE KEY'), false, path)
    }
  })

  test('what other machines published stays', async (t) => {
    const folder = await scratch(t)
    for (const name of ['one', 'two']) {
      const source = join(folder, `repo-${name}`)
      await publishRepository(publishInput(source, key, [await debOf(folder, { name })]))
      await publishDirectory(inputOf(folder, { source }))
    }
    assert.deepEqual(versionsOf(await readFeed(join(folder, 'public/debian'), key)), ['one 1.0-r0', 'two 1.0-r0'])
  })

  test('nothing built yet, or somebody else’s feed there', async (t) => {
    const folder = await scratch(t)
    const [none] = await errorsOf(publishDirectory(inputOf(folder)))
    assert.match(`${none?.code} ${none?.message} ${none?.hint}`, /PUBLISH_FAILED demo has no packages .*yoe build/)
    await publishRepository(publishInput(join(folder, 'repo'), key, [await debOf(folder, {})]))
    const stranger = await generateOpenPgpKey('demo')
    await publishRepository(publishInput(join(folder, 'public/debian'), stranger, [await debOf(folder, {})]))
    const [foreign] = await errorsOf(publishDirectory(inputOf(folder)))
    assert.equal(foreign?.code, 'PUBLISH_FAILED')
  })

  test('killed at any moment, the old feed is whole', async (t) => {
    const folder = await scratch(t)
    await writeFile(join(folder, 'key.asc'), key.privateKey)
    const script = join(import.meta.dirname, 'directory-publisher.ts')
    await publishRepository(publishInput(join(folder, 'repo'), key, [await debOf(folder, {})]))
    await publishDirectory(inputOf(folder))
    let killed = 0
    for (let round = 1; round <= 10; round++) {
      await publishRepository(publishInput(join(folder, 'repo'), key, [await debOf(folder, { name: `app-${round}` })]))
      const args = [script, join(folder, 'repo'), join(folder, 'public'), join(folder, 'key.asc')]
      const child = spawn(process.execPath, args, { stdio: 'ignore' })
      const ended = new Promise<NodeJS.Signals | null>((done) => child.once('close', (_, signal) => done(signal)))
      const timer = setTimeout(() => child.kill('SIGKILL'), 120 + round * 15)
      if ((await ended) === 'SIGKILL') killed++
      clearTimeout(timer)
      await readFeed(join(folder, 'public/debian'), key)
    }
    assert.ok(killed > 0)
    await publishDirectory(inputOf(folder))
    assert.equal((await readFeed(join(folder, 'public/debian'), key)).length, 11)
    assert.equal((await readdir(join(folder, 'public/debian'))).includes('.tmp'), false)
  })
})

describe('the page', () => {
  test('names packages, sizes, the key and how to use the feed', async (t) => {
    const folder = await scratch(t)
    await publishRepository(
      publishInput(join(folder, 'repo'), key, [await debOf(folder, { description: 'Serves <b>things</b> & more' })]),
    )
    await publishDirectory(inputOf(folder, { url: 'https://feeds.example.org/demo/' }))
    const page = await readFile(join(folder, 'public/index.html'), 'utf8')
    assert.match(page, /<td>1\.0-r0<td>all<td class="n">\d+ B<td>Serves &lt;b&gt;things&lt;\/b&gt; &amp; more$/m)
    assert.ok(page.includes(key.fingerprint.replace(/(.{4})(?=.)/g, '$1 ')))
    assert.match(page, /^URIs: https:\/\/feeds\.example\.org\/demo\/debian$/m)
    assert.match(page, /^Signed-By: \/etc\/apt\/keyrings\/demo\.gpg$/m)
    const href = /<a href="(debian\/pool[^"]+)"/.exec(page)?.[1] ?? ''
    await readFile(join(folder, 'public', decodeURIComponent(href)))
    assert.doesNotMatch(page, /<script|trusted=yes|\[trusted/)
  })

  test('its snippet is what apt reads', async (t) => {
    const folder = await scratch(t)
    await publishRepository(publishInput(join(folder, 'repo'), key, [await debOf(folder, {})]))
    await publishDirectory(inputOf(folder, { url: `file:${folder}/public` }))
    const page = await readFile(join(folder, 'public/index.html'), 'utf8')
    const snippet = /END'\n([\s\S]+?)\nEND/.exec(page)?.[1] ?? ''
    const apt = await aptFor(folder, 'file:/none', key)
    const home = (await readdir(folder)).find((name) => name.startsWith('apt-')) ?? ''
    const text = snippet
      .replace('/etc/apt/keyrings/demo.gpg', join(folder, 'public/demo.gpg'))
      .replace(/^Architectures: .*$/m, 'Architectures: amd64')
    await mkdir(join(folder, home, 'etc/sources.list.d'), { recursive: true })
    await writeFile(join(folder, home, 'etc/sources.list.d/demo.sources'), `${text}\n`)
    const update = await apt.get('update')
    assert.deepEqual([update.code, update.stderr], [0, ''])
    assert.equal((await apt.get('--yes', '--download-only', 'install', 'app')).code, 0)
  })

  test('nothing that a package says becomes markup', async (t) => {
    const folder = await scratch(t)
    const app = await debOf(folder, {})
    const stanza = `Package: app\nVersion: 1.0-r0\nArchitecture: all\nDescription: </table><script>alert("1")</script>'\u202e\n`
    await publishRepository(publishInput(join(folder, 'repo'), key, [app], { stanza: () => stanza }))
    await publishDirectory(inputOf(folder, { url: 'https://x/"><script>' }))
    const page = await readFile(join(folder, 'public/index.html'), 'utf8')
    assert.equal(page.includes('<script'), false)
    assert.equal(page.includes('\u202e'), false)
  })
})
