/** The page is what the scenes of actions.slow.test.ts run: they type its command, and use its YAML. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { commands } from '#cli/commands.ts'
import { workflowFiles } from '#toolkit/workflow.ts'
import { checkout } from '../support/project.ts'
import { attesting, shownIn } from '../support/scenes.ts'
import { readPage } from './tables.ts'

const page = readPage('add-to-your-repository.md')
const scenes = readFileSync(join(checkout, '__tests__/e2e/actions.slow.test.ts'), 'utf8')
const [[, long] = ['', '']] = workflowFiles({ actions: { repository: 'octo/yoe', ref: 'a'.repeat(40) } })

/** The steps of the page, and the scenes of each. */
const steps: readonly (readonly [heading: string, scenes: readonly string[]])[] = [
  // Every scene begins with the files that the command of this step writes.
  ['1. Write the workflow', []],
  ['2. The first push builds everything', ['first push, nothing cached']],
  ['3. A second push builds nothing', ['second push, nothing changed']],
  [
    '4. A pull request rebuilds what it touches',
    ['a pull request that touches one unit', 'a pull request that touches no cell'],
  ],
  ['5. A pull request that fails', ['a pull request that fails']],
  ['6. A pull request from a fork', ['a pull request from a fork']],
  ['7. The night', ['the night: the image boots', 'the same packages to a bucket']],
  ['8. A release of the images', ['the night: the image boots and is released']],
]

test('each step of the page has its scene', () => {
  const headings = [...page.matchAll(/^## (.*)$/gm)].map(([, heading]) => heading)
  assert.deepEqual(headings, [...steps.map(([heading]) => heading), 'More'])
  for (const name of steps.flatMap(([, names]) => names)) assert.ok(scenes.includes(`test('${name}`), name)
})

test('its commands are ours, and write what it says', () => {
  const typed = shownIn('add-to-your-repository.md', '').flatMap((text) => text.trim().split('\n'))
  assert.equal(typed[0], 'yoe init . --ci')
  for (const [, name = ''] of typed.join('\n').matchAll(/^yoe (\w[\w-]*)/gm)) assert.ok(name in commands, name)
  const [, environment = ''] = /gh secret set YOE_SIGNING_KEY --env (\S+)/.exec(page) ?? []
  assert.match(long, new RegExp(`environment: \\{ name: ${environment}, .*\\n[\\s\\S]*secrets\\.YOE_SIGNING_KEY`))
})

test('what it says of permissions is what the workflow has; the step that attests has its place in it', () => {
  const written = [...long.matchAll(/permissions: \{ (.*) \}/g)].map(([, all]) => all)
  assert.deepEqual(written, [
    'contents: read',
    'contents: read, pull-requests: write',
    'contents: write, pages: write, id-token: write',
  ])
  for (const one of ['pull-requests: write', 'contents: write', 'pages: write']) assert.ok(page.includes(`\`${one}\``))
  assert.match(page, /`id-token: write`/)
  const attested = attesting(long)
  assert.match(attested, /id-token: write, attestations: write \}/)
  assert.match(attested, /- id: publish\n[\s\S]*- if: steps\.publish\.outputs\.attestable == 'true'\n/)
})
