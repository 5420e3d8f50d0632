/**
 * A publish job of a project that has packages for Debian and for Alpine: a folder, a bucket, a site of GitHub Pages. What
 * the job says is typed on devices, with the real apt and the real apk of both generations; nobody trusts what is unsigned.
 */
import assert from 'node:assert/strict'
import { createPrivateKey } from 'node:crypto'
import { cpSync, existsSync, globSync, mkdirSync, readFileSync } from 'node:fs'
import { mkdtemp } from 'node:fs/promises'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { before, describe, type TestContext, test } from 'node:test'
import { silent } from '#engine/events.ts'
import type { SigningKey } from '#engine/formats.ts'
import { publishRepository as publishApks } from '#feeds/alpine/repository.ts'
import { packDeb } from '#feeds/debian/pack.ts'
import { publishRepository as publishDebs } from '#feeds/debian/repository.ts'
import { generateOpenPgpKey } from '#feeds/keys/openpgp.ts'
import { generateRsaKey } from '#feeds/keys/rsa.ts'
import { feedsOf } from '#feeds/publish/page.ts'
import { Artifacts } from '#github/artifacts.ts'
import type { PublishReport, PublishRequest } from '#github/engine-port.ts'
import { publishAction } from '#github/publish-action.ts'
import { session } from '#github/session.ts'
import { publishInput as apkInput, apkOf, memberOf, packed } from '../feeds/alpine/making.ts'
import { publishInput as debInput, debOf } from '../feeds/debian/feed-making.ts'
import { type FakeHost, failsTold, fakeHost } from '../support/action-host.ts'
import { apk2, apk3, inRoot } from '../support/alpine/apk.ts'
import { replica, testKeyFolder } from '../support/alpine/replica.ts'
import { downloadAsDevice } from '../support/apt-root.ts'
import { served } from '../support/local-server.ts'
import { errorsOf, install, packInput } from '../support/making.ts'
import { startPages } from '../support/pages-service.ts'
import { scratch, testProject } from '../support/project.ts'
import { runtimeToken, startResultsService } from '../support/results-service.ts'
import { testBucket } from '../support/s3.ts'

let feedKey: SigningKey
let apkKey: SigningKey
let keys: Pick<PublishRequest, 'signingKey' | 'apkSigningKey'>
before(async () => {
  feedKey = await generateOpenPgpKey('demo', new Date(Date.now() - 86_400_000))
  apkKey = await generateRsaKey('demo')
  keys = { signingKey: feedKey.privateKey, apkSigningKey: apkKey.privateKey }
})

const projectText = `project(
    name = "demo",
    version = "1.0",
    defaults = defaults(machine = "qemu-x86_64", distro = "debian"),
    modules = [module("yoe:module-core"), module("yoe:module-debian"), module("yoe:module-alpine")],
)
`

/** What build jobs upload: repositories that are signed by keys that nobody keeps, of units that are called by their distro. */
async function built(folder: string, distros: readonly string[], version = '1.0'): Promise<readonly string[]> {
  return Promise.all(
    distros.map(async (distro) => {
      const [root, work] = [await mkdtemp(join(folder, 'feed-')), await mkdtemp(join(folder, 'built-'))]
      const unit = { name: `on-${distro}`, version, scope: 'noarch' } as const
      if (distro === 'debian')
        await publishDebs(debInput(root, await generateOpenPgpKey('demo'), [await debOf(work, unit)]))
      else await publishApks(apkInput(root, await generateRsaKey('demo'), [await apkOf(work, unit)]))
      return root
    }),
  )
}

interface Scene {
  readonly folder: string
  readonly env: Readonly<Record<string, string | undefined>>
  publish(more: Partial<PublishRequest>): Promise<PublishReport>
}

function scene(t: TestContext, to: string, more: Readonly<Record<string, string>> = {}): Scene {
  const folder = scratch(t)
  const { root } = testProject(t, { 'PROJECT.star': projectText })
  const home = join(folder, 'home')
  mkdirSync(home)
  const env = { HOME: home, XDG_CONFIG_HOME: join(home, 'config'), PATH: process.env['PATH'], ...more }
  const places = { YOE_CACHE: join(folder, 'cache') }
  const request = { projectDir: root, report: silent, to: to.startsWith('s3:') ? to : join(folder, to), ...keys }
  return {
    ...{ folder, env: { ...env, ...places } },
    publish: (one) => session({ ...env, ...places }).publish({ ...request, feeds: [], ...one }),
  }
}

