import { createHash } from 'node:crypto'
import { type FileHandle, mkdir, open, rename, rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { zstdCompressSync } from 'node:zlib'
import { YoeError } from '#engine/errors.ts'
import { arMagic } from '#engine/source/ar.ts'
import { writeFailure } from '#engine/store/disk.ts'
import { collectLitter, tempName } from '#engine/store/temp.ts'
import { arHeader, largestMember } from './ar.ts'
import { Compression, compression } from './compress.ts'

export interface DebContent {
  /** The tar of what gets installed, in chunks of `chunkSize` bytes, of which the last is shorter. */
  readonly data: AsyncIterable<Buffer>
  /** The tar of the control files; asked for when `data` has ended, since it holds its checksums. What it throws ends all. */
  control(): Promise<Buffer>
  /** Seconds since 1970: of the archive's members. */
  readonly mtime: number
}

/**
 * Writes a binary package. Memory stays flat however large `data` is: its compressed form waits in a temporary file
 * beside `path`, since the control archive, which comes first, is known last.
 *
 * @param path absolute; appears only when whole and on disk
 * @throws {YoeError} DISK_FULL, PERMISSION, or PACKAGE_INVALID when it is larger than a .deb can be
 * @see deb(5), format 2.0
 */
export async function writeDeb(
  path: string,
  content: DebContent,
): Promise<{ readonly sha256: string; readonly size: number }> {
  const folder = dirname(path)
  const temp = { data: join(folder, tempName()), deb: join(folder, tempName()) }
  try {
    await mkdir(folder, { recursive: true })
    await collectLitter(folder)
    const control = await compress(temp.data, content)
    const finished = await assemble(temp, control, content.mtime, path)
    await rename(temp.deb, path)
    return finished
  } catch (failure) {
    throw await writeFailure(failure, path)
  } finally {
    await rm(temp.data, { force: true })
    await rm(temp.deb, { force: true })
  }
}

/** Fills the data archive's file. @returns the control archive, compressed: made while the last of the data is */
async function compress(path: string, content: DebContent): Promise<Buffer> {
  const data = new Compression(path)
  try {
    for await (const chunk of content.data) await data.add(chunk)
    const control = content.control().then((tar) => zstdCompressSync(tar, { params: compression }))
    await Promise.all([control, data.end()])
    return await control
  } catch (failure) {
    await data.abandon()
    throw failure
  }
}

/** Joins the members; the digest is of the bytes as they go to disk. */
async function assemble(
  temp: { readonly data: string; readonly deb: string },
  control: Buffer,
  mtime: number,
  path: string,
): Promise<{ readonly sha256: string; readonly size: number }> {
  const { size: dataSize } = await stat(temp.data)
  if (dataSize > largestMember) {
    throw new YoeError('PACKAGE_INVALID', `${path}: ${dataSize} compressed bytes are more than a .deb can hold`, {
      hint: 'split the unit',
    })
  }
  const sum = createHash('sha256')
  let size = 0
  const out = await open(temp.deb, 'wx', 0o644)
  const put = async (...parts: readonly Buffer[]): Promise<void> => {
    for (const bytes of parts) {
      sum.update(bytes)
      size += bytes.length
      await out.writeFile(bytes)
    }
  }
  try {
    const version = Buffer.from('2.0\n')
    await put(Buffer.from(arMagic), arHeader('debian-binary', version.length, mtime), version)
    await put(arHeader('control.tar.zst', control.length, mtime), control, even(control.length))
    await put(arHeader('data.tar.zst', dataSize, mtime))
    const data = await open(temp.data)
    try {
      for await (const chunk of chunksOf(data)) await put(chunk)
    } finally {
      await data.close()
    }
    await put(even(dataSize))
    // Whatever the umask: packages are read by installers that run as someone else.
    await out.chmod(0o644)
    await out.sync()
  } finally {
    await out.close()
  }
  return { sha256: sum.digest('hex'), size }
}

const even = (size: number): Buffer => Buffer.from(size % 2 === 0 ? '' : '\n')

/** The chunk is overwritten by the next one. */
async function* chunksOf(file: FileHandle): AsyncGenerator<Buffer, void, undefined> {
  const buffer = Buffer.allocUnsafe(1 << 20)
  for (;;) {
    const { bytesRead } = await file.read(buffer, 0, buffer.length, null)
    if (bytesRead === 0) return
    yield buffer.subarray(0, bytesRead)
  }
}
