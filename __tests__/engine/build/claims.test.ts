import assert from 'node:assert/strict'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Claim, Claims, type Wanted } from '#engine/build/claims.ts'
import { YoeError } from '#engine/errors.ts'
import type { Event } from '#engine/events.ts'
import type { Documents } from '#engine/store/remote.ts'
import { DirectoryStore } from '#engine/store/remotes/dir.ts'
import { scratch } from '../../support/project.ts'

const never = async (): Promise<undefined> => undefined

function wanted(name: string, more: Partial<Wanted<string>> = {}): Wanted<string> {
  return {
    name: `claims/x86_64/${name}`,
    title: name,
    look: never,
    wait: (waiting) => waiting(),
    signal: new AbortController().signal,
    ...more,
  }
}

/** Two machines that claim in one folder. */
function machines(t: TestContext, more: { readonly deadMs?: number; readonly beatMs?: number } = {}) {
  const { documents } = new DirectoryStore(join(scratch(t), 'shared'))
  const events: Event[] = []
  const machine = (holder: string) =>
    new Claims({ documents, holder, report: (event) => events.push(event), pollMs: [5, 20], ...more })
  return { one: machine('one'), two: machine('two'), documents, events }
}

function claimOf(got: Awaited<ReturnType<Claims['acquire']>>): Claim {
  assert.ok(got !== undefined && 'claim' in got, 'a claim was expected')
  return got.claim
}

test('who waits says for whom; a claim that is kept up is never taken over, however long it takes', async (t) => {
  const { one, two, events } = machines(t, { deadMs: 120, beatMs: 20 })
  const claim = claimOf(await one.acquire(wanted('kernel')))
  let result: string | undefined
  const waiting = two.acquire(wanted('kernel', { look: async () => result }))
  await sleep(400)
  assert.deepEqual(events, [{ type: 'notice', message: 'waiting for kernel: one builds it' }])
  result = 'vmlinuz'
  await claim.done()
  assert.deepEqual(await waiting, { found: 'vmlinuz' })
  assert.equal(claim.doubtful, false)
})

test('a machine that dies: one of those who wait takes over; the dead one, should it wake up, knows', async (t) => {
  const { two, documents } = machines(t, { deadMs: 60, beatMs: 10 })
  const awake = Promise.withResolvers<void>()
  const asleep: Documents = {
    ...documents,
    replace: (...change) => awake.promise.then(() => documents.replace(...change)),
  }
  const one = new Claims({ documents: asleep, holder: 'one', report: () => {}, deadMs: 60, beatMs: 10 })
  const three = new Claims({ documents, holder: 'three', report: () => {}, pollMs: [5, 20], deadMs: 60, beatMs: 10 })
  const dead = claimOf(await one.acquire(wanted('kernel')))
  let result: string | undefined
  let takenOver = 0
  const both = [two, three].map(async (machine) => {
    const got = await machine.acquire(wanted('kernel', { look: async () => result }))
    if (got !== undefined && 'found' in got) return got.found
    takenOver++
    result = 'from who took over'
    await claimOf(got).done()
    return result
  })
  assert.deepEqual(await Promise.all(both), ['from who took over', 'from who took over'])
  assert.equal(takenOver, 1)
  awake.resolve()
  await dead.done()
  assert.equal(dead.doubtful, true)
})

test('a machine that gives up lets another one try; an entry that was cleared away is made anew', async (t) => {
  const { one, two } = machines(t)
  const failed = claimOf(await one.acquire(wanted('app')))
  const waiting = two.acquire(wanted('app'))
  await sleep(30)
  await failed.giveUp()
  await claimOf(await waiting).done()
  // Nothing is found although the claim says that it was finished.
  await claimOf(await one.acquire(wanted('app'))).done()
})

test('who has a claim and can not look for the result, on a full disk, lets others have it', async (t) => {
  const { one, two } = machines(t)
  const full = async (): Promise<never> => {
    throw new YoeError('DISK_FULL', 'there is no room')
  }
  await assert.rejects(one.acquire(wanted('app', { look: full })), { code: 'DISK_FULL' })
  await claimOf(await two.acquire(wanted('app', { signal: AbortSignal.timeout(5_000) }))).done()
})

test('nobody waits longer than the job may take, nor after it was cancelled', async (t) => {
  const { one, two } = machines(t)
  const claim = claimOf(await one.acquire(wanted('app')))
  assert.equal(await two.acquire(wanted('app', { until: Date.now() + 50 })), undefined)
  await assert.rejects(two.acquire(wanted('app', { signal: AbortSignal.timeout(50) })), { name: 'TimeoutError' })
  await claim.giveUp()
})

test('a store of claims that fails costs one warning, and no build', async () => {
  const events: Event[] = []
  const fail = async (): Promise<never> => {
    throw new YoeError('FETCH_FAILED', 'the shared cache could not write')
  }
  const documents: Documents = { create: fail, read: fail, replace: fail, remove: fail }
  const claims = new Claims({ documents, holder: 'one', report: (event) => events.push(event) })
  assert.equal(claims.worth(undefined), true)
  assert.equal(await claims.acquire(wanted('a')), undefined)
  assert.equal(await claims.acquire(wanted('b')), undefined)
  assert.equal(claims.worth(undefined), false)
  assert.deepEqual(events, [
    {
      type: 'warning',
      message: 'the shared cache could not write',
      hint: 'this run goes on without asking what other machines build',
    },
  ])
})

test('what others write into claims is shown escaped, and believed for nothing but a change', async (t) => {
  const { one, documents, events } = machines(t, { deadMs: 150 })
  for (const [index, text] of ['', 'no JSON', '[]', '{"holder":"\\u001b[31mevil\\n","id":7}'].entries()) {
    await documents.create(`claims/x86_64/h${index}`, text)
    await claimOf(await one.acquire(wanted(`h${index}`))).done()
  }
  const told = events.flatMap((event) => (event.type === 'notice' ? [event.message] : []))
  assert.deepEqual(told, [
    'waiting for h0: another machine builds it',
    'waiting for h1: another machine builds it',
    'waiting for h2: another machine builds it',
    'waiting for h3: \\u{1b}[31mevil\\u{a} builds it',
  ])
})

test('where changes are dear: nothing is claimed when there is no room, and an end that nobody wrote down is found', async (t) => {
  const { documents } = new DirectoryStore(join(scratch(t), 'shared'))
  let room = true
  const dear: Documents = { ...documents, ready: () => room }
  const [one, two] = ['one', 'two'].map(
    (holder) => new Claims({ documents: dear, holder, report: () => {}, pollMs: [5, 20], beatMs: 1e6, deadMs: 200 }),
  )
  assert.ok(one !== undefined && two !== undefined)
  const claim = claimOf(await one.acquire(wanted('app')))
  let result: string | undefined
  const waiting = two.acquire(wanted('app', { look: async () => result }))
  room = false
  assert.equal(two.worth(undefined), false)
  result = 'app.deb'
  await claim.done()
  assert.match((await documents.read('claims/x86_64/app'))?.text ?? '', /"holder":"one"/)
  assert.deepEqual(await waiting, { found: 'app.deb' })
})
