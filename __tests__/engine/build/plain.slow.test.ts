import { test } from 'node:test'
import { asPlainUser } from '../../support/plain-user.ts'
import { scratch } from '../../support/project.ts'
import { assertWorkerTests, workerTests } from './worker-tests.ts'

test('all of it holds for a plain user too', { timeout: 300_000 }, async (t) => {
  if (process.getuid?.() !== 0) return t.skip('the other tests here already run as a plain user')
  assertWorkerTests(await asPlainUser(scratch(t), ['/mnt/node/node', ...workerTests('/mnt/repo')]))
})
