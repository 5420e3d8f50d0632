/**
 * What others check of workflows and actions: actionlint, GitHub's own schemas, and zizmor, over all of ours and all that
 * we write for users. faults.md H8.
 */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { cpSync, globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { after, before, test } from 'node:test'
import { actionsPlaceholder } from '#toolkit/release.ts'
import { workflowFiles } from '#toolkit/workflow.ts'
import { actions, parseAction, readAction } from '../../scripts/action-docs.ts'
import { commit } from '../support/act.ts'
import { attesting, shownIn } from '../support/scenes.ts'
import { goProgram, pythonProgram } from '../support/tools.ts'

const root = resolve(import.meta.dirname, '..', '..')
const dir = mkdtempSync(join(tmpdir(), 'yoe-lint-'))
after(() => rmSync(dir, { recursive: true, force: true }))

/** A repository of our workflows and actions, as a release has them: with what bundling makes. */
let ours: string
/** Repositories of users, by the way in which they were made. */
const users = new Map<string, string>()

before(() => {
  ours = join(dir, 'ours')
  for (const part of ['.github', 'actions', 'action.yml'])
    cpSync(join(root, part), join(ours, part), { recursive: true })
  layMains(ours)
  commit(ours)
  const released = { repository: 'octo/yoe', ref: 'a'.repeat(40), version: 'v1.2.3' }
  const ways = {
    released: { actions: released },
    folder: { actions: released, project: 'firm ware' },
    short: { actions: released, short: true },
    // With what the page "Add it to your repository" adds.
    attesting: { actions: released },
    clone: { actions: actionsPlaceholder },
  }
  for (const [name, options] of Object.entries(ways)) {
    const folder = join(dir, name)
    for (const [path, text] of workflowFiles(options))
      write(join(folder, path), name === 'attesting' ? attesting(text) : text)
    commit(folder)
    users.set(name, folder)
  }
})

function write(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, text)
}

/** What each action.yml starts, empty. */
function layMains(folder: string): void {
  for (const action of actions) write(join(folder, action, readAction(action).main), '')
}

interface Said {
  readonly status: number | null
  readonly text: string
}

function run([program, ...argv]: readonly [string, ...string[]], cwd: string, env = process.env): Said {
  const { status, stdout, stderr } = spawnSync(program, argv, { cwd, env, encoding: 'utf8' })
  return { status, text: `${stdout}${stderr}` }
}

const workflowsIn = (folder: string): readonly string[] => globSync('.github/workflows/*.yml', { cwd: folder }).sort()

/**
 * actionlint 1.7.12 does not know `$/` yet: it is shown `./`, which is the same repository to it. Actions of others are known
 * to it by their tags.
 */
