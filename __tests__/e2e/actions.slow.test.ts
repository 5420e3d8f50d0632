import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { cpSync, existsSync, globSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { after, before, test } from 'node:test'
import { workflowFile } from '#github/workflow.ts'
import { type ActOptions, type ActRun, commit, layRelease, runAct } from '../support/act.ts'
import { type ResultsService, startResultsService } from '../support/results-service.ts'
import { goProgram } from '../support/tools.ts'

const root = resolve(import.meta.dirname, '..', '..')
let dir: string
let release: string
let service: ResultsService
let runs = 0

/** The sources that the bundle is made of, in a folder of that name. */
function exportTree(name: string): string {
  const tree = join(dir, name)
  mkdirSync(tree, { recursive: true })
  for (const part of ['src', 'actions', 'modules', 'packages', 'scripts', 'package.json', 'LICENSE'])
    cpSync(join(root, part), join(tree, part), { recursive: true })
  return tree
}

function bundle(tree: string): void {
  execFileSync(process.execPath, ['--disable-warning=ExperimentalWarning', 'scripts/bundle.ts'], {
    cwd: tree,
    stdio: 'inherit',
  })
}

/** The bundle as a release has it, but for the engine, which is the fake. */
before(async () => {
  dir = mkdtempSync(join(tmpdir(), 'yoe-actions-'))
  const tree = exportTree('tree')
  symlinkSync(join(root, 'node_modules'), join(tree, 'node_modules'))
  cpSync(join(root, '__tests__', 'support', 'fake-engine.ts'), join(tree, 'src', 'github', 'engine.ts'))
  bundle(tree)
  release = join(dir, 'release')
  layRelease(root, join(tree, 'dist'), release)
  service = await startResultsService({ dir: join(dir, 'store') })
})
after(async () => {
  await service?.close()
  rmSync(dir, { recursive: true, force: true })
})

const units = { libz: '', app: 'libz\nhello' }

/** A project folder; `files` are units by name. */
function project(files: Readonly<Record<string, string>>): string {
  const folder = mkdtempSync(join(dir, 'project-'))
  mkdirSync(join(folder, '.github', 'workflows'), { recursive: true })
  mkdirSync(join(folder, 'units'))
  writeFileSync(join(folder, '.github', 'workflows', 'images.yml'), workflowFile({ repository: 'octo/yoe', ref: 'v1' }))
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, 'units', `${name}.txt`), text)
  return folder
}

const push = { ref: 'refs/heads/main', repository: { full_name: 'octo/widgets', default_branch: 'main' } }

function run(files: Readonly<Record<string, string>>, options: Partial<ActOptions> = {}): Promise<ActRun> {
  return runAct({
    service,
    release,
    project: project(files),
    event: 'push',
    payload: push,
    run: `run-${++runs}`,
    ...options,
  })
}

const jobs = (result: ActRun): readonly string[] => result.jobs.map(({ id, result: outcome }) => `${id} ${outcome}`)

/** The cell's page; the plan has one of its own. */
const cellSummary = (result: ActRun): string =>
  result.summaries.find((text) => text.includes('box/base') && text.includes('### Units')) ?? ''

/** The rows of its units table, as `name outcome`. */
function outcomes(result: ActRun): readonly string[] {
  return [...cellSummary(result).matchAll(/^\| (\w+) \| (built|restored|at hand) \|/gm)].map(
    ([, name, what]) => `${name} ${what}`,
  )
}

test('a first run builds everything and shares the image and the feed', async () => {
  const result = await run({ ...units })
  assert.equal(result.code, 0, result.text)
  assert.deepEqual(jobs(result), ['build success', 'ok success', 'plan success'])
  assert.match(cellSummary(result), /2 built, 0 unchanged/)
  assert.match(result.outputs['sha256'] ?? '', /^[0-9a-f]{64}$/)
  assert.equal(service.caches.filter(({ key, ready }) => key.startsWith('yoe1-units/') && ready).length, 2)
  const names = service.artifacts.filter((artifact) => artifact.ready).map(({ name }) => name)
  assert.deepEqual(names.sort(), ['feed-box-base', 'image-box-base.img.zst'])
  assert.deepEqual(result.annotations, [], 'what a build prints is no command')
})

test('a second run restores everything and builds nothing', async () => {
  const result = await run({ ...units })
  assert.deepEqual(jobs(result), ['build success', 'ok success', 'plan success'])
  assert.match(cellSummary(result), /0 built, 2 unchanged/)
  assert.equal(result.outputs['cache-hits'], '2')
})

test('one changed unit rebuilds exactly itself, and the image', async () => {
  const before = service.caches.length
  const result = await run({ ...units, app: 'libz\nhello, world' })
  assert.deepEqual(outcomes(result), ['app built', 'libz restored'])
  assert.match(result.outputs['sha256'] ?? '', /^[0-9a-f]{64}$/)
  assert.equal(service.caches.filter(({ key }) => key.startsWith('yoe1-units/')).length, 3)
  assert.ok(service.caches.length > before)
})

test('a failure is told at its line, and what was finished before it is saved', async () => {
  const files = { first: '', second: 'first\nok', third: 'second\nFAIL' }
  const result = await run(files)
  assert.notEqual(result.code, 0)
  assert.deepEqual(jobs(result), ['build failure', 'ok failure', 'plan success'])
  assert.equal(result.annotations.length, 1, JSON.stringify(result.annotations))
  assert.match(result.annotations[0]?.text ?? '', /the task build exited with 1\s+remove FAIL/)
  assert.match(cellSummary(result), /❌ box\/base/)
  assert.match(result.text, /yoe ci --cell box\/base/)
  const mended = await run({ ...files, third: 'second\nmended' })
  assert.deepEqual(outcomes(mended), ['third built', 'first restored', 'second restored'])
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
  const result = await run({ ...units, app: 'libz\nevil' }, { event: 'pull_request', payload, scopes })
  assert.deepEqual(jobs(result), ['build success', 'ok success', 'plan success'])
  assert.deepEqual(outcomes(result), ['app built', 'libz restored'])
  assert.deepEqual(
    service.caches.map(({ key }) => key),
    before,
  )
  assert.match(cellSummary(result), /1 not saved: this run may only read/)
})

test('the nightly run publishes what its build jobs made, signed with the secret', async () => {
  const result = await run({ ...units }, { event: 'schedule', secrets: { YOE_SIGNING_KEY: 'the-private-key' } })
  assert.deepEqual(jobs(result), ['build success', 'ok success', 'plan success', 'publish success'])
  assert.ok(service.artifacts.some(({ name, run: of }) => name === 'feed' && of === `run-${runs}`))
  assert.match(result.summaries.join('\n'), /2 packages/)
  // act writes down the command that hides a value, GitHub's runner does not.
  const shown = result.text.split('\n').filter((line) => !line.includes('"command":"add-mask"'))
  assert.doesNotMatch(shown.join('\n'), /the-private-key/)
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
  const here = join(dir, 'dist-here')
  execFileSync(process.execPath, ['--disable-warning=ExperimentalWarning', 'scripts/bundle.ts', here], { cwd: root })
  const tree = exportTree('far/away/tree')
  // Hard links: a link to the folder would be followed to where the other clone lies.
  execFileSync('cp', ['-al', join(root, 'node_modules'), tree])
  bundle(tree)
  const first = digest(here)
  assert.equal(first, digest(join(tree, 'dist')))
  assert.match(first, /index\.js$/m)
})

test('actionlint finds nothing in the workflows, nor in how they use the actions', () => {
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
