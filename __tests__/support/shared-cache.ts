import { chmodSync, mkdirSync } from 'node:fs'
import { tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'

/**
 * `$YOE_CACHE` for tests of real builds: kept between runs and shared by all files, so that a machine makes the tools and the
 * toolchain once. Whoever deletes it loses a minute.
 */
export function sharedCache(): string {
  const base = process.env['YOE_TEST_CACHE'] ?? join(tmpdir(), `yoe-test-cache-${userInfo().uid}`)
  mkdirSync(base, { recursive: true, mode: 0o700 })
  chmodSync(base, 0o700)
  const cache = join(base, 'cache')
  mkdirSync(cache, { recursive: true })
  return cache
}
