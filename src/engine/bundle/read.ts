import { constants } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { YoeError } from '../errors.ts'
import { errorCode } from '../store/disk.ts'
import type { Trust } from '../store/manifest.ts'
import { blocksOf } from '../store/objects.ts'
import type { CacheKey } from '../store/signing.ts'
import { parseCacheKey } from '../store/signing.ts'
import type { BundleIndex, BundleObject } from './document.ts'
import { decodeIndex, maxIndexBytes, scheme } from './document.ts'
import { contentOf, writtenBytes } from './holes.ts'
import { lengthDigits, signedBytes } from './write.ts'

const head = `${scheme}\n`
/** A key and a signature have less. */
const longestSignature = 200

/** A bundle's file. Its index is whole and well-formed, and so is its length; what its objects hold was not looked at. */
export class Bundle implements AsyncDisposable {
  readonly index: BundleIndex
  /** Bytes of the file. */
  readonly size: number
  /** Whose signature is on the index, and right; undefined: nobody's. */
  readonly signer: string | undefined
  readonly #file: FileHandle
  readonly #signed: Uint8Array
  readonly #signature: string
  readonly #places: ReadonlyMap<string, { readonly start: number; readonly object: BundleObject }>

  private constructor(file: FileHandle, parts: Parts, index: BundleIndex, signer: CacheKey | undefined) {
    this.#file = file
    this.index = index
    this.size = parts.size
    this.signer = signer?.id
    this.#signed = signedBytes(parts.text)
    this.#signature = parts.signature
    const places = new Map<string, { start: number; object: BundleObject }>()
    let start = parts.start
    for (const object of index.objects) {
      places.set(object.sha256, { start, object })
      start += writtenBytes(object)
    }
    this.#places = places
  }

  /** @throws {YoeError} BUNDLE_INVALID with what is wrong; FETCH_FAILED when it can't be read */
  static async open(path: string): Promise<Bundle> {
    // A pipe would keep us waiting for whoever writes to it.
    const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK).catch((failure: unknown) => {
      throw new YoeError('FETCH_FAILED', `${path} can't be read (${errorCode(failure)})`, { hint: `ls -l ${path}` })
    })
    try {
      if (!(await file.stat()).isFile()) throw damaged(path, 'it is no file')
      const parts = await partsOf(file, path)
      const [publicKey = '', signature = '', ...more] = parts.signature.split(' ')
      const key = parts.signature === 'unsigned' ? undefined : keyOf(publicKey)
      if (key !== undefined && (more.length > 0 || !key.verify(signedBytes(parts.text), signature)))
        throw damaged(path, `its signature by key ${key.id} is wrong`)
      if (key === undefined && parts.signature !== 'unsigned') throw damaged(path, 'its signature is not one')
      const index = decodeIndex(parts.text)
      if (typeof index === 'string') throw damaged(path, index)
      const expected = index.objects.reduce((sum, object) => sum + writtenBytes(object), parts.start)
      if (parts.size < expected) throw damaged(path, `it is cut off: ${expected - parts.size} bytes are missing`)
      if (parts.size > expected) throw damaged(path, `it goes on for ${parts.size - expected} bytes after its end`)
      return new Bundle(file, { ...parts, signature }, index, key)
    } catch (failure) {
      await file.close()
      throw failure
    }
  }

  /** Why this bundle is not believed; undefined when it is. */
  distrust(trust: Trust): string | undefined {
    if (this.signer === undefined) return trust.unsigned ? undefined : 'nobody signed it'
    const refusal = trust.refused?.get(this.signer)
    if (refusal !== undefined) return refusal
    const key = trust.keys.find(({ id }) => id === this.signer)
    if (key === undefined)
      return trust.unsigned ? undefined : `key ${this.signer} signed it, which the project does not name`
    return key.verify(this.#signed, this.#signature) ? undefined : `its signature by key ${key.id} is wrong`
  }

  /** What an object of the index is said to be, and its bytes, which may be others. */
  object(sha256: string): { readonly size: number; content(): AsyncGenerator<Uint8Array> } {
    const place = this.#places.get(sha256)
    if (place === undefined) throw new TypeError(`no object ${sha256}`)
    const { start, object } = place
    return { size: object.size, content: () => contentOf(this.#file, start, object) }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#file.close()
  }
}

interface Parts {
  readonly text: Buffer
  /** `unsigned`, or a key and its signature. */
  readonly signature: string
  /** Where objects begin. */
  readonly start: number
  /** Bytes of the file. */
  readonly size: number
}

async function partsOf(file: FileHandle, path: string): Promise<Parts> {
  const { size } = await file.stat()
  const lengthAt = head.length
  const textAt = lengthAt + lengthDigits + 1
  const start = (await readAt(file, 0, textAt)).toString('latin1')
  if (!start.startsWith(head)) throw damaged(path, 'it is no bundle, or one of another version of yoe')
  const length = Number(/^(\d{12})\n$/.exec(start.slice(lengthAt))?.[1])
  if (Number.isNaN(length)) throw damaged(path, 'the length of its index is no number')
  if (length > maxIndexBytes) throw damaged(path, `its index has more than ${maxIndexBytes} bytes`)
  if (textAt + length >= size) throw damaged(path, 'it is cut off in its index')
  const text = await readAt(file, textAt, length)
  const line = (await readAt(file, textAt + length, longestSignature)).toString('latin1')
  const end = line.indexOf('\n')
  if (end === -1) throw damaged(path, 'the end of its signature is missing')
  return { text, signature: line.slice(0, end), start: textAt + length + end + 1, size }
}

function keyOf(text: string): CacheKey | undefined {
  try {
    return parseCacheKey(text)
  } catch (failure) {
    if (failure instanceof YoeError) return undefined
    throw failure
  }
}

/** Shorter where the file ends. */
async function readAt(file: FileHandle, start: number, length: number): Promise<Buffer> {
  const blocks: Buffer[] = []
  for await (const block of blocksOf(file, start, length)) blocks.push(Buffer.from(block))
  return Buffer.concat(blocks)
}

/** A bundle that is not used, and why. */
export function damaged(path: string, why: string): YoeError {
  return new YoeError('BUNDLE_INVALID', `${path} can't be used: ${why}`, { hint: 'copy it again, or export it again' })
}
