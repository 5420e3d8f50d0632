import { promisify } from 'node:util'
import { constants, crc32, deflateRaw, type InputType, type ZlibOptions } from 'node:zlib'

/** Of every member; Alpine's own packages have 9, which is half as fast for one percent of the size. */
export const gzipLevel = 6

/** Bytes that one thread compresses at a time. What comes out depends on where they end, so this is the same everywhere. */
const piece = 1 << 20
/** How far back deflate looks. */
const windowSize = 32_768

/** Bytes that {@link Gzip.add} takes at once: pieces for four threads, which is what Node has. */
export const chunkSize: number = 4 * piece

const head = Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3])
/** An empty last block. */
const end = Buffer.from([3, 0])

const deflate: (bytes: InputType, options: ZlibOptions) => Promise<Buffer> = promisify(deflateRaw)

/**
 * One gzip member, compressed by several threads at once as pigz does it: each piece knows the end of the one before it. How
 * many threads there are changes no byte, and neither does the processor: what Node picks its matches with is the same
 * on x86-64 and on Arm (measured; a test holds the digest).
 */
export class Gzip {
  readonly #put: (bytes: Buffer) => Promise<void>
  #before: Promise<void>
  #window: Buffer | undefined
  #crc = 0
  #size = 0

  /** @param put gets what comes out, in order */
  constructor(put: (bytes: Buffer) => Promise<void>) {
    this.#put = put
    this.#before = put(head)
    this.#before.catch(() => {})
  }

  /**
   * Starts with the chunk and waits for the one before: that one's memory may be used again then.
   *
   * @param chunk of exactly {@link chunkSize} bytes, if not the last
   */
  async add(chunk: Buffer): Promise<void> {
    const before = this.#before
    const jobs: Promise<Buffer>[] = []
    for (let at = 0; at < chunk.length; at += piece) {
      const bytes = chunk.subarray(at, at + piece)
      const dictionary = at === 0 ? this.#window : chunk.subarray(at - windowSize, at)
      // Room for all of it: otherwise each 16 KiB would be a job of its own.
      const room = { chunkSize: bytes.length + (bytes.length >> 8) + 1024 }
      jobs.push(deflate(bytes, { ...options, ...room, ...(dictionary === undefined ? {} : { dictionary }) }))
    }
    this.#window = Buffer.from(chunk.subarray(-windowSize))
    this.#crc = crc32(chunk, this.#crc)
    this.#size += chunk.length
    this.#before = (async () => {
      const done = await Promise.all(jobs)
      await before
      for (const bytes of done) await this.#put(bytes)
    })()
    this.#before.catch(() => {})
    await before
  }

  /** After the last chunk. */
  async end(): Promise<void> {
    await this.#before
    const tail = Buffer.alloc(8)
    tail.writeUInt32LE(this.#crc, 0)
    tail.writeUInt32LE(this.#size % 2 ** 32, 4)
    await this.#put(Buffer.concat([end, tail]))
  }

  /** Waits until nothing is under way. */
  async abandon(): Promise<void> {
    await this.#before.catch(() => {})
  }
}

const options = { level: gzipLevel, finishFlush: constants.Z_SYNC_FLUSH } as const

/** The bytes as one gzip member. */
export async function gzipMember(...parts: readonly Buffer[]): Promise<Buffer> {
  const out: Buffer[] = []
  const gzip = new Gzip(async (bytes) => {
    out.push(bytes)
  })
  const whole = Buffer.concat(parts)
  for (let at = 0; at < whole.length; at += chunkSize) await gzip.add(whole.subarray(at, at + chunkSize))
  await gzip.end()
  return Buffer.concat(out)
}
