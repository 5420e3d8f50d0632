import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { cpSync, existsSync, globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { after, before, test } from 'node:test'
import { generateCacheKey } from '#engine/store/signing.ts'
import { generateOpenPgpKey } from '#feeds/keys/openpgp.ts'
import { workflowFile, workflowPath } from '#toolkit/workflow.ts'
import { type ActOptions, type ActRun, commit, layRelease, runAct } from '../support/act.ts'
import { type ResultsService, startResultsService } from '../support/results-service.ts'
import { goProgram } from '../support/tools.ts'

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

/** The fixture's project with the workflow that a user adds, and some files changed. Nothing boots on its machine. */
function project(files: Readonly<Record<string, string>>, boot: boolean): string {
  const folder = mkdtempSync(join(dir, 'project-'))
  cpSync(join(root, '__tests__', 'fixtures', 'product'), folder, { recursive: true })
  const workflow = workflowFile({ repository: 'octo/yoe', ref: 'v1' }).replace(
    'with: { cell:',
    `with: { boot-test: ${boot}, cell:`,
  )
  assert.match(workflow, /boot-test: (true|false)/)
  const machine = readFileSync(join(folder, 'machines/box.star'), 'utf8').replace('"x86_64"', `"${arch}"`)
  const all = { [workflowPath]: workflow, 'machines/box.star': machine, ...files }
  for (const [path, text] of Object.entries(all)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true })
    writeFileSync(join(folder, path), text)
  }
  return folder
}

const push = { ref: 'refs/heads/main', repository: { full_name: 'octo/widgets', default_branch: 'main' } }

