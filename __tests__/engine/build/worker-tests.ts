import assert from 'node:assert/strict'
import type { Ran } from '../../support/project.ts'

const files = ['sandbox.test.ts', 'bwrap.test.ts', 'egress.test.ts']

/** Arguments for a Node that runs the tests of workers once more, otherwise. @param checkout as that Node sees it */
export const workerTests = (checkout: string): readonly string[] => [
  '--test',
  '--test-reporter=tap',
  ...files.map((name) => `${checkout}/__tests__/engine/build/${name}`),
]

/** All of them passed, and none was left out. */
export function assertWorkerTests({ code, stdout, stderr }: Ran): void {
  const said = stdout + stderr
  const count = (what: string): number => Number(new RegExp(`^# ${what} (\\d+)$`, 'm').exec(stdout)?.[1] ?? -1)
  assert.equal(code, 0, said)
  assert.ok(count('pass') >= 38, said)
  assert.equal(count('skipped'), 0, said)
}
