import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, beforeEach, test } from 'node:test'
import { YoeError } from '#engine/errors.ts'
import { cellAction } from '#github/cell-action.ts'
import { markerOf, mergeSections, renderComment, renderSection, sectionsOf } from '#github/comment.ts'
import { contextOf } from '#github/context.ts'
import { isDenied } from '#github/rest.ts'
import { StickyComment } from '#github/sticky.ts'
import { fakeHost } from '../support/action-host.ts'
import { openEngine } from '../support/fake-engine.ts'
import { type GitHub, startGitHub } from '../support/github-rest.ts'

let github: GitHub

before(async () => {
  github = await startGitHub()
})
after(() => github.close())
beforeEach(() => {
  github.comments.length = 0
  github.requests.length = 0
  github.intercept = undefined
  github.latency = () => 0
})

const pull = (head: string) => ({
  pull_request: { base: { repo: { full_name: 'octo/widgets' } }, head: { repo: { full_name: head } } },
})

/** Time runs fifty times as fast. */
const clock = { now: () => Date.now(), sleep: (ms: number) => new Promise<void>((done) => setTimeout(done, ms / 50)) }

function open({ run = 7, workflow = 'images', project = '.', head = 'octo/widgets', quick = clock, event = '' } = {}) {
  const env = {
    GITHUB_EVENT_NAME: event || 'pull_request',
    GITHUB_REF: 'refs/pull/12/merge',
    GITHUB_REPOSITORY: 'octo/widgets',
    GITHUB_API_URL: github.url,
    GITHUB_RUN_ID: String(run),
  }
  const context = contextOf(env, pull(head))
  return StickyComment.of({ context, token: 't', workflow, project, run, clock: quick })
}

const cellsIn = (body = ''): readonly string[] => sectionsOf(body).map(({ cell, text }) => `${cell}: ${text}`)

test('the first cell makes the comment, the next ones add to it, a cell that runs again replaces its own', async () => {
  assert.equal(await open()?.put('box/base', 'one'), true)
  assert.equal(await open()?.put('box/app', 'two'), true)
  assert.equal(await open()?.put('box/base', 'three'), true)
  assert.equal(github.comments.length, 1)
  assert.deepEqual(cellsIn(github.comments[0]?.body), ['box/app: two', 'box/base: three'])
  assert.match(
    github.comments[0]?.body ?? '',
    /\[The run[^\n]*\]\(https:\/\/github\.com\/octo\/widgets\/actions\/runs\/7\)/,
  )
})

for (const [name, check] of [
  ['written with looks afterwards: nothing is lost', true],
  // The control: what projects do.
  ['read, changed and written only: cells are lost', false],
] as const)
  test(`twelve cells at once, slow answers: ${name}`, async () => {
    github.latency = () => Math.random() * 12
    const cells = Array.from({ length: 12 }, (_, index) => `box/image-${String(index).padStart(2, '0')}`)
    const never = new Error('no look')
    const quick = check ? clock : { ...clock, sleep: () => Promise.reject(never) }
    const put = async (cell: string): Promise<void> => {
      await open({ quick })
        ?.put(cell, 'done')
        .catch((failure: unknown) => {
          if (failure !== never) throw failure
        })
    }
    await Promise.all(cells.map(put))
    const kept = github.comments.flatMap(({ body }) => cellsIn(body))
    if (check) assert.equal(github.comments.length, 1)
    if (check)
      assert.deepEqual(
        kept,
        cells.map((cell) => `${cell}: done`),
      )
    else assert.ok(github.comments.length > 1 || kept.length < cells.length)
  })

test('comments of others stay as they are, even with the marker; so do those of other workflows and projects', async () => {
  const marker = markerOf('images', '.')
  const theirs = Array.from({ length: 130 }, (_, index) => ({
    id: -index - 1,
    issue: 12,
    author: 'mallory',
    body: marker,
  }))
  github.comments.push(...theirs.map((one) => ({ ...one })))
  await open({ workflow: 'other --> <!--' })?.put('box/base', 'other workflow')
  await open({ project: 'firmware' })?.put('box/base', 'other project')
  await open()?.put('box/base', 'ours')
  await open()?.put('box/app', 'ours')
  assert.deepEqual(github.comments.slice(0, 130), theirs)
  assert.deepEqual(
    github.comments.slice(130).map(({ body }) => cellsIn(body)),
    [['box/base: other workflow'], ['box/base: other project'], ['box/app: ours', 'box/base: ours']],
  )
})

test('a newer run replaces what older ones said, and an older one that ends late says nothing', async () => {
  await open({ run: 7 })?.put('box/base', 'old')
  await open({ run: 7 })?.put('box/app', 'old')
  await open({ run: 9 })?.put('box/base', 'new')
  assert.equal(await open({ run: 8 })?.put('box/app', 'late'), true)
  assert.deepEqual(
    github.comments.map(({ body }) => cellsIn(body)),
    [['box/base: new']],
  )
})

test('who may not comment: forks do not try, a token without the permission is told of', async () => {
  assert.equal(open({ head: 'mallory/widgets' }), undefined)
  for (const event of ['pull_request_target', 'issue_comment', 'workflow_run', 'push'])
    assert.equal(open({ event }), undefined, event)
  const denied = { status: 403, body: { message: 'Resource not accessible by integration' } }
  const graphql = { status: 200, body: { errors: [{ type: 'FORBIDDEN', message: 'Resource not accessible' }] } }
  for (const [refuse, reply] of [
    [/comments$/, denied],
    [/graphql$/, graphql],
    [/comments$/, { status: 404, body: { message: 'Not Found' } }],
  ] as const) {
    github.intercept = (what) => (refuse.test(what) ? reply : undefined)
    const failure: unknown = await open()
      ?.put('box/base', 'x')
      .catch((thrown: unknown) => thrown)
    assert.ok(failure instanceof YoeError && isDenied(failure))
    assert.match(failure.hint ?? '', /pull-requests: write/)
  }
  assert.equal(github.comments.length, 0)
})

