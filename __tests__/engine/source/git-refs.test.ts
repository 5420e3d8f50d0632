import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { askRef } from '../../../src/engine/source/git-refs.ts'
import { gitDaemon, TestRepository } from '../../support/git.ts'
import { scratch } from '../../support/project.ts'

const asking = (url: string) => ({ url, candidates: [url], offline: false })

test('refs: tags, peeled, come before branches; the kind that is meant decides', async (t) => {
  const folder = scratch(t)
  const origin = new TestRepository(join(folder, 'origin'), { a: '1' })
  const first = origin.head
  origin.tag('v1')
  origin.tag('v2', true)
  origin.tag('both')
  const second = origin.commit({ a: '2' })
  origin.git('branch', 'both')
  origin.git('branch', 'release/1')
  const want: readonly (readonly [string, 'tag' | 'branch' | undefined, string, string])[] = [
    ['v1', undefined, 'tag', first],
    ['v2', undefined, 'tag', first],
    ['v2', 'tag', 'tag', first],
    ['main', undefined, 'branch', second],
    ['release/1', 'branch', 'branch', second],
    ['both', undefined, 'tag', first],
    ['both', 'branch', 'branch', second],
  ]
  for (const url of [origin.url, `${await gitDaemon(t, folder)}/origin`]) {
    for (const [ref, kind, is, commit] of want)
      assert.deepEqual(await askRef(asking(url), ref, kind), { kind: is, commit }, ref)
  }
})

const refusals: readonly (readonly [
  name: string,
  ref: string,
  kind: 'tag' | 'branch' | undefined,
  message: RegExp,
  hint: RegExp,
])[] = [
  ['a misspelt one', 'v1.0.O', undefined, /has no tag or branch "v1.0.O"/, /did you mean "v1.0.0"\?/],
  ['a branch as a tag', 'main', 'tag', /has no tag "main"/, /it has: v1.0.0/],
  ['B15 an option', '--upload-pack=touch pwned', undefined, /has no tag or branch "--upload-pack/, /it has/],
  ['part of a name', '0.0', undefined, /has no tag or branch/, /./],
]
for (const [name, ref, kind, message, hint] of refusals) {
  test(`refs: ${name} is refused`, async (t) => {
    const folder = scratch(t)
    const origin = new TestRepository(join(folder, 'origin'), { a: '1' })
    origin.tag('v1.0.0')
    await assert.rejects(askRef(asking(origin.url), ref, kind), { code: 'FETCH_FAILED', message, hint })
    assert.ok(!existsSync('pwned'))
  })
}

test('refs: a repository that is gone, and one that would have to be asked offline', async (t) => {
  const url = `file://${scratch(t)}/gone`
  await assert.rejects(askRef(asking(url), 'main'), {
    code: 'FETCH_FAILED',
    message: /can't be asked for its refs\n {2}file:.*gone: fatal: /,
  })
  await assert.rejects(askRef({ ...asking('https://example.invalid/x'), offline: true }, 'main'), {
    message: /yoe works offline/,
  })
})