/** One run on a machine that knows nothing: a fresh checkout, whose `cache/` is empty. */
async function run(
  files: Readonly<Record<string, string>>,
  { boot = false, ...options }: Partial<ActOptions> & { readonly boot?: boolean } = {},
): Promise<ActRun> {
  const start = performance.now()
  const result = await runAct({
    service,
    release,
    project: project(files, boot),
    event: 'push',
    payload: push,
    secrets: { YOE_CACHE_SIGNING_KEY: cacheKey },
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

const unitEntries = (): readonly string[] =>
  service.caches.flatMap(({ key, ready }) => (key.startsWith('yoe1-units/') && ready ? [key] : []))
const downloads = (): number => service.requests.filter((what) => /^GET \/devstoreaccount1\//.test(what)).length

let firstImage: string | undefined

test('a first run builds everything and shares the image', async () => {
  const result = await run({})
  assert.equal(result.code, 0, result.text)
  assert.deepEqual(jobs(result), ['build success', 'ok success', 'plan success'])
  assert.deepEqual(outcomes(result), [
    'app built',
    'base built',
    'libgreet built',
    'toolchain-debian built',
    'tools-debian built',
  ])
  firstImage = result.outputs['sha256']
  assert.match(firstImage ?? '', /^[0-9a-f]{64}$/)
  assert.equal(unitEntries().length, 5)
  // An image of a gigabyte, mostly holes.
  const largest = Math.max(...service.caches.map(({ size }) => size))
  assert.ok(largest < 300e6, `${largest} bytes in one entry`)
  assert.deepEqual(
    service.artifacts.map(({ name, ready }) => [name, ready]),
    [['image-box-base.img.zst', true]],
  )
  assert.deepEqual(result.annotations, [])
})

test('a second run restores what it needs and builds nothing', async () => {
  const before = downloads()
  const result = await run({})
  assert.deepEqual(jobs(result), ['build success', 'ok success', 'plan success'])
  assert.deepEqual(outcomes(result), ['base restored'], 'what lies below the image is not even looked up')
  assert.equal(result.outputs['cache-hits'], '1')
  assert.equal(result.outputs['sha256'], firstImage)
  assert.match(cellSummary(result), /1 hits \([\d.]+ MB\) · 0 misses/)
  // Of each entry the size is asked for first, and large ones come in parts.
  assert.ok(downloads() - before < 40, `${downloads() - before} requests`)
})

test('one changed unit rebuilds exactly itself, and the image', async () => {
  const result = await run(main('puts(greet()); puts("and more");'))
  assert.equal(result.code, 0, result.text)
  assert.deepEqual(outcomes(result), [
    'app built',
    'base built',
    'libgreet restored',
    'toolchain-debian restored',
    'tools-debian restored',
  ])
  assert.notEqual(result.outputs['sha256'], firstImage)
  assert.equal(unitEntries().length, 7)
})

test('a failure is told at its line, and what was finished before it is saved', async () => {
  const result = await run({ ...greeting('good evening'), ...main('puts(greet())') })
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
  assert.match(cellSummary(result), /❌ box\/base[\s\S]*main\.c[\s\S]*expected/)
  assert.match(result.text, /yoe ci --cell box\/base/)
  const mended = await run({ ...greeting('good evening'), ...main('puts(greet());\n') })
  assert.deepEqual(
    outcomes(mended).filter((line) => !line.includes('debian')),
    ['app built', 'base built', 'libgreet restored'],
  )
})

test('a pull request from a fork reads the cache and can not write', async () => {
  const before = service.caches.map(({ key }) => key)
  const payload = {
    action: 'opened',
    repository: push.repository,
    pull_request: {
      number: 7,
      base: { ref: 'main', sha: 'a'.repeat(40), repo: { full_name: 'octo/widgets' } },
      head: { ref: 'patch', sha: 'b'.repeat(40), repo: { full_name: 'mallory/widgets' } },
    },
  }
  const scopes = [{ Scope: 'refs/heads/main', Permission: 1 }]
  const result = await run(main('puts("evil"); puts(greet());'), {
    event: 'pull_request',
    payload,
    scopes,
    secrets: {},
  })
  assert.deepEqual(jobs(result), ['build success', 'ok success', 'plan success'])
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
  assert.match(cellSummary(result), /2 not saved: this run may only read/)
})

test('the nightly run publishes what its build jobs made, signed with the secret', async () => {
  const { privateKey, fingerprint } = await generateOpenPgpKey('product')
  const secrets = { YOE_CACHE_SIGNING_KEY: cacheKey, YOE_SIGNING_KEY: privateKey }
  const result = await run({}, { event: 'schedule', secrets })
  assert.deepEqual(jobs(result), ['build success', 'ok success', 'plan success', 'publish success'], result.text)
  const named = service.artifacts.filter(({ run: of }) => of === `run-${runs}`).map(({ name }) => name)
  assert.deepEqual(named.sort(), ['feed', 'feed-box-base', 'image-box-base.img.zst'])
  const page = result.summaries.join('\n')
  assert.match(page, /\d+ packages · signed by/)
  assert.ok(page.replaceAll(/\s/g, '').includes(fingerprint.replaceAll(/\s/g, '')), page)
  // act writes down the command that hides a value, GitHub's runner does not.
  const shown = result.text.split('\n').filter((line) => !line.includes('"command":"add-mask"'))
  const secret = privateKey.split('\n').find((line) => line.length > 60) ?? privateKey
  assert.ok(!shown.join('\n').includes(secret))
  assert.ok(!shown.join('\n').includes(cacheKey))
})

test('the image of a machine that can boot is booted, and its checks are run', async () => {
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
  const result = await run(files, { boot: true })
  assert.deepEqual(jobs(result), ['build success', 'ok success', 'plan success'], result.text)
  const page = result.summaries.find((text) => text.includes(`${machine}/system`) && text.includes('### Units')) ?? ''
  assert.match(page, /· boots ·[\s\S]*### Boot test \((kvm|tcg)\)[\s\S]*\| app greets \| passed \|/)
  assert.match(result.outputs['junit'] ?? '', /junit-qemu-\w+-system\.xml$/)
})

test('the bundle is whole and starts in well under a second', () => {
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

test('actionlint finds nothing in the workflows, nor in how they use the actions', (t) => {
  for (const figure of figures) t.diagnostic(figure)
  const lint = (folder: string, files: readonly string[]): void => {
    const { status, stdout } = spawnSync(goProgram('actionlint'), ['-no-color', ...files], {
      cwd: folder,
      encoding: 'utf8',
    })
    assert.equal(status, 0, stdout)
  }
  lint(root, globSync('{examples/*/,}.github/workflows/*.yml', { cwd: root }))
  const local = join(dir, 'local')
  cpSync(release, local, { recursive: true })
  mkdirSync(join(local, '.github', 'workflows'), { recursive: true })
  const file = workflowFile({ repository: 'octo/yoe', ref: 'v1', project: 'firmware' })
  writeFileSync(
    join(local, '.github/workflows/images.yml'),
    file.replaceAll(/octo\/yoe(\/[\w/-]+)?@v1/g, './$1').replaceAll('.//', './'),
  )
  commit(local)
  lint(local, ['.github/workflows/images.yml'])
})
