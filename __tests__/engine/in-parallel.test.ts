import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { inParallel } from '#engine/in-parallel.ts'

/** Takes as many turns of the event loop as its number says. */
async function turns(count: number): Promise<void> {
  for (let done = 0; done < count; done++) await turn()
}

test('results are in the order of the items, whichever was done first', async () => {
  const results = await inParallel(2, [5, 1, 3], async (count) => {
    await turns(count)
    return -count
  })
  assert.deepEqual(results, [-5, -1, -3])
  assert.deepEqual(await inParallel(2, [], async () => 1), [])
})

test('no more than that many at a time, and no fewer while some wait', async () => {
  const running = new Set<number>()
  const seen: number[] = []
  await inParallel(3, [4, 1, 2, 3, 1, 5, 1], async (count) => {
    running.add(seen.push(running.size + 1))
    const mine = seen.length
    await turns(count)
    running.delete(mine)
  })
  assert.deepEqual(seen, [1, 2, 3, 3, 3, 3, 3])
})

test('after a failure nothing is begun, and what was is waited for', async () => {
  const [begun, done]: [number[], number[]] = [[], []]
  const working = inParallel(2, [9, 1, 2, 3], async (count) => {
    begun.push(count)
    await turns(count)
    if (count === 1) throw new RangeError('no')
    done.push(count)
  })
  await assert.rejects(working, new RangeError('no'))
  assert.deepEqual({ begun, done }, { begun: [9, 1], done: [9] })
})

test('of several failures the first to happen is told', async () => {
  const working = inParallel(2, [3, 1], async (count) => {
    await turns(count)
    throw new RangeError(String(count))
  })
  await assert.rejects(working, new RangeError('1'))
})
