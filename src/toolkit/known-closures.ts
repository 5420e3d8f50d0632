import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { PackageRecord } from '#engine/catalog/package.ts'
import type { KnownClosures } from '#engine/plan/resolve.ts'
import { openKept, sealKept } from './kept.ts'

/**
 * Closures kept between runs in `$YOE_CACHE/closures`, so that a warm command solves nothing. An accelerator: what can't
 * be read is solved again, what can't be written is not kept.
 */
export function knownClosures(cacheRoot: string): KnownClosures {
  const folder = join(cacheRoot, 'closures')
  return {
    get(key) {
      try {
        const body = openKept(readFileSync(join(folder, key), 'utf8'))
        if (body === undefined) return undefined
        const closure: readonly PackageRecord[] = JSON.parse(body)
        return closure
      } catch {
        return undefined
      }
    },
    set(key, closure) {
      const temp = join(folder, `${key}.${process.pid}`)
      try {
        mkdirSync(folder, { recursive: true })
        writeFileSync(temp, sealKept(JSON.stringify(closure)))
        renameSync(temp, join(folder, key))
      } catch {
        rmSync(temp, { force: true })
      }
    },
  }
}
