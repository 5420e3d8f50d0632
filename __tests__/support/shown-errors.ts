import assert from 'node:assert/strict'
import type { Ran } from './project.ts'

/** What a command printed is for people: no stack trace, and nothing that a terminal or a runner obeys. */
export function clean({ stdout, stderr }: Ran): void {
  assert.doesNotMatch(stdout + stderr, /^ {4}at |node:internal|\.ts:\d+|^internal error/m, 'no stack trace')
  assert.doesNotMatch(
    stdout + stderr,
    /[\x00-\x08\x0b-\x1f\x7f-\x9f]|##\[/,
    'nothing that a terminal or a runner obeys',
  )
}
