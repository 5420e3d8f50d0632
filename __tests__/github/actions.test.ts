import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { test } from 'node:test'
import { parse } from 'yaml'
import { actionPins } from '#toolkit/action-pins.ts'
import { actionsPlaceholder, parseActionsSource, releasedActions, releaseFile } from '#toolkit/release.ts'
import { workflowFiles } from '#toolkit/workflow.ts'
import { actions, parseAction, readAction, refresh } from '../../scripts/action-docs.ts'
import { commitOfTag } from '../../scripts/check-action-pins.ts'

const root = resolve(import.meta.dirname, '..', '..')
const read = (path: string): string => readFileSync(join(root, path), 'utf8')

test('kebab-case, described, and optional but for the cell', () => {
  for (const action of actions) {
    const { inputs, outputs, description } = readAction(action)
    assert.notEqual(description, '')
    for (const { name, description: text, required } of [...inputs, ...outputs]) {
      assert.match(name, /^[a-z][a-z0-9]*(-[a-z0-9]+)*$/)
      assert.notEqual(text, '', name)
      assert.equal(required, name === 'cell', name)
    }
  }
})

test('no action uses another, and each main is made by the bundler', () => {
  const bundler = read('scripts/bundle.ts')
  for (const action of actions) {
    assert.doesNotMatch(read(join(action, 'action.yml')), /\buses:/)
    const { main } = readAction(action)
    const entry = /dist\/([\w-]+)\.js$/.exec(main)?.[1]
    assert.ok(entry !== undefined && bundler.includes(`'${entry}'`), main)
  }
})

test('docs/actions.md has the tables of the action files', () => {
  assert.equal(refresh(read('docs/actions.md')), read('docs/actions.md'), 'run: node scripts/action-docs.ts')
})

test('action files are YAML whose texts are texts: a colon in a description, a list, a name twice are refused', () => {
  const text =
    "name: x\ndescription: d\ninputs:\n  a:\n    description: >-\n      one\n      two\n    default: ''\n  b-c:\n    description: e\n    required: true\nruns:\n  using: node24\n  main: m.js\n"
  assert.deepEqual(parseAction(text).inputs, [
    { name: 'a', description: 'one two', required: false, default: '' },
    { name: 'b-c', description: 'e', required: true, default: '' },
  ])
  for (const wrong of ['a token: as it is', '[a]', 'e\n    description: f', '@x', '`x` does', 'true', '1'])
    assert.throws(() => parseAction(text.replace('description: e', `description: ${wrong}`)), wrong)
})

test('every workflow is YAML: ours, those of examples, those that are written for users', () => {
  const ours = globSync(['.github/workflows/*.yml', 'examples/*/.github/workflows/*.yml'], { cwd: root }).map(read)
  const users = [{}, { short: true }, { project: 'firm ware"' }].flatMap((more) =>
    workflowFiles({ actions: released, ...more }).map(([, text]) => text),
  )
  assert.ok(ours.length >= 8)
  for (const text of [...ours, ...users]) {
    const { jobs }: { readonly jobs?: object } = parse(text, { uniqueKeys: true })
    assert.notDeepEqual(Object.keys(jobs ?? {}), [], text)
  }
})

const released = { repository: 'octo/yoe', ref: 'a'.repeat(40), version: 'v1.2.3' }
const linesOf = (text: string): readonly string[] => text.trimEnd().split('\n')

test('the workflows of every example are those that yoe writes in a clone', () => {
  const projects = globSync('examples/*/PROJECT.star', { cwd: root })
  assert.notEqual(projects.length, 0)
  for (const project of projects)
    for (const [path, text] of workflowFiles({ actions: actionsPlaceholder }))
      assert.equal(read(join(project, '..', path)), text, path)
})

