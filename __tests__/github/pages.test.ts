import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import {
  cpSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, beforeEach, test } from 'node:test'
import { silent } from '#engine/events.ts'
import type { SigningKey } from '#engine/formats.ts'
import { Exchange } from '#engine/source/exchange.ts'
import { publishRepository } from '#feeds/debian/repository.ts'
import { generateOpenPgpKey } from '#feeds/keys/openpgp.ts'
import { publishDirectory } from '#feeds/publish/directory.ts'
import { importSite } from '#feeds/publish/live-site.ts'
import { Artifacts } from '#github/artifacts.ts'
import type { Engine } from '#github/engine-port.ts'
import { packSite } from '#github/pages-archive.ts'
import { publishAction } from '#github/publish-action.ts'
import { aptFor, debOf, now, publishInput, readFeed, suite, versionsOf } from '../feeds/debian/feed-making.ts'
import { type FakeHost, failsTold, fakeHost } from '../support/action-host.ts'
import { openEngine } from '../support/fake-engine.ts'
import { type PagesService, startPages } from '../support/pages-service.ts'
import { type ResultsService, runtimeToken, startResultsService } from '../support/results-service.ts'

let dir: string
let service: ResultsService
let pages: PagesService
let key: SigningKey
let runs = 0

before(async () => {
  dir = mkdtempSync(join(tmpdir(), 'yoe-pages-test-'))
  service = await startResultsService({ dir: join(dir, 'store') })
  key = await generateOpenPgpKey('demo', new Date(Date.now() - 86_400_000))
})
after(async () => {
  await service.close()
  rmSync(dir, { recursive: true, force: true })
})
beforeEach(async (t) => {
  service.artifacts.length = 0
  pages = await startPages(mkdtempSync(join(dir, 'pages-')), service)
  if ('after' in t) t.after(() => pages.close())
})

/** Publishes packages of small repositories, as the engine does with those of cells. */
const engine =
  (signingKey: SigningKey): (() => Promise<Engine>) =>
  async () => ({
    ...(await openEngine()),
    async publish({ feeds, to, url, keep, live }) {
      const source = mkdtempSync(join(dir, 'source-'))
      for (const feed of feeds) {
        const [unit] = globSync('**/*.deb', { cwd: feed }).map((path) => /([^/]+)_([\d.]+)-r(\d+)_all\.deb$/.exec(path))
        const [, name = '', version = '', release = '0'] = unit ?? []
        const deb = await debOf(dir, { name, version, release: Number(release) })
        await publishRepository(publishInput(source, signingKey, [deb]))
      }
      const site = { url: live ?? '', exchange: new Exchange({ limits: { retries: 0 } }), fresh: `${++runs}` }
      const imported = await importSite({ ...site, target: to, signingKey, known: new Map() })
      const place = { source, target: to, project: 'demo', suite, signingKey, date: now, report: silent }
      const options = { ...(url === undefined ? {} : { url }), ...(keep === undefined ? {} : { keep }) }
      const { packages } = await publishDirectory({ ...place, ...options })
      const feed = { distro: 'debian', tool: 'apt-get', packages, keyring: 'demo.gpg', keyFingerprint: 'AB' }
      return { dir: to, url, imported, packages, feeds: [{ ...feed, install: 'apt-get update' }] }
    },
  })

interface RunOptions {
  readonly signingKey?: SigningKey
  readonly inputs?: Readonly<Record<string, string>>
  readonly event?: string
  readonly env?: Readonly<Record<string, string>>
}

