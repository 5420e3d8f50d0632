import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { generateOpenPgpKey } from '#feeds/keys/openpgp.ts'
import { contextOf } from '#github/context.ts'
import { feedKeyOrThrowaway } from '#toolkit/publishing.ts'

const repo = { full_name: 'octo/widgets' }
const fork = { full_name: 'mallory/widgets' }
const pull = (head: object) => ({ pull_request: { base: { repo }, head: { repo: head } } })
const main = { repository: { ...repo, default_branch: 'main' } }

/** The event, its ref and payload, and whether its jobs may sign with the project's key. */
const rows = [
  ['push', 'refs/heads/main', main, true],
  ['schedule', 'refs/heads/main', main, true],
  ['push', 'refs/tags/v1', main, true],
  ['push', 'refs/heads/topic', main, false],
  ['pull_request', 'refs/pull/1/merge', pull(repo), false],
  ['pull_request', 'refs/pull/1/merge', pull(fork), false],
  ['pull_request_target', 'refs/heads/main', pull(fork), false],
  ['issue_comment', 'refs/heads/main', main, false],
  ['workflow_run', 'refs/heads/main', main, false],
] as const

test('who signs a feed: the project by its key on trusted events, else a key that nobody has afterwards', async (t) => {
  const root = mkdtempSync(join(tmpdir(), 'yoe-throwaway-'))
  t.after(() => rmSync(root, { recursive: true }))
  const own = await generateOpenPgpKey('demo')
  mkdirSync(join(root, 'project'))
  mkdirSync(join(root, 'config/yoe/keys'), { recursive: true, mode: 0o700 })
  writeFileSync(join(root, 'config/yoe/keys/demo.asc'), own.privateKey, { mode: 0o600 })
  // The key is where a workflow of one line puts it, and where a runner of one's own may have it.
  for (const env of [{ YOE_SIGNING_KEY: own.privateKey, HOME: root }, { XDG_CONFIG_HOME: join(root, 'config') }]) {
    const plan = {
      project: { name: 'demo', cache: {} },
      workspace: { root: join(root, 'project'), env },
      format: { name: 'debian' },
    }
    for (const [event, ref, payload, may] of rows) {
      const { mayPublish } = contextOf({ GITHUB_EVENT_NAME: event, GITHUB_REF: ref }, payload)
      const { key, throwaway } = await feedKeyOrThrowaway(plan, mayPublish)
      assert.equal(throwaway, !may, `${event} ${ref}`)
      assert.equal(key.fingerprint === own.fingerprint, may, `${event} ${ref}`)
    }
    // The control: without asking who started the run every one of them signs.
    assert.equal((await feedKeyOrThrowaway(plan)).key.fingerprint, own.fingerprint)
  }
})
