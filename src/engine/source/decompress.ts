import { createReadStream } from 'node:fs'
import { open, stat } from 'node:fs/promises'
import type { Transform } from 'node:stream'
import { createGunzip, createZstdDecompress } from 'node:zlib'
import { defaultLimits, type Worker } from '../build/worker.ts'
import { YoeError } from '../errors.ts'
import { errorCode } from '../store/disk.ts'

/** Bytes of a file from `start`, `size` of them. */
export interface Part {
  readonly path: string
  readonly start: number
  readonly size: number
}

/** How bytes are packed; undefined: not at all, as far as their beginning tells. */
export type Packing = 'gzip' | 'zstd' | 'xz' | 'bzip2' | 'lzip'

export interface Unpacking {
  readonly worker: Worker
  /** Root whose programs unpack what Node can't: the unit's toolchain. */
  readonly root: string | 'host'
  /** Names the archive in errors. */
  readonly title: string
  /** Most bytes that may come out. */
  readonly limit: number
  readonly signal?: AbortSignal | undefined
}

const magics: Readonly<Record<Packing, string>> = {
  gzip: '1f8b',
  zstd: '28b52ffd',
  xz: 'fd377a585a00',
  bzip2: '425a68',
  lzip: '4c5a4950',
}

/** Debian's packages of the programs that unpack in the sandbox. */
const programs = { xz: 'xz-utils', bzip2: 'bzip2', lzip: 'lzip' } as const

/** Streams move in pieces this large: small ones cost more than the decompression. */
const piece = 2 ** 20

/** The first bytes of a part, up to `length`. */
export async function headOf({ path, start, size }: Part, length: number): Promise<Buffer> {
  const file = await open(path, 'r')
  try {
    const head = Buffer.alloc(Math.min(length, size))
    const { bytesRead } = await file.read(head, 0, head.length, start)
    return head.subarray(0, bytesRead)
  } finally {
    await file.close()
  }
}

/** By the first bytes of a file; undefined when it is not packed, or in a way that is not known. */
export function packingOf(head: Buffer): Packing | undefined {
  const start = head.toString('hex')
  // Frames that zstd skips come first where pzstd wrote them.
  if (/^5.2a4d18/.test(start)) return 'zstd'
  return (Object.keys(magics) as Packing[]).find((packing) => start.startsWith(magics[packing]))
}

/** All of a file, as a part of itself. */
export async function wholeFile(path: string): Promise<Part> {
  return { path, start: 0, size: (await stat(path)).size }
}

/**
 * What a part is when it is unpacked; xz, bzip2 and lzip are by programs in the sandbox. The bytes of those come at their
 * own pace: whoever reads must take each chunk without waiting for anything else.
 *
 * @throws {YoeError} ARCHIVE_UNSAFE when it is damaged, cut off, has something behind it or becomes larger than the limit;
 *   TOOL_MISSING when the root lacks the program; CANCELLED
 */
export async function* unpacked(
  part: Part,
  packing: Packing | undefined,
  { worker, root, title, limit, signal }: Unpacking,
): AsyncGenerator<Uint8Array> {
  let size = 0
  for await (const chunk of streamOf()) {
    if (signal?.aborted) throw new YoeError('CANCELLED', `unpacking ${title} was cancelled`)
    size += chunk.length
    if (size > limit) throw unsafe(title, `it has more than ${limit} bytes`)
    yield chunk
  }

  function streamOf(): AsyncGenerator<Uint8Array> {
    switch (packing) {
      case undefined:
      case 'gzip':
      case 'zstd':
        return unpackedByNode(part, packing, title)
      case 'xz':
      case 'bzip2':
      case 'lzip':
        return byProgram(part, packing, { worker, root, title, limit, signal })
      default:
        return packing satisfies never
    }
  }
}

/**
 * {@link unpacked} of what needs no program, and without a limit.
 * @throws {YoeError} ARCHIVE_UNSAFE when it is damaged, cut off or has something behind it
 */
export function unpackedByNode(
  part: Part,
  packing: 'gzip' | 'zstd' | undefined,
  title: string,
): AsyncGenerator<Uint8Array> {
  if (packing === undefined) return plain(part)
  return byNode(part, packing === 'gzip' ? createGunzip : createZstdDecompress, title)
}

