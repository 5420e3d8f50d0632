import { createHash } from 'node:crypto'
import { chmodSync, existsSync, mkdirSync } from 'node:fs'
import { mkdtemp, rename } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { removeTree } from '#engine/build/tree.ts'
import { lockFile } from '#engine/store/lock.ts'
import { sharedCache } from '../shared-cache.ts'

/**
 * A folder of the machine's test cache, made once: whoever comes while it is made waits, and a half-made one has never
 * its name. Nobody may write to it afterwards.
 *
 * @param inputs all that its contents follow from; another input is another folder
 * @param make fills an empty folder
 */
export async function kept(
  name: string,
  inputs: readonly string[],
  make: (folder: string) => Promise<void>,
): Promise<string> {
  const base = join(dirname(sharedCache()), 'alpine')
  const key = createHash('sha256').update(JSON.stringify(inputs)).digest('hex').slice(0, 16)
  const folder = join(base, `${name}-${key}`)
  if (existsSync(folder)) return folder
  mkdirSync(base, { recursive: true })
  await using _lock = await lockFile(`${folder}.lock`)
  if (existsSync(folder)) return folder
  const temp = await mkdtemp(join(base, 'making-'))
  // What a system's root folder is: mkdtemp's own is nobody else's.
  chmodSync(temp, 0o755)
  try {
    await make(temp)
    await rename(temp, folder)
  } finally {
    await removeTree(temp)
  }
  return folder
}
