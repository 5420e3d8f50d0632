import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Keeping } from '#toolkit/cache/choose.ts'
import { choose } from '#toolkit/cache/choose.ts'
import type { ObjectState, Thing } from '#toolkit/cache/things.ts'

const thing = (id: string, usedAt: number, objects: readonly string[] = []): Thing => ({
  ...{ kind: 'results', id, title: id, usedAt, wanted: false, bytes: 1, objects, paths: [] },
})
const object = (bytes: number, linked = false): ObjectState => ({ bytes, usedAt: 0, linked })

const contents = {
  things: [thing('new', 30, ['n', 'both']), thing('old', 10, ['o', 'both']), thing('middle', 20, ['m'])],
  objects: new Map([
    ['n', object(10)],
    ['both', object(5)],
    ['o', object(20)],
    ['m', object(100)],
  ]),
}
const keeping: Keeping = { since: 0, needed: () => false, fixed: () => false }

const cases: readonly (readonly [
  title: string,
  keeping: Partial<Keeping>,
  going: readonly string[],
  objects: readonly string[],
  freed: number,
  left: number,
])[] = [
  ['nothing is old', {}, [], [], 0, 138],
  ['what is old goes, not what another lists', { since: 15 }, ['old'], ['o'], 21, 117],
  ['what is needed stays', { since: 15, needed: ({ id }) => id === 'old' }, [], [], 0, 138],
  ['everything', { since: Number.POSITIVE_INFINITY }, ['new', 'old', 'middle'], ['n', 'both', 'o', 'm'], 138, 0],
  ['what was used last stays within a budget, as far as it fits', { budget: 40 }, ['middle'], ['m'], 101, 37],
  ['an object is paid for once', { budget: 37 }, ['middle'], ['m'], 101, 37],
  ['a budget that holds one', { budget: 36 }, ['old', 'middle'], ['o', 'm'], 122, 16],
  [
    'what is needed comes first',
    { budget: 105, needed: ({ id }) => id === 'middle' },
    ['new', 'old'],
    ['n', 'both', 'o'],
    37,
    101,
  ],
  [
    'a budget holds for what is needed, too',
    { budget: 20, needed: () => true },
    ['old', 'middle'],
    ['o', 'm'],
    122,
    16,
  ],
  [
    'what is fixed stays in any case',
    { budget: 0, since: 99, fixed: ({ id }) => id === 'old' },
    ['new', 'middle'],
    ['n', 'm'],
    112,
    26,
  ],
]
for (const [title, more, going, objects, freed, left] of cases)
  test(`what of a cache goes: ${title}`, () => {
    const choice = choose(contents, { ...keeping, ...more })
    assert.deepEqual(
      choice.going.map(({ id }) => id),
      going,
    )
    assert.deepEqual([...choice.objects].sort(), [...objects].sort())
    assert.deepEqual([choice.freed, choice.left], [freed, left])
  })

test('what has another name elsewhere frees nothing', () => {
  const linked = { things: [thing('old', 1, ['a'])], objects: new Map([['a', object(10, true)]]) }
  assert.equal(choose(linked, { ...keeping, since: 2 }).freed, 1)
})
