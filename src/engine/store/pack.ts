import { createHash } from 'node:crypto'
import { type FileHandle, open } from 'node:fs/promises'
import { pipeline } from 'node:stream/promises'
import { constants, createZstdCompress, createZstdDecompress } from 'node:zlib'
import { YoeError } from '../errors.ts'
import {
  decodeManifest,
  distrust,
  encodeManifest,
  maxManifestBytes,
  type SealedManifest,
  type Trust,
  type UnitFile,
} from './manifest.ts'
import { blocksOf, readBlocks } from './objects.ts'
import type { Store } from './store.ts'

/*
 * One unit as one file, for stores where a request costs more than a byte: a line that names the format, a line with the
 * manifest's length, the manifest, and the files' contents in its order, each digest once, as one zstd stream. No names.
 * The fastest level: packages are compressed already, and of a disk image most is zeros.
 */
const head = 'yoe-unit/1\n'
const headBytes = head.length + '00000000\n'.length
const zstd = { params: { [constants.ZSTD_c_compressionLevel]: 1, [constants.ZSTD_c_checksumFlag]: 1 } }
/** Streams move in pieces this large: small ones cost more than the compression. */
const pieceBytes = 2 ** 20

/**
 * Writes a unit's entry.
 *
 * @throws {YoeError} STORE_DAMAGED when an object that the manifest lists is not (or no longer) in the store
 */
export async function packUnit(store: Store, sealed: SealedManifest, dest: string): Promise<void> {
  const manifest = encodeManifest(sealed)
  const file = await open(dest, 'w', 0o644)
  try {
    await file.writeFile(`${head}${String(manifest.length).padStart(8, '0')}\n`)
    await file.writeFile(manifest)
    const compress = createZstdCompress({ ...zstd, chunkSize: pieceBytes })
    await pipeline(contents(store, sealed), compress, (packed) => file.writeFile(packed))
  } finally {
    await file.close()
  }
}

async function* contents(store: Store, { manifest }: SealedManifest): AsyncGenerator<Uint8Array> {
  for (const { name, sha256 } of distinct(manifest.files)) {
    const path = await store.objects.path(sha256)
    if (path === undefined)
      throw new YoeError('STORE_DAMAGED', `${name} of ${manifest.unit} is missing in ${store.root}`)
    yield* copies(readBlocks(path))
  }
}

/** A stream keeps pieces for longer than the reader of blocks leaves them alone. */
async function* copies(blocks: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
  for await (const block of blocks) yield Buffer.from(block)
}

/**
 * Takes a unit's entry that came from elsewhere into the store, objects first, if `trust` allows.
 *
 * @returns what is now recorded in the store, or why the entry is not used
 * @throws {YoeError} DISK_FULL, PERMISSION
 */
export async function unpackUnit(
  store: Store,
  path: string,
  arch: string,
  hash: string,
  trust: Trust,
): Promise<SealedManifest | string> {
  const file = await open(path, 'r')
  try {
    const opened = await readHead(file, arch, hash)
    if (typeof opened === 'string') return opened
    const { sealed, start } = opened
    const doubt = distrust(sealed, trust)
    if (doubt !== undefined) return doubt
    const signed = distrust(sealed, { ...trust, unsigned: false }) === undefined
    if (!signed && sealed.scope === 'untrusted' && store.scope === 'trusted')
      return 'a run that anybody can start made it'
    const reason = await takeObjects(file, start, distinct(sealed.manifest.files), {
      has: async (sha256) => (await store.objects.path(sha256)) !== undefined,
      put: (chunks, expected) => store.objects.put(chunks, expected),
    })
    if (reason !== undefined) return reason
    // Whoever takes unsigned entries into a trusted store vouches for who can write to where they come from.
    const scope = signed ? 'trusted' : store.scope
    const local = { ...sealed, scope } as const
    await store.record(local)
    return local
  } finally {
    await file.close()
  }
}

/**
 * Reads every byte of an entry, and takes none.
 * @returns what it holds, or what is wrong with it; whether anybody may be believed is not asked
 */
