import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { after, before, test } from 'node:test'
import { generateCacheKey } from '#engine/store/signing.ts'
import { generateOpenPgpKey } from '#feeds/keys/openpgp.ts'
import { workflowFiles } from '#toolkit/workflow.ts'
import { type ActOptions, type ActRun, layRelease, releasedAt, runAct } from '../support/act.ts'
import { type ResultsService, startResultsService } from '../support/results-service.ts'

const root = resolve(import.meta.dirname, '..', '..')
let dir: string
let release: string
/** The same sources as of the bundle, in another place. */
let elsewhere: string
let service: ResultsService
let runs = 0
/** What runs took and the cache held, for whoever reads the test's output. */
const figures: string[] = []

/** The sources that the bundle is made of, in a folder of that name. */
function exportTree(name: string): string {
  const tree = join(dir, name)
  mkdirSync(tree, { recursive: true })
  for (const part of ['src', 'actions', 'modules', 'packages', 'scripts', 'package.json', 'LICENSE'])
    cpSync(join(root, part), join(tree, part), { recursive: true })
  return tree
}

function bundle(tree: string, ...output: readonly string[]): void {
  execFileSync(process.execPath, ['--disable-warning=ExperimentalWarning', 'scripts/bundle.ts', ...output], {
    cwd: tree,
    stdio: 'inherit',
  })
}

before(async () => {
  dir = mkdtempSync(join(tmpdir(), 'yoe-actions-'))
  release = join(dir, 'release')
  elsewhere = exportTree('far/away/tree')
  bundle(root, join(dir, 'dist'))
  layRelease(root, join(dir, 'dist'), release)
  service = await startResultsService({ dir: join(dir, 'store') })
})
after(async () => {
  await service?.close()
  rmSync(dir, { recursive: true, force: true })
})

const arch = process.arch === 'arm64' ? 'arm64' : 'x86_64'
const cacheKey = generateCacheKey().privateKey

/** The fixture's project with the workflows that a user adds, and some files changed. Nothing boots on its machine. */
function project(files: Readonly<Record<string, string>>, boot: boolean, short: boolean): string {
  const folder = mkdtempSync(join(dir, 'project-'))
  cpSync(join(root, '__tests__', 'fixtures', 'product'), folder, { recursive: true })
  const actions = { repository: 'octo/yoe', ref: releasedAt, version: 'v1.0.0' }
  const machine = readFileSync(join(folder, 'machines/box.star'), 'utf8').replace('"x86_64"', `"${arch}"`)
  const all = { ...Object.fromEntries(workflowFiles({ actions, short })), 'machines/box.star': machine, ...files }
  for (const [path, text] of Object.entries(all)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true })
    writeFileSync(
      join(folder, path),
      text
        .replace('with: { cell:', `with: { boot-test: ${boot}, cache-key: "\${{ secrets.CACHE_KEY }}", cell:`)
        .replace('with: { publish:', `with: { boot-test: ${boot}, publish:`)
        .replace('secrets: { signing-key:', `secrets: { cache-key: "\${{ secrets.CACHE_KEY }}", signing-key:`),
    )
  }
  return folder
}

const push = { ref: 'refs/heads/main', repository: { full_name: 'octo/widgets', default_branch: 'main' } }

/** One run on a machine that knows nothing: a fresh checkout, whose `cache/` is empty. */
async function run(
  files: Readonly<Record<string, string>>,
  {
    boot = false,
    short = false,
    ...options
  }: Partial<ActOptions> & { readonly boot?: boolean; readonly short?: boolean } = {},
): Promise<ActRun> {
  const start = performance.now()
  const result = await runAct({
    service,
    release,
    project: project(files, boot, short),
    event: 'push',
    payload: push,
    secrets: { CACHE_KEY: cacheKey },
    run: `run-${++runs}`,
    ...options,
  })
  const stored = service.caches.reduce((sum, { size }) => sum + size, 0) / 1e6
  figures.push(`run ${runs}: ${((performance.now() - start) / 1000).toFixed(0)} s, cache ${stored.toFixed(0)} MB`)
  return result
}