function actionlint(folder: string): Said {
  const copy = mkdtempSync(join(tmpdir(), 'yoe-actionlint-'))
  try {
    cpSync(folder, copy, { recursive: true })
    for (const file of workflowsIn(copy)) {
      const path = join(copy, file)
      const text = readFileSync(path, 'utf8').replaceAll('uses: $/', 'uses: ./')
      writeFileSync(path, text.replaceAll(/(uses: actions\/[\w-]+@)[0-9a-f]{40} # (v\d+)\S*/g, '$1$2'))
    }
    return run([goProgram('actionlint'), '-no-color', ...workflowsIn(copy)], copy)
  } finally {
    rmSync(copy, { recursive: true })
  }
}

/** A user's files with the actions in their own repository, so that their inputs and outputs are looked up. */
function withLocalActions(folder: string): string {
  const local = `${folder}-local`
  cpSync(ours, local, { recursive: true })
  rmSync(join(local, '.github/workflows'), { recursive: true })
  cpSync(join(ours, '.github/workflows/images.yml'), join(local, '.github/workflows/reused.yml'))
  for (const file of workflowsIn(folder)) {
    const text = readFileSync(join(folder, file), 'utf8')
      .replace(/octo\/yoe\/\.github\/workflows\/images\.yml@\w+/, './.github/workflows/reused.yml')
      .replaceAll(/(?:octo|OWNER)\/yoe(\/[\w/-]+)?@\w+/g, './$1')
      .replaceAll('.//', './')
    write(join(local, file), text)
  }
  return local
}

const zizmor = (folder: string): Said => {
  const { argv, env } = pythonProgram('zizmor')
  return run([...argv, '--offline', '--no-progress', '--quiet', '.'], folder, env)
}

const schema = (name: 'workflows' | 'actions', files: readonly string[], folder: string): Said => {
  const { argv, env } = pythonProgram('check-jsonschema')
  return run([...argv, '--builtin-schema', `vendor.github-${name}`, ...files], folder, env)
}

test('actionlint finds nothing in ours, nor in how they use our actions', () => {
  const { status, text } = actionlint(ours)
  assert.equal(status, 0, text)
})

test('actionlint finds nothing in what is written for users; every input and output that they name is there', () => {
  for (const [name, folder] of users) {
    const local = withLocalActions(folder)
    const { status, text } = actionlint(local)
    assert.equal(status, 0, `${name}: ${text}`)
    // The control: a workflow that is wrong is found, so the actions are really looked up.
    const file = join(local, '.github/workflows/images.yml')
    writeFileSync(file, readFileSync(file, 'utf8').replace(/(cell|publish): /, 'no-such-input: '))
    assert.match(actionlint(local).text, /no-such-input/, name)
    rmSync(local, { recursive: true })
  }
})

test('J2: the action that attests takes what it is given, and what stands in for it in tests takes the same', () => {
  const copy = `${ours}-attest`
  cpSync(ours, copy, { recursive: true })
  const file = join(copy, '.github/workflows/images.yml')
  const text = readFileSync(file, 'utf8')
  writeFileSync(file, text.replace('subject-checksums:', 'checksums:'))
  const [, known = ''] =
    /input "checksums" is not defined in .*available inputs are (.*?) \[/.exec(actionlint(copy).text) ?? []
  const standIn = parseAction(readFileSync(join(root, '__tests__/fixtures/attest/action.yml'), 'utf8'))
  assert.equal(
    known,
    standIn.inputs
      .map(({ name }) => JSON.stringify(name))
      .sort()
      .join(', '),
  )
})

test('actionlint finds nothing in the jobs that the page about publishing shows', () => {
  const shown = shownIn('publish.md', 'yaml').filter((yaml) => yaml.includes('publish-feed'))
  assert.equal(shown.length, 2)
  const build = '  build:\n    runs-on: ubuntu-24.04\n    steps: [{ run: "true" }]\n'
  for (const [index, yaml] of shown.entries()) {
    const folder = join(dir, `shown-${index}`)
    const job = yaml.startsWith('  publish:') ? yaml : `  publish:\n    runs-on: ubuntu-24.04\n${yaml}`
    const text = `on: push\npermissions: { contents: read }\njobs:\n${build}${job}`
    write(join(folder, '.github/workflows/images.yml'), text)
    commit(folder)
    const local = withLocalActions(folder)
    const { status, text: said } = actionlint(local)
    assert.equal(status, 0, said)
    const fits = schema('workflows', workflowsIn(folder), folder)
    assert.equal(fits.status, 0, fits.text)
    write(
      join(local, '.github/workflows/images.yml'),
      text
        .replaceAll('OWNER/yoe', '.')
        .replace(/^( +)to:/m, '$1no: x\n$1to:')
        .replaceAll('@v1', ''),
    )
    assert.match(actionlint(local).text, /input "no" is not defined/, 'the control')
  }
})

test('the schemas of GitHub fit every action and workflow', () => {
  const files = actions.map((action) => join(action, 'action.yml'))
  for (const said of [schema('actions', files, ours), schema('workflows', workflowsIn(ours), ours)])
    assert.equal(said.status, 0, said.text)
  for (const folder of users.values()) {
    const said = schema('workflows', workflowsIn(folder), folder)
    assert.equal(said.status, 0, said.text)
  }
  const wrong = join(ours, 'wrong.yml')
  writeFileSync(wrong, 'name: x\non: push\njobs: { a: { runs-on: x, step: [] } }\n')
  assert.notEqual(schema('workflows', [wrong], ours).status, 0)
  rmSync(wrong)
})

test('zizmor finds nothing in ours, and each thing that is ignored has its reason', () => {
  const { status, text } = zizmor(ours)
  assert.equal(status, 0, text)
  for (const file of workflowsIn(ours))
    for (const [line] of readFileSync(join(ours, file), 'utf8').matchAll(/^.*zizmor: ignore.*$/gm))
      assert.match(line, /zizmor: ignore\[[\w-]+\] \w+ \w+/)
})

test('zizmor finds nothing in what is written for users, but in a clone that its actions are not pinned', () => {
  for (const [name, folder] of users) {
    const { status, text } = zizmor(folder)
    if (name !== 'clone') assert.equal(status, 0, `${name}: ${text}`)
    else {
      const kinds = new Set([...text.matchAll(/^(?:error|warning|help|info)\[([\w-]+)\]/gm)].map(([, kind]) => kind))
      assert.deepEqual([...kinds], ['unpinned-uses'])
      assert.doesNotMatch(text, /uses: actions\/checkout/)
    }
  }
})

test('the control: what attackers of workflows look for is found', () => {
  const folder = mkdtempSync(join(tmpdir(), 'yoe-bad-'))
  const text = `name: bad
on: pull_request_target
jobs:
  x:
    runs-on: ubuntu-24.04
    permissions: write-all
    steps:
      - uses: actions/checkout@v7
        with: { ref: "${'$'}{{ github.event.pull_request.head.sha }}" }
      - run: echo ${'$'}{{ github.event.pull_request.title }}
`
  write(join(folder, '.github/workflows/bad.yml'), text)
  commit(folder)
  try {
    const said = zizmor(folder)
    assert.notEqual(said.status, 0)
    for (const kind of [
      'dangerous-triggers',
      'template-injection',
      'unpinned-uses',
      'excessive-permissions',
      'artipacked',
    ])
      assert.match(said.text, new RegExp(`\\[${kind}\\]`))
  } finally {
    rmSync(folder, { recursive: true })
  }
})

test('nothing that somebody else can write stands in a shell command, and no token stays in a checkout', () => {
  for (const folder of [ours, ...users.values()])
    for (const file of workflowsIn(folder)) {
      const text = readFileSync(join(folder, file), 'utf8')
      for (const [, command = ''] of text.matchAll(/\brun: (.*)/g)) assert.doesNotMatch(command, /\$\{\{/, file)
      for (const [step] of text.matchAll(/uses: actions\/checkout.*\n.*/g))
        assert.match(step, /persist-credentials: false/, file)
    }
})
