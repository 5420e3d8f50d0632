import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { replaceFile } from '#engine/store/replace-file.ts'
import { diskUsage } from './disk-usage.ts'

/** A path of the cache that is to be measured. */
export interface Measured {
  /** Absolute. */
  readonly path: string
  /**
   * While it is the same, so is the size, as far as who asks for a kept one cares: '' where what lies there never changes.
   * Undefined: it is measured each time, which takes no time.
   */
  readonly stamp?: string | undefined
}

const fileName = 'sizes.json'

/**
 * Bytes that things of a cache take on the disk. Walking through a hundred thousand files takes long, so what is measured is
 * kept, in `$YOE_CACHE/sizes.json`, which nothing but what people are shown depends on.
 *
 * @param anew believe nothing that was kept
 */
export async function sizesOf(
  root: string,
  things: readonly Measured[],
  anew: boolean,
): Promise<ReadonlyMap<string, number>> {
  const place = join(root, fileName)
  const kept = anew ? new Map<string, Kept>() : await readKept(place)
  const name = (path: string): string => path.slice(root.length + 1)
  const known = new Map<string, number>()
  for (const { path, stamp } of things) {
    const found = kept.get(name(path))
    if (stamp !== undefined && found?.stamp === stamp) known.set(path, found.bytes)
  }
  const usage = await diskUsage(things.flatMap(({ path }) => (known.has(path) ? [] : [path])))
  const keeping = things.flatMap(({ path, stamp }): [string, Kept][] => {
    const bytes = known.get(path) ?? usage.get(path)
    return stamp === undefined || bytes === undefined ? [] : [[name(path), { stamp, bytes }]]
  })
  if (keeping.some(([key]) => !known.has(join(root, key))))
    // Where it can't be kept, it is measured again.
    await replaceFile(place, JSON.stringify(Object.fromEntries(keeping))).catch(() => {})
  return new Map([...known, ...usage])
}

interface Kept {
  readonly stamp: string
  readonly bytes: number
}

async function readKept(place: string): Promise<ReadonlyMap<string, Kept>> {
  const found = new Map<string, Kept>()
  try {
    const document: unknown = JSON.parse(await readFile(place, 'utf8'))
    for (const [name, value] of Object.entries(Object(document))) {
      if (typeof value !== 'object' || value === null || !('stamp' in value && 'bytes' in value)) continue
      const { stamp, bytes } = value
      if (typeof stamp === 'string' && typeof bytes === 'number') found.set(name, { stamp, bytes })
    }
  } catch {
    // None yet, or nonsense: it is measured.
  }
  return found
}
