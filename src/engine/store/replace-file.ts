import { mkdir, open, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { syncFolder } from './sync-folder.ts'
import { collectLitter, tempName } from './temp.ts'

/**
 * Writes a small file at once, and the folders on the way to it: readers see the old content or the new one, also after
 * a power cut. What writers that were killed left beside it is swept.
 *
 * @param options.hint it may be lost or damaged in a power cut: whoever reads it does without; that spares waiting for the disk
 * @throws {Error} of the file system; see `writeFailure` in disk.ts for what it means to a user
 */
export async function replaceFile(
  path: string,
  content: string | Uint8Array,
  { hint = false }: { readonly hint?: boolean } = {},
): Promise<void> {
  const folder = dirname(path)
  await mkdir(folder, { recursive: true })
  await collectLitter(folder)
  const unfinished = join(folder, tempName())
  try {
    const file = await open(unfinished, 'wx', 0o644)
    try {
      await file.writeFile(content)
      if (!hint) await file.sync()
    } finally {
      await file.close()
    }
    await rename(unfinished, path)
    if (!hint) await syncFolder(folder)
  } finally {
    await rm(unfinished, { force: true })
  }
}