test('answers that pass: server errors, limits with and without Retry-After, broken connections', async () => {
  const faults = [
    { status: 502 },
    { status: 429, headers: { 'retry-after': '2' }, body: { message: 'slow down' } },
    { status: 403, body: { message: 'You have exceeded a secondary rate limit' } },
    'cut',
  ] as const
  for (const fault of faults) {
    let left = 2
    github.intercept = (what) => (/comments(\/\d+)?$/.test(what) && left-- > 0 ? fault : undefined)
    assert.equal(
      await open({ quick: { ...clock, sleep: () => clock.sleep(20) } })?.put('box/base', String(fault)),
      true,
    )
  }
  assert.equal(github.comments.length, 1)
})

test('a comment that is too long loses lists before it loses cells', () => {
  const details = (size: number): string =>
    `**✅ x**\n\n<details><summary>9 packages</summary>\n\n${'p'.repeat(size)}\n\n</details>`
  const sections = Array.from({ length: 30 }, (_, index) => ({ cell: `box/i${index}`, run: 1, text: details(3000) }))
  const body = renderComment('<!-- m -->', sections, 'https://github.com/o/r/actions/runs/1')
  assert.ok(body.length < 62_000)
  assert.equal(sectionsOf(body).length, 30)
  assert.ok(body.includes('9 packages'))
  const many = Array.from({ length: 600 }, (_, index) => ({ cell: `box/i${index}`, run: 1, text: 'v'.repeat(150) }))
  assert.match(renderComment('<!-- m -->', many, 'u'), /\n\nand \d+ more\n/)
  assert.ok(renderComment('<!-- m -->', many, 'u').length < 62_000)
  assert.deepEqual(mergeSections([...sections, { cell: 'a/b', run: 2, text: '' }]), [{ cell: 'a/b', run: 2, text: '' }])
})

test('what builds say is text in the comment, and can neither end a section nor mention anybody', () => {
  const nasty = '<!-- yoe:end --> @octocat </details> | `x` [a](javascript:b)'
  const error = new YoeError('TASK_FAILED', nasty, { unit: nasty })
  const common = { cell: 'box/base', commit: 'a'.repeat(40), units: [], localCommand: 'yoe ci' }
  const failed = renderSection({ ...common, report: undefined, delta: undefined, errors: [error] })
  const delta = { packages: [{ name: nasty, after: nasty, bytes: 5 }], packageBytes: -5, imageBytes: 0 }
  const changed = renderSection({ ...common, report: undefined, delta, errors: [] })
  for (const text of [failed, changed]) {
    assert.doesNotMatch(text, /@octocat|yoe:end|\]\(javascript/)
    const body = renderComment('<!-- m -->', [{ cell: 'box/base', run: 1, text }], 'u')
    assert.deepEqual(sectionsOf(body), [{ cell: 'box/base', run: 1, text }])
    assert.deepEqual(sectionsOf(body.replaceAll('\n', '\r\n')), [{ cell: 'box/base', run: 1, text }])
  }
  assert.match(failed, /^\*\*❌ /)
  assert.match(changed, /packages −5 B/)
})

test('a pull request is told by the action itself, in the summary only where the token may not', async (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'yoe-comment-'))
  t.after(() => rmSync(dir, { recursive: true }))
  const run = async (inputs: Readonly<Record<string, string>> = {}, text = 'hello', head = 'octo/widgets') => {
    const workspace = mkdtempSync(join(dir, 'work-'))
    mkdirSync(join(workspace, 'units'))
    writeFileSync(join(workspace, 'units', 'app.txt'), `\n${text}`)
    const env = {
      ...{
        GITHUB_API_URL: github.url,
        GITHUB_REF: 'refs/pull/12/merge',
        GITHUB_RUN_ID: '7',
        GITHUB_WORKFLOW: 'images',
      },
      YOE_SETUP: 'false',
    }
    const all = { cell: 'box/base, box/app', 'github-token': 't', upload: 'none', ...inputs }
    const host = fakeHost({ dir, workspace, event: 'pull_request', payload: pull(head), env, inputs: all })
    await cellAction(host, 'boot-test', openEngine)
    assert.match(host.summaries.join(''), /^## ✅ box\/(base|app)/)
    return host
  }
  await run({ comment: 'never' })
  assert.match((await run({}, 'hello', 'mallory/widgets')).log(), /No comment on a pull request from a fork/)
  assert.deepEqual(github.requests, [])
  await run()
  assert.equal(github.comments.length, 1)
  assert.match(github.comments[0]?.body ?? '', /✅ box\/app\*\* · 1 built, 0 unchanged · image 6 B · boots \(tcg\)/)
  github.intercept = (what) => (what.startsWith('PATCH') ? { status: 403, body: { message: 'no' } } : undefined)
  const denied = await run({ cell: 'box/app' }, 'longer than before')
  assert.equal(denied.log().match(/^::notice::no comment.*pull-requests: write.*comment: never/gm)?.length, 1)
})