/** Serves a folder to devices. */
function site(t: TestContext, folder: string): Promise<string> {
  const server = createServer((request, response) => {
    const path = join(folder, decodeURIComponent(new URL(request.url ?? '/', 'http://x').pathname))
    if (existsSync(path) && !path.endsWith('/')) response.end(readFileSync(path))
    else response.writeHead(404).end()
  })
  return served(t, server)
}

/** The same as the action puts together for devices of either distro. */
const installOf = (report: PublishReport, distro: string): string =>
  report.feeds.find((feed) => feed.distro === distro)?.install ?? ''

/** A Debian and two Alpines do as they are told, and install the package of their distro. */
async function devicesInstall(
  folder: string,
  url: string,
  installs: { readonly debian: string; readonly alpine: string },
  version: string,
): Promise<void> {
  const install = installs.alpine
  const place = await mkdtemp(join(folder, 'debian-'))
  const deb = await downloadAsDevice(place, { install: installs.debian, name: 'on-debian', architecture: 'amd64' })
  assert.match(deb, new RegExp(`/on-debian_${version}-r0_all\\.deb$`))
  for (const [branch, apk] of [
    ['v3.20', apk2],
    ['v3.23', apk3],
  ] as const) {
    const root = await mkdtemp(join(folder, 'alpine-'))
    const options = { root, keys: await testKeyFolder(), repositories: [await replica(branch, 'x86_64')] }
    const made = await apk(['add', '--initdb', '--no-cache', 'alpine-baselayout', 'busybox', 'apk-tools'], options)
    assert.equal(made.code, 0, made.stdout + made.stderr)
    const shell = (script: string) =>
      inRoot(root, ['/bin/busybox', 'sh', '-euc', `/bin/busybox --install -s\n${script}`])
    // The control: who was not told the key installs nothing.
    const early = await shell(`apk add --no-cache --repository ${url}/alpine on-alpine`)
    assert.match(early.stdout + early.stderr, /UNTRUSTED|untrusted|trusted key/)
    const said = await shell(`${install}\napk add on-alpine\napk info -e demo-keys\napk list --installed on-alpine\n`)
    assert.equal(said.code, 0, said.stdout + said.stderr)
    assert.ok(said.stdout.includes(`on-alpine-${version}-r0 `), said.stdout)
    assert.ok(!/UNTRUSTED|untrusted/.test(said.stdout + said.stderr), said.stdout + said.stderr)
  }
}

const versionsAt = (folder: string): readonly string[] =>
  globSync(['debian/pool/**/on-*.deb', 'alpine/**/on-*.apk'], { cwd: folder })
    .map((path) => path.split('/').at(-1) ?? '')
    .sort()

describe('both are published by one job, either of them by another', () => {
  test('to a folder', async (t) => {
    const { folder, publish } = scene(t, 'public')
    const at = join(folder, 'public')
    const url = await site(t, at)
    const both = await publish({ url, feeds: await built(folder, ['alpine', 'debian']) })
    assert.deepEqual(
      both.feeds.map(({ distro, keyring, packages, keyFingerprint }) => [distro, keyring, packages, keyFingerprint]),
      [
        ['debian', 'demo.gpg', 2, feedKey.fingerprint],
        ['alpine', 'demo.rsa.pub', 2, apkKey.fingerprint],
      ],
    )
    const install = { debian: installOf(both, 'debian'), alpine: installOf(both, 'alpine') }
    await publish({ url, feeds: await built(folder, ['debian'], '2.0'), apkSigningKey: undefined })
    await publish({ url, feeds: await built(folder, ['alpine'], '2.0'), signingKey: undefined })
    await devicesInstall(folder, url, install, '2.0')
    assert.deepEqual(versionsAt(at), [
      'on-alpine-1.0-r0.apk',
      'on-alpine-2.0-r0.apk',
      'on-debian_1.0-r0_all.deb',
      'on-debian_2.0-r0_all.deb',
    ])
    assert.deepEqual(Object.keys(feedsOf(readFileSync(join(at, 'index.html'), 'utf8')) ?? {}), ['debian', 'alpine'])
  })

  test('to a bucket', async (t) => {
    const bucket = await testBucket(t)
    const to = `s3://${bucket.bucket}/feed?endpoint=${bucket.endpoint}&region=${bucket.region}`
    const { folder, publish } = scene(t, to, bucket.env)
    const at = join(bucket.folder, 'feed')
    const url = await site(t, at)
    const both = await publish({ url, feeds: await built(folder, ['alpine', 'debian']) })
    const install = { debian: installOf(both, 'debian'), alpine: installOf(both, 'alpine') }
    await publish({ url, feeds: await built(folder, ['alpine'], '2.0'), signingKey: undefined })
    await publish({ url, feeds: await built(folder, ['debian'], '2.0'), apkSigningKey: undefined })
    await devicesInstall(folder, url, install, '2.0')
    assert.equal(versionsAt(at).length, 4)
    for (const page of ['index.html', 'debian/index.html', 'alpine/index.html']) readFileSync(join(at, page))
  })
})