async function* plain({ path, start, size }: Part): AsyncGenerator<Uint8Array> {
  if (size > 0) yield* createReadStream(path, { start, end: start + size - 1, highWaterMark: piece })
}

/** A stream of Node's ends with the first frame (or with zeros behind the last member): the rest is a stream of its own. */
async function* byNode(
  { path, start, size }: Part,
  create: (options: { chunkSize: number }) => Transform & { readonly bytesWritten: number },
  title: string,
): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < size; ) {
    const rest = { path, start: start + at, size: size - at }
    // Tapes are filled up with zeros.
    if (at > 0 && (await isZeros(rest))) return
    const file = createReadStream(path, { start: rest.start, end: start + size - 1, highWaterMark: piece })
    const stream = create({ chunkSize: piece })
    file.on('error', (failure) => stream.destroy(failure))
    file.pipe(stream)
    try {
      for await (const chunk of stream) yield chunk
    } catch (failure) {
      const code = errorCode(failure)
      throw /^(Z_|ZSTD_)/.test(code) || code === '' ? unsafe(title, 'it is damaged or cut off') : failure
    } finally {
      file.destroy()
      stream.destroy()
    }
    if (stream.bytesWritten === 0) throw unsafe(title, 'it is damaged')
    at += stream.bytesWritten
  }
}

async function isZeros(part: Part): Promise<boolean> {
  for await (const chunk of plain(part)) if (chunk.some((byte) => byte !== 0)) return false
  return true
}

async function* byProgram(
  { path, start, size }: Part,
  packing: keyof typeof programs,
  { worker, root, title, limit, signal }: Unpacking,
): AsyncGenerator<Uint8Array> {
  const stop = new AbortController()
  const inbox = new Inbox()
  // What programs say would come between the bytes.
  const from = `tail -c +${start + 1} /build/archive 2>/dev/null | head -c ${size}`
  const command = `command -v ${packing} >/dev/null || exit 127; ${from} | ${packing} -dc 2>/dev/null`
  const running = worker
    .run({
      root,
      argv: ['sh', '-c', command],
      env: { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C', TZ: 'UTC' },
      cwd: '/',
      mounts: [{ source: path, target: '/build/archive', writable: false }],
      network: false,
      identity: 'user',
      limits: { ...defaultLimits, outputBytes: limit + piece },
      output: (chunk) => inbox.push(chunk),
      signal: signal === undefined ? stop.signal : AbortSignal.any([stop.signal, signal]),
    })
    .finally(() => inbox.end())
  running.catch(() => {})
  try {
    yield* inbox.chunks()
    const result = await running
    if (result.kind === 'killed') throw unsafe(title, result.why)
    if (result.code === 127) {
      throw new YoeError('TOOL_MISSING', `the toolchain can't unpack ${title}: it has no ${packing}`, {
        hint: `add "${programs[packing]}" to the packages of the unit's toolchain`,
      })
    }
    if (result.code !== 0) throw unsafe(title, `it is damaged or cut off (${packing} ended with ${result.code})`)
  } finally {
    stop.abort()
    // A process that is left behind would hold the archive.
    await running.catch(() => {})
  }
}

/** Chunks that came and were not yet taken. */
class Inbox {
  readonly #chunks: Uint8Array[] = []
  #ended = false
  #wake: () => void = () => {}

  push(chunk: Uint8Array): void {
    this.#chunks.push(chunk)
    this.#wake()
  }

  end(): void {
    this.#ended = true
    this.#wake()
  }

  async *chunks(): AsyncGenerator<Uint8Array> {
    for (;;) {
      const chunk = this.#chunks.shift()
      if (chunk !== undefined) yield chunk
      else if (this.#ended) return
      else
        await new Promise<void>((resolve) => {
          this.#wake = resolve
        })
    }
  }
}

function unsafe(title: string, reason: string): YoeError {
  return new YoeError('ARCHIVE_UNSAFE', `${title} can't be unpacked: ${reason}`)
}
