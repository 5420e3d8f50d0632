import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { packageChecks } from '#engine/qa/checks.ts'

test('docs/qa.md has every check and no other, in order', () => {
  const text = readFileSync(new URL('../../docs/qa.md', import.meta.url), 'utf8')
  const named = [...text.matchAll(/^\| `([a-z-]+)` \|/gm)].map(([, name]) => name)
  assert.deepEqual(named, Object.keys(packageChecks).sort())
})
