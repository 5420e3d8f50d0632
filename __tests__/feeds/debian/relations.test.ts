import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseProvides, parseRelations, RelationError } from '../../../src/feeds/debian/relations.ts'

const shown = (text: string): string =>
  parseRelations(text, 'amd64')
    .map((group) =>
      group.map(({ name, version }) => (version ? `${name}${version.relation}${version.version}` : name)).join('|'),
    )
    .join(' ')

test('relation fields are read into groups of alternatives', () => {
  for (const [text, want] of [
    ['', ''],
    ['a', 'a'],
    ['a, b (>= 1), c(<<2)', 'a b>=1 c<<2'],
    ['a | b (= 1:2-3) | c', 'a|b=1:2-3|c'],
    ['a (> 1), b (< 2)', 'a>=1 b<=2'],
    ['python3:any (>= 3.5), gcc:native, libc6:amd64', 'python3>=3.5 gcc libc6'],
    // What only another architecture has is met by nothing here.
    ['libc6:i386', 'libc6:i386'],
    [' a ,\tb , ', 'a b'],
  ] as const) {
    assert.equal(shown(text), want, text)
  }
})

test('what breaks the grammar is refused', () => {
  for (const text of [
    'a b',
    'a (1)',
    'a (>= )',
    'a (>= $(id))',
    '../a',
    'a/b',
    '-a',
    'a |',
    'a..b',
    'a (>= 1) (<< 2)',
    'a [amd64]',
    'a\u0000',
  ]) {
    assert.throws(() => parseRelations(text, 'amd64'), RelationError, text)
  }
})

test('Provides are names, versioned with = only', () => {
  assert.deepEqual(parseProvides('a, b (= 1), c (>= 2)', 'amd64'), [{ name: 'a' }, { name: 'b', version: '1' }])
  assert.throws(() => parseProvides('a | b', 'amd64'), RelationError)
})
