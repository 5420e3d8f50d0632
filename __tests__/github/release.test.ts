import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { after, beforeEach, test } from 'node:test'
import { zstdDecompressSync } from 'node:zlib'
import { YoeError } from '#engine/errors.ts'
import { cellAction } from '#github/cell-action.ts'
import { contextOf } from '#github/context.ts'
import { publishAction } from '#github/publish-action.ts'
import { makeRelease, type ReleaseRequest } from '#github/release.ts'
import { releaseInputs } from '#github/release-action.ts'
import type { ReleasedImage } from '#github/release-files.ts'
import { makerOf, releaseNotes } from '#github/release-notes.ts'
import { assetOf, Releases } from '#github/releases.ts'
import { GitHubRest } from '#github/rest.ts'
import { failsTold, fakeHost } from '../support/action-host.ts'
import { openEngine } from '../support/fake-engine.ts'
import { type GitHubRelease, startGitHub } from '../support/github-rest.ts'
import { served } from '../support/local-server.ts'
import { serviceOfFile } from '../support/service-of-file.ts'

const { service, dir } = await serviceOfFile()
// The client of artifacts reads its address and token from the environment of the process.
Object.assign(process.env, service.env())
const github = await startGitHub()
after(() => github.close())
beforeEach(() => {
  github.releases.length = 0
  github.tags.clear()
  github.runs.clear()
  github.requests.length = 0
  github.intercept = undefined
})

const sha = 'c'.repeat(40)
/** Noon of the day; sleeping takes no time. */
const noon = Date.parse('2026-11-22T12:00:00Z')
const quick = { now: () => noon, sleep: async () => {} }

async function image(cell = 'box/base', version = '1'): Promise<ReleasedImage> {
  const folder = mkdtempSync(join(dir, 'image-'))
  const file = async (name: string, text: string) => {
    writeFileSync(join(folder, name), text)
    return await assetOf(join(folder, name))
  }
  const slug = cell.replace('/', '-')
  const packages = [{ name: 'app', version, size: 100 + Number(version) }]
  const report = { cell, ok: true, distro: 'debian', disk: { sha256: 'a'.repeat(64), size: 1000 }, packages }
  return {
    cell,
    contents: { packages, imageBytes: 1000 },
    sha256: 'a'.repeat(64),
    image: await file(`image-${slug}.img.zst`, 'disk'.repeat(20_000)),
    report: await file(`report-${slug}.json`, JSON.stringify(report)),
    sbom: await file(`sbom-${slug}.spdx.json`, '{}'),
  }
}

async function release(more: Partial<ReleaseRequest> & { ref?: string } = {}) {
  const { ref = 'refs/heads/main', ...rest } = more
  const env = {
    ...{ GITHUB_EVENT_NAME: 'schedule', GITHUB_REF: ref, GITHUB_REPOSITORY: 'octo/widgets', GITHUB_SHA: sha },
    ...{ GITHUB_API_URL: github.url, GITHUB_RUN_ID: '7' },
  }
  const context = contextOf(env, { repository: { default_branch: 'main' } })
  const said: string[] = []
  const made = await makeRelease({
    releases: new Releases(new GitHubRest({ ...context, token: 't' }, quick)),
    ...{ context, wanted: 'nightly', keep: 3, project: '.', run: 7, images: [await image()] },
    folder: mkdtempSync(join(dir, 'sums-')),
    tell: (line) => said.push(line),
    clock: quick,
    ...rest,
  })
  return { ...made, said: said.join('\n') }
}

function others(one: Partial<GitHubRelease>): GitHubRelease {
  const made = {
    ...{ id: 1e6 + github.releases.length, created: '2026-11-20T00:00:00Z', tag: 'v0', sha: 'e'.repeat(40), name: '' },
    ...{ body: 'by hand', draft: false, prerelease: false, assets: [] },
    ...one,
  }
  github.releases.push(made)
  if (!made.draft) github.tags.set(made.tag, made.sha)
  return made
}

const refusal = async (made: Promise<unknown>): Promise<YoeError> => {
  const failure: unknown = await made.then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  assert.ok(failure instanceof YoeError, String(failure))
  return failure
}
const seen = (): readonly string[] => github.releases.filter(({ draft }) => !draft).map(({ tag }) => tag)

