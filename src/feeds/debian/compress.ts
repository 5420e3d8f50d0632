import { createWriteStream } from 'node:fs'
import { availableParallelism } from 'node:os'
import { pipeline } from 'node:stream/promises'
import { constants, createZstdCompress, type ZstdCompress, type ZstdOptions } from 'node:zlib'
import { YoeError } from '#engine/errors.ts'
import { errorCode } from '#engine/store/disk.ts'

/**
 * zstd: read by dpkg and apt since Debian 12 and Ubuntu 21.10 (Debian's own archive uses xz, which Node can't write),
 * several times as fast as gzip and smaller. And the same bytes on every machine: Node's zlib picks its matches by
 * what the CPU offers, so that gzip would differ between an x86 and an Arm host.
 */
export const compression = {
  [constants.ZSTD_c_compressionLevel]: 6,
  [constants.ZSTD_c_checksumFlag]: 1,
} as const

/** What one thread compresses. The bytes that come out depend on where jobs end, so this is the same everywhere. */
const job = 4 << 20

/** Bytes that {@link Compression.add} takes at once: a job for each of the threads. */
export const chunkSize: number = 4 * job

/** More would have nothing to do, and cost memory. */
const mostThreads = chunkSize / job

/**
 * Compresses into one file, as one frame (dpkg reads no second one), with several threads at once. How many changes no
 * byte: even one is a thread beside the stream's own, since zstd cuts jobs only where it has threads for them.
 */
export class Compression {
  /** Settles when all is in the file, and rejects with what went wrong anywhere. */
  readonly written: Promise<void>
  readonly #zstd: ZstdCompress
  #before: Promise<void> = Promise.resolve()

  /** @param path of the file, which must not be there yet @throws {YoeError} TOOL_MISSING */
  constructor(path: string, threads: number = Math.min(availableParallelism(), mostThreads)) {
    this.#zstd = zstdStream(threads)
    this.written = pipeline(this.#zstd, createWriteStream(path, { flags: 'wx' }))
    this.written.catch(() => {})
  }

  /**
   * Starts with the next chunk when the one before is done; that one's memory may be used again then.
   *
   * @param chunk of exactly {@link chunkSize} bytes, if not the last: where chunks end shows in what comes out
   */
  async add(chunk: Buffer): Promise<void> {
    await this.#before
    this.#before = new Promise((done, failed) => {
      // A stream that came to an end says only so; the file knows why.
      this.#zstd.write(chunk, (failure) => (failure ? this.written.then(done, failed) : done()))
    })
    this.#before.catch(() => {})
  }

  /** After the last chunk. */
  async end(): Promise<void> {
    await this.#before
    this.#zstd.end()
    await this.written
  }

  /** Stops, and waits until nothing is under way. */
  async abandon(): Promise<void> {
    this.#zstd.destroy(new Error('not wanted any more'))
    await this.#before.catch(() => {})
    await this.written.catch(() => {})
  }
}

function zstdStream(threads: number): ZstdCompress {
  const options: ZstdOptions = {
    params: {
      ...compression,
      [constants.ZSTD_c_nbWorkers]: threads,
      [constants.ZSTD_c_jobSize]: job,
    },
    // Else zstd returns before its threads have taken all, which Node's stream understands as the end.
    flush: constants.ZSTD_e_flush,
    // Room for a whole chunk: while the event loop is busy, nobody could give more.
    chunkSize,
  }
  try {
    return createZstdCompress(options)
  } catch (failure) {
    if (errorCode(failure) !== 'ERR_ZLIB_INITIALIZATION_FAILED') throw failure
    throw new YoeError('TOOL_MISSING', 'this Node.js compresses without threads, which gives packages other bytes', {
      hint: 'use a Node.js from nodejs.org, whose zstd has them',
      cause: failure,
    })
  }
}
