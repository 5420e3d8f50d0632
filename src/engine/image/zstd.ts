import { createReadStream } from 'node:fs'
import { constants, createZstdCompress, createZstdDecompress, type ZstdCompress } from 'node:zlib'

/** Streams move in pieces this large: small ones cost more than the decompression. */
const piece = 2 ** 20

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

/** Level 3 with two workers: the same bytes on any number of processors. */
export function zstdCompressor(): ZstdCompress {
  return createZstdCompress({
    chunkSize: piece,
    params: { [constants.ZSTD_c_compressionLevel]: 3, [constants.ZSTD_c_nbWorkers]: 2 },
  })
}
