import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { YoeError } from '#engine/errors.ts'
import type { ExtractInput } from '#engine/formats.ts'
import { readTar } from '#engine/image/tar-read.ts'
import { inParallel } from '#engine/in-parallel.ts'
import { defaultTreeLimits, TreeWriter } from '#engine/source/write-tree.ts'
import { writeFailure } from '#engine/store/disk.ts'
import { tarsOf } from './contents.ts'

/** Packages that are unpacked at a time. */
const atOnce = 2

/**
 * Unpacks .apks, each into a folder of its own. Busybox's tar, which is all that an Alpine root may have, drops the long
 * names of pax headers: so they are read by this project's strict reader, and written without following a link.
 *
 * @throws {YoeError} ARCHIVE_UNSAFE, DISK_FULL, CANCELLED
 */
export async function extractApks({ packages, dest, worker, log, signal }: ExtractInput): Promise<void> {
  await inParallel(atOnce, [...packages.entries()], async ([index, path]) => {
    const folder = join(dest, String(index))
    await mkdir(folder)
    log(Buffer.from(`unpacking ${path}\n`))
    try {
      using writer = new TreeWriter(folder, path, defaultTreeLimits)
      const { data } = await tarsOf(path)
      for await (const { entry, body } of readTar(data(), path, 'any')) {
        if (signal?.aborted) throw new YoeError('CANCELLED', `unpacking ${path} was cancelled`)
        if (entry.path !== '') await writer.add(entry, body)
      }
      writer.finish()
    } catch (failure) {
      throw await writeFailure(failure, folder)
    }
  })
  await worker.prepareWritable(dest)
}
