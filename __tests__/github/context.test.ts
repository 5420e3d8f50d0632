import assert from 'node:assert/strict'
import { test } from 'node:test'
import { contextOf, type Trust } from '#github/context.ts'

const repository = { full_name: 'octo/widgets', default_branch: 'main' }
const pull = (head: unknown) => ({
  repository,
  pull_request: {
    base: { sha: 'a'.repeat(40), repo: { full_name: 'octo/widgets' } },
    head: { sha: 'b'.repeat(40), repo: head },
  },
})
const same = { full_name: 'octo/widgets' }

/** faults.md G5, H8: who may write what the default branch reads, and who may publish. */
const rows: readonly (readonly [
  event: string,
  ref: string,
  payload: unknown,
  trust: Trust,
  writes: boolean,
  publishes: boolean,
])[] = [
  ['push', 'refs/heads/main', { repository }, 'default-branch', true, true],
  ['push', 'refs/heads/topic', { repository }, 'branch', true, false],
  ['push', 'refs/tags/v1', { repository }, 'tag', true, true],
  ['schedule', 'refs/heads/main', {}, 'default-branch', true, true],
  ['schedule', 'refs/heads/main', { repository }, 'default-branch', true, true],
  ['workflow_dispatch', 'refs/heads/main', { repository }, 'default-branch', true, true],
  ['workflow_dispatch', 'refs/heads/topic', { repository }, 'branch', true, false],
  ['merge_group', 'refs/heads/gh-readonly-queue/main/pr-1', { repository }, 'branch', true, false],
  ['pull_request', 'refs/pull/1/merge', pull(same), 'pull-request', true, false],
  ['pull_request', 'refs/pull/1/merge', pull({ full_name: 'mallory/widgets' }), 'fork', false, false],
  ['pull_request', 'refs/pull/1/merge', pull(null), 'fork', false, false],
  ['pull_request', 'refs/pull/1/merge', undefined, 'fork', false, false],
  ['pull_request_target', 'refs/heads/main', pull({ full_name: 'mallory/widgets' }), 'low-trust', false, false],
  ['workflow_run', 'refs/heads/main', { repository }, 'low-trust', false, false],
  ['issue_comment', 'refs/heads/main', { repository }, 'low-trust', false, false],
  ['', '', undefined, 'low-trust', false, false],
  ['push', 'refs/heads/main', 'no object', 'branch', true, false],
]

for (const [event, ref, payload, trust, writes, publishes] of rows)
  test(`${event || 'no event'} of ${ref || 'nothing'} (${JSON.stringify(payload)?.length ?? 0} bytes of payload) is ${trust}`, () => {
    const context = contextOf({ GITHUB_EVENT_NAME: event, GITHUB_REF: ref, GITHUB_REPOSITORY: 'octo/widgets' }, payload)
    assert.deepEqual([context.trust, context.readOnly === undefined, context.mayPublish], [trust, writes, publishes])
  })

test('what changed is between two commits; a new branch has nothing to compare with', () => {
  const change = (event: string, payload: unknown) => contextOf({ GITHUB_EVENT_NAME: event }, payload).change
  assert.deepEqual(change('pull_request', pull(same)), { base: 'a'.repeat(40), head: 'b'.repeat(40) })
  assert.deepEqual(change('push', { before: 'a'.repeat(40), after: 'b'.repeat(40) }), {
    base: 'a'.repeat(40),
    head: 'b'.repeat(40),
  })
  assert.equal(change('push', { before: '0'.repeat(40), after: 'b'.repeat(40) }), undefined)
  assert.equal(change('push', { before: '../../x', after: 'b'.repeat(40) }), undefined)
  assert.equal(change('schedule', {}), undefined)
})
