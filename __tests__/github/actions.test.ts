import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { test } from 'node:test'
import { workflowFile } from '#toolkit/workflow.ts'
import { actions, parseAction, readAction, refresh } from '../../scripts/action-docs.ts'

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

test('the reader of action files agrees with what it is for', () => {
  const text =
    "name: x\ndescription: d\ninputs:\n  a:\n    description: >-\n      one\n      two\n    default: ''\n  b-c:\n    description: e\n    required: true\nruns:\n  using: node24\n  main: m.js\n"
  assert.deepEqual(parseAction(text).inputs, [
    { name: 'a', description: 'one two', required: false, default: '' },
    { name: 'b-c', description: 'e', required: true, default: '' },
  ])
})

test('the workflow of every example is the one that yoe writes, 40 lines at most', () => {
  const files = globSync('examples/*/.github/workflows/images.yml', { cwd: root, exclude: (name) => name === 'build' })
  assert.notEqual(files.length, 0)
  for (const file of files) assert.equal(read(file), workflowFile({ repository: 'OWNER/yoe', ref: 'v1' }))
  assert.ok(workflowFile({ repository: 'OWNER/yoe', ref: 'v1' }).trimEnd().split('\n').length <= 40)
})

test('a workflow for a project in a folder passes the folder on, whatever its name', () => {
  const text = workflowFile({ repository: 'o/r', ref: 'a'.repeat(40), project: 'firm ware"' })
  assert.equal(text.match(/project: "firm ware\\""/g)?.length, 3)
})
