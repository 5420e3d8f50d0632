import { rmdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { PublishInput } from '#engine/formats.ts'
import { collectLitter } from '#engine/store/temp.ts'
import { makeFolder } from './atomic.ts'
import { withLock } from './lock.ts'

/** The repository's lock, and a folder of its own for what is unfinished. */
export function exclusively<T>(
  root: string,
  { report }: Pick<PublishInput, 'report'>,
  work: () => Promise<T>,
): Promise<T> {
  return withLock(join(root, '.lock'), report, async () => {
    const temp = tempFolder(root)
    await makeFolder(temp)
    await collectLitter(temp)
    try {
      return await work()
    } finally {
      await rmdir(temp).catch(() => {})
    }
  })
}

export const tempFolder = (root: string): string => join(root, '.tmp')
