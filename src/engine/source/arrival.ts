import { type FileHandle, open, rm } from 'node:fs/promises'
import type { IncomingMessage } from 'node:http'
import { dirname } from 'node:path'
import { YoeError } from '../errors.ts'
import { requireSpace, writeFailure } from '../store/disk.ts'
import type { Pace } from './pace.ts'
import { placeOf, type Resume } from './resume.ts'
import { Trouble } from './trouble.ts'

/** Bytes: more than any entry of a cache has. */
const largest = 17 * 2 ** 30

type Progress = (done: number, total: number | undefined) => void

/**
 * A file that comes from a server: in one answer or, where connections break, in several. It goes on only where the server
 * promises that it is still the same file, with a strong tag; otherwise it starts anew.
 */
export class Arrival implements Resume {
  readonly #path: string
  readonly #pace: Pace | undefined
  readonly #progress: Progress | undefined
  /** Bytes on disk. */
  offset = 0
  validator: string | undefined

  /** @param path absolute; what is there is written over */
  constructor(path: string, pace: Pace | undefined, progress: Progress | undefined) {
    this.#path = path
    this.#pace = pace
    this.#progress = progress
  }

  /**
   * Writes a good answer's body behind what is there.
   *
   * @param body of `response`
   * @throws {Trouble} when it is not whole; {@link YoeError} DISK_FULL, PERMISSION
   */
  async take(response: IncomingMessage, body: AsyncIterable<Uint8Array>): Promise<void> {
    try {
      const { offset, size, validator } = placeOf(response, this)
      this.offset = offset
      this.validator = validator
      const { headers } = response
      // A body whose end nobody announced may have been cut off anywhere.
      if (headers['content-length'] === undefined && headers['transfer-encoding'] === undefined)
        throw new Trouble('does not say where its answer ends', false)
      if (size !== undefined && size > largest)
        throw new Trouble(`offers ${size} bytes, at most ${largest} are accepted`, false)
      if (size !== undefined) await requireSpace(dirname(this.#path), size - offset)
      const file = await open(this.#path, offset === 0 ? 'w' : 'r+', 0o644)
      try {
        await this.#write(file, body, size)
      } finally {
        await file.close()
      }
      if (size !== undefined && this.offset !== size)
        throw new Trouble(`sent ${this.offset} of ${size} bytes`, true, 'part')
    } catch (failure) {
      response.destroy()
      if (!(failure instanceof Trouble) || failure.about === 'part' || this.validator === undefined) this.offset = 0
      if (failure instanceof Trouble || failure instanceof YoeError) throw failure
      throw await writeFailure(failure, this.#path)
    }
  }

  async #write(file: FileHandle, body: AsyncIterable<Uint8Array>, size: number | undefined): Promise<void> {
    for await (const chunk of body) {
      await this.#pace?.take(chunk.length)
      for (let done = 0; done < chunk.length; ) {
        const { bytesWritten } = await file.write(chunk, done, chunk.length - done, this.offset)
        done += bytesWritten
        this.offset += bytesWritten
      }
      if (this.offset > largest) throw new Trouble(`sends more than ${largest} bytes`, false)
      this.#progress?.(this.offset, size)
    }
  }

  /** Nothing of it stays. */
  async discard(): Promise<void> {
    this.offset = 0
    await rm(this.#path, { force: true })
  }
}
