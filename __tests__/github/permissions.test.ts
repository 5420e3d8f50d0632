/** What each job of our workflows, and of those that we write for users, may do: what it needs, and no more. faults.md H8. */
import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { basename, join, resolve } from 'node:path'
import { test } from 'node:test'
import { workflowFiles } from '#toolkit/workflow.ts'

const root = resolve(import.meta.dirname, '..', '..')
const released = { repository: 'octo/yoe', ref: 'a'.repeat(40), version: 'v1.2.3' }

interface Job {
  readonly text: string
  /** As written: `{ contents: read }`; undefined: those of the workflow. */
  readonly permissions: Readonly<Record<string, string>> | undefined
  /** The reusable workflow that it calls. */
  readonly calls: string | undefined
}

/** The jobs of a workflow as all of ours are written: two spaces before a name, permissions in braces. */
function jobsOf(workflow: string): ReadonlyMap<string, Job> {
  const body = workflow.slice(workflow.search(/^jobs:$/m))
  const jobs = body.split(/^ {2}(?=[\w-]+:)/m).slice(1)
  return new Map(
    jobs.map((text) => {
      const braces = /^ {4}permissions:(?: #.*\n *)? *\{([^}]*)\}/m.exec(text)?.[1]
      const pairs = braces?.split(',').map((pair) => pair.trim().split(': ') as [string, string])
      const permissions = pairs === undefined ? undefined : Object.fromEntries(pairs)
      const calls = /^ {4}uses: \S*\.github\/workflows\/([\w.-]+\.yml)/m.exec(text)?.[1]
      return [/^[\w-]+/.exec(text)?.[0] ?? '', { text, permissions, calls }]
    }),
  )
}

/** Every workflow of ours and of users, by what it is. Of the one that releases this project its own test tells. */
const workflows = new Map([
  ...globSync('.github/workflows/*.yml', { cwd: root })
    .filter((path) => basename(path) !== 'release.yml')
    .map((path) => [path, readFileSync(join(root, path), 'utf8')] as const),
  ...workflowFiles({ actions: released }).map(([path, text]) => [`long ${basename(path)}`, text] as const),
  ...workflowFiles({ actions: released, short: true }).map(
    ([path, text]) => [`short ${basename(path)}`, text] as const,
  ),
])

const comments = { contents: 'read', 'pull-requests': 'write' }
const publishes = { contents: 'write', pages: 'write', 'id-token': 'write' }
const attests = { ...publishes, attestations: 'write' }
/** All jobs that may do more than read the repository. */
const expected: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  'long images.yml build': comments,
  'long images.yml publish': publishes,
  'short images.yml images': { ...comments, ...attests },
  '.github/workflows/images.yml build': comments,
  '.github/workflows/images.yml publish': attests,
  '.github/workflows/examples.yml build': comments,
  '.github/workflows/ci.yml examples': comments,
  '.github/workflows/board.yml examples': comments,
  '.github/workflows/nightly.yml examples': comments,
  '.github/workflows/nightly.yml station': comments,
  '.github/workflows/nightly.yml publish': attests,
}

test('a job may do what it needs, and no more', () => {
  const found: Record<string, unknown> = {}
  for (const [name, text] of workflows) {
    assert.match(text, /^permissions: \{ contents: read \}$/m, name)
    assert.doesNotMatch(text, /pull_request_target|workflow_run|secrets: inherit|write-all/, name)
    for (const [job, { permissions }] of jobsOf(text))
      if (permissions !== undefined) found[`${name} ${job}`] = permissions
  }
  assert.deepEqual(found, expected)
})

