import { createReadStream } from 'node:fs'
import { promisify } from 'node:util'
import { constants, createZstdDecompress, zstdCompress } from 'node:zlib'

/** Streams move in pieces this large: small ones cost more than the decompression. */
const piece = 2 ** 20

/** What is compressed at once, and how much of it side by side. */
const frame = 8 * 2 ** 20
const lanes = 3

/** The decompressed content of a zstd file. Errors of either stream reach the reader. */
export async function* readZstd(path: string): AsyncGenerator<Uint8Array> {
  const file = createReadStream(path, { highWaterMark: piece })
  const plain = createZstdDecompress({ chunkSize: piece })
  file.on('error', (failure) => plain.destroy(failure))
  file.pipe(plain)
  try {
    for await (const chunk of plain) yield chunk
  } finally {
    file.destroy()
    plain.destroy()
  }
}

const compress = promisify(zstdCompress)
const { ZSTD_c_compressionLevel, ZSTD_c_checksumFlag } = constants

/**
 * Compresses in frames of a fixed size, several at once: the same bytes on any number of processors. (A Node 24 zstd
 * stream with workers of its own fails with ERR_STREAM_PUSH_AFTER_EOF.)
 *
 * @param level 1 takes half as long as 3; a Debian root becomes a fifth larger, one of Alpine 1 %
 */
export async function* zstdFrames(chunks: AsyncIterable<Buffer>, level: 1 | 3 = 3): AsyncGenerator<Buffer> {
  const options = { chunkSize: piece, params: { [ZSTD_c_compressionLevel]: level, [ZSTD_c_checksumFlag]: 1 } }
  const running: Promise<Buffer>[] = []
  for await (const part of parts(chunks)) {
    const started = compress(part, options)
    // Whoever stops reading must not leave a failure that nobody waits for.
    started.catch(() => {})
    running.push(started)
    const oldest = running.length < lanes ? undefined : running.shift()
    if (oldest !== undefined) yield await oldest
  }
  for (const started of running) yield await started
}

async function* parts(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let waiting: Buffer[] = []
  let size = 0
  for await (const chunk of chunks) {
    for (let rest = chunk; rest.length > 0; ) {
      const taken = rest.subarray(0, frame - size)
      rest = rest.subarray(taken.length)
      waiting.push(taken)
      size += taken.length
      if (size < frame) continue
      yield Buffer.concat(waiting)
      waiting = []
      size = 0
    }
  }
  if (size > 0) yield Buffer.concat(waiting)
}
