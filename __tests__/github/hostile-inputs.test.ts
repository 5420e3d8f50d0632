/** faults.md H5: whatever stands in an input, a branch's name or a title, it is data. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { after, test } from 'node:test'
import { userErrors } from '#engine/errors.ts'
import { cellAction } from '#github/cell-action.ts'
import { contextOf } from '#github/context.ts'
import { type Host, Told } from '#github/host.ts'
import { planAction } from '#github/plan-action.ts'
import { setupAction } from '#github/prepare.ts'
import { publishAction } from '#github/publish-action.ts'
import { readAction } from '../../scripts/action-docs.ts'
import { type FakeHost, fakeHost } from '../support/action-host.ts'
import { openEngine } from '../support/fake-engine.ts'
import { commandsIn } from '../support/runner-commands.ts'

const root = resolve(import.meta.dirname, '..', '..')
const dir = mkdtempSync(join(tmpdir(), 'yoe-hostile-'))
after(() => rmSync(dir, { recursive: true, force: true }))
/** Made by whatever gets a shell to run a payload. */
const canary = join(dir, 'canary')

export const payloads: readonly string[] = [
  ...['', ' ', '\t\n', '\0', '\x1b]0;t\x07', '\u202ea/b', '\ufeffa/b', 'ä/ö', '%0A::error::x', '%25'],
  ...['$' + '{{ github.token }}', '$' + '{{ toJSON(secrets) }}', `$(touch ${canary})`, `\`touch ${canary}\``],
  ...[
    `a; touch ${canary}`,
    `a && touch ${canary}`,
    `a | touch ${canary}`,
    `a\ntouch ${canary}`,
    `' ; touch ${canary} ; '`,
  ],
  ...[
    `" ; touch ${canary} ; "`,
    `>${canary}`,
    '-rf',
    '--help',
    '--upload-pack=x',
    '../../etc',
    '/etc/passwd',
    'a/../../b',
  ],
  ...['a/b\n::set-output name=count::9', 'a/b\r::add-mask::x', '::stop-commands::t', '##[error]x', 'x<<EOF\ny\nEOF'],
  ...[
    'a\ncount<<E\n9\nE',
    '<script>x</script>',
    '| a | b |',
    '</details># h',
    '[x](javascript:y)',
    '@octo #1',
    'x'.repeat(100_000),
  ],
  ...['__proto__', 'constructor', 'TRUE', '1e3', '0x10', '-1', 'NaN', '99999999999999999999', 'null', '{"a":1}'],
]

/** A run of each action that goes well, and how it is started. */
const runs: Readonly<
  Record<string, { readonly inputs: Readonly<Record<string, string>>; readonly start: (host: Host) => Promise<void> }>
> = {
  '.': {
    inputs: { cell: 'box/base', 'boot-test': 'true', upload: 'none' },
    start: (host) => cellAction(host, 'boot-test', openEngine),
  },
  'actions/build': {
    inputs: { cell: 'box/base', upload: 'none' },
    start: (host) => cellAction(host, 'units', openEngine),
  },
  'actions/image': {
    inputs: { cell: 'box/base', upload: 'none' },
    start: (host) => cellAction(host, 'image', openEngine),
  },
  'actions/boot-test': {
    inputs: { cell: 'box/base', upload: 'none' },
    start: (host) => cellAction(host, 'boot-test', openEngine),
  },
  'actions/plan': { inputs: { only: 'all' }, start: (host) => planAction(host, openEngine) },
  'actions/publish-feed': { inputs: { upload: 'false' }, start: (host) => publishAction(host, openEngine) },
  'actions/setup': { inputs: { qemu: 'false', 'free-disk': 'false' }, start: (host) => setupAction(host) },
}

function host(inputs: Readonly<Record<string, string>>): FakeHost {
  const workspace = mkdtempSync(join(dir, 'work-'))
  mkdirSync(join(workspace, 'units'))
  writeFileSync(join(workspace, 'units', 'app.txt'), '\n')
  const env = { YOE_SETUP: 'false', PATH: process.env['PATH'] ?? '', YOE_SETUP_ROOT: join(dir, 'no-system') }
  return fakeHost({ dir, workspace, inputs, env })
}

/** What the runner does with what was printed, but for our own annotations and groups. */
const foreign = (log: string): readonly string[] =>
  commandsIn(log).filter((command) => !/^(error|warning|group|endgroup)( |$)/.test(command))

