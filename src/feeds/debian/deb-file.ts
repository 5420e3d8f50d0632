import { createHash } from 'node:crypto'
import { createWriteStream } from 'node:fs'
import { type FileHandle, mkdir, open, rename, rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { constants, createZstdCompress, type ZstdOptions, zstdCompressSync } from 'node:zlib'
import { YoeError } from '#engine/errors.ts'
import { writeFailure } from '#engine/store/disk.ts'
import { collectLitter, tempName } from '#engine/store/temp.ts'
import { arHeader, arMagic, largestMember } from './ar.ts'

/**
 * zstd: read by dpkg and apt since Debian 12 and Ubuntu 21.10 (Debian's own archive uses xz, which Node can't write),
 * several times as fast as gzip and smaller. And the same bytes on every machine: Node's zlib picks its matches by
 * what the CPU offers, so that gzip would differ between an x86 and an Arm host.
 */
const compression: ZstdOptions = {
  params: {
    [constants.ZSTD_c_compressionLevel]: 6,
    [constants.ZSTD_c_checksumFlag]: 1,
  },
}

export interface DebContent {
  /** The tar of what gets installed, streamed. */
  readonly data: Iterable<Buffer>
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
    const data = Readable.from(content.data, { objectMode: false, highWaterMark: 1 << 18 })
    await pipeline(
      data,
      createZstdCompress({ ...compression, chunkSize: 1 << 18 }),
      createWriteStream(temp.data, { flags: 'wx' }),
    )
    const control = zstdCompressSync(await content.control(), compression)
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