export async function checkEntry(path: string, arch: string, hash: string): Promise<SealedManifest | string> {
  const file = await open(path, 'r')
  try {
    const opened = await readHead(file, arch, hash)
    if (typeof opened === 'string') return opened
    const { sealed, start } = opened
    const wrong = await takeObjects(file, start, distinct(sealed.manifest.files), {
      has: async () => false,
      put: async (chunks, { sha256 }) => {
        const sum = createHash('sha256')
        for await (const chunk of chunks) sum.update(chunk)
        if (sum.digest('hex') !== sha256) throw new YoeError('DIGEST_MISMATCH', 'an object is damaged')
      },
    })
    return wrong ?? sealed
  } finally {
    await file.close()
  }
}

async function readHead(
  file: FileHandle,
  arch: string,
  hash: string,
): Promise<{ readonly sealed: SealedManifest; readonly start: number } | string> {
  const start = await readExactly(file, 0, headBytes)
  const length = Number(/^(\d{8})\n$/.exec(start.toString('latin1', head.length))?.[1])
  if (start.toString('latin1', 0, head.length) !== head || Number.isNaN(length)) return 'it is no yoe-unit/1 entry'
  if (length > maxManifestBytes) return 'its manifest is too large'
  const sealed = decodeManifest(await readExactly(file, headBytes, length), arch, hash)
  return typeof sealed === 'string' ? sealed : { sealed, start: headBytes + length }
}

/** Where the contents of an entry go. */
interface Destination {
  has(sha256: string): Promise<boolean>
  /** @throws {YoeError} DIGEST_MISMATCH */
  put(chunks: AsyncIterable<Uint8Array>, expected: { readonly sha256: string; readonly size: number }): Promise<unknown>
}

async function takeObjects(
  file: FileHandle,
  start: number,
  files: readonly UnitFile[],
  into: Destination,
): Promise<string | undefined> {
  const size = files.reduce((sum, file) => sum + file.size, 0)
  const plain = createZstdDecompress({ chunkSize: Math.max(2 ** 16, Math.min(pieceBytes, size)) })
  // What goes wrong reaches whoever reads `plain`; when nobody does any more, it is nobody's.
  plain.on('error', () => {})
  const reading = pipeline(copies(blocksOf(file, start)), plain).catch(() => {})
  const body = new Body(plain)
  try {
    for (const { name, sha256, size } of files) {
      const known = await into.has(sha256)
      try {
        if (known) for await (const _ of body.take(size));
        else await into.put(body.take(size), { sha256, size })
      } catch (failure) {
        if (failure instanceof YoeError && failure.code === 'DIGEST_MISMATCH')
          return `the content of ${name} is not what its manifest says`
        throw failure
      }
    }
    for await (const _ of body.take(1)) return 'it goes on where its manifest ends'
    return undefined
  } catch (failure) {
    if (isDamage(failure)) return `its content can't be unpacked (${failure.message})`
    throw failure
  } finally {
    plain.destroy()
    await reading
  }
}

/** What zlib says of a stream that is no zstd, or not all of one; a disk that can't be read has another code. */
function isDamage(failure: unknown): failure is Error {
  return failure instanceof Error && 'code' in failure && /^(ZSTD_|Z_|ERR_BUFFER_TOO_LARGE)/.test(String(failure.code))
}

/** One stream, read in parts of known sizes. */
class Body {
  readonly #chunks: AsyncIterator<Buffer>
  #rest: Buffer = Buffer.alloc(0)

  constructor(chunks: AsyncIterable<Buffer>) {
    this.#chunks = chunks[Symbol.asyncIterator]()
  }

  /** Its next `size` bytes; fewer where it ends. */
  async *take(size: number): AsyncGenerator<Uint8Array> {
    for (let left = size; left > 0; ) {
      if (this.#rest.length === 0) {
        const { value, done } = await this.#chunks.next()
        if (done === true) return
        this.#rest = value
      }
      const part = this.#rest.subarray(0, left)
      this.#rest = this.#rest.subarray(part.length)
      left -= part.length
      if (part.length > 0) yield part
    }
  }
}

/** Each content once; two files of one digest but different sizes stay two, and the second then fails. */
function distinct(files: readonly UnitFile[]): readonly UnitFile[] {
  return [...new Map(files.map((file) => [`${file.sha256}:${file.size}`, file])).values()]
}

/** Shorter where the file ends. */
async function readExactly(file: FileHandle, start: number, length: number): Promise<Buffer> {
  const blocks: Buffer[] = []
  for await (const block of blocksOf(file, start, length)) blocks.push(Buffer.from(block))
  return Buffer.concat(blocks)
}