test('a key that is missing is told before anything is there; two are told at once', async (t) => {
  const { folder, publish } = scene(t, 'public')
  const feeds = await built(folder, ['debian', 'alpine'])
  for (const [given, missing] of [
    [{ apkSigningKey: undefined }, ['alpine, and no apk key of demo.*`apk-signing-key`.*YOE_APK_SIGNING_KEY']],
    [{ signingKey: undefined }, ['debian, and no feed key of demo.*`signing-key`.*YOE_SIGNING_KEY']],
    [{ signingKey: undefined, apkSigningKey: undefined }, ['debian, and no feed key', 'alpine, and no apk key']],
  ] as const) {
    const errors = await errorsOf(publish({ ...given, feeds }))
    assert.deepEqual(
      errors.map(({ code }) => code),
      missing.map(() => 'KEY_INVALID'),
    )
    for (const [index, says] of missing.entries())
      assert.match(`${errors[index]?.message} ${errors[index]?.hint}`, new RegExp(says))
  }
  const [swapped] = await errorsOf(publish({ feeds, signingKey: apkKey.privateKey, apkSigningKey: feedKey.privateKey }))
  assert.equal(swapped?.code, 'KEY_INVALID')
  assert.ok(!existsSync(join(folder, 'public')))
})

test('packages of several architectures end up in the index of each, those for all in every one', async (t) => {
  const { folder, publish } = scene(t, 'public')
  const feeds: string[] = []
  for (const arch of ['x86_64', 'arm64'] as const) {
    const [debs, apks, work] = await Promise.all(['d-', 'a-', 'built-'].map((name) => mkdtemp(join(folder, name))))
    assert.ok(debs !== undefined && apks !== undefined && work !== undefined)
    const files = { 'usr/share/x/file': arch }
    const [own] = await packed(work, files, { name: 'own' }, { arch })
    await install(join(work, 'dest'), files)
    const [ownDeb] = await packDeb(packInput(join(work, 'dest'), join(work, 'debs'), { arch, unit: { name: 'own' } }))
    assert.ok(own !== undefined && ownDeb !== undefined)
    const every = { name: 'every', scope: 'noarch' } as const
    await publishApks(apkInput(apks, await generateRsaKey('demo'), [own, await apkOf(work, every)], { arch }))
    await publishDebs(debInput(debs, await generateOpenPgpKey('demo'), [ownDeb, await debOf(work, every)], { arch }))
    feeds.push(debs, apks)
  }
  const report = await publish({ feeds })
  assert.deepEqual(
    report.feeds.map(({ distro, packages }) => [distro, packages]),
    [
      ['debian', 6],
      ['alpine', 6],
    ],
  )
  const names = (text: string, field: string): readonly string[] =>
    [...text.matchAll(new RegExp(`^${field}: ?(\\S+)$`, 'gm'))].map(([, name = '']) => name).sort()
  const at = join(folder, 'public')
  for (const arch of ['x86_64', 'aarch64'])
    assert.deepEqual(names(await memberOf(join(at, 'alpine', arch, 'APKINDEX.tar.gz'), 'APKINDEX'), 'P'), [
      ...['demo-keys', 'every', 'own'],
    ])
  for (const arch of ['amd64', 'arm64'])
    assert.deepEqual(
      names(readFileSync(join(at, `debian/dists/trixie/main/binary-${arch}/Packages`), 'utf8'), 'Package'),
      ['demo-archive-keyring', 'every', 'own'],
    )
})

test('a key that a passphrase protects is opened by it, and by nothing else', async (t) => {
  const { folder, publish } = scene(t, 'public')
  const feeds = await built(folder, ['alpine'])
  const plain = createPrivateKey(apkKey.privateKey.replace(/^#.*\n/gm, ''))
  const passphrase = 'what nobody may see'
  const pem = plain.export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase })
  const locked = { feeds, apkSigningKey: String(pem) }
  for (const apkPassphrase of [undefined, 'another']) {
    const [error] = await errorsOf(publish({ ...locked, apkPassphrase }))
    assert.equal(error?.code, 'KEY_INVALID')
    assert.ok(!error?.message.includes('another'))
  }
  const [feed] = (await publish({ ...locked, apkPassphrase: passphrase })).feeds
  assert.equal(feed?.keyFingerprint, apkKey.fingerprint)
})

