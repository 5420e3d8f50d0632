/** The steps of "Add it to your repository", one after the other in one repository. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  existsSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { after, before, test } from 'node:test'
import { zstdCompressSync } from 'node:zlib'
import { generateCacheKey } from '#engine/store/signing.ts'
import { generateOpenPgpKey } from '#feeds/keys/openpgp.ts'
import { actionPins } from '#toolkit/action-pins.ts'
import { subjectsOf } from '../fixtures/attest/subjects.ts'
import { type ActRun, releasedAt } from '../support/act.ts'
import { downloadAsDevice } from '../support/apt-root.ts'
import { served } from '../support/local-server.ts'
import { checkout } from '../support/project.ts'
import { startBucket } from '../support/s3.ts'
import { arch, attesting, cellSummary, type Files, jobsOf, outcomes, pull, Scenes, shownIn } from '../support/scenes.ts'
import { faultsOf } from '../support/schema.ts'
import { filesWithSecrets } from '../support/secret-search.ts'

let dir: string
let scenes: Scenes

before(async () => {
  dir = mkdtempSync(join(tmpdir(), 'yoe-actions-'))
  scenes = await Scenes.open(join(dir, 'scenes'))
})
after(async () => {
  await scenes?.close()
  rmSync(dir, { recursive: true, force: true })
})

const cacheKey = generateCacheKey().privateKey
/** What nobody may see. */
const deployToken = `canary-${'d'.repeat(10)}${Date.now()}`
const secrets = { YOE_CACHE_SIGNING_KEY: cacheKey, DEPLOY_TOKEN: deployToken }
/** A unit that looks for secrets, and writes down what it finds. */
const look = String.raw`env; (cat /proc/*/environ /proc/*/cmdline 2>/dev/null || true) | tr '\\0' '\\n'`
const base: Files = {
  'units/app.star': readFileSync(join(checkout, '__tests__/fixtures/product/units/app.star'), 'utf8').replace(
    'tasks = [',
    `tasks = [\n        task("look", run = "${look}"),`,
  ),
}
const greeting = (text: string): Files => ({
  'libgreet/greet.c': `#include "greet.h"\n\nconst char *greet(void)\n{\n\treturn "${text}";\n}\n`,
})
const main = (body: string): Files => ({
  'app/main.c': `#include <greet.h>\n#include <stdio.h>\n\nint main(void)\n{\n\t${body}\n\treturn 0;\n}\n`,
})
const run = (files: Files, options: Parameters<Scenes['run']>[1] = {}): Promise<ActRun> =>
  scenes.run({ ...base, ...files }, { secrets, ...options })
const marked = (): number => scenes.service.requests.length
/** What was asked of GitHub about comments, releases and tags since `from`, without numbers. */
const askedGitHub = (from: number): readonly string[] =>
  scenes.github.requests.slice(from).map((what) => what.replace(/\/\d+/g, '/N').replace('/repos/octo/widgets', ''))

const pullUnits = ['app built', 'base built', 'libgreet restored', 'toolchain-debian restored', 'tools-debian restored']
let main1: ActRun