test('what a job may write is what its steps write', () => {
  for (const [name, text] of workflows)
    for (const [job, { permissions = {}, calls, text: steps }] of jobsOf(text)) {
      if (calls !== undefined) continue
      const where = `${name} ${job}`
      const uses = (pattern: RegExp): boolean => pattern.test(steps)
      const publishing = uses(/uses: \S*publish-feed/)
      // A workflow that nobody starts by a pull request has nothing to comment on.
      const comments = uses(/uses: (\$\/|\.\/|octo\/yoe@\w+)( |$)/m) && !/workflow_dispatch: \{ inputs/.test(text)
      assert.equal(permissions['pull-requests'] === 'write', comments, where)
      assert.equal(permissions['contents'] === 'write', publishing && uses(/release: /), where)
      assert.equal(permissions['pages'] === 'write' && permissions['id-token'] === 'write', publishing, where)
      assert.equal(permissions['attestations'] === 'write', uses(/uses: actions\/attest/), where)
      if (publishing)
        assert.match(steps, /^ {4}if: (inputs\.publish|github\.event_name == 'schedule')|^ {4}needs: examples/m)
      if (publishing) assert.match(steps, /^ {4}environment: /m, where)
      else assert.doesNotMatch(steps, /SIGNING_KEY/, where)
    }
})

/** What GitHub checks before it starts a run: a caller grants what any job of the called workflow asks for. */
function lacking(caller: Job, called: string): readonly string[] {
  return [...jobsOf(called)].flatMap(([job, { permissions = {} }]) =>
    Object.entries(permissions).flatMap(([what, how]) => {
      const granted = caller.permissions?.[what]
      return granted === how || granted === 'write' || (what === 'contents' && how === 'read')
        ? []
        : [`${job}: ${what}`]
    }),
  )
}

test('whoever calls a workflow grants what its jobs ask for, or GitHub does not start it', () => {
  let calls = 0
  for (const [name, text] of workflows)
    for (const [job, caller] of jobsOf(text)) {
      if (caller.calls === undefined) continue
      calls++
      const called = workflows.get(`.github/workflows/${caller.calls}`) ?? ''
      assert.notEqual(called, '', caller.calls)
      assert.deepEqual(lacking(caller, called), [], `${name} ${job}`)
      // The control: nothing but reading is too little for each of them.
      assert.notDeepEqual(lacking({ ...caller, permissions: { contents: 'read' } }, called), [])
    }
  assert.ok(calls >= 4)
})

test('a key reaches the job that signs with it, from the environment of that job or from the repository', () => {
  const called = workflows.get('.github/workflows/images.yml') ?? ''
  const short = workflows.get('short images.yml') ?? ''
  const publishing = jobsOf(called).get('publish')?.text ?? ''
  const secrets = { YOE_SIGNING_KEY: 'signing-key', YOE_APK_SIGNING_KEY: 'apk-signing-key' }
  // GitHub puts an environment's secret in the place of what a caller hands on only where it has the same name.
  for (const [secret, input] of Object.entries({ ...secrets, YOE_APK_SIGNING_PASSPHRASE: 'apk-signing-passphrase' })) {
    assert.match(called, new RegExp(`^ {6}${secret}: \\{ required: false`, 'm'))
    assert.match(publishing, new RegExp(`^ {10}${input}: \\$\\{\\{ secrets\\.${secret} \\}\\}$`, 'm'))
  }
  for (const [secret, input] of Object.entries(secrets)) {
    assert.ok(short.includes(`${secret}: "\${{ secrets.${secret} }}"`))
    const long = jobsOf(workflows.get('long images.yml') ?? '').get('publish')?.text ?? ''
    assert.ok(long.includes(` ${input}: "\${{ secrets.${secret} }}"`))
  }
  for (const [name, text] of workflows)
    for (const [what] of text.matchAll(/[\w-]+: "?\$\{\{[^}]*secrets\..*?\}\}/g))
      assert.match(what, /^((apk-)?signing-key|apk-signing-passphrase|cache-key|YOE_(APK_)?SIGNING_KEY): /, name)
})

test('a scheduled run uploads what the release and the feed are made of', () => {
  for (const name of ['long images.yml', '.github/workflows/images.yml', '.github/workflows/examples.yml'])
    assert.match(workflows.get(name) ?? '', /upload: .*'image, feed, report' \|\|/, name)
})
