import assert from 'node:assert/strict'
import { test } from 'node:test'
import { asPlainUser } from '../plain-user.ts'
import { scratch } from '../project.ts'

const skip = process.getuid?.() === 0 ? false : 'only root can become somebody else'

test('what tests have of Alpine serves a plain user, too', { skip }, async (t) => {
  const file = '/mnt/repo/__tests__/support/alpine/apk.test.ts'
  const { code, stdout, stderr } = await asPlainUser(scratch(t), ['/mnt/node/node', '--test', file])
  assert.equal(code, 0, stdout + stderr)
})