test('first push, nothing cached: everything is built, the image is there for others', async () => {
  const from = marked()
  main1 = await run({})
  assert.equal(main1.code, 0, main1.text)
  assert.deepEqual(jobsOf(main1), ['build success', 'ok success', 'plan success'])
  assert.deepEqual(outcomes(main1), [
    'app built',
    'base built',
    'libgreet built',
    'toolchain-debian built',
    'tools-debian built',
  ])
  assert.match(
    cellSummary(main1),
    /^## ✅ box\/base\n\n5 built, 0 unchanged · image \d+\.\d MB[\s\S]*\| app \| built \|/,
  )
  assert.match(main1.outputs['sha256'] ?? '', /^[0-9a-f]{64}$/)
  // An image of a gigabyte, mostly holes.
  const largest = Math.max(...scenes.service.caches.map(({ size }) => size))
  assert.ok(largest < 300e6, `${largest} bytes in one entry`)
  assert.deepEqual(
    scenes.service.artifacts.map(({ name, ready }) => [name, ready]),
    [['image-box-base.img.zst', true]],
  )
  assert.deepEqual(main1.annotations, [])
  assert.match(main1.text, /sandbox: works/, 'the cell prepared its runner')
  // What was built, and what is written down about it: nothing that a feed or a mirror serves has an entry.
  const kinds = scenes.service.caches.map(({ key }) => /^yoe1-(\w+)\//.exec(key)?.[1] ?? key)
  const ours = ['claims', 'contents', 'index', 'memory', 'packs', 'units']
  assert.deepEqual(
    [...new Set(kinds)].filter((kind) => !ours.includes(kind)),
    [],
  )
  const { saves, downloads, rest } = scenes.asked(from)
  assert.ok(saves <= 25, `${saves} saves`)
  // What it downloads is the index that it adds to.
  assert.ok(downloads <= 5, `${downloads} downloads`)
  assert.equal(rest, 0)
})

test('second push, nothing changed: one image is restored, through the reusable workflow as well', async () => {
  const from = marked()
  const entries = scenes.service.caches.length
  const result = await run({}, { short: true })
  assert.equal(result.code, 0, result.text)
  assert.deepEqual(outcomes(result), ['base restored'], 'what lies below the image is not even looked up')
  assert.equal(result.outputs['cache-hits'], '1')
  assert.equal(result.outputs['sha256'], main1.outputs['sha256'])
  assert.match(cellSummary(result), /^## ✅ box\/base\n\n0 built, 1 unchanged[\s\S]*Nothing had to be built/)
  const { lookups, saves, rest } = scenes.asked(from)
  assert.ok(lookups <= 3, `${lookups} look-ups`)
  // The list of what the image holds, for pull requests that stand on this commit, and the index that has it.
  const added = scenes.service.caches.slice(entries).map(({ key }) => key.split('/')[0])
  assert.deepEqual([saves, added], [2, ['yoe1-contents', 'yoe1-index']])
  assert.equal(rest, 0)
})

test('a pull request that touches one unit rebuilds it and the image, and says what it does to the image', async () => {
  scenes.touches('app/main.c')
  const [from, fromGitHub] = [marked(), scenes.github.requests.length]
  const result = await run(main('puts(greet()); puts("and more");'), pull(main1.sha))
  assert.equal(result.code, 0, result.text)
  assert.deepEqual(outcomes(result), pullUnits)
  assert.notEqual(result.outputs['sha256'], main1.outputs['sha256'])
  assert.match(cellSummary(result), /\| app \| built \| [^|]*main\.c[^|]* \|/, 'why')
  const [, delta = ''] = /### Packages against the base branch \((.*)\)\n\n/.exec(cellSummary(result)) ?? []
  assert.match(delta, /^[+−]\d+(\.\d)? k?B, image [+−]\d/)
  assert.equal(scenes.asked(from).compared, 1, 'what the change touches is asked once')
  const theirs = scenes.service.caches.filter(({ scope }) => scope !== 'refs/heads/main').map(({ scope }) => scope)
  assert.deepEqual([...new Set(theirs)], ['refs/pull/7/merge'], 'what it makes is for itself alone')
  // The comment says the same.
  assert.equal(scenes.github.comments.length, 1)
  const [{ body, issue, author } = { body: '', issue: 0, author: '' }] = scenes.github.comments
  assert.deepEqual([issue, author], [7, 'github-actions[bot]'])
  assert.match(
    body,
    /\*\*✅ box\/base\*\* · 2 built, 3 unchanged · image \d+\.\d MB \((as before|[+−]\d[^)]*)\) · packages [+−]\d+/,
  )
  const [, sizes = ''] = /\| app \| 1\.0-r0 \| 1\.0-r0 \| &#43;(\S+ k?B) \|/.exec(body) ?? []
  assert.ok(sizes !== '' && delta.startsWith(`+${sizes}`), `${delta}: ${body}`)
  assert.match(body, /<summary>1 package is different from the base branch<\/summary>/)
  assert.match(body, new RegExp(`<code>${'b'.repeat(12)}</code>`), 'the commit that its author knows')
  assert.deepEqual(askedGitHub(fromGitHub), [
    'POST /graphql',
    'POST /issues/N/comments',
    ...['POST /graphql', 'POST /graphql'],
  ])
})

test('a pull request that touches no cell builds nothing', async () => {
  scenes.touches('README.md')
  const result = await run({}, pull(main1.sha))
  assert.deepEqual(jobsOf(result), ['ok success', 'plan success'], result.text)
  assert.match(result.summaries.join(''), /## ✅ Nothing to build[\s\S]*box\/base/)
})

test('a pull request that fails is told at its line, and what was finished before it is saved', async () => {
  scenes.touches('app/main.c', 'libgreet/greet.c')
  const [from, fromGitHub] = [marked(), scenes.github.requests.length]
  const result = await run({ ...greeting('good evening'), ...main('puts(greet())') }, pull(main1.sha))
  assert.notEqual(result.code, 0)
  assert.deepEqual(jobsOf(result), ['build failure', 'ok failure', 'plan success'])
  assert.equal(result.annotations.length, 1, JSON.stringify(result.annotations))
  assert.match(result.annotations[0]?.text ?? '', /app: .*build/)
  assert.deepEqual(outcomes(result), [
    'app ❌ failed',
    'base skipped',
    'libgreet built',
    'toolchain-debian restored',
    'tools-debian restored',
  ])
  const page = cellSummary(result)
  assert.match(
    page,
    /^## ❌ box\/base\n\n.*\n\n- <b>app<\/b>: .*build.*units\/app\.star.*\n\n<pre>[\s\S]*main\.c[\s\S]*expected/,
  )
  const local = `yoe ci --cell box/base --at ${result.sha}`
  assert.ok(page.indexOf(`Reproduce: <code>${local}</code>`) < page.indexOf('### Units'))
  assert.ok(result.text.includes(`On your machine: ${local}`))
  // One pack with what is finished, the index that has it, and who builds what.
  assert.ok(scenes.asked(from).saves <= 8, `${scenes.asked(from).saves} saves`)
  assert.equal(scenes.asked(from).compared, 1)
  const comment = (): string => scenes.github.comments.map(({ body }) => body).join('\n')
  assert.match(comment(), /\*\*❌ box\/base\*\* · .*\n\n<b>app<\/b>: .*\n\nReproduce: <code>yoe ci/)
  assert.doesNotMatch(comment(), /✅|different from the base/)
  const mended = await run({ ...greeting('good evening'), ...main('puts(greet());\n') }, pull(main1.sha))
  assert.deepEqual(
    outcomes(mended).filter((line) => !line.includes('debian')),
    ['app built', 'base built', 'libgreet restored'],
  )
  assert.match(comment(), /\*\*✅ box\/base\*\* · 2 built[\s\S]*\| libgreet1? \|/)
  assert.equal(scenes.github.comments.length, 1)
  assert.deepEqual(
    askedGitHub(fromGitHub).filter((what) => what !== 'POST /graphql'),
    ['PATCH /issues/comments/N', 'PATCH /issues/comments/N'],
    'it was written anew',
  )
})

test('a pull request from a fork works without secrets, reads the cache and can not write', async () => {
  scenes.touches('app/main.c')
  const before = scenes.service.caches.map(({ key }) => key)
  const [from, fromGitHub] = [marked(), scenes.github.requests.length]
  const result = await run(main('puts("evil"); puts(greet());'), { ...pull(main1.sha, 'mallory/widgets'), secrets: {} })
  assert.deepEqual(jobsOf(result), ['build success', 'ok success', 'plan success'], result.text)
  assert.deepEqual(outcomes(result), pullUnits)
  assert.deepEqual(
    scenes.service.caches.map(({ key }) => key),
    before,
  )
  assert.match(result.summaries.join('\n'), /not saved: this run may only read/)
  assert.match(cellSummary(result), /Nothing was saved for other runs&#58; a pull request from a fork/)
  assert.match(result.text, /No comment on a pull request from a fork/)
  assert.deepEqual([scenes.asked(from).saves, scenes.asked(from).rest, askedGitHub(fromGitHub)], [0, 1, []])
})

const machine = arch === 'arm64' ? 'qemu-arm64' : 'qemu-x86_64'
/** The same project on a machine that boots. */
const bootable: Files = {
  'PROJECT.star': readFileSync(join(checkout, '__tests__/fixtures/product/PROJECT.star'), 'utf8')
    .replace('"box"', `"${machine}"`)
    .replace('"base"', '"system"'),
  'machines/box.star': '',
  'images/base.star': `image(
    name = "system",
    version = "1.0",
    artifacts = ["base", "ssh-server", "app"],
    tests = [test("app greets", run = "app | grep -q hello")],
)
`,
}
let feedKey: Awaited<ReturnType<typeof generateOpenPgpKey>>
let nightly: ActRun

/** The files in the package `app`, as apt on a device gets it from a feed. */
async function appOf(install = ''): Promise<string> {
  const architecture = arch === 'arm64' ? 'arm64' : 'amd64'
  const deb = await downloadAsDevice(mkdtempSync(join(dir, 'device-')), { install, name: 'app', architecture })
  return execFileSync('dpkg-deb', ['--contents', deb], { encoding: 'utf8' })
}

test('the night: the image boots and is released with its proof, the feed is on Pages, signed with the secret', async () => {
  scenes.service.intercept = undefined
  feedKey = await generateOpenPgpKey('product')
  const fromGitHub = scenes.github.requests.length
  const { version, commit } = actionPins['actions/attest-build-provenance']
  const attest = join(checkout, '__tests__/fixtures/attest')
  assert.match(version, /^v4\./, 'the one that this stands in for')
  nightly = await run(bootable, {
    boot: true,
    event: 'schedule',
    secrets: { ...secrets, YOE_SIGNING_KEY: feedKey.privateKey },
    env: scenes.pages.env,
    actions: { [`actions/attest-build-provenance@${commit}`]: attest },
    workflow: attesting,
  })
  assert.deepEqual(jobsOf(nightly), ['build success', 'ok success', 'plan success', 'publish success'], nightly.text)
  const built = cellSummary(nightly)
  assert.match(built, /· boots ·[\s\S]*### Boot test \((kvm|tcg)\)[\s\S]*\| app greets \| passed \|/)
  assert.deepEqual(
    outcomes(nightly).filter((line) => /^(app|libgreet|system|toolchain-debian|tools-debian) /.test(line)),
    ['app restored', 'libgreet restored', 'system built', 'tools-debian restored'],
    'what the first push saved is not built again',
  )
  assert.match(nightly.outputs['junit'] ?? '', /junit-qemu-\w+-system\.xml$/)
  const cell = `${machine}-system`
  const named = scenes.service.artifacts.filter(({ run: of }) => of === `run-${scenes.runs.length}`)
  assert.deepEqual(
    named.map(({ name }) => name).sort(),
    [`feed-${cell}`, 'github-pages', `image-${cell}.img.zst`, `junit-${cell}`, `report-${cell}`].sort(),
  )
  const page = nightly.summaries.join('\n')
  assert.match(page, /\d+ packages for debian, signed by/)
  assert.ok(page.replaceAll(/\s/g, '').includes(feedKey.fingerprint.replaceAll(/\s/g, '')), page)

  // The release: a draft, its files, a tag, then to be seen.
  const [released, ...others] = scenes.github.releases
  assert.deepEqual(others, [])
  assert.match(released?.tag ?? '', /^nightly-\d{4}-\d{2}-\d{2}$/)
  assert.equal(scenes.github.tags.get(released?.tag ?? ''), nightly.sha)
  assert.match(page, new RegExp(`### Release\n\n\\[${released?.tag}\\]`))
  const assets = new Map(released?.assets.map(({ name, bytes }) => [name, bytes]))
  const files = [`image-${cell}.img.zst`, `report-${cell}.json`, `sbom-${cell}.spdx.json`]
  assert.deepEqual([...assets.keys()].sort(), ['SHA256SUMS', ...files].sort())
  assert.deepEqual(
    askedGitHub(fromGitHub).filter((what) => !what.startsWith('GET')),
    [
      'POST /releases',
      ...['SHA256SUMS', ...files].map(() => 'POST /uploads/releases/N/assets'),
      ...['POST /git/refs', 'PATCH /releases/N', 'POST /attestations'],
    ],
  )
  const sums = subjectsOf(assets.get('SHA256SUMS')?.toString() ?? '')
  const really = files.map((name) => ({ name, digest: { sha256: sha256(assets.get(name) ?? Buffer.alloc(0)) } }))
  assert.deepEqual(sums, really)
  const sbom: { packages: { name: string }[] } = JSON.parse(assets.get(`sbom-${cell}.spdx.json`)?.toString() ?? '')
  assert.ok(sbom.packages.some(({ name }) => name === 'app') && sbom.packages.length > 50)
  const report: unknown = JSON.parse(assets.get(`report-${cell}.json`)?.toString() ?? '')
  assert.deepEqual(faultsOf('report', report), [])
  const [proof] = scenes.github.attestations
  assert.deepEqual(proof, {
    _type: 'https://in-toto.io/Statement/v1',
    subject: really,
    predicateType: 'https://slsa.dev/provenance/v1',
    predicate: { repository: 'octo/widgets', commit: nightly.sha, run: String(scenes.runs.length) },
  })

  // The feed: deployed once, and good for apt.
  assert.deepEqual(scenes.pages.deployed, [nightly.sha])
  assert.equal(nightly.outputs['feed-url'], `${scenes.pages.url}/widgets`)
  assert.match(await appOf(nightly.outputs['install']), / \.\/usr\/bin\/app\n/)
})

test('the same packages to a bucket, by the job of "Publishing a feed": apt reads it through a web server', async (t) => {
  const { stop, ...bucket } = await startBucket(mkdtempSync(join(dir, 's3-')))
  t.after(stop)
  const url = await served(
    t,
    createServer(({ url: path = '' }, response) => {
      const file = join(bucket.folder, 'stable', decodeURIComponent(new URL(path, 'http://x').pathname))
      const found = existsSync(file) && statSync(file).isFile()
      response.writeHead(found ? 200 : 404).end(found ? readFileSync(file) : '')
    }),
  )
  const [shown = ''] = shownIn('publish.md', 'yaml').filter((yaml) => yaml.includes('s3://acme-feed/stable'))
  // There is no AWS that would know this job: its credentials are variables, as those of every other service.
  const steps = shown
    .replace(/ +- uses: aws-actions\/.*\n.*\n/, '')
    .replace('OWNER/yoe/actions/publish-feed@v1', `octo/yoe/actions/publish-feed@${releasedAt}`)
    .replace('s3://acme-feed/stable', `s3://${bucket.bucket}/stable?endpoint=${bucket.endpoint}&region=us-east-1`)
    .replace('signing-key:', `url: "${url}"\n          signing-key:`)
  const result = await run(bootable, {
    // Of the same run: the artifacts of its build jobs are there.
    run: `run-${scenes.runs.length}`,
    secrets: { ...secrets, YOE_SIGNING_KEY: feedKey.privateKey },
    env: bucket.env,
    workflow: () => `on: push\njobs:\n  publish:\n    runs-on: ubuntu-24.04\n${steps}`,
  })
  assert.deepEqual(jobsOf(result), ['publish success'], result.text)
  assert.equal(result.outputs['feed-url'], url)
  assert.equal(await appOf(result.outputs['install']), await appOf(nightly.outputs['install']))
  assert.equal(scenes.github.releases.length, 1, 'without `release` there is none')
})

const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex')

test('H4: no secret of any run, good or failed, is in a log, summary, comment, release, artifact, cache or feed', (t) => {
  for (const figure of scenes.figures) t.diagnostic(figure)
  const [signing = ''] = feedKey.privateKey.split(/\r?\n/).filter((line) => /^[\w+/]{50,}$/.test(line))
  const canaries = [signing, cacheKey, cacheKey.split(':').at(-1) ?? '', deployToken, `ghs_${'t'.repeat(36)}`]
  for (const canary of canaries) assert.match(canary, /^\S{25,}$/)
  const kept = join(dir, 'kept')
  mkdirSync(kept)
  const keep = (name: string, bytes: string | Buffer): void => writeFileSync(join(kept, name), bytes)
  for (const [index, { text, summaries, annotations }] of scenes.runs.entries()) {
    // act writes down the command that hides a value, GitHub's runner does not.
    const shown = text.split('\n').filter((line) => !line.includes('"command":"add-mask"'))
    keep(`run-${index}.log`, shown.join('\n'))
    keep(`run-${index}.told`, JSON.stringify([summaries, annotations]))
  }
  const { comments, releases, attestations } = scenes.github
  keep('github.json', JSON.stringify([comments, releases.map(({ assets, ...release }) => release), attestations]))
  for (const { name, bytes } of releases.flatMap(({ assets }) => assets)) keep(name, bytes)
  const folders = [kept, join(dir, 'scenes/store'), scenes.pages.site, ...globSync('s3-*/buckets', { cwd: dir })]
  const files = folders.flatMap((folder) => filesBelow(resolve(dir, folder)))
  assert.ok(files.length > 40, `${files.length} files`)
  assert.ok(
    scenes.runs.some(({ text }) => /DESTDIR=/.test(text)),
    'a unit did look',
  )
  const inPackage = Buffer.concat([Buffer.from('ustar'), zstdCompressSync(`TOKEN=${deployToken}`)])
  keep('naive', zstdCompressSync(inPackage))
  const naive = join(kept, 'naive')
  assert.deepEqual(filesWithSecrets([...files, naive], canaries, join(dir, 'search')), [naive], 'only the control')
})

function filesBelow(folder: string): readonly string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true }).flatMap((entry) =>
    entry.isFile() ? [join(entry.parentPath, entry.name)] : [],
  )
}
