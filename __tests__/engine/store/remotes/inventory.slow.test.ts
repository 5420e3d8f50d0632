import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import test from 'node:test'
import { silent } from '../../../../src/engine/events.ts'
import type { RemoteEntry } from '../../../../src/engine/store/remote.ts'
import { collectRemote } from '../../../../src/toolkit/cache/collect-remote.ts'
import { sha } from '../fixture.ts'
import { backends } from './backends.ts'

const options = {
  ...{ needed: new Set<string>(), all: false, days: 30, budget: undefined, dryRun: false, report: silent },
  signal: new AbortController().signal,
}

for (const [kind, make] of Object.entries(backends)) {
  test(`${kind}: entries with their sizes and times, and old ones cleared away, where the storage can tell`, async (t) => {
    const remote = (await make(t)).open()
    const names = Array.from({ length: 30 }, (_, index) => `units/x86_64/${sha(`${index}`)}`)
    const start = Date.now()
    for (const [index, name] of names.entries())
      await remote.put(name, (path) => writeFile(path, Buffer.alloc(1000 + index, `${index}`)))
    if (remote.inventory === undefined) {
      await assert.rejects(collectRemote(remote, options), { code: 'USAGE' })
      await remote.close?.()
      return
    }
    const found: RemoteEntry[] = []
    for await (const entry of remote.inventory('units/')) found.push(entry)
    assert.deepEqual(
      new Map(found.map(({ name, size }) => [name, size])),
      new Map(names.map((name, index) => [name, 1000 + index])),
    )
    // A storage's clock counts in seconds.
    assert.ok(found.every(({ sentAt }) => sentAt > start - 5000 && sentAt < Date.now() + 5000))
    assert.equal((await collectRemote(remote, options)).entries, 0)
    const [first = '', second = ''] = names
    const { entries, left } = await collectRemote(remote, { ...options, needed: new Set([second]), budget: 1001 })
    assert.deepEqual([entries, left], [29, 1001])
    assert.deepEqual([...(await remote.has([first, second]))], [second])
    await remote.put('units/README', (path) => writeFile(path, 'not an entry'))
    assert.equal((await collectRemote(remote, { ...options, all: true })).left, 0)
    assert.equal((await remote.has(['units/README', second])).size, 1, "somebody else's file stays")
    await remote.close?.()
  })
}