test('40 lines at most, a dozen for the one that calls the reusable workflow, all of it by commit', () => {
  const [[, long] = ['', ''], [, board] = ['', '']] = workflowFiles({ actions: released })
  const [[, short] = ['', '']] = workflowFiles({ actions: released, short: true })
  assert.ok(linesOf(long).length <= 40)
  assert.ok(linesOf(short).length <= 12)
  for (const text of [long, short, board]) {
    const uses = [...text.matchAll(/uses: (\S+)(.*)/g)]
    assert.notEqual(uses.length, 0)
    for (const [, what = '', comment = ''] of uses) {
      assert.match(what, /@[0-9a-f]{40}$/)
      assert.match(comment, /^ # v\d+\.\d+\.\d+$/, 'where Dependabot and Renovate look for it')
    }
  }
})

test('a workflow for a project in a folder passes the folder on, whatever its name', () => {
  for (const [, text] of workflowFiles({ actions: released, project: 'firm ware"' }))
    assert.equal(text.match(/project: "firm ware\\""/g)?.length, text.match(/uses: octo/g)?.length)
  const [[, short] = ['', '']] = workflowFiles({ actions: released, project: 'fw', short: true })
  assert.match(short, /project: "fw"/)
})

test('actions of others stand in our workflows at the commit of the table', () => {
  const files = globSync('.github/workflows/*.yml', { cwd: root })
  assert.ok(files.length >= 5)
  for (const file of files)
    for (const [, what = ''] of read(file).matchAll(/uses: (.+)/g)) {
      if (/^(\$\/|\.\/)/.test(what)) continue
      assert.ok(
        Object.entries(actionPins).some(([name, { version, commit }]) => what === `${name}@${commit} # ${version}`),
        what,
      )
    }
})

test('where a tag is now is asked before a release, and told when it is somewhere else', (t) => {
  const peeled = `${'1'.repeat(40)}\trefs/tags/v1.0.0\n${'2'.repeat(40)}\trefs/tags/v1.0.0^{}\n`
  assert.equal(commitOfTag(peeled, 'v1.0.0'), '2'.repeat(40), 'of an annotated tag the commit')
  assert.equal(commitOfTag(`${'1'.repeat(40)}\trefs/tags/v1.0.0\n`, 'v1.0.0'), '1'.repeat(40))
  assert.equal(commitOfTag('', 'v1.0.0'), undefined)
  const base = mkdtempSync(join(tmpdir(), 'yoe-pins-'))
  t.after(() => rmSync(base, { recursive: true }))
  const ask = () =>
    spawnSync(
      process.execPath,
      ['--disable-warning=ExperimentalWarning', join(root, 'scripts/check-action-pins.ts'), `file://${base}`],
      { encoding: 'utf8' },
    )
  assert.match(ask().stderr, /actions\/checkout v7\.\d+\.\d+ should be at [0-9a-f]{40}, and is: fatal/)
  for (const [action, { version }] of Object.entries(actionPins)) {
    mkdirSync(join(base, action), { recursive: true })
    const git = (...args: readonly string[]) =>
      execFileSync('git', ['-c', 'user.name=t', '-c', 'user.email=t@example.com', ...args], { cwd: join(base, action) })
    git('init', '-q')
    git('commit', '-q', '--allow-empty', '-m', 'moved')
    git('tag', '-a', version, '-m', version)
  }
  const moved = ask()
  assert.equal(moved.status, 1)
  assert.match(moved.stderr, /should be at [0-9a-f]{40}, and is: [0-9a-f]{40}/)
})

test('every example is built by our own workflows', () => {
  for (const workflow of ['ci', 'board', 'nightly']) {
    const text = read(`.github/workflows/${workflow}.yml`)
    for (const project of globSync('examples/*/PROJECT.star', { cwd: root }))
      assert.match(text, new RegExp(`project: [^}\n]*\\b${dirname(project)}\\b`), workflow)
  }
})

test('the record of a release: read when it is whole, refused when it is not, absent in a clone', (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'yoe-release-'))
  t.after(() => rmSync(dir, { recursive: true }))
  assert.equal(releasedActions(dir), undefined)
  assert.equal(releasedActions(), undefined, 'a clone is no release')
  const write = (record: unknown): void => writeFileSync(join(dir, releaseFile), JSON.stringify(record))
  const good = { repository: 'octo/yoe', version: 'v1.2.3', commit: 'b'.repeat(40) }
  write(good)
  assert.deepEqual(releasedActions(dir), { repository: 'octo/yoe', ref: good.commit, version: 'v1.2.3' })
  for (const bad of [
    {},
    null,
    { ...good, commit: 'main' },
    { ...good, repository: 'octo/yoe@x' },
    { ...good, version: 'v1\n' },
  ]) {
    write(bad)
    assert.throws(() => releasedActions(dir), TypeError)
  }
})

test('--actions names a repository and a commit', () => {
  assert.deepEqual(parseActionsSource(`o/r@${'c'.repeat(40)}`), { repository: 'o/r', ref: 'c'.repeat(40) })
  for (const bad of ['', 'o/r', 'o@v1', 'o/r@', 'o/r@v1@v2', 'o/r/x@v1', 'o/r@v1 # x', '../r@v1', 'o/r@$(id)'])
    assert.throws(() => parseActionsSource(bad), /does not say where actions are/)
})

test('yoe init --ci: a new project, one that is there, and one in a folder of a repository', (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'yoe-init-'))
  t.after(() => rmSync(dir, { recursive: true }))
  const yoe = (cwd: string, ...argv: readonly string[]) =>
    spawnSync(join(root, 'bin/yoe'), ['init', ...argv], { cwd, encoding: 'utf8', env: { ...process.env, HOME: dir } })
  const at = 'd'.repeat(40)
  const made = yoe(dir, 'product', '--ci')
  assert.equal(made.status, 0, made.stderr)
  assert.match(made.stdout, /no release: in \.github\/workflows, replace OWNER\/yoe@v1/)
  const main = readFileSync(join(dir, 'product/.github/workflows/images.yml'), 'utf8')
  assert.equal(main, workflowFiles({ actions: actionsPlaceholder })[0]?.[1])
  const again = yoe(dir, 'product', '--ci', '--actions', `octo/yoe@${at}`)
  assert.equal(again.status, 0, again.stderr)
  assert.match(again.stderr + again.stdout, /images\.yml is there already and stays/)
  mkdirSync(join(dir, 'repo/.git'), { recursive: true })
  const inside = yoe(join(dir, 'repo'), 'firmware', '--ci-short', '--actions', `octo/yoe@${at}`)
  assert.equal(inside.status, 0, inside.stderr)
  const text = readFileSync(join(dir, 'repo/.github/workflows/images.yml'), 'utf8')
  assert.match(text, new RegExp(`octo/yoe/\\.github/workflows/images\\.yml@${at}\n    with: \\{ .*project: "firmware"`))
  assert.equal(yoe(dir, 'other', '--actions', `octo/yoe@${at}`).status, 2)
})