/** One run whose build job made one package, and whose publish job publishes it. */
async function publish(
  unit: Parameters<typeof debOf>[1],
  options: RunOptions = {},
): Promise<FakeHost & { readonly failed: boolean }> {
  const { signingKey = key, inputs = {}, event = 'push', env = {} } = options
  const run = `run-${++runs}`
  Object.assign(process.env, service.env(runtimeToken({ run })), pages.env, env)
  const workspace = mkdtempSync(join(dir, 'work-'))
  const built = join(workspace, 'built')
  await publishRepository(publishInput(built, key, [await debOf(dir, unit)]))
  await new Artifacts('https://github.com/octo/widgets/actions/runs/1', dir, () => {}).feed('feed-box-base', built)
  const host = fakeHost({
    ...{ dir, workspace, event },
    inputs: { to: 'pages', 'signing-key': 'k', upload: 'true', 'github-token': 't', ...inputs },
    env: { GITHUB_API_URL: pages.url, ...pages.env, ...env },
  })
  // Time passes when somebody waits for it.
  let time = Date.now()
  const clock = {
    now: () => time,
    sleep: async (ms: number): Promise<void> => {
      time += ms
    },
  }
  const failed = await failsTold(publishAction(host, engine(signingKey), clock))
  return { ...host, failed }
}

const offered = async (): Promise<readonly string[]> => versionsOf(await readFeed(join(pages.site, 'debian'), key))

test('the first deployment: apt installs from the site, and people find how', async () => {
  const run = await publish({})
  assert.ok(!run.failed, run.log())
  assert.equal(run.outputs['feed-url'], `${pages.url}/widgets`)
  assert.equal(run.outputs['keyring'], `${pages.url}/widgets/demo.gpg`)
  assert.equal(run.outputs['install'], 'apt-get update')
  assert.deepEqual(pages.deployed, ['c'.repeat(40)])
  assert.match(readFileSync(join(pages.site, 'index.html'), 'utf8'), /<td>1\.0-r0<td>all/)
  assert.deepEqual(
    readdirSync(pages.site).sort(),
    ['debian', 'demo.asc', 'demo.gpg', 'index.html'],
    'nothing else that lay there',
  )
  const apt = await aptFor(mkdtempSync(join(dir, 'apt-')), `${pages.url}/widgets/debian`, key)
  const update = await apt.get('update')
  assert.deepEqual([update.code, update.stderr], [0, ''])
  assert.equal((await apt.get('--yes', '--download-only', 'install', 'app')).code, 0)
  assert.match(run.summaries.join(''), /1 packages for debian, signed by .*\/widgets\/demo\.gpg/)
  assert.match(run.log(), /The site has 1 MB of 1000 MB, in \d+ files/)
  assert.ok(service.artifacts.every(({ name }) => name !== 'feed'))
})

test('a deployment replaces all: what was live comes along, verified, and a device with the index before finds its files', async () => {
  for (const name of ['one', 'two']) await publish({ name })
  assert.deepEqual(await offered(), ['one 1.0-r0', 'two 1.0-r0'])
  const inRelease = join(pages.site, 'debian/dists', suite, 'InRelease')
  for (const release of [1, 2, 3]) {
    const before = mkdtempSync(join(dir, 'before-'))
    cpSync(inRelease, join(before, 'InRelease'))
    const was = await offered()
    const run = await publish({ name: 'one', release }, { inputs: { keep: '1' } })
    assert.ok(!run.failed, run.log())
    const after = readFileSync(inRelease)
    assert.deepEqual(await offered(), [`one 1.0-r${release}`, 'two 1.0-r0'])
    cpSync(join(before, 'InRelease'), inRelease)
    assert.deepEqual(await offered(), was, 'the index that some cache still has')
    writeFileSync(inRelease, after)
  }
  const debs = globSync('debian/pool/**/one_*.deb', { cwd: pages.site }).map((path) => path.split('/').at(-1))
  assert.deepEqual(debs.sort(), ['one_1.0-r2_all.deb', 'one_1.0-r3_all.deb'])
})

