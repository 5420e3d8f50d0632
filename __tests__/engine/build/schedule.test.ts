import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { Remembered } from '#engine/build/remembered.ts'
import { longestPaths, Places } from '#engine/build/schedule.ts'
import { scratch } from '../../support/project.ts'
import { packageNode as node } from './nodes.ts'

interface Job {
  readonly name: string
  readonly path: number
  readonly memory?: number
}

/** Asks for places for all jobs at once; says who ran when: `a+` started, `a-` ended, with the processors of each. */
async function run(
  jobs: readonly Job[],
  bounds: { readonly jobs: number; readonly memoryBytes?: number; readonly processors?: number },
): Promise<string> {
  const places = new Places({ memoryBytes: 100, processors: 4, ...bounds })
  const said: string[] = []
  await Promise.all(
    jobs.map(({ name, path, memory = 0 }, index) =>
      places.use({ path, memoryBytes: memory }, async ({ processors }) => {
        said.push(`${name}${processors}`)
        await new Promise((resolve) => setTimeout(resolve, 20 + 10 * index))
      }),
    ),
  )
  return said.join(' ')
}

const rows: readonly { name: string; jobs: readonly Job[]; bounds: Parameters<typeof run>[1]; want: string }[] = [
  {
    name: 'the longest way to go first, then in the order in which they came',
    jobs: ['a 1', 'b 3', 'c 2', 'd 3'].map((text) => ({ name: text[0] ?? '', path: Number(text[2]) })),
    bounds: { jobs: 1 },
    want: 'b4 d4 c4 a4',
  },
  {
    name: 'what does not fit into memory is passed by what does',
    jobs: [
      { name: 'a', path: 9, memory: 60 },
      { name: 'b', path: 8, memory: 60 },
      { name: 'c', path: 7, memory: 40 },
    ],
    bounds: { jobs: 3 },
    want: 'a4 c2 b4',
  },
  {
    name: 'one alone runs whatever it takes',
    jobs: [
      { name: 'a', path: 9, memory: 1000 },
      { name: 'b', path: 8, memory: 1000 },
    ],
    bounds: { jobs: 4 },
    want: 'a4 b4',
  },
  {
    name: 'it is not passed for ever',
    jobs: [
      { name: 'a', path: 9, memory: 30 },
      { name: 'b', path: 8, memory: 100 },
      ...['c', 'd', 'e', 'f', 'g'].map((name) => ({ name, path: 1, memory: 30 })),
    ],
    bounds: { jobs: 2 },
    want: 'a4 c2 d2 b4 e4 f2 g2',
  },
  {
    name: 'whoever has the longest way may use all processors, the others an equal part',
    jobs: ['a 9', 'b 8', 'c 7'].map((text) => ({ name: text[0] ?? '', path: Number(text[2]) })),
    bounds: { jobs: 3, processors: 8 },
    want: 'a8 b3 c3',
  },
]
for (const { name, jobs, bounds, want } of rows)
  test(`places: ${name}`, async () => {
    assert.equal(await run(jobs, bounds), want)
  })

test('places: nothing starts while more to choose from is about to come', async () => {
  const places = new Places({ jobs: 1, memoryBytes: 1, processors: 1 })
  const said: string[] = []
  const use = (name: string, path: number): Promise<void> =>
    places.use({ path, memoryBytes: 0 }, async () => {
      said.push(name)
    })
  places.hold()
  const small = use('small', 1)
  await new Promise((resolve) => setTimeout(resolve, 10))
  const large = use('large', 2)
  places.go()
  await Promise.all([small, large])
  assert.deepEqual(said, ['large', 'small'])
})

test('places: work that waits gives its place and its memory away', { timeout: 10_000 }, async () => {
  const places = new Places({ jobs: 1, memoryBytes: 1, processors: 1 })
  const work = { path: 1, memoryBytes: 1 }
  await places.use(work, () => places.pause(work, () => places.use({ path: 0, memoryBytes: 1 }, async () => {})))
})

test('longest paths: what comes after counts, whichever way is longest', () => {
  const [a, d] = [node('a'), node('d')]
  const b = node('b', a)
  const c = node('c', a, b)
  const ms: Readonly<Record<string, number>> = { a: 1, b: 10, c: 100, d: 1000 }
  const paths = longestPaths([c, d], ({ unit }) => ms[unit.name] ?? 0)
  assert.deepEqual(
    [a, b, c, d].map((each) => paths.get(each)),
    [111, 110, 100, 1000],
  )
})

test('what builds took is remembered, and added to what others did meanwhile', async (t) => {
  const cache = scratch(t)
  const [one, two] = [node('one'), node('two')]
  const [mine, theirs] = [await Remembered.read(cache), await Remembered.read(cache)]
  mine.note(one, { ms: 300, memoryBytes: 5 })
  theirs.note(two, { ms: 100, memoryBytes: 7 })
  await mine.save()
  await theirs.save()
  const after = await Remembered.read(cache)
  assert.deepEqual(
    [after.of(one), after.of(two)].map((took) => took?.ms),
    [300, 100],
  )
  const expected = after.expectations([one, two, node('three')])
  assert.deepEqual(expected(node('three')), { ms: 300, memoryBytes: 2 ** 30, guessed: true })
})

test('a damaged memory is none', async (t) => {
  for (const text of ['', '{', '{}', '[1]', '[["x"]]', '[["x", -1, 0]]', '[["x", "1", null]]', 'null']) {
    const cache = scratch(t)
    mkdirSync(cache, { recursive: true })
    writeFileSync(join(cache, 'measured.json'), text)
    const read = await Remembered.read(cache)
    assert.equal(read.of({ id: 'x' }), undefined, text)
    read.note({ id: 'y' }, { ms: 1, memoryBytes: 1 })
    await read.save()
    assert.match(readFileSync(join(cache, 'measured.json'), 'utf8'), /^\[\["y",1,1\]\]$/)
  }
})
