import { createReadStream, createWriteStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { relative } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { YoeError } from '#engine/errors.ts'
import { publicFiles } from './public-files.ts'

/** A site of GitHub Pages may have 1 GB. @see GitHub's documentation, GitHub Pages limits */
const mostBytes = 1_000_000_000

export interface SiteSize {
  readonly files: number
  readonly bytes: number
}

/**
 * Writes the archive that Pages unpacks: the public files of a feed, and nothing else that lies there.
 *
 * @param keep versions of each package that stay on offer, for the advice when it is too large
 * @throws {YoeError} PUBLISH_FAILED when the site is larger than Pages may be, or holds a secret
 */
export async function packSite(folder: string, archive: string, keep: number): Promise<SiteSize> {
  const { files } = await publicFiles(folder)
  const sizes = await Promise.all(files.map(async (path) => ({ path, size: (await stat(path)).size })))
  const bytes = sizes.reduce((sum, { size }) => sum + size, 0)
  if (bytes > mostBytes) {
    const named = sizes.toSorted((a, b) => b.size - a.size).slice(0, 3)
    const largest = named.map(({ path, size }) => `${path.split('/').at(-1)} (${megabytes(size)})`).join(', ')
    throw new YoeError(
      'PUBLISH_FAILED',
      `the feed has ${megabytes(bytes)} in ${files.length} files, and GitHub Pages takes 1000 MB; the largest: ${largest}`,
      {
        hint:
          keep > 1
            ? `keep fewer versions of each package (keep: ${keep - 1}), or publish to a bucket: to: s3://bucket/prefix`
            : 'publish to a bucket: to: s3://bucket/prefix',
      },
    )
  }
  const { pack } = await import('tar-stream')
  const tar = pack()
  const written = pipeline(tar, createWriteStream(archive))
  const fill = async (): Promise<void> => {
    const folders = new Set<string>()
    for (const path of files) {
      const parts = relative(folder, path).split('/').slice(0, -1)
      for (const [depth] of parts.entries()) folders.add(`./${parts.slice(0, depth + 1).join('/')}/`)
    }
    for (const name of ['./', ...folders]) tar.entry({ name, type: 'directory', mode: 0o755, mtime: new Date(0) })
    for (const { path, size } of sizes) {
      const entry = tar.entry({ name: `./${relative(folder, path)}`, size, mode: 0o644, mtime: new Date(0) })
      await pipeline(createReadStream(path, { highWaterMark: 1 << 20 }), entry)
    }
    tar.finalize()
  }
  await Promise.all([written, fill()])
  return { files: files.length, bytes }
}

export const megabytes = (bytes: number): string => `${Math.ceil(bytes / 1e6)} MB`
