import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { changesOf } from '#engine/plan/changes.ts'
import type { Json } from '#engine/project/model.ts'

/** Two documents to what changed: `path: before -> after`, `-` for nothing. */
const cases: readonly {
  readonly name: string
  readonly a: Json
  readonly b: Json
  readonly want: readonly string[]
}[] = [
  { name: 'nothing', a: { x: [1, { y: null }] }, b: { x: [1, { y: null }] }, want: [] },
  { name: 'a value', a: { x: 1 }, b: { x: 2 }, want: ['x: 1 -> 2'] },
  { name: 'another kind of value', a: { x: [1] }, b: { x: { 0: 1 } }, want: ['x: [1] -> {"0":1}'] },
  { name: 'added and removed', a: { x: 1, z: 0 }, b: { y: 2, z: 0 }, want: ['y: - -> 2', 'x: 1 -> -'] },
  { name: "JavaScript's own names", a: { x: 1 }, b: { x: 1, constructor: 2 }, want: ['constructor: - -> 2'] },
  { name: 'one element of a list', a: ['a', 'b', 'c'], b: ['a', 'x', 'c'], want: ['1: "b" -> "x"'] },
  { name: 'an element inserted', a: ['a', 'c'], b: ['a', 'b', 'c'], want: ['1: - -> "b"'] },
  { name: 'an element removed', a: ['a', 'b', 'c'], b: ['a', 'c'], want: ['1: "b" -> -'] },
  { name: 'the same element twice', a: ['a', 'a'], b: ['a', 'a', 'a'], want: ['2: - -> "a"'] },
  { name: 'deep in a list', a: { t: [{ s: ['x'] }] }, b: { t: [{ s: ['y'] }] }, want: ['t.0.s.0: "x" -> "y"'] },
]

describe('changesOf', () => {
  for (const { name, a, b, want } of cases) {
    it(`tells ${name}`, () => {
      const told = changesOf(a, b).map(({ path, before, after }) => {
        const text = (value: Json | undefined): string => (value === undefined ? '-' : JSON.stringify(value))
        return `${path.join('.')}: ${text(before)} -> ${text(after)}`
      })
      assert.deepEqual(told, want)
    })
  }
})
