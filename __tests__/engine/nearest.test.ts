import assert from 'node:assert/strict'
import { test } from 'node:test'
import { didYouMean } from '../../src/engine/nearest.ts'

test('a name that several feeds have is suggested once', () => {
  assert.equal(didYouMean('busybx', ['busybox', 'musl', 'busybox']), 'did you mean "busybox"?')
})
