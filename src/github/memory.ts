import { readFile, writeFile } from 'node:fs/promises'
import { promisify } from 'node:util'
import { zstdCompress, zstdDecompress } from 'node:zlib'
import type { RunContext } from './context.ts'
import type { CellRequest } from './engine-port.ts'
import type { PackedCache } from './packed-cache.ts'

const mostBytes = 64 * 2 ** 20
const pack = promisify(zstdCompress)
const unpack = promisify(zstdDecompress)

/**
 * What the default branch's last build of a cell was made of: a runner has no past of its own, and its page is to say why
 * something was built. That it can't be had, or kept, is nobody's failure.
 */
export function memoryOf(
  cache: Pick<PackedCache, 'newest' | 'append'>,
  { trust, sha }: Pick<RunContext, 'trust' | 'sha'>,
  cell: string,
): CellRequest['memory'] {
  // No cell's begins with all of another's: `box/base`, `box/base/alpine`.
  const series = `memory/${cell}:`
  return {
    async recall() {
      const read = async (path: string): Promise<string> =>
        (await unpack(await readFile(path), { maxOutputLength: mostBytes })).toString('utf8')
      return (await cache.newest(series, read).catch(() => undefined))?.value
    },
    async keep(text) {
      if (trust !== 'default-branch' || text.length > mostBytes) return
      await cache.append(series, sha, async (path) => writeFile(path, await pack(text))).catch(() => {})
    },
  }
}
