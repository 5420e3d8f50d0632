import { closeSync, fstatSync, openSync, readSync, statSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import { YoeError } from '../errors.ts'
import { dropNote } from './log.ts'

/** Milliseconds between two looks. */
const every = 100

export interface Follow {
  /** Absolute. */
  readonly path: string
  /** Whether somebody still writes to it. */
  readonly running: () => boolean
  /** What is new, as it was written. */
  readonly emit: (bytes: Uint8Array) => void
  readonly signal: AbortSignal
}

/**
 * Gives out a log from its beginning until nobody writes to it any more. One that is replaced, since the unit is built
 * again, is followed from its beginning; of one that grew longer than logs are kept, what was dropped is told.
 *
 * @throws {YoeError} CANCELLED
 */
export async function followLog(follow: Follow): Promise<void> {
  let log = Opened.at(follow.path)
  try {
    for (;;) {
      // Asked first: what is written before the end is read after this.
      const more = follow.running()
      log?.drain(follow.emit)
      const next = Opened.at(follow.path)
      if (next !== undefined && (log === undefined || !next.same(log))) {
        next.continueAfter(log)
        log?.close()
        log = next
        continue
      }
      next?.close()
      if (!more) return
      await pause(every, undefined, { signal: follow.signal })
    }
  } catch (failure) {
    if (follow.signal.aborted) throw new YoeError('CANCELLED', 'stopped following the log', { cause: failure })
    throw failure
  } finally {
    log?.close()
  }
}

class Opened {
  readonly #fd: number
  readonly #inode: bigint
  #at = 0

  private constructor(fd: number) {
    this.#fd = fd
    this.#inode = fstatSync(fd, { bigint: true }).ino
  }

  static at(path: string): Opened | undefined {
    if (statSync(path, { throwIfNoEntry: false }) === undefined) return undefined
    try {
      return new Opened(openSync(path, 'r'))
    } catch {
      return undefined // replaced at this very moment
    }
  }

  same(other: Opened): boolean {
    return this.#inode === other.#inode
  }

  drain(emit: (bytes: Uint8Array) => void): void {
    const buffer = Buffer.alloc(64 * 1024)
    for (;;) {
      const read = readSync(this.#fd, buffer, 0, buffer.length, this.#at)
      if (read === 0) return
      this.#at += read
      emit(buffer.subarray(0, read))
    }
  }

  /**
   * A log that was too long is put in order at its end: what came before the place where something was dropped has been
   * given out already.
   */
  continueAfter(before: Opened | undefined): void {
    if (before === undefined) return
    const half = Math.floor(before.#at / 2)
    const found = Buffer.alloc(dropNote.length)
    readSync(this.#fd, found, 0, found.length, half)
    if (found.toString('latin1') === dropNote) this.#at = half
  }

  close(): void {
    closeSync(this.#fd)
  }
}