for (const [action, { inputs, start }] of Object.entries(runs)) {
  test(`${action}: every input with every payload`, async () => {
    const names = readAction(action).inputs.map(({ name }) => name)
    assert.notEqual(names.length, 0)
    for (const name of names)
      for (const payload of payloads) {
        const run = host({ ...inputs, [name]: payload })
        const shown = `${name}: ${JSON.stringify(payload.slice(0, 60))}`
        try {
          await start(run)
        } catch (failure) {
          const errors = userErrors(failure)
          assert.ok(failure instanceof Told || errors !== undefined, `${shown}: ${failure}`)
          for (const error of errors ?? []) {
            assert.ok(error.message.length < 1000, shown)
            assert.ok(error.code !== 'USAGE' || !/[\n\r\0\x1b]/.test(error.message), shown)
          }
        }
        assert.deepEqual(foreign(run.log()), [], shown)
        assert.ok(!existsSync(canary), shown)
        const page = run.summaries.join('').replaceAll(/<pre>[\s\S]*?<\/pre>/g, '')
        assert.doesNotMatch(page, /<script|\]\(javascript|@octo|^# h/m, shown)
        assert.ok(Buffer.byteLength(page) < 1_000_000, shown)
      }
  })
}

test('the controls: a shell runs such text, and a runner obeys it where it is printed as it is', () => {
  const naive = payloads
    .filter((payload) => !payload.includes('\0') && payload.length < 1000)
    .filter((payload) => {
      spawnSync('sh', ['-c', `echo ${payload}`])
      const ran = existsSync(canary)
      rmSync(canary, { force: true })
      return ran
    })
  assert.ok(naive.length >= 7, `${naive.length}`)
  assert.ok(payloads.filter((payload) => commandsIn(payload).length > 0).length >= 2)
  assert.ok(payloads.length >= 40)
})

/** Reads the file of GITHUB_OUTPUT as the runner does. */
function outputsIn(text: string): Readonly<Record<string, string>> {
  const found: Record<string, string> = {}
  const lines = text.split('\n')
  for (let i = 0; i < lines.length; i++) {
    const line = lines[i] ?? ''
    const [, name = '', end] = /^([^=]+?)<<(.+)$/.exec(line) ?? []
    if (end !== undefined) {
      const from = i + 1
      i = lines.indexOf(end, from)
      if (i < 0) throw new Error(`no end of ${name}`)
      found[name] = lines.slice(from, i).join('\n')
    } else if (line.includes('=')) found[line.slice(0, line.indexOf('='))] = line.slice(line.indexOf('=') + 1)
  }
  return found
}

test('an output is one output, whatever is in it; the naive way makes more of it', () => {
  const file = join(dir, 'output')
  const script = `
    import { runAction } from ${JSON.stringify(join(root, 'src/github/host.ts'))}
    await runAction(async (host) => { for (const [i, text] of JSON.parse(process.argv[1]).entries()) host.output('o' + i, text) })`
  writeFileSync(file, '')
  const texts = payloads.filter((payload) => payload.length < 1000)
  const { status, stderr } = spawnSync(
    process.execPath,
    ['--disable-warning=ExperimentalWarning', '--input-type=module', '-e', script, JSON.stringify(texts)],
    { cwd: root, encoding: 'utf8', env: { ...process.env, GITHUB_OUTPUT: file } },
  )
  assert.equal(status, 0, stderr)
  const read = outputsIn(readFileSync(file, 'utf8'))
  assert.deepEqual(Object.keys(read).length, texts.length)
  for (const [i, text] of texts.entries()) assert.equal(read[`o${i}`], text)
  const naive = outputsIn(texts.map((text, i) => `o${i}=${text}`).join('\n'))
  assert.equal(naive['count'], '9')
})

test('names of branches and titles of pull requests decide nothing and are shown nowhere', async () => {
  for (const payload of payloads) {
    const event = {
      repository: { default_branch: payload, full_name: payload },
      pull_request: {
        title: payload,
        body: payload,
        base: { ref: payload, sha: payload, repo: { full_name: 'octo/widgets' } },
        head: { ref: payload, sha: payload, label: payload, repo: { full_name: payload } },
      },
    }
    const env = {
      GITHUB_EVENT_NAME: 'pull_request',
      GITHUB_HEAD_REF: payload,
      GITHUB_REF_NAME: payload,
      GITHUB_REF: payload,
    }
    const context = contextOf(env, event)
    assert.equal(context.trust, 'fork')
    assert.equal(context.change, undefined)
    assert.equal(context.mayPublish, false)
  }
  const [branch = ''] = payloads.filter((payload) => payload.startsWith('$('))
  const workspace = mkdtempSync(join(dir, 'work-'))
  mkdirSync(join(workspace, 'units'))
  const run = fakeHost({
    ...{ dir, workspace, inputs: { cell: 'box/base', upload: 'none' }, event: 'pull_request' },
    payload: { pull_request: { title: branch, head: { ref: branch }, base: { ref: branch } } },
    env: { GITHUB_HEAD_REF: branch, GITHUB_REF: `refs/heads/${branch}`, YOE_SETUP: 'false' },
  })
  await cellAction(run, 'image', openEngine)
  assert.ok(!run.log().includes(branch) && !run.summaries.join('').includes(branch))
  assert.ok(!existsSync(canary))
})
