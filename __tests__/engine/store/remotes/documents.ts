import assert from 'node:assert/strict'
import type { Documents } from '../../../../src/engine/store/remote.ts'

/** What every storage promises about documents; `one` and `two` are two machines at the same place. */
export async function documentsBehave(one: Documents, two: Documents): Promise<void> {
  const name = 'claims/x86_64/some-unit'
  assert.equal(await one.read(name), undefined)
  const first = await one.create(name, 'one, 1')
  assert.ok(first !== undefined)
  assert.equal(await two.create(name, 'two, 1'), undefined, 'it is there already')
  assert.deepEqual(await two.read(name), { text: 'one, 1', version: first })
  const second = await one.replace(name, first, 'one, 2')
  assert.ok(second !== undefined && second !== first)
  assert.equal(await two.replace(name, first, 'two, 2'), undefined, 'it is another version by now')
  await two.remove(name, first)
  assert.deepEqual(await two.read(name), { text: 'one, 2', version: second }, 'nor is another version removed')
  const taken = await two.replace(name, second, 'two, 3')
  assert.ok(taken !== undefined)
  assert.equal(await one.replace(name, second, 'one, 3'), undefined)
  await two.remove(name, taken)
  await two.remove(name, taken)
  assert.equal(await one.read(name), undefined)
  assert.equal(await one.replace(name, taken, 'one, 4'), undefined, 'what is gone has no version')

  for (let round = 0; round < 5; round++) {
    const race = `claims/x86_64/race-${round}`
    const created = await Promise.all([one, two, one, two].map((at, index) => at.create(race, `${index}`)))
    const winners = created.filter((version) => version !== undefined)
    assert.equal(winners.length, 1, 'one of all creates it')
    const [version = ''] = winners
    const replaced = await Promise.all([one, two, one, two].map((at, index) => at.replace(race, version, `r${index}`)))
    assert.equal(replaced.filter((now) => now !== undefined).length, 1, 'and one of all replaces it')
    await one.remove(race, replaced.find((now) => now !== undefined) ?? '')
  }
}
