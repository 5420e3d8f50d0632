import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { type FileHandle, mkdir, open, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { writeFailure } from '#engine/store/disk.ts'
import { collectLitter, tempName } from '#engine/store/temp.ts'
import { Gzip, gzipMember } from './gzip.ts'

export interface ApkContent {
  /** The tar of what gets installed, in chunks of `chunkSize` bytes, of which the last is shorter. */
  readonly data: AsyncIterable<Buffer>
  /**
   * The tar of the control files, without the blocks that end one.
   *
   * @param datahash SHA-256 of the data member: lowercase hex
   */
  control(datahash: string): Promise<Buffer>
}

/**
 * Writes a package without a signature: the control member, then the data member. Memory stays flat however large `data`
 * is: its compressed form waits in a temporary file beside `path`, since the control member, which comes first, holds its
 * digest.
 *
 * @param path absolute; appears only when whole and on disk
 * @throws {YoeError} DISK_FULL, PERMISSION
 * @see apk-v2(5)
 */
export async function writeApk(
  path: string,
  content: ApkContent,
): Promise<{ readonly sha256: string; readonly size: number }> {
  const folder = dirname(path)
  const temp = { data: join(folder, tempName()), apk: join(folder, tempName()) }
  try {
    await mkdir(folder, { recursive: true })
    await collectLitter(folder)
    const datahash = await writeData(temp.data, content.data)
    const control = await gzipMember(await content.control(datahash))
    const finished = await joined(temp.apk, control, temp.data)
    await rename(temp.apk, path)
    return finished
  } catch (failure) {
    throw await writeFailure(failure, path)
  } finally {
    await rm(temp.data, { force: true })
    await rm(temp.apk, { force: true })
  }
}

async function writeData(path: string, chunks: AsyncIterable<Buffer>): Promise<string> {
  const sum = createHash('sha256')
  const out = await open(path, 'wx', 0o600)
  const gzip = new Gzip(async (bytes) => {
    sum.update(bytes)
    await out.writeFile(bytes)
  })
  try {
    for await (const chunk of chunks) await gzip.add(chunk)
    await gzip.end()
    return sum.digest('hex')
  } finally {
    await gzip.abandon()
    await out.close()
  }
}

/**
 * Writes `first` and then a file, flushed; readable by everyone, whatever the umask.
 *
 * @param path must not exist
 * @returns the digest of the bytes as they went to disk
 */
async function joined(
  path: string,
  first: Buffer,
  file: string,
): Promise<{ readonly sha256: string; readonly size: number }> {
  const sum = createHash('sha256')
  let size = 0
  const out: FileHandle = await open(path, 'wx', 0o644)
  const put = async (bytes: Buffer): Promise<void> => {
    sum.update(bytes)
    size += bytes.length
    await out.writeFile(bytes)
  }
  try {
    await put(first)
    for await (const bytes of createReadStream(file, { highWaterMark: 1 << 20 })) await put(bytes)
    await out.chmod(0o644)
    await out.sync()
  } finally {
    await out.close()
  }
  return { sha256: sum.digest('hex'), size }
}
