import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isDeepStrictEqual } from 'node:util'
import { canonical, digestOf } from '#engine/plan/canonical.ts'
import type { Json } from '#engine/project/model.ts'

test('one value, one text', () => {
  const cases: readonly (readonly [Json, string])[] = [
    [null, 'null'],
    [true, 'true'],
    [-0, '0'],
    [1e21, '1e+21'],
    ['', '""'],
    ['é\n"\\\u2028', '"é\\n\\"\\\\\u2028"'],
    [[], '[]'],
    [[[], {}], '[[],{}]'],
    [{ b: 1, a: 2, '': 3, B: 4, é: 5 }, '{"":3,"B":4,"a":2,"b":1,"é":5}'],
    [JSON.parse('{"__proto__": 1, "constructor": 2, "10": 3, "9": 4}'), '{"10":3,"9":4,"__proto__":1,"constructor":2}'],
  ]
  for (const [value, text] of cases) assert.equal(canonical(value), text)
})

test('what JSON would change silently is refused', () => {
  for (const value of [Number.NaN, Number.POSITIVE_INFINITY, '\ud800', ['\udc00'], { '\ud800': 1 }])
    assert.throws(() => canonical(value), TypeError)
})

test('different values have different texts', () => {
  // Field boundaries, types, absence, depth, Unicode forms.
  const values: readonly Json[] = [
    ...['ab', 'a', 'b', '1', 'true', 'null', '[]', '{}', '', 'é', 'e\u0301', '\0', '"', '","', '\\'],
    ...[1, 0, true, false, null],
    ...[[], [''], [null], [[]], ['ab', 'c'], ['a', 'bc'], ['a,b'], ['a', 'b'], ['a","b'], [['a'], 'b'], [['a', 'b']]],
    ...[{}, { a: '' }, { a: null }, { a: [] }, { a: {} }, { a: 'b' }, { 'a":"b': 1 }, { a: 1, b: 2 }, { a: { b: 2 } }],
  ]
  assert.equal(new Set(values.map(canonical)).size, values.length)
})

/** A stream of numbers that is the same each time. */
function numbers(seed: number): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
}

test('texts of random values read back as the value they were made of', () => {
  const next = numbers(7)
  const parts = ['', 'a', 'b', ',', '"', '\\', ':', '{', '}', '[', ']', '\n', 'é', '😀', '__proto__']
  const pick = (): string => parts[Math.floor(next() * parts.length)] ?? ''
  const key = (): string => (pick() + pick()).replaceAll(/[\\"\n]/g, '')
  const value = (depth: number): Json => {
    const kind = Math.floor(next() * (depth > 3 ? 3 : 5))
    if (kind === 0) return pick() + pick()
    if (kind === 1) return Math.floor(next() * 5)
    if (kind === 2) return next() < 0.5
    const count = Math.floor(next() * 4)
    if (kind === 3) return Array.from({ length: count }, () => value(depth + 1))
    // Keys without backslashes: V8 13.6 reads a key with escapes as the one that stood there before, if that ended in one.
    return Object.fromEntries(Array.from({ length: count }, () => [key(), value(depth + 1)]))
  }
  for (let round = 0; round < 20_000; round++) {
    const made = value(0)
    assert.deepEqual(JSON.parse(canonical(made)), made)
  }
})

/** The value with one small change: a boundary moved, another Unicode form, a field left out instead of empty, … */
function changed(next: () => number, value: Json): Json {
  if (typeof value === 'string') {
    const forms = [
      value.normalize('NFC'),
      value.normalize('NFD'),
      `${value} `,
      [...value].slice(1).join(''),
      [value],
      [...value],
    ]
    return forms[Math.floor(next() * forms.length)] ?? null
  }
  if (typeof value === 'number') return next() < 0.5 ? String(value) : value + 1
  if (typeof value === 'boolean') return String(value)
  if (value === null) return next() < 0.5 ? '' : 'null'
  if (isList(value)) {
    const at = Math.floor(next() * (value.length + 1))
    const [one, two] = [value[at], value[at + 1]]
    if (next() < 0.3 && typeof one === 'string' && typeof two === 'string') {
      // "ab", "c" and "a", "bc"
      const joined = [...one, ...two]
      const cut = Math.floor(next() * (joined.length + 1))
      return [...value.slice(0, at), joined.slice(0, cut).join(''), joined.slice(cut).join(''), ...value.slice(at + 2)]
    }
    if (next() < 0.3) return [...value.slice(0, at), [...value.slice(at)]]
    return one === undefined ? [...value, ''] : value.with(at, changed(next, one))
  }
  const entries = Object.entries(value)
  const at = Math.floor(next() * (entries.length + 1))
  const entry = entries[at]
  if (entry === undefined) return { ...value, '': next() < 0.5 ? '' : null }
  const [key, member] = entry
  const others = entries.filter((other) => other !== entry)
  switch (Math.floor(next() * 4)) {
    case 0:
      return Object.fromEntries(others)
    case 1:
      return Object.fromEntries([...others, [key.normalize('NFD') + (next() < 0.5 ? '' : ' '), member]])
    case 2:
      // The order of keys is no difference.
      return Object.fromEntries(entries.toReversed())
    default:
      return Object.fromEntries([...others, [key, changed(next, member)]])
  }
}

const isList = (value: Json): value is readonly Json[] => Array.isArray(value)

test('G4: of a million pairs that are nearly the same, exactly the same ones have the same text', () => {
  const next = numbers(11)
  const parts = ['', 'a', 'b', 'ab', 'é', 'e\u0301', 'Å', 'ﬁ', '1', 'null', ',', '"', '\\', '\0', '😀', '__proto__']
  const pick = (): string => parts[Math.floor(next() * parts.length)] ?? ''
  const value = (depth: number): Json => {
    const kind = Math.floor(next() * (depth > 2 ? 3 : 6))
    if (kind === 0) return pick() + pick()
    if (kind === 1) return Math.floor(next() * 3)
    if (kind === 2) return next() < 0.3 ? null : next() < 0.5
    const count = Math.floor(next() * 4)
    if (kind === 3) return Array.from({ length: count }, () => value(depth + 1))
    return Object.fromEntries(Array.from({ length: count }, () => [pick(), value(depth + 1)]))
  }
  let same = 0
  for (let round = 0; round < 1_000_000; round++) {
    const one = value(0)
    const other = changed(next, one)
    const alike = isDeepStrictEqual(one, other)
    if (alike) same++
    if ((canonical(one) === canonical(other)) !== alike)
      assert.fail(`${JSON.stringify(one)} and ${JSON.stringify(other)} are ${alike ? '' : 'not '}the same`)
  }
  assert.ok(same > 1000 && same < 500_000, `${same} pairs were the same`)
})

test('the scheme is part of what is hashed', () => {
  assert.notEqual(digestOf('a', 1), digestOf('b', 1))
  assert.notEqual(digestOf('a', '1'), digestOf('a', 1))
  assert.equal(
    digestOf('yoe-unit/1', { a: [1, 'x'] }),
    '8f2acc14651da6c969a7db0897657b9e15c0db4f580e5ba3b47e3df7dd1896c2',
  )
})