describe('GitHub Pages', () => {
  test('a deployment has both; a job without the other key replaces nothing', async (t) => {
    const made = scene(t, 'unused')
    const { folder } = made
    const store = join(folder, 'store')
    const service = await startResultsService({ dir: store })
    t.after(() => service.close())
    const dir = join(folder, 'pages')
    mkdirSync(dir)
    const pages = await startPages(dir, service)
    t.after(() => pages.close())
    let runs = 0
    const run = async (
      distros: readonly string[],
      version: string,
      secrets: Readonly<Record<string, string>>,
    ): Promise<FakeHost & { readonly failed: boolean }> => {
      Object.assign(process.env, service.env(runtimeToken({ run: `two-${++runs}` })), pages.env)
      service.artifacts.length = 0
      const workspace = await mkdtemp(join(folder, 'work-'))
      cpSync(testProject(t, { 'PROJECT.star': projectText }).root, workspace, { recursive: true })
      for (const feed of await built(folder, distros, version))
        await new Artifacts('https://github.com/octo/widgets/actions/runs/1', folder, () => {}).feed(
          `feed-box-${feed.split('-').at(-1)}`,
          feed,
        )
      const host = fakeHost({
        ...{ dir: folder, workspace },
        inputs: { to: 'pages', upload: 'true', 'github-token': 't', ...secrets },
        env: { GITHUB_API_URL: pages.url, ...pages.env },
      })
      const clock = { now: () => Date.now(), sleep: async (): Promise<void> => {} }
      return { ...host, failed: await failsTold(publishAction(host, async () => session(made.env), clock)) }
    }
    const secrets = { 'signing-key': feedKey.privateKey, 'apk-signing-key': apkKey.privateKey }
    const first = await run(['debian', 'alpine'], '1.0', secrets)
    assert.ok(!first.failed, first.log())
    assert.equal(
      first.outputs['keyring'],
      ['demo.gpg', 'demo.rsa.pub'].map((file) => `${pages.url}/widgets/${file}`).join('\n'),
    )
    assert.match(
      first.outputs['install'] ?? '',
      /^if command -v apt-get .*; then\n[\s\S]*\nelif command -v apk .*; then\n[\s\S]*\nfi$/,
    )
    // No line of a key is in the log.
    for (const line of [...Object.values(secrets).join('\n').split('\n')].filter((each) => each.length > 40))
      assert.ok(!first.log().includes(line) && first.masked.includes(line))

    const before = versionsAt(pages.site)
    const { 'apk-signing-key': _, ...debianOnly } = secrets
    for (const [distros, given, says] of [
      [['debian'], debianOnly, /has a feed in alpine\/ that would be lost[\s\S]*YOE_APK_SIGNING_KEY/],
      [['debian', 'alpine'], debianOnly, /packages for alpine, and no apk key of demo/],
      [
        ['alpine'],
        { 'apk-signing-key': apkKey.privateKey },
        /has a feed in debian\/ that would be lost[\s\S]*YOE_SIGNING_KEY/,
      ],
    ] as const) {
      const refused = await run(distros, '9.0', given)
      assert.ok(refused.failed)
      assert.match(refused.log(), says)
    }
    assert.deepEqual([pages.deployed.length, versionsAt(pages.site)], [1, before])

    const second = await run(['alpine'], '2.0', secrets)
    assert.ok(!second.failed, second.log())
    const third = await run(['debian'], '2.0', secrets)
    assert.ok(!third.failed, third.log())
    assert.equal(versionsAt(pages.site).length, 4)
    const front = readFileSync(join(pages.site, 'index.html'), 'utf8')
    assert.deepEqual(feedsOf(front), { debian: ['trixie'], alpine: ['x86_64'] })
    assert.equal(front.match(/<pre class="use">/g)?.length, 2)
    for (const page of ['debian/index.html', 'alpine/index.html']) readFileSync(join(pages.site, page))
    // One text for both kinds of devices.
    const install = first.outputs['install'] ?? ''
    await devicesInstall(folder, `${pages.url}/widgets`, { debian: install, alpine: install }, '2.0')
  })
})
