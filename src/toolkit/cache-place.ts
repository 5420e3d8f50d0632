import { statfsSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { YoeError } from '#engine/errors.ts'

/** Where the kernel shows itself, as statfs(2) calls it: proc, sysfs, cgroup, cgroup2. */
const kernelsOwn: ReadonlySet<number> = new Set([0x9fa0, 0x62656572, 0x27e0eb, 0x63677270])

/**
 * Refuses a cache that is not there yet and never can be: Node's `mkdir` with `recursive` does not come back from /proc.
 *
 * @param path absolute
 * @throws {YoeError} PERMISSION
 */
export function checkCachePlace(path: string): void {
  if (statSync(path, { throwIfNoEntry: false }) !== undefined) return
  let above = dirname(path)
  while (above !== dirname(above) && statSync(above, { throwIfNoEntry: false }) === undefined) above = dirname(above)
  if (!kernelsOwn.has(statfsSync(above).type)) return
  throw new YoeError('PERMISSION', `the cache ${path} can't be made: ${above} shows the kernel and holds no files`, {
    hint: 'give yoe a writable cache: YOE_CACHE=/some/folder',
  })
}