test('A11 another run deploys meanwhile: all begins again on top of that', async () => {
  await publish({})
  const theirs = mkdtempSync(join(dir, 'theirs-'))
  cpSync(pages.site, theirs, { recursive: true })
  const source = mkdtempSync(join(dir, 'source-'))
  await publishRepository(publishInput(source, key, [await debOf(dir, { name: 'other' })]))
  await publishDirectory({ source, target: theirs, project: 'demo', suite, signingKey: key, date: now, report: silent })
  let late = true
  pages.intercept = (what) => {
    // What was live is being read.
    if (late && what.endsWith('.deb')) cpSync(theirs, pages.site, { recursive: true })
    if (what.endsWith('.deb')) late = false
    return undefined
  }
  const run = await publish({ name: 'slow' })
  assert.match(run.log(), /Another run published to .* meanwhile: adding to that/)
  assert.deepEqual(await offered(), ['app 1.0-r0', 'other 1.0-r0', 'slow 1.0-r0'])
  assert.equal(pages.deployed.length, 2)
})

const refused: readonly {
  readonly what: string
  readonly fault: (site: PagesService) => RunOptions | undefined
  readonly says: RegExp
}[] = [
  {
    what: 'Pages are not enabled',
    fault: (site) => void Object.assign(site, { settings: undefined }),
    says: /GitHub Pages is not enabled for octo\/widgets[\s\S]*settings\/pages and choose "GitHub Actions"/,
  },
  {
    what: 'Pages are built from a branch',
    fault: (site) => void Object.assign(site, { settings: { build_type: 'legacy', public: true } }),
    says: /built from a branch[\s\S]*settings\/pages/,
  },
  {
    what: 'Pages are private',
    fault: (site) => void Object.assign(site, { settings: { build_type: 'workflow', public: false } }),
    says: /are private[\s\S]*s3:\/\//,
  },
  {
    what: 'the token may not deploy',
    fault: (site) =>
      void Object.assign(site, {
        intercept: (what: string) =>
          what.endsWith('/pages/deployments')
            ? { status: 403, body: { message: 'Resource not accessible by integration' } }
            : undefined,
      }),
    says: /403[\s\S]*permissions: \{ pages: write, id-token: write \}/,
  },
  {
    what: 'the job has no identity',
    fault: () => ({ env: { ACTIONS_ID_TOKEN_REQUEST_URL: '', ACTIONS_ID_TOKEN_REQUEST_TOKEN: '' } }),
    says: /no identity[\s\S]*id-token: write/,
  },
  {
    what: 'the job has no environment',
    fault: (site) =>
      void Object.assign(site, {
        intercept: (what: string) =>
          what.endsWith('/pages/deployments')
            ? { status: 400, body: { message: 'Missing environment. Ensure your workflow has one' } }
            : undefined,
      }),
    says: /environment: \{ name: github-pages \}/,
  },
  {
    what: 'the deployment fails',
    fault: (site) => void Object.assign(site, { statuses: ['deployment_in_progress', 'deployment_content_failed'] }),
    says: /did not succeed: GitHub could not unpack/,
  },
  {
    what: 'the deployment does not end',
    fault: (site) => void Object.assign(site, { statuses: ['updating_pages'] }),
    says: /not done after 10 minutes \(updating_pages\)/,
  },
  {
    what: 'the live feed is signed by another key',
    fault: () => ({ signingKey: stranger }),
    says: /is not signed by this project's key/,
  },
  {
    what: 'the live feed can not be read',
    fault: (site) =>
      void Object.assign(site, { intercept: (what: string) => (what.endsWith('.deb') ? { status: 503 } : undefined) }),
    says: /could not be read \(debian\/pool\/.*HTTP 503/,
  },
  {
    what: 'the live feed lacks a package',
    fault: (site) =>
      void Object.assign(site, { intercept: (what: string) => (what.endsWith('.deb') ? { status: 404 } : undefined) }),
    says: /is incomplete or changes at this moment: pool\//,
  },
  {
    what: 'the site is something else',
    fault: (site) => void writeFileSync(join(site.site, 'index.html'), '<h1>Our handbook</h1>'),
    says: /serves a site that is no feed, and publishing there would replace all of it/,
  },
]
let stranger: SigningKey
before(async () => {
  stranger = await generateOpenPgpKey('demo')
})

let base: string | undefined
for (const { what, fault, says } of refused)
  test(`I9 ${what}: it is told with its mend, and the site is as it was`, async () => {
    if (base === undefined) {
      await publish({})
      base = mkdtempSync(join(dir, 'base-'))
      cpSync(pages.site, base, { recursive: true })
    }
    cpSync(base, pages.site, { recursive: true })
    const inRelease = readFileSync(join(pages.site, 'debian/dists', suite, 'InRelease'), 'utf8')
    const run = await publish({ name: 'other' }, fault(pages) ?? {})
    assert.ok(run.failed)
    assert.match(decodeURIComponent(run.log().replaceAll(/%(?![0-9A-F]{2})/g, '%25')), says)
    assert.equal(readFileSync(join(pages.site, 'debian/dists', suite, 'InRelease'), 'utf8'), inRelease)
    assert.deepEqual(pages.cancelled.length, what.includes('does not end') ? 1 : 0)
    assert.equal(run.outputs['feed-url'], undefined)
  })

test('another deployment of the commit in progress is waited for, and a status that can not be had is asked for again', async () => {
  let asked = 0
  pages.intercept = (what) => {
    if (what === 'POST /repos/octo/widgets/pages/deployments' && asked++ < 3) {
      const message = 'Deployment request failed due to in progress deployment. Please cancel it first or wait'
      return { status: 400, body: { message } }
    }
    return /^GET .*\/pages\/deployments\//.test(what) && asked++ < 9 ? { status: 404 } : undefined
  }
  const run = await publish({})
  assert.ok(!run.failed, run.log())
  assert.deepEqual(await offered(), ['app 1.0-r0'])
})

test('runs that strangers cause publish nothing and read no key', async () => {
  for (const event of ['pull_request', 'pull_request_target', 'issue_comment', 'workflow_run']) {
    await assert.rejects(publish({}, { event }), /must not publish/)
  }
  assert.deepEqual([pages.deployed, pages.requests], [[], []])
})

test('a site beyond 1 GB is refused before anything is sent, with the numbers', async () => {
  const folder = mkdtempSync(join(dir, 'large-'))
  mkdirSync(join(folder, 'debian/pool'), { recursive: true })
  for (const name of ['kernel', 'firmware']) {
    const path = join(folder, 'debian/pool', `${name}_1_all.deb`)
    writeFileSync(path, '')
    truncateSync(path, name === 'kernel' ? 700_000_000 : 400_000_000)
  }
  await assert.rejects(
    packSite(folder, join(dir, 'none.tar'), 3),
    /1100 MB in 2 files, and GitHub Pages takes 1000 MB; the largest: kernel_1_all\.deb \(700 MB\), firmware/,
  )
})

test('the archive is what tar reads: readable files and folders, the same for the same feed, no secret', async () => {
  const folder = mkdtempSync(join(dir, 'site-'))
  await publishRepository(
    publishInput(join(folder, 'debian'), key, [await debOf(dir, { name: 'a-name-as-long-as-they-get'.repeat(3) })]),
  )
  const pack = async (name: string) => {
    await packSite(folder, join(dir, name), 3)
    return readFileSync(join(dir, name))
  }
  assert.deepEqual(await pack('one.tar'), await pack('two.tar'))
  const listed = execFileSync('tar', ['-tvf', join(dir, 'one.tar')], { encoding: 'utf8' })
    .trim()
    .split('\n')
  assert.ok(
    listed.every((line) => /^(drwxr-xr-x|-rw-r--r--) /.test(line) && line.includes(' ./')),
    listed.join('\n'),
  )
  assert.ok(listed.some((line) => line.endsWith('_all.deb')) && !listed.join().includes('.lock'))
  writeFileSync(join(folder, 'demo.asc'), key.privateKey)
  await assert.rejects(pack('three.tar'), /holds a private key/)
})
