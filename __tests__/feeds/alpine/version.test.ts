import assert from 'node:assert/strict'
import { test } from 'node:test'
import { compareVersions, isVersion, matchesVersion } from '#feeds/alpine/version.ts'

// Each row is in apk's own order; that the order is apk's is for version-oracle.slow.test.ts to say.
const rows: readonly (readonly string[])[] = [
  [
    '1.0_alpha',
    '1.0_alpha2',
    '1.0_beta',
    '1.0_pre1',
    '1.0_rc1',
    '1.0_rc2',
    '1.0',
    '1.0_cvs',
    '1.0_git20240101',
    '1.0_p1',
  ],
  ['1', '1.0', '1.0-r1', '1.0-r2', '1.0-r10', '1.1', '1.2', '1.10', '2'],
  ['1.00', '1.0', '1.01', '1.1'],
  ['1.2', '1.2a', '1.2b', '1.2.1'],
  ['1.2.3_rc1-r0', '1.2.3-r0', '1.2.3_p1-r0'],
  ['9999999999999998', '9999999999999999'],
]

test('versions are ordered as apk orders them', () => {
  for (const row of rows)
    for (const [i, a] of row.entries())
      for (const [j, b] of row.entries()) assert.equal(Math.sign(compareVersions(a, b)), Math.sign(i - j), `${a} ${b}`)
})

test('what is no version is told', () => {
  for (const text of ['1', '1.2.3b_rc1_git20240101-r4', '20240101', '1.2-r0', '0', '1_p'])
    assert.ok(isVersion(text), text)
  for (const text of [
    '',
    'a',
    '1:2',
    '1_foo',
    '1-x',
    '1/2',
    '1 ',
    '-1',
    'v1',
    `1${'0'.repeat(300)}`,
    '123456789012345678',
  ])
    assert.ok(!isVersion(text), text)
})

test('~ takes what begins with the wanted version, part by part', () => {
  for (const version of ['1.2', '1.2.7-r3', '1.2_p1', '1.2-r0', '1'])
    assert.ok(matchesVersion(version, '~', '1.2'), version)
  for (const version of ['1.20', '1.3', '2.1.2', '1.02']) assert.ok(!matchesVersion(version, '~', '1.2'), version)
})

test('a version of a megabyte is compared at once', () => {
  const long = '1.'.repeat(1 << 19)
  assert.ok(compareVersions(`${long}1`, `${long}2`) < 0)
})
