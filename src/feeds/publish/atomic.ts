import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { chmod, link, mkdir, open, rename, rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { YoeError } from '#engine/errors.ts'
import { errorCode, writeFailure } from '#engine/store/disk.ts'
import { tempName } from '#engine/store/temp.ts'

/** Makes a folder that everyone may read, whatever the umask; folders that exist keep their mode. */
export async function makeFolder(path: string): Promise<void> {
  try {
    const first = await mkdir(path, { recursive: true })
    if (first === undefined) return
    for (let at = path; at.length >= first.length; at = dirname(at)) await chmod(at, 0o755)
  } catch (failure) {
    throw await writeFailure(failure, path)
  }
}

/**
 * Puts bytes under a name at once: readers see the old file or the new one, also after a power cut.
 *
 * @param temp absolute folder for the unfinished file, on the same file system
 */
export async function putFile(temp: string, path: string, content: string | Uint8Array): Promise<void> {
  const unfinished = join(temp, tempName())
  try {
    const file = await open(unfinished, 'wx', 0o644)
    try {
      await file.writeFile(content)
      await file.chmod(0o644)
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(unfinished, path)
  } catch (failure) {
    throw await writeFailure(failure, path, Buffer.byteLength(content))
  } finally {
    await rm(unfinished, { force: true })
  }
}

/** A file that is known by its content. */
export interface KnownFile {
  readonly path: string
  readonly sha256: string
  readonly size: number
}

/**
 * Puts a package under a name: a hard link where that is possible and everyone may read the file, else a copy.
 *
 * @param check hash the bytes first: false only where whoever reads them does so anyway
 * @throws {YoeError} DIGEST_MISMATCH when the file is not what it is said to be; DISK_FULL
 */
export async function placeFile(temp: string, file: KnownFile, dest: string, check: boolean): Promise<void> {
  const present = await stat(dest).catch(() => undefined)
  if (present?.size === file.size) return
  const { mode, size } = await stat(file.path)
  if (size !== file.size) throw mismatch(file, `has ${size} bytes instead of ${file.size}`)
  if ((mode & 0o444) === 0o444) {
    if (check) await verify(file)
    try {
      await link(file.path, dest)
      return
    } catch (failure) {
      if (!['EXDEV', 'EPERM', 'EMLINK', 'EEXIST', 'ENOTSUP'].includes(errorCode(failure)))
        throw await writeFailure(failure, dest)
    }
  }
  await copy(temp, file, dest)
}

async function verify(file: KnownFile): Promise<void> {
  const sum = createHash('sha256')
  for await (const chunk of createReadStream(file.path, { highWaterMark: 1 << 20 })) sum.update(chunk)
  if (sum.digest('hex') !== file.sha256) throw mismatch(file, 'was changed since it was made or fetched')
}

/** The digest is of the bytes that were written. */
async function copy(temp: string, file: KnownFile, dest: string): Promise<void> {
  const unfinished = join(temp, tempName())
  try {
    const sum = createHash('sha256')
    const out = await open(unfinished, 'wx', 0o644)
    try {
      for await (const chunk of createReadStream(file.path, { highWaterMark: 1 << 20 })) {
        sum.update(chunk)
        await out.writeFile(chunk)
      }
      await out.chmod(0o644)
      await out.sync()
    } finally {
      await out.close()
    }
    if (sum.digest('hex') !== file.sha256) throw mismatch(file, 'was changed since it was made or fetched')
    await rename(unfinished, dest)
  } catch (failure) {
    throw await writeFailure(failure, dest, file.size)
  } finally {
    await rm(unfinished, { force: true })
  }
}

const mismatch = (file: KnownFile, why: string): YoeError =>
  new YoeError('DIGEST_MISMATCH', `${file.path} ${why}`, { hint: 'remove the file and build again' })

/** Makes the names in a folder survive a power cut. */
export async function syncFolder(path: string): Promise<void> {
  const folder = await open(path)
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}