test('draft, files, tag, publication: in this order, and whole with checksums', async () => {
  const { tag, url } = await release()
  assert.equal(tag, 'nightly-2026-11-22')
  assert.match(url, /\/releases\/tag\/nightly-2026-11-22$/)
  const [made] = github.releases
  assert.equal(github.tags.get(tag), sha)
  assert.equal(made?.draft, false)
  assert.equal(made?.prerelease, true)
  const [sums] = made?.assets.filter(({ name }) => name === 'SHA256SUMS') ?? []
  const folder = mkdtempSync(join(dir, 'got-'))
  for (const { name, bytes } of made?.assets ?? []) writeFileSync(join(folder, name), bytes)
  execFileSync('sha256sum', ['--check', '--strict', '--quiet', 'SHA256SUMS'], { cwd: folder })
  assert.equal(sums?.bytes.toString().split('\n').length, 4)
  const steps = github.requests.map((what) => what.replace(/\d+/g, 'N')).filter((what) => !what.startsWith('GET'))
  assert.deepEqual(steps, [
    'POST /repos/octo/widgets/releases',
    ...Array.from({ length: 4 }, () => 'POST /uploads/repos/octo/widgets/releases/N/assets'),
    'POST /repos/octo/widgets/git/refs',
    'PATCH /repos/octo/widgets/releases/N',
  ])
})

