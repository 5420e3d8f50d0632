import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ActionsCache } from '#github/cache.ts'
import { plantedTests } from '../engine/store/remotes/planted.ts'
import { scratch } from '../support/project.ts'
import { runtimeToken, startResultsService } from '../support/results-service.ts'

plantedTests('the Actions cache', async (t) => {
  const dir = scratch(t)
  const service = await startResultsService({ dir: join(dir, 'store') })
  const cache = new ActionsCache({
    env: { ...service.env(runtimeToken()), RUNNER_TEMP: dir },
    report: () => {},
    clock: { now: () => 0, sleep: async () => {} },
  })
  t.after(async () => {
    await cache.close()
    await service.close()
  })
  return {
    // What is there stays until GitHub clears it away: its makers see to it that nobody else can write.
    replaces: false,
    open: () => cache,
    async plant(name, content) {
      service.caches.length = 0
      assert.equal(await cache.put(name, async (path) => writeFileSync(path, content)), 'saved')
    },
  }
})
