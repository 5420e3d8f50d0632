import assert from 'node:assert/strict'
import { globSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { YoeError, YoeErrors } from '#engine/errors.ts'
import { cellAction } from '#github/cell-action.ts'
import type { CellRequest } from '#github/engine-port.ts'
import { planAction } from '#github/plan-action.ts'
import { publishAction } from '#github/publish-action.ts'
import { readAction } from '../../scripts/action-docs.ts'
import { type FakeHost, failsTold, fakeHost } from '../support/action-host.ts'
import { openEngine } from '../support/fake-engine.ts'
import { faultsOf } from '../support/schema.ts'
import { serviceOfFile } from '../support/service-of-file.ts'

const { service, dir } = await serviceOfFile()
// The client reads its address and token from the environment of the process.
Object.assign(process.env, service.env())

function host(
  units: Readonly<Record<string, string>>,
  options: Partial<Parameters<typeof fakeHost>[0]> = {},
): FakeHost {
  const workspace = mkdtempSync(join(dir, 'work-'))
  mkdirSync(join(workspace, 'units'))
  for (const [name, text] of Object.entries(units)) writeFileSync(join(workspace, 'units', `${name}.txt`), text)
  const inputs = { cell: 'box/base', 'github-token': 't', upload: 'image, feed, report', ...options.inputs }
  const env = { ...service.env(), YOE_SETUP: 'false', ...options.env }
  return fakeHost({ dir, workspace, ...options, env, inputs })
}
const units = { libz: '', app: 'libz\nhello' }

test('the inputs and outputs of each action.yml are those that its code reads and sets', async () => {
  const boot = host({ ...units, app: 'HANG' })
  assert.ok(await failsTold(cellAction(boot, 'boot-test', openEngine)))
  const cell = host(units)
  await cellAction(cell, 'boot-test', openEngine)
  const plan = host(units)
  await planAction(plan, openEngine)
  const publish = host(units, { inputs: { 'signing-key': 'k', upload: 'true' } })
  await publishAction(publish, openEngine)
  for (const [action, { asked, outputs }] of [
    ['.', cell],
    ['actions/plan', plan],
    ['actions/publish-feed', publish],
  ] as const) {
    const file = readAction(action)
    assert.deepEqual(file.inputs.map(({ name }) => name).sort(), [...asked].sort(), action)
    assert.deepEqual(file.outputs.map(({ name }) => name).sort(), Object.keys(outputs).sort(), action)
  }
  for (const action of ['actions/build', 'actions/image', 'actions/boot-test']) {
    const { inputs, outputs } = readAction(action)
    for (const { name } of inputs) assert.ok(cell.asked.has(name), `${action}: ${name}`)
    for (const { name } of outputs) assert.ok(name in cell.outputs, `${action}: ${name}`)
  }
})

test('a cell leaves outputs, artifacts, a page and a report that agree', async () => {
  const run = host(units)
  await cellAction(run, 'boot-test', openEngine)
  const report = JSON.parse(readFileSync(run.outputs['report'] ?? '', 'utf8'))
  assert.equal(report.ok, true)
  assert.equal(report.disk.sha256, run.outputs['sha256'])
  // Both units, and the list of packages for pull requests to compare with.
  assert.equal(report.cache.saved, 3)
  assert.deepEqual(service.artifacts.map(({ name }) => name).sort(), [
    'feed-box-base',
    'image-box-base.img.zst',
    'junit-box-base',
    'report-box-base',
  ])
  assert.match(run.summaries.join(''), /^## ✅ box\/base\n\n2 built, 0 unchanged/)
  assert.doesNotMatch(run.summaries.join(''), /a key that only this run had/)
  assert.deepEqual(
    readdirSync(run.env['RUNNER_TEMP'] ?? ''),
    ['junit-box-base.xml', 'yoe-report-box-base.json'],
    'nothing else is left',
  )
})

test('the phases: units without an image, an image without a boot', async () => {
  const build = host(units)
  await cellAction(build, 'units', openEngine)
  assert.deepEqual(Object.keys(build.outputs).sort(), ['cache-hits', 'feed-url', 'report'])
  const image = host(units, { inputs: { 'boot-test': 'false', upload: 'none' } })
  await cellAction(image, 'boot-test', openEngine)
  assert.equal(JSON.parse(readFileSync(image.outputs['report'] ?? '', 'utf8')).boot, undefined)
  assert.deepEqual(Object.keys(image.outputs).sort(), ['cache-hits', 'image', 'report', 'sha256'])
})

test('a failed boot test fails the step, keeps the image and uploads the serial log', async () => {
  const run = host({ ...units, app: 'libz\nHANG' })
  assert.ok(await failsTold(cellAction(run, 'boot-test', openEngine)))
  assert.match(run.log(), /::error title=BOOT_FAILED::base did not pass its boot test: no login prompt/)
  for (const name of ['serial-box-base', 'junit-box-base'])
    assert.ok(
      service.artifacts.some((artifact) => artifact.name === name),
      name,
    )
  assert.match(readFileSync(run.outputs['junit'] ?? '', 'utf8'), /<failure message="boot failed">no login prompt/)
  assert.match(run.summaries.join(''), /## ❌[\s\S]*### Boot test/)
  assert.equal(JSON.parse(readFileSync(run.outputs['report'] ?? '', 'utf8')).ok, false)
})

test('all errors of a project are annotated together, and a bug of ours without a stack', async () => {
  const run = host(units)
  const errors = [1, 2].map(
    (line) => new YoeError('UNKNOWN_FIELD', `field ${line}`, { at: { file: 'PROJECT.star', line, column: 1 } }),
  )
  const engine = async () => ({ ...(await openEngine()), runCell: () => Promise.reject(new YoeErrors(errors)) })
  assert.ok(await failsTold(cellAction(run, 'units', engine)))
  assert.equal(run.log().match(/^::error title=UNKNOWN_FIELD,file=PROJECT\.star,line=\d::/gm)?.length, 2)
  const broken = host(units)
  const bug = async () => ({
    ...(await openEngine()),
    runCell: () => Promise.reject(new TypeError('x is not a function')),
  })
  assert.ok(await failsTold(cellAction(broken, 'units', bug)))
  assert.match(broken.log(), /this is a bug in yoe, please report it: x is not a function/)
  assert.doesNotMatch(broken.log(), /\n\s+at |file:\/\//)
})

test('a pull request sees what its packages are against the base commit', async () => {
  await cellAction(host(units), 'image', openEngine)
  const pull = {
    base: { sha: 'c'.repeat(40), repo: { full_name: 'octo/widgets' } },
    head: { sha: 'd'.repeat(40), repo: { full_name: 'octo/widgets' } },
  }
  const run = host({ ...units, app: 'libz\nhello, world' }, { event: 'pull_request', payload: { pull_request: pull } })
  await cellAction(run, 'image', openEngine)
  assert.match(run.summaries.join(''), /### Packages against the base branch \(\+7 B\)\n\n[\s\S]*\| app \| 10 \| 17 \|/)
})

test('entries beyond the budget are deleted by who may write, and only then', async () => {
  await cellAction(host(units, { inputs: { upload: 'none', 'cache-budget': '1' } }), 'units', openEngine)
  const kept = service.caches.length
  assert.ok(kept >= 2)
  // What they hold is counted as the service says.
  for (const row of service.caches) row.size = 6e8
  const payload = { pull_request: { base: { repo: { full_name: 'o/r' } }, head: { repo: { full_name: 'm/r' } } } }
  const budget = { inputs: { upload: 'none', 'cache-budget': '1' } }
  await cellAction(host(units, { ...budget, event: 'pull_request', payload }), 'units', openEngine)
  assert.equal(service.caches.length, kept)
  await cellAction(host(units, budget), 'units', openEngine)
  assert.equal(service.caches.length, 1)
  service.intercept = (what) => (/\/actions\/caches/.test(what) ? { status: 403 } : undefined)
  const denied = host(units, budget)
  await cellAction(denied, 'units', openEngine)
  assert.match(denied.log(), /::warning::could not list the Actions cache[^\n]*actions: read/)
})

test('the cache key reaches the engine hidden, and never in a run that anybody can cause', async () => {
  const keys: unknown[] = []
  const open = async () => ({
    ...(await openEngine()),
    runCell: (request: CellRequest) => {
      keys.push(request.cacheKey)
      return Promise.reject(new YoeError('CANCELLED', 'enough'))
    },
  })
  const secret = { inputs: { upload: 'none', 'cache-key': ' ed25519-private:abc\n' } }
  const trusted = host(units, secret)
  await failsTold(cellAction(trusted, 'units', open))
  assert.deepEqual(trusted.masked, ['ed25519-private:abc'])
  await failsTold(cellAction(host(units, { ...secret, event: 'pull_request_target' }), 'units', open))
  await failsTold(cellAction(host(units), 'units', open))
  assert.deepEqual(keys, ['ed25519-private:abc', undefined, undefined])
})

test('only runs of the default branch and of tags may sign a feed with the key of the project', async () => {
  const signs: boolean[] = []
  const open = async () => ({
    ...(await openEngine()),
    runCell: (request: CellRequest) => {
      signs.push(request.signs)
      return Promise.reject(new YoeError('CANCELLED', 'enough'))
    },
  })
  for (const event of ['push', 'pull_request', 'pull_request_target'])
    await failsTold(cellAction(host(units, { event }), 'units', open))
  assert.deepEqual(signs, [true, false, false])
})

test('several cells in one job: one after the other, each with its page, their outputs a line each', async () => {
  const run = host(
    { ...units, app: 'libz\nHANG' },
    { inputs: { cell: 'box/base,\nbox/other, box/base', upload: 'none' } },
  )
  assert.ok(await failsTold(cellAction(run, 'boot-test', openEngine)))
  assert.deepEqual(
    run.summaries.map((page) => /^## (.*)/.exec(page)?.[1] ?? ''),
    ['❌ box/base', '❌ box/other', ''],
  )
  assert.match(run.summaries[2] ?? '', /^\n### Cache/)
  assert.equal(run.outputs['report']?.split('\n').length, 2)
  assert.equal(run.outputs['cache-hits'], '2', 'the second cell restored what the first one saved')
  assert.match(run.log(), /On your machine: yoe ci --cell box\/other --at c{40}/)
})

test('the time limit counts from the start of the step, for all its cells; a re-run goes on from there', async () => {
  const seen: (number | undefined)[] = []
  const before = Date.now()
  const engine = async () => ({
    ...(await openEngine()),
    runCell: (request: CellRequest) => {
      seen.push(request.deadline)
      return Promise.reject(new YoeError('CANCELLED', 'app was not built: the time for this job is over'))
    },
  })
  const late = { inputs: { cell: 'box/base, box/other', upload: 'none', 'time-limit': '45' } }
  const early = host(units, late)
  assert.ok(await failsTold(cellAction(early, 'image', engine)))
  const [first = 0, second = 0] = seen
  assert.equal(first, second)
  assert.ok(first >= before + 45 * 60_000 && first <= Date.now() + 45 * 60_000)
  assert.doesNotMatch(early.summaries.join(''), /The time limit is over/)
  const { now } = Date
  const run = host(units, late)
  try {
    const ended = async () => {
      const opened = await engine()
      return {
        ...opened,
        runCell: (request: CellRequest) => {
          Date.now = () => now() + 46 * 60_000
          return opened.runCell(request)
        },
      }
    }
    assert.ok(await failsTold(cellAction(run, 'image', ended)))
  } finally {
    Date.now = now
  }
  assert.match(run.summaries[0] ?? '', /> The time limit is over\. What is done is saved&#58; run this job again/)
  assert.match(run.log(), /run this job again, and it goes on from there/)
})

test('annotations of a level are ten for the step, not for each cell', async () => {
  const errors = Array.from(
    { length: 7 },
    (_, line) => new YoeError('UNKNOWN_FIELD', `field ${line}`, { at: { file: 'PROJECT.star', line, column: 1 } }),
  )
  const engine = async () => ({ ...(await openEngine()), runCell: () => Promise.reject(new YoeErrors(errors)) })
  const run = host(units, { inputs: { cell: 'box/base, box/other', upload: 'none' } })
  assert.ok(await failsTold(cellAction(run, 'units', engine)))
  assert.equal(run.log().match(/^::error /gm)?.length, 10)
  assert.match(run.summaries[1] ?? '', /### More errors and warnings[\s\S]*field 6/)
  assert.doesNotMatch(run.summaries[0] ?? '', /More errors/)
})

test('a cell that is not there fails before anything is prepared, with a page that says so', async () => {
  const run = host(units, { inputs: { cell: 'none/base' }, env: { YOE_SETUP_ROOT: '/nowhere' } })
  assert.ok(await failsTold(cellAction(run, 'boot-test', openEngine)))
  assert.match(run.log(), /^::error title=USAGE::no cell matches "none\/base"/m)
  assert.match(run.summaries.join(''), /^## ❌ none\/base\n[\s\S]*no cell matches/)
})

test('a plan that fails is annotated at its lines, ten at most, and has a page', async () => {
  const errors = Array.from(
    { length: 12 },
    (_, line) =>
      new YoeError('UNIT_NOT_FOUND', `no unit ${line}`, {
        at: { file: 'images/a.star', line, column: 1 },
        hint: 'did you mean "zlib"?',
      }),
  )
  const engine = async () => ({ ...(await openEngine()), plan: () => Promise.reject(new YoeErrors(errors)) })
  const run = host(units)
  assert.ok(await failsTold(planAction(run, engine)))
  const shown = run
    .log()
    .match(/^::error title=UNIT_NOT_FOUND,file=images\/a\.star,line=\d+::.*did you mean "zlib"\?$/gm)
  assert.equal(shown?.length, 10)
  assert.match(run.summaries.join(''), /## ❌ plan[\s\S]*no unit 11/)
})

// faults.md G6, G7
test('a cache that is down or poisoned costs time, never the build', async () => {
  await cellAction(host(units), 'image', openEngine)
  for (const row of service.caches) writeFileSync(service.blobPath(row.blob), 'poison')
  const poisoned = host(units)
  await cellAction(poisoned, 'image', openEngine)
  assert.match(poisoned.summaries.join(''), /2 built/)
})

test('without a cache service everything is built, and that is said', async () => {
  const run = host(units, { env: { ACTIONS_RUNTIME_TOKEN: '', ACTIONS_RESULTS_URL: '' }, inputs: { upload: 'none' } })
  await cellAction(run, 'image', openEngine)
  assert.match(run.log(), /There is no Actions cache here/)
})

test('publishing is for the default branch and tags, after jobs that uploaded feeds', async () => {
  const fork = host(units, { event: 'pull_request', inputs: { 'signing-key': 'k', upload: 'true' } })
  await assert.rejects(
    publishAction(fork, openEngine),
    (failure) => failure instanceof YoeError && /must not publish/.test(failure.message),
  )
  assert.ok(fork.asked.has('signing-key') === false, 'the key is not even read')
  const early = host(units, { inputs: { 'signing-key': 'k', upload: 'true' } })
  assert.ok(await failsTold(publishAction(early, openEngine)))
  assert.match(early.log(), /^::error title=PUBLISH_FAILED::no job of this run uploaded a feed/m)
  assert.match(early.summaries.join(''), /^## ❌ publish/)
})

test('the plan drops what a pull request does not touch, and keeps all when it can not ask', async () => {
  const pull = {
    base: { sha: 'a'.repeat(40), repo: { full_name: 'octo/widgets' } },
    head: { sha: 'b'.repeat(40), repo: { full_name: 'octo/widgets' } },
  }
  const planned = async (files: readonly string[] | undefined): Promise<string> => {
    service.intercept = (what) => {
      if (!what.includes('/compare/')) return undefined
      return files === undefined
        ? { status: 500 }
        : { status: 200, body: { files: files.map((filename) => ({ filename })) } }
    }
    const run = host(units, { event: 'pull_request', payload: { pull_request: pull } })
    await planAction(run, openEngine)
    return run.outputs['count'] ?? ''
  }
  assert.equal(await planned(['README.md']), '0')
  assert.equal(await planned(['units/app.txt']), '1')
  assert.equal(await planned(['.github/workflows/images.yml']), '1')
  assert.equal(await planned(Array.from({ length: 300 }, (_, i) => `docs/${i}`)), '1')
  assert.equal(await planned(undefined), '1')
})

test('each report of these runs is as docs/schemas/report.json says', () => {
  const reports = globSync('**/yoe-report-*.json', { cwd: dir })
  const read = (path: string): Readonly<Record<string, unknown>> => JSON.parse(readFileSync(join(dir, path), 'utf8'))
  assert.ok(reports.some((path) => read(path)['ok'] === true) && reports.some((path) => read(path)['ok'] === false))
  for (const path of reports) assert.deepEqual(faultsOf('report', read(path)), [], path)
  for (const key of ['delta', 'boot', 'cache', 'disk', 'packages'])
    assert.ok(
      reports.some((path) => read(path)[key] !== undefined),
      `one has ${key}`,
    )
  assert.notDeepEqual(faultsOf('report', { ...read(reports[0] ?? ''), more: 1 }), [], 'the control')
})