const jobs = (result: ActRun): readonly string[] => result.jobs.map(({ id, result: outcome }) => `${id} ${outcome}`)

/** The cell's page; the plan has one of its own. */
const cellSummary = (result: ActRun): string =>
  result.summaries.find((text) => text.includes('box/base') && text.includes('### Units')) ?? ''

/** The rows of its units table, as `name outcome`. */
function outcomes(result: ActRun): readonly string[] {
  return [...cellSummary(result).matchAll(/^\| ([\w&#;-]+) \| (built|restored|at hand|❌ failed|skipped) \|/gm)]
    .map(([, name, what]) => `${name} ${what}`)
    .sort()
}

const greeting = (text: string): Readonly<Record<string, string>> => ({
  'libgreet/greet.c': `#include "greet.h"\n\nconst char *greet(void)\n{\n\treturn "${text}";\n}\n`,
})
const main = (body: string): Readonly<Record<string, string>> => ({
  'app/main.c': `#include <greet.h>\n#include <stdio.h>\n\nint main(void)\n{\n\t${body}\n\treturn 0;\n}\n`,
})

/** What was asked of the services since `from`, by what it means. */
function asked(from: number): Readonly<Record<'lookups' | 'saves' | 'downloads' | 'rest', number>> {
  const count = (pattern: RegExp): number => service.requests.slice(from).filter((what) => pattern.test(what)).length
  return {
    lookups: count(/GetCacheEntryDownloadURL/),
    saves: count(/CreateCacheEntry/),
    downloads: count(/^GET \/devstoreaccount1\//),
    rest: count(/ \/(api\/v3\/)?repos\//),
  }
}

/** Whose code a pull request runs, and on which commit of the base branch it stands. */
const pull = (base: string, from = 'octo/widgets') => ({
  action: 'opened',
  repository: push.repository,
  pull_request: {
    number: 7,
    base: { ref: 'main', sha: base, repo: { full_name: 'octo/widgets' } },
    head: { ref: 'patch', sha: 'b'.repeat(40), repo: { full_name: from } },
  },
})
/** What a pull request's token may do in the cache. */
const pullScopes = [
  { Scope: 'refs/pull/7/merge', Permission: 3 },
  { Scope: 'refs/heads/main', Permission: 1 },
]
/** Lets GitHub say which files a pull request touches. */
function touches(...files: readonly string[]): void {
  service.intercept = (what) =>
    what.includes('/compare/') ? { status: 200, body: { files: files.map((filename) => ({ filename })) } } : undefined
}

let main1: ActRun

test('first push, nothing cached: everything is built, the image is there for others', async () => {
  main1 = await run({})
  assert.equal(main1.code, 0, main1.text)
  assert.deepEqual(jobs(main1), ['build success', 'ok success', 'plan success'])
  assert.deepEqual(outcomes(main1), [
    'app built',
    'base built',
    'libgreet built',
    'toolchain-debian built',
    'tools-debian built',
  ])
  assert.match(main1.outputs['sha256'] ?? '', /^[0-9a-f]{64}$/)
  // An image of a gigabyte, mostly holes.
  const largest = Math.max(...service.caches.map(({ size }) => size))
  assert.ok(largest < 300e6, `${largest} bytes in one entry`)
  assert.deepEqual(
    service.artifacts.map(({ name, ready }) => [name, ready]),
    [['image-box-base.img.zst', true]],
  )
  assert.deepEqual(main1.annotations, [])
  assert.match(main1.text, /sandbox: works/, 'the cell prepared its runner')
})

test('second push, nothing changed: one image is restored, through the reusable workflow as well', async () => {
  const from = service.requests.length
  const entries = service.caches.length
  const result = await run({}, { short: true })
  assert.equal(result.code, 0, result.text)
  assert.deepEqual(outcomes(result), ['base restored'], 'what lies below the image is not even looked up')
  assert.equal(result.outputs['cache-hits'], '1')
  assert.equal(result.outputs['sha256'], main1.outputs['sha256'])
  assert.match(cellSummary(result), /^## ✅ box\/base\n\n0 built, 1 unchanged[\s\S]*Nothing had to be built/)
  const { lookups, saves, rest } = asked(from)
  assert.ok(lookups <= 3, `${lookups} look-ups`)
  // The list of what the image holds, for pull requests that stand on this commit, and the index that has it.
  const added = service.caches.slice(entries).map(({ key }) => key.split('/')[0])
  assert.deepEqual([saves, added], [2, ['yoe1-contents', 'yoe1-index']])
  assert.equal(rest, 0)
})

test('a pull request that touches one unit rebuilds it and the image, and says what it does to the image', async () => {
  touches('app/main.c')
  const from = service.requests.length
  const result = await run(main('puts(greet()); puts("and more");'), {
    event: 'pull_request',
    payload: pull(main1.sha),
    scopes: pullScopes,
  })
  assert.equal(result.code, 0, result.text)
  assert.deepEqual(outcomes(result), [
    'app built',
    'base built',
    'libgreet restored',
    'toolchain-debian restored',
    'tools-debian restored',
  ])
  assert.notEqual(result.outputs['sha256'], main1.outputs['sha256'])
  assert.match(cellSummary(result), /\| app \| built \| [^|]*main\.c[^|]* \|/, 'why')
  assert.match(cellSummary(result), /### Packages[\s\S]*(base branch)/)
  const compared = service.requests.slice(from).filter((what) => what.includes('/compare/'))
  assert.equal(compared.length, 1, 'what the change touches is asked once')
  const saved = new Set(service.caches.filter(({ scope }) => scope !== 'refs/heads/main').map(({ scope }) => scope))
  assert.deepEqual([...saved], ['refs/pull/7/merge'], 'what it makes is for itself alone')
})

test('a pull request that touches no cell builds nothing', async () => {
  touches('README.md')
  const result = await run({}, { event: 'pull_request', payload: pull(main1.sha), scopes: pullScopes })
  assert.deepEqual(jobs(result), ['ok success', 'plan success'], result.text)
  assert.match(result.summaries.join(''), /## ✅ Nothing to build[\s\S]*box\/base/)
})

test('a pull request that fails is told at its line, and what was finished before it is saved', async () => {
  touches('app/main.c', 'libgreet/greet.c')
  const request = { event: 'pull_request', payload: pull(main1.sha), scopes: pullScopes }
  const result = await run({ ...greeting('good evening'), ...main('puts(greet())') }, request)
  assert.notEqual(result.code, 0)
  assert.deepEqual(jobs(result), ['build failure', 'ok failure', 'plan success'])
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
  const mended = await run({ ...greeting('good evening'), ...main('puts(greet());\n') }, request)
  assert.deepEqual(
    outcomes(mended).filter((line) => !line.includes('debian')),
    ['app built', 'base built', 'libgreet restored'],
  )
})

test('a pull request from a fork works without secrets, reads the cache and can not write', async () => {
  touches('app/main.c')
  const before = service.caches.map(({ key }) => key)
  const result = await run(main('puts("evil"); puts(greet());'), {
    event: 'pull_request',
    payload: pull(main1.sha, 'mallory/widgets'),
    scopes: [{ Scope: 'refs/heads/main', Permission: 1 }],
    secrets: {},
  })
  assert.deepEqual(jobs(result), ['build success', 'ok success', 'plan success'], result.text)
  assert.deepEqual(outcomes(result), [
    'app built',
    'base built',
    'libgreet restored',
    'toolchain-debian restored',
    'tools-debian restored',
  ])
  assert.deepEqual(
    service.caches.map(({ key }) => key),
    before,
  )
  assert.match(result.summaries.join('\n'), /not saved: this run may only read/)
  assert.match(cellSummary(result), /Nothing was saved for other runs&#58; a pull request from a fork/)
})

test('the nightly run boots the image, and publishes what its build jobs made, signed with the secret', async () => {
  service.intercept = undefined
  const { privateKey, fingerprint } = await generateOpenPgpKey('product')
  const machine = arch === 'arm64' ? 'qemu-arm64' : 'qemu-x86_64'
  const files = {
    'PROJECT.star': readFileSync(join(root, '__tests__/fixtures/product/PROJECT.star'), 'utf8')
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
  const result = await run(files, {
    boot: true,
    event: 'schedule',
    secrets: { CACHE_KEY: cacheKey, YOE_SIGNING_KEY: privateKey },
  })
  assert.deepEqual(jobs(result), ['build success', 'ok success', 'plan success', 'publish success'], result.text)
  const built = result.summaries.find((text) => text.includes(`${machine}/system`) && text.includes('### Units')) ?? ''
  assert.match(built, /· boots ·[\s\S]*### Boot test \((kvm|tcg)\)[\s\S]*\| app greets \| passed \|/)
  assert.match(result.outputs['junit'] ?? '', /junit-qemu-\w+-system\.xml$/)
  const named = service.artifacts.filter(({ run: of }) => of === `run-${runs}`).map(({ name }) => name)
  assert.deepEqual(named.sort(), ['feed', `feed-${machine}-system`, `image-${machine}-system.img.zst`])
  const page = result.summaries.join('\n')
  assert.match(page, /\d+ packages · signed by/)
  assert.ok(page.replaceAll(/\s/g, '').includes(fingerprint.replaceAll(/\s/g, '')), page)
  // faults.md H4. act writes down the command that hides a value, GitHub's runner does not.
  const shown = result.text.split('\n').filter((line) => !line.includes('"command":"add-mask"'))
  const signing = privateKey.split(/\r?\n/).find((line) => /^[\w+/]{50,}$/.test(line)) ?? ''
  const canaries = [signing, cacheKey, cacheKey.split(':').at(-1) ?? '']
  for (const canary of canaries) assert.match(canary, /^\S{40,}$/)
  for (const canary of canaries) {
    assert.ok(!shown.join('\n').includes(canary) && !page.includes(canary))
    for (const path of readdirSync(join(dir, 'store')).map((name) => join(dir, 'store', name)))
      assert.equal(spawnSync('grep', ['-qaF', '--', canary, path]).status, 1, `${canary.slice(0, 8)}… in ${path}`)
    const [image] = service.artifacts.filter(({ name }) => name === `image-${machine}-system.img.zst`)
    const inside = `zstd -dcq '${service.blobPath(image?.blob ?? '')}' | grep -qaF -- '${canary}'`
    assert.equal(spawnSync('sh', ['-c', inside]).status, 1)
  }
})

test('the bundle is whole and starts in well under a second', (t) => {
  for (const figure of figures) t.diagnostic(figure)
  const dist = join(release, 'dist')
  for (const file of ['cell.js', 'plan.js', 'cache-client.js', 'modules/module-core/MODULE.star'])
    assert.ok(existsSync(join(dist, file)), file)
  const times = [1, 2, 3].map(() => {
    const start = performance.now()
    const env = { INPUT_CELL: 'no cell', GITHUB_OUTPUT: '', PATH: process.env['PATH'] ?? '' }
    const { status, stdout } = spawnSync(process.execPath, [join(dist, 'cell.js')], { env, encoding: 'utf8' })
    assert.equal(status, 1)
    assert.match(stdout, /^::error title=USAGE::the input cell is "no cell"/m)
    return performance.now() - start
  })
  assert.ok(Math.min(...times) < 700, `${times}`)
})

test('the same sources give the same bundle, wherever they lie', () => {
  const digest = (folder: string): string =>
    execFileSync('sh', ['-c', 'find . -type f | LC_ALL=C sort | xargs sha256sum'], { cwd: folder, encoding: 'utf8' })
  const here = join(dir, 'dist')
  // Hard links: a link to the folder would be followed to where the other clone lies.
  execFileSync('cp', ['-al', join(root, 'node_modules'), elsewhere])
  bundle(elsewhere)
  const first = digest(here)
  assert.equal(first, digest(join(elsewhere, 'dist')))
  assert.match(first, /index\.js$/m)
})