test('a second one of the day has a number, the notes say what is different, and old ones go', async () => {
  const theirs = [
    others({ tag: 'nightly-2020-01-01', body: 'by hand' }),
    others({ tag: 'v1', body: '<!-- yoe:release . tag 3 -->' }),
    others({ tag: 'nightly-2020-01-02', body: '<!-- yoe:release firmware nightly 3 -->' }),
    others({ tag: 'nightly-handmade', body: '<!-- yoe:release . nightly 3 -->' }),
    others({ tag: 'draft', draft: true }),
  ].map(({ tag }) => tag)
  for (let version = 1; version <= 5; version++) await release({ images: [await image('box/base', String(version))] })
  assert.deepEqual(seen().slice(4), ['nightly-2026-11-22.3', 'nightly-2026-11-22.4', 'nightly-2026-11-22.5'])
  assert.deepEqual(
    github.releases.slice(0, 5).map(({ tag }) => tag),
    theirs,
  )
  assert.ok(!github.tags.has('nightly-2026-11-22') && !github.tags.has('nightly-2026-11-22.2'))
  assert.ok(github.tags.has('nightly-2020-01-01'))
  const notes = github.releases.at(-1)?.body ?? ''
  assert.match(notes, /### Since nightly-2026-11-22\.4/)
  assert.match(notes, /\| app \| 4 \| 5 \| &#43;1 B \|/)
})

test('a killed run leaves a draft; the next one deletes it, but not that of a run that is still at it', async () => {
  const cut = new AbortController()
  github.intercept = (what) => {
    if (what.endsWith('/assets')) cut.abort(new YoeError('CANCELLED', 'killed'))
    // Nor can it tidy up.
    return what.startsWith('DELETE') ? { status: 500 } : undefined
  }
  await refusal(release({ signal: cut.signal, run: 5 }))
  github.intercept = undefined
  assert.deepEqual([seen(), github.tags.size, github.releases.length], [[], 0, 1])
  github.runs.set(5, 'in_progress')
  await release({ run: 8 })
  assert.equal(github.releases.filter(({ draft }) => draft).length, 1)
  github.runs.set(5, 'completed')
  const { said } = await release({ run: 9 })
  assert.match(said, /Deleted the draft nightly-2026-11-22, which the run 5 left/)
  assert.equal(github.releases.filter(({ draft }) => draft).length, 0)
  assert.equal(seen().length, 2)
})

for (const [name, fault] of [
  ['an upload that is cut off', { match: /assets$/, reply: 'cut' }],
  ['a server that fails', { match: /POST/, reply: { status: 502 } }],
  ['a limit with Retry-After', { match: /assets$/, reply: { status: 429, headers: { 'retry-after': '9' } } }],
  [
    'too much at once',
    { match: /POST/, reply: { status: 403, body: { message: 'You have triggered an abuse detection' } } },
  ],
] as const)
  test(`faults that pass: ${name}`, async () => {
    let left = 2
    github.intercept = (what) => (fault.match.test(what) && left-- > 0 ? fault.reply : undefined)
    await release()
    const [made] = github.releases
    assert.equal(github.releases.length, 1)
    assert.ok(made?.assets.every(({ state }) => state === 'uploaded'))
    assert.equal(made?.assets.length, 4)
  })

test('an upload whose answer was lost is done again over what is there', async () => {
  let lost = false
  github.intercept = (what) => {
    if (!what.endsWith('/assets') || lost) return undefined
    lost = true
    const [made] = github.releases
    made?.assets.push({ id: 77, name: 'image-box-base.img.zst', state: 'starter', bytes: Buffer.alloc(0) })
    return undefined
  }
  await release()
  assert.deepEqual(
    github.releases[0]?.assets.map(({ name, state }) => `${name} ${state}`).sort(),
    ['SHA256SUMS', 'image-box-base.img.zst', 'report-box-base.json', 'sbom-box-base.spdx.json'].map(
      (x) => `${x} uploaded`,
    ),
  )
})

test('without the permission: refused by its name, and nothing stays', async () => {
  for (const status of [403, 404]) {
    github.intercept = (what) =>
      what.startsWith('POST') ? { status, body: { message: 'Resource not accessible' } } : undefined
    const failure = await refusal(release())
    assert.equal(failure.code, 'PUBLISH_FAILED')
    assert.match(failure.hint ?? '', /contents: write/)
    assert.deepEqual([github.releases.length, github.tags.size], [0, 0])
  }
  github.intercept = (what) => (what.endsWith('/assets') ? { status: 403, body: { message: 'no' } } : undefined)
  await refusal(release())
  assert.equal(github.releases.length, 0, 'the draft goes')
})

test('a tag by name: of this run, new, at another commit, and released already', async () => {
  github.tags.set('v1', sha)
  github.tags.set('v2', 'f'.repeat(40))
  assert.equal((await release({ wanted: 'v1', ref: 'refs/tags/v1' })).tag, 'v1')
  assert.equal((await release({ wanted: 'v3' })).tag, 'v3')
  assert.equal(github.tags.get('v3'), sha)
  assert.match((await refusal(release({ wanted: 'v2' }))).message, /the tag v2 names the commit ffffffffffff, not/)
  const asBefore = JSON.stringify(github.releases.map(({ assets, ...one }) => one))
  assert.match(
    (await refusal(release({ wanted: 'v1', ref: 'refs/tags/v1' }))).message,
    /what is published stays as it is/,
  )
  assert.equal(JSON.stringify(github.releases.map(({ assets, ...one }) => one)), asBefore)
  assert.equal(github.tags.get('v2'), 'f'.repeat(40))
})

test('two runs at once: each has a tag of its own, none is moved', async () => {
  github.latency = () => Math.random() * 10
  const [one, two] = await Promise.all([release({ run: 7 }), release({ run: 8, ref: 'refs/heads/main' })])
  github.latency = () => 0
  assert.deepEqual([one.tag, two.tag].sort(), ['nightly-2026-11-22', 'nightly-2026-11-22.2'])
  assert.deepEqual(seen().toSorted(), ['nightly-2026-11-22', 'nightly-2026-11-22.2'])
})

test('what GitHub would not take is refused before anything is drafted', async () => {
  const path = join(dir, 'image-box-big.img.zst')
  writeFileSync(path, '')
  truncateSync(path, 2.5 * 2 ** 30)
  const failure = await refusal(assetOf(path))
  assert.match(failure.message, /image-box-big\.img\.zst has 2\.50 GiB; GitHub takes files of less than 2 GiB/)
  rmSync(path)
  for (const bad of ['-x', 'a..b', 'a b', 'v1.lock', 'a/', '$(id)', 'a\nb'])
    assert.throws(() => releaseInputs((name) => (name === 'release' ? bad : '')), /must name a tag/)
})

test('a large image is sent from its file, and never held in memory', async (t) => {
  const path = join(dir, 'image-box-large.img.zst')
  writeFileSync(path, '')
  truncateSync(path, 400e6)
  const server = createServer(async (request, response) => {
    let size = 0
    for await (const chunk of request) size += chunk.length
    response.setHeader('content-type', 'application/json')
    response.end(JSON.stringify({ id: 1, size }))
  })
  t.after(() => rmSync(path))
  const apiUrl = await served(t, server)
  const releases = new Releases(new GitHubRest({ owner: 'octo', repo: 'widgets', token: 't', apiUrl }))
  const draft = { id: 1, tag: 'v1', draft: true, body: '', created: 0, url: '', assets: [] }
  let peak = 0
  const watch = setInterval(() => {
    peak = Math.max(peak, process.memoryUsage().arrayBuffers)
  }, 20)
  await releases.upload({ ...draft, uploadUrl: `${apiUrl}/assets{?name,label}` }, await assetOf(path))
  clearInterval(watch)
  assert.ok(peak < 250e6, `${(peak / 1e6).toFixed(0)} MB at once`)
})

test('notes stay within what GitHub takes, and their marker is read only where we put it', async () => {
  const one = await image()
  const packages = Array.from({ length: 3000 }, (_, index) => ({ name: `p${index}`.repeat(9), version: '1', size: 1 }))
  const images = Array.from({ length: 200 }, (_, index) => ({ ...one, cell: `box/i${index}`, contents: { packages } }))
  const context = contextOf({ GITHUB_SHA: sha, GITHUB_REPOSITORY: 'octo/widgets', GITHUB_RUN_ID: '7' }, {})
  const maker = { project: 'firm ware --> x', series: 'nightly', run: 7 }
  const contents = new Map(images.map(({ cell }) => [cell, { packages: [] }]))
  const notes = releaseNotes({ maker, context, images, before: { tag: 'nightly-2026-11-21', contents } })
  assert.ok(notes.length <= 125_000)
  assert.deepEqual(makerOf(notes), maker)
  assert.equal(makerOf(`text first\n${notes}`), undefined)
})

test('the action: what the cells of this run uploaded is released with reports and contents', async () => {
  const workspace = mkdtempSync(join(dir, 'work-'))
  mkdirSync(join(workspace, 'units'))
  writeFileSync(join(workspace, 'units', 'app.txt'), '\nhello')
  const env = { ...service.env(), GITHUB_API_URL: github.url, YOE_SETUP: 'false', GITHUB_RUN_ID: '7' }
  const options = { dir, workspace, env, event: 'schedule', payload: { repository: { default_branch: 'main' } } }
  const upload = (what: string) => ({ cell: 'box/base', upload: what })
  const publish = { 'signing-key': 'k', upload: 'false', release: 'nightly', 'github-token': 't' }
  await cellAction(fakeHost({ ...options, inputs: upload('image, feed') }), 'image', openEngine)
  const without = fakeHost({ ...options, inputs: publish })
  assert.ok(await failsTold(publishAction(without, openEngine)))
  assert.match(without.log(), /image-box-base\.img\.zst was uploaded without its report.*upload: image, feed, report/s)
  assert.equal(github.releases.length, 0)
  await cellAction(fakeHost({ ...options, inputs: upload('image, feed, report') }), 'image', openEngine)
  const run = fakeHost({ ...options, inputs: publish })
  await publishAction(run, openEngine)
  const [made] = github.releases
  const asset = (name: string): Buffer => made?.assets.find((one) => one.name === name)?.bytes ?? Buffer.alloc(0)
  assert.equal(zstdDecompressSync(asset('image-box-base.img.zst')).toString(), '\nhello')
  const sbom = JSON.parse(asset('sbom-box-base.spdx.json').toString())
  assert.deepEqual(
    sbom.packages.map(({ name }: { name: string }) => name),
    ['image-box-base.img', 'app'],
  )
  assert.match(run.outputs['release-url'] ?? '', /releases\/tag\/nightly-/)
  assert.match(run.summaries.join(''), /### Release\n\n\[nightly/)
  assert.deepEqual(readdirSync(run.env['RUNNER_TEMP'] ?? ''), ['yoe-SHA256SUMS'])
  assert.equal(readFileSync(run.outputs['checksums'] ?? '', 'utf8'), asset('SHA256SUMS').toString())
})

for (const [name, privately, server, attestable, says] of [
  ['a public repository', false, 'https://github.com', 'true', undefined],
  ['a private one', true, 'https://github.com', 'false', /::notice::No attestation.*GitHub Enterprise Cloud/],
  ['a server of its own', false, 'https://git.lan', 'false', /::notice::No attestation.*Enterprise Server has none/],
] as const)
  test(`whether provenance can be attested: ${name}`, async (t) => {
    github.private = privately
    t.after(() => {
      github.private = false
    })
    const workspace = mkdtempSync(join(dir, 'work-'))
    mkdirSync(join(workspace, 'units'))
    writeFileSync(join(workspace, 'units', 'app.txt'), '\nhello')
    const env = { ...service.env(), GITHUB_API_URL: github.url, YOE_SETUP: 'false' }
    const options = { dir, workspace, env, event: 'schedule', payload: { repository: { default_branch: 'main' } } }
    await cellAction(
      fakeHost({ ...options, inputs: { cell: 'box/base', upload: 'image, feed, report' } }),
      'image',
      openEngine,
    )
    const publish = { 'signing-key': 'k', upload: 'false', release: 'nightly', 'github-token': 't' }
    const run = fakeHost({ ...options, env: { ...env, GITHUB_SERVER_URL: server }, inputs: publish })
    await publishAction(run, openEngine)
    assert.equal(run.outputs['attestable'], attestable)
    assert.ok(says === undefined ? !run.log().includes('No attestation') : says.test(run.log()), run.log())
  })
