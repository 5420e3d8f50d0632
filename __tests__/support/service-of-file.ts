import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, beforeEach } from 'node:test'
import { type ResultsService, startResultsService } from './results-service.ts'

/** A service for all tests of a file, and a folder of theirs. Before each test it forgets what it was sent and asked. */
export async function serviceOfFile(): Promise<{ readonly service: ResultsService; readonly dir: string }> {
  const dir = mkdtempSync(join(tmpdir(), 'yoe-results-'))
  const service = await startResultsService({ dir: join(dir, 'store') })
  after(async () => {
    await service.close()
    rmSync(dir, { recursive: true, force: true })
  })
  beforeEach(() => {
    service.caches.length = 0
    service.artifacts.length = 0
    service.requests.length = 0
    service.intercept = undefined
  })
  return { service, dir }
}
